"""Takes pictures of every page: ``python -m tests.browser.screenshots [FOLDER]``.

A stack of its own has simulated shops. ``docs/pictures`` keeps
those that the README shows; the rest lies in ``docs/pictures/all``, which git ignores.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser

from hookline.send import examples
from tests import ROOT
from tests.browser import chromium
from tests.browser.desk import hookline, running, settled

FOLDER = ROOT / "docs" / "pictures"
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
SHOWN = ("now-wide-light", "journey-wide-light")
"""Those of the README."""
SIMULATED = ("--for", "45s", "--rate", "60", "--seed", "7", "--days", "120", "--malformed", "0.01")


@contextmanager
def _stack() -> Iterator[tuple[str, str]]:
    """Run a stack; yields its dashboard's URL and a delivery with a whole way."""
    with tempfile.TemporaryDirectory() as data, running(Path(data), SIMULATED) as desk:
        hookline(Path(data), "predict")
        delivery = desk.send("run-free", examples.load("run-free", "cart-change"))
        settled(desk, delivery)
        yield desk.url, delivery


def paths(url: str, delivery: str) -> dict[str, str]:
    """By name of the picture, the page."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        shop: str = client.get("/shops.json").json()["shops"][0]["shop"]
        customers = client.get("/customers.json").json()["top"]
    person = f"{customers[0]['shop']}/{customers[0]['customer']}" if customers else shop
    return {
        "now": "now", "journey": f"journey?q={delivery}", "journey-empty": "journey",
        "journey-list": f"journey?q={person}", "shops": "shops", "shop": f"shops/{shop}",
        "carts": "carts?days=365", "customers": "customers",
    }  # fmt: skip


def take(browser: Browser, url: str, delivery: str, folder: Path) -> None:
    """Take all pictures."""
    (folder / "all").mkdir(parents=True, exist_ok=True)
    for width, (across, down) in WIDTHS.items():
        for scheme in ("light", "dark"):
            size: Any = {"width": across, "height": down}
            context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            for name, path in paths(url, delivery).items():
                page.goto(f"{url}/{path}")
                if name == "now":
                    page.wait_for_timeout(2500)  # a rate is of two looks
                    page.reload()
                picture = f"{name}-{width}-{scheme}"
                page.screenshot(path=folder / "all" / f"{picture}.png", full_page=True)
                if picture in SHOWN:
                    page.screenshot(path=folder / f"{picture}.png")
            context.close()


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    given = parser.parse_args()
    if chromium.path() is None:
        raise SystemExit(chromium.MISSING)
    with _stack() as (url, delivery), chromium.launched() as browser:
        take(browser, url, delivery, given.folder)


if __name__ == "__main__":
    main()
