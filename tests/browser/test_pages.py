"""Every page in a real browser: figures, filters, colours, sizes, keyboard, hostile texts."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from playwright.sync_api import Browser, Page, expect

from hookline.send import examples
from hookline.send.json_edits import parse_edit
from hookline.send.sender import edited
from tests.browser import chromium
from tests.browser.desk import PASSWORD, Desk, letter_paths, running, settled, with_hostile

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(400),
    pytest.mark.skipif(chromium.path() is None, reason=chromium.MISSING),
]
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
PAGES = ("now", "journey", "shops", "carts", "customers", "dead-letters")
AXE = (Path(__file__).with_name("vendored") / "axe.min.js").read_text()
WATCH = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__violations.push(event.violatedDirective + " " + event.blockedURI);
});
"""
LONG = os.environ.get("LONG") == "1"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("browser")) as ready:
        yield with_hostile(ready)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.launched() as launched:
        yield launched


@dataclass(slots=True)
class Tab:
    """A tab, and all that went wrong in it."""

    page: Page
    desk: Desk
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Open a page and wait until its scripts have run."""
        self.page.goto(f"{self.desk.url}/{path}", wait_until="load")
        expect(self.page.locator("h1")).to_have_count(1)


@contextmanager
def tab(browser: Browser, desk: Desk, **options: Any) -> Iterator[Tab]:
    """Open a tab; at its end nothing has run that should not, and nothing was reported."""
    context = browser.new_context(**options)
    context.add_init_script(WATCH)
    page = context.new_page()
    opened = Tab(page, desk)

    def dialog(shown: Any) -> None:
        opened.faults.append(f"dialog: {shown.message}")
        shown.dismiss()

    def console(message: Any) -> None:
        if message.type in ("error", "warning"):
            opened.faults.append(f"{message.type}: {message.text}")

    page.on("pageerror", lambda error: opened.faults.append(f"error: {error}"))
    page.on("dialog", dialog)
    page.on("console", console)
    try:
        yield opened
        if options.get("java_script_enabled", True):
            assert page.evaluate("window.__violations") == []
            assert page.evaluate("window.__xss === undefined")
        assert opened.faults == []
    finally:
        context.close()


def paths(desk: Desk) -> list[str]:
    """The pages with their figures, a shop's own page and each answer of Journey."""
    shop = desk.get("/shops.json")["shops"][0]["shop"]
    cart = desk.get("/carts.json?days=90")["carts"][0]["cart_key"]
    return [
        *PAGES, f"shops/{shop}", f"journey?q={desk.hostile[0]}&body=1", "carts?days=90",
        f"journey?q={cart}", *letter_paths(desk).values(), "login",
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_opens_without_an_error_and_axe_finds_nothing(
    browser: Browser, desk: Desk, scheme: Scheme
) -> None:
    with tab(browser, desk, color_scheme=scheme) as opened:
        for path in paths(desk):
            opened.open(path)
            opened.page.evaluate(AXE)
            found = opened.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            assert [
                (path, each["id"], [node["target"] for node in each["nodes"]][:5])
                for each in found["violations"]
            ] == []


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_group_is_discarded_after_a_login_and_its_job_shows_no_fault(
    browser: Browser, desk: Desk, has_scripts: bool
) -> None:
    with tab(browser, desk, java_script_enabled=has_scripts) as opened:
        page = opened.page
        opened.open("dead-letters?reason=malformed-body")
        page.locator("main tbody th a").first.click()
        page.get_by_role("link", name=re.compile("^Settle")).click()
        expect(page.locator("h1")).to_contain_text("Settle")
        page.get_by_role("link", name="Log in to replay or discard").click()
        page.locator("#password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#h-would")).to_be_visible()
        page.locator("#a-because").fill("a test of the page")
        # A body that cannot be read would be refused again: discarding is the main button.
        page.locator("button.primary").click()
        page.wait_for_url("**/dead-letters/jobs/*")
        if has_scripts:
            expect(page.locator(".title .badge")).to_have_text("done")
            page.evaluate(AXE)
            found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            assert [each["id"] for each in found["violations"]] == []


def test_light_and_dark_are_two_grounds_and_every_answer_has_the_whole_policy(
    browser: Browser, desk: Desk
) -> None:
    grounds = set()
    for scheme in SCHEMES:
        with tab(browser, desk, color_scheme=scheme) as opened:
            answer = opened.page.goto(f"{desk.url}/now")
            assert answer is not None
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'self';")
            assert "unsafe" not in policy
            grounds.add(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == len(SCHEMES)


@pytest.mark.parametrize("has_scripts", [True, False])
def test_on_a_telephone_no_page_scrolls_sideways(
    browser: Browser, desk: Desk, has_scripts: bool
) -> None:
    size: Any = {"width": 390, "height": 844}
    with tab(browser, desk, viewport=size, java_script_enabled=has_scripts) as opened:
        for path in paths(desk):
            opened.open(path)
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_every_filter_changes_the_address_and_the_figures(browser: Browser, desk: Desk) -> None:
    with tab(browser, desk) as opened:
        page = opened.page
        for path in ("carts", "customers"):
            opened.open(path)
            for name in page.locator(".filters select").evaluate_all("all => all.map(e => e.name)"):
                opened.open(path)
                figures = page.locator("#results")
                before = figures.inner_text()
                select = page.locator(f"select[name={name}]")
                values = select.locator("option:not(:checked)").evaluate_all(
                    "all => all.map(e => e.value).filter(e => e)"
                )
                for value in values[:2]:
                    select.select_option(value)
                    page.wait_for_url(lambda url, name=name: f"{name}=" in url)
                    expect(figures).not_to_have_text(before, use_inner_text=True)


def test_without_scripts_pages_are_read_filtered_and_searched(browser: Browser, desk: Desk) -> None:
    with tab(browser, desk, java_script_enabled=False) as opened:
        page = opened.page
        for path in paths(desk):
            opened.open(path)
            expect(page.locator("main")).to_contain_text(re.compile(r"\w{3}"))
        opened.open("carts")
        page.locator("select[name=days]").select_option("90")
        page.get_by_role("button", name="Apply").click()
        assert "days=90" in page.url
        opened.open("journey")
        page.locator("#q").fill(desk.hostile[0])
        page.get_by_role("button", name="Find").click()
        assert page.url.endswith(f"/journey?q={desk.hostile[0]}")
        expect(page.locator(".station").first).to_contain_text("Received")


def test_the_keyboard_reaches_content_navigation_and_search(browser: Browser, desk: Desk) -> None:
    with tab(browser, desk) as opened:
        page = opened.page
        opened.open("now")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        opened.open("carts")
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "Journey":
                break
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
        page.keyboard.press("Enter")
        page.wait_for_url("**/journey")
        page.locator("#q").focus()
        page.keyboard.type(f"  {desk.hostile[1]} ")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/journey?q={desk.hostile[1]}")


def test_an_address_that_is_looked_for_is_in_no_url_and_in_no_log(
    browser: Browser, desk: Desk
) -> None:
    with tab(browser, desk) as opened:
        opened.open("journey")
        opened.page.locator("#q").fill("nobody.of.ours@example.com")
        opened.page.get_by_role("button", name="Find").click()
        opened.page.wait_for_url("**/journey?q=person*")
        assert "nobody.of.ours" not in opened.page.content()
        opened.faults = [each for each in opened.faults if "404" not in each]
    logs = "".join(log.read_text(errors="replace") for log in (desk.data / "logs").glob("*.log"))
    assert "nobody.of.ours" not in logs


def test_hostile_texts_of_every_platform_run_nothing(browser: Browser, desk: Desk) -> None:
    assert len(desk.hostile) > 200
    with tab(browser, desk) as opened:
        for path in (*paths(desk), "carts?days=365", "customers?measure=value"):
            opened.open(path)
        shown = 0
        for delivery in desk.hostile[:: 1 if LONG else 19]:
            opened.open(f"journey?q={delivery}&body=1")
            shown += "window.__xss" in opened.page.locator("main").inner_text()
            assert opened.page.locator("main img, main script, main svg[onload]").count() == 0
        assert shown


def test_a_delivery_that_arrives_is_on_the_page_without_a_reload(
    browser: Browser, desk: Desk
) -> None:
    with tab(browser, desk) as opened:
        with opened.page.expect_response("**/events?view=customers"):
            opened.open("customers")
        opened.page.evaluate("window.__kept = true")
        before = opened.page.locator("#results").inner_text()
        shop = desk.shops["run-free"]
        order = examples.load("run-free", "order-created")
        changes = ("data.id=900001", "data.customer.id=900001", "data.ordered=now")
        sent = edited(order, [parse_edit(each) for each in changes], shop)
        settled(desk, desk.send("run-free", sent))
        expect(opened.page.locator("#results")).not_to_have_text(
            before, use_inner_text=True, timeout=90_000
        )
        assert opened.page.evaluate("window.__kept")


def test_a_tab_that_has_refreshed_often_holds_no_more_memory(browser: Browser, desk: Desk) -> None:
    # As the page does it, but without the pause that it keeps between two.
    refresh = """async (count) => {
      for (let n = 0; n < count; n++) {
        const region = document.getElementById("live");
        region.setAttribute("hx-trigger", "test:refresh");
        htmx.process(region);
        const settled = new Promise((done) => {
          document.addEventListener("htmx:afterSettle", done, {once: true});
        });
        htmx.trigger(region, "test:refresh");
        await settled;
      }
    }"""
    with tab(browser, desk) as opened:
        opened.open("now")
        session = opened.page.context.new_cdp_session(opened.page)

        def held() -> tuple[float, float]:
            session.send("HeapProfiler.collectGarbage")
            session.send("Performance.enable")
            metrics = session.send("Performance.getMetrics")["metrics"]
            values = {each["name"]: each["value"] for each in metrics}
            return values["JSHeapUsedSize"], values["Nodes"]

        opened.page.evaluate(refresh, 50)
        heap, nodes = held()
        opened.page.evaluate(refresh, 3_000 if LONG else 300)
        later_heap, later_nodes = held()
        assert later_heap < heap + 1_000_000
        assert later_nodes < nodes + 500
