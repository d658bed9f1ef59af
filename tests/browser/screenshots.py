"""Takes pictures of every page: ``python -m tests.browser.screenshots [FOLDER]``.

A stack of its own has simulated shops. ``docs/pictures`` keeps
those that the README shows; the rest lies in ``docs/pictures/all``, which git ignores.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from hookline.send import examples
from tests import ROOT
from tests.browser import chromium
from tests.browser.desk import PASSWORD, Desk, hookline, letter_paths, running, settled, until

FOLDER = ROOT / "docs" / "pictures"
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
REFUSED = (
    (b'"subtotal": 130,', b'"subtotal": "1.300,00 USD",'),
    (b'"cost": 130,', b'"cost": 123456789012345678901234567890,'),
    (b'"note": "",', b'"note": "",,'),
)
"""What is written for what, so that an order is refused."""
SHOWN = ("now-wide-light", "journey-wide-light")
"""Those of the README."""
SIMULATED = ("--for", "45s", "--rate", "60", "--seed", "7", "--days", "120", "--malformed", "0.01")


@contextmanager
def _stack() -> Iterator[tuple[Desk, str]]:
    """Run a stack; yields it and a delivery with a whole way."""
    with tempfile.TemporaryDirectory() as data, running(Path(data), SIMULATED) as desk:
        hookline(Path(data), "predict")
        delivery = desk.send("run-free", examples.load("run-free", "cart-change"))
        order = examples.load("run-free", "order-created")
        for number, (old, new) in enumerate(REFUSED * 3):
            body = order.body.replace(b"448725", b"%d" % (9_000 + number)).replace(old, new)
            settled(desk, desk.send("run-free", replace(order, body=body)))
        settled(desk, delivery)
        yield desk, delivery


def paths(desk: Desk, delivery: str) -> dict[str, str]:
    """By name of the picture, the page."""
    shop: str = desk.get("/shops.json")["shops"][0]["shop"]
    customers = desk.get("/customers.json")["top"]
    person = f"{customers[0]['shop']}/{customers[0]['customer']}" if customers else shop
    return {
        "now": "now", "journey": f"journey?q={delivery}", "journey-empty": "journey",
        "journey-list": f"journey?q={person}", "shops": "shops", "shop": f"shops/{shop}",
        "carts": "carts?days=365", "customers": "customers", **letter_paths(desk),
    }  # fmt: skip


def log_in(page: Page, url: str) -> None:
    """Log in, so that the forms that settle are shown."""
    page.goto(f"{url}/login")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/now")


def replayed(browser: Browser, desk: Desk) -> str:
    """Replay the dead letters of the first group; the page of the job that did."""
    page = browser.new_page()
    log_in(page, desk.url)
    page.goto(f"{desk.url}/{letter_paths(desk)['letters-group']}")
    page.get_by_role("link", name="Settle").click()
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url("**/dead-letters/jobs/*")
    path = page.url.removeprefix(f"{desk.url}/")
    page.close()
    until(lambda: (became := desk.get(f"/{path}.json")["became"]) and not became["waiting"])
    return path


def take(browser: Browser, desk: Desk, delivery: str, folder: Path) -> None:
    """Take all pictures."""
    url = desk.url
    pages = {**paths(desk, delivery), "letters-job": replayed(browser, desk)}
    (folder / "all").mkdir(parents=True, exist_ok=True)
    for width, (across, down) in WIDTHS.items():
        for scheme in ("light", "dark"):
            size: Any = {"width": across, "height": down}
            context = browser.new_context(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]
            page = context.new_page()
            for name, path in pages.items():
                if name == "letters":  # those before are as who only reads sees them
                    log_in(page, url)
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
    with _stack() as (desk, delivery), chromium.launched() as browser:
        take(browser, desk, delivery, given.folder)


if __name__ == "__main__":
    main()
