"""A tab of Now that stays open: what it holds, a JSON line a minute.

python -m tests.browser.open_tab http://127.0.0.1:8900

``heap_mb``: of the page's JavaScript after a collection; ``renderer_mb``: memory that the tab's
process has to itself; ``refreshes``: how often the page has drawn itself anew since the first
look.

Between the looks nothing is attached to the browser: as long as a tool is, the tab keeps the
answers that the tool might ask for, some 25 kB a refresh.
"""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from playwright.sync_api import Error, Page, sync_playwright

from hookline.local.process import Child, free_port
from tests.browser.chromium import ARGUMENTS, path

EVERY = 60.0
"""Seconds between looks."""
_START = 60.0
_COUNT = """() => {
  if (window.refreshes === undefined) {
    window.refreshes = 0;
    document.addEventListener("htmx:afterSettle", () => { window.refreshes += 1; });
  }
  return window.refreshes;
}"""


def stay(url: str) -> None:
    """Open the page, and print a line a minute until somebody ends it.

    Raises playwright's Error where the browser does not start or ends.
    """
    began = time.monotonic()
    with _browser(f"{url}/now") as (browser, address):
        while True:
            seen = {"second": round(time.monotonic() - began), **_look(browser, address)}
            print(json.dumps(seen), flush=True)
            time.sleep(EVERY)


@contextmanager
def _browser(url: str) -> Iterator[tuple[psutil.Process, str]]:
    """Yield a browser with one page, and where tools attach to it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="hookline-tab-", ignore_cleanup_errors=True) as profile:
        browser = Child(
            "chromium",
            [
                path() or "chromium", "--headless=new", *ARGUMENTS, "--window-size=1280,900",
                f"--remote-debugging-port={port}", f"--user-data-dir={profile}", url,
            ],
            Path(profile, "chromium.log"),
            directory=Path(profile),
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        try:
            browser.start()
            _wait(address)
            yield psutil.Process(browser.pid), address
        finally:
            browser.stop()


def _wait(address: str) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            with _attached(address):
                return
        except Error:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


@contextmanager
def _attached(address: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        attached = playwright.chromium.connect_over_cdp(address)
        yield attached.contexts[0].pages[0]


def _look(browser: psutil.Process, address: str) -> dict[str, float]:
    held = max(
        process.memory_full_info().uss
        for process in browser.children(recursive=True)
        if "--type=renderer" in process.cmdline()
    )
    with _attached(address) as page:
        refreshes = page.evaluate(_COUNT)
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        metrics = session.send("Performance.getMetrics")["metrics"]
        values = {each["name"]: each["value"] for each in metrics}
        return {
            "heap_mb": round(values["JSHeapUsedSize"] / 1e6, 1),
            "renderer_mb": round(held / 1e6, 1),
            "nodes": values["Nodes"],
            "refreshes": refreshes,
        }


def main() -> None:
    """Stay until somebody ends it."""
    (url,) = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the browser ends too
    stay(url)


if __name__ == "__main__":
    main()
