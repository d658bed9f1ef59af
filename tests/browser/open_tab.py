"""A tab of Now that stays open: what it holds, a JSON line a minute.

python -m tests.browser.open_tab http://127.0.0.1:8900

``heap_mb``: of the page's JavaScript after a collection; ``renderer_mb``: memory that the tab's
process has to itself; ``refreshes``: how often the page has drawn itself anew so far.
"""

import json
import sys
import time

import psutil
from playwright.sync_api import CDPSession, Page

from tests.browser.chromium import launched

EVERY = 60.0
"""Seconds between looks."""
_COUNT = """() => {
  window.refreshes = 0;
  document.addEventListener("htmx:afterSettle", () => { window.refreshes += 1; });
}"""


def stay(url: str) -> None:
    """Open the page, and print a line a minute until somebody ends it.

    Raises playwright's Error.
    """
    began = time.monotonic()
    with launched() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"{url}/now")
        page.evaluate(_COUNT)
        session = page.context.new_cdp_session(page)
        while True:
            page.wait_for_timeout(1000 * EVERY)
            seen = {"second": round(time.monotonic() - began), **_look(page, session)}
            print(json.dumps(seen), flush=True)


def _look(page: Page, session: CDPSession) -> dict[str, float]:
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = session.send("Performance.getMetrics")["metrics"]
    values = {each["name"]: each["value"] for each in metrics}
    own = [
        process.memory_full_info().uss
        for process in psutil.Process().children(recursive=True)
        if "--type=renderer" in process.cmdline()
    ]
    return {
        "heap_mb": round(values["JSHeapUsedSize"] / 1e6, 1),
        "renderer_mb": round(max(own) / 1e6, 1),
        "nodes": values["Nodes"],
        "refreshes": page.evaluate("() => window.refreshes"),
    }


def main() -> None:
    """Stay until somebody ends it."""
    (url,) = sys.argv[1:]
    stay(url)


if __name__ == "__main__":
    main()
