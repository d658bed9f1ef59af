"""Every page and every filter on real tables, read as the role that can only read."""

import html
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.testclient import TestClient

from hookline.console.errors import CommandError
from hookline.dashboard.app import create
from hookline.dashboard.database import Database
from hookline.dashboard.filters import DAYS, STATUSES
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime.settings import Settings
from schemas.events import Change, Contact, Customer, CustomerRef, Event, LineItem, OrderStatus
from sinks.postgres.migrate import migrate
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.screens import steers
from tests.sink_events import DAY, HOUR, MINUTE, SECOND, Tables, cart, line, meta, order

pytestmark = pytest.mark.stack

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}{% raw %}`x`"
    "\x1b[2J\u202eevil\u2066\u200b"
)
"""Markup, a template's syntax, and what turns the direction of writing."""
CONTACT = ("anna@example.com", "Anna Contact", "+44 20 7946 0000")
CARTS, LEFT = 40, 30
"""Carts of the shop main; of these are left."""


def events(now: int) -> Iterator[Event]:
    """Two shops of a year: customers who come back, carts of every fate, and hostile texts."""
    old = now - 200 * DAY
    who = [CustomerRef(customer_id=f"c{number}") for number in range(8)]
    for number, each in enumerate(who):
        native = each.customer_id or ""
        yield Customer(
            meta=meta("spiffy", "customer", native, old + number, change=Change.CREATED),
            customer_id=native,
            created_at=old + number,
            contact=Contact(email=CONTACT[0], name=CONTACT[1], phone=CONTACT[2]),
        )
    for number in range(24):
        yield order(
            f"o{number}",
            old + HOUR + number * 6 * DAY,
            customer=who[number % 8],
            amounts={"items_total": f"{10 + number}.00", "total": f"{10 + number}.00"},
            items=None,
        )
    yield from _carts(now, who)
    yield order(
        HOSTILE,
        now - HOUR,
        customer=CustomerRef(customer_id=HOSTILE),
        amounts={"items_total": "9000.00", "total": "9000.00"},
        items=[LineItem(line_id=HOSTILE, product_id=HOSTILE, name=HOSTILE, quantity=1)],
        status_word=HOSTILE,
        order_number=HOSTILE,
        attributes={HOSTILE: HOSTILE},
    )
    euros = order("e1", now - 2 * DAY, amounts={"items_total": "5.00", "total": "5.00"},
                  customer=CustomerRef(customer_id="x"), of_meta={"shop": "other"})  # fmt: skip
    yield msgspec.structs.replace(euros, currency="EUR")


def _carts(now: int, who: list[CustomerRef]) -> Iterator[Event]:
    """The newest ten are still in use; of the others every third comes back, one is voided."""
    for number in range(CARTS):
        at = now - 5 * MINUTE - number * SECOND if number < 10 else now - number * HOUR
        native = HOSTILE if number == 11 else f"k{number}"
        lines = [line(f"v{number}", 2)]
        yield cart(native, at, lines, token=f"t{number}", customer=who[number % 8], total="20.00")
    for number in range(12, CARTS, 3):
        at = now - number * HOUR + 2 * HOUR
        bought: dict[str, Any] = {
            "customer": who[number % 8],
            "cart_token": f"t{number}",
            "amounts": {"items_total": "20.00", "total": "20.00"},
            "items": [line(f"v{number}", 2)],
            "placed_at": at,
        }
        yield order(f"b{number}", at, **bought)
        if number == 12:
            yield order(f"b{number}", at + HOUR, status=OrderStatus.CANCELLED, **bought)


@pytest.fixture(scope="module")
def settings(live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    shops = tmp_path_factory.mktemp("dashboard") / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    fresh = replace(live_stack.settings(), shops_file=str(shops))
    migrate(fresh)
    return fresh


@pytest.fixture(scope="module")
def tables(settings: Settings) -> Tables:
    async def filled() -> Tables:
        async with Tables(settings) as ready:
            [(now,)] = ready.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
            ready.now = now
            made = list(events(now))
            for kind in ("Customer", "Cart", "Order"):
                await ready.put(each for each in made if type(each).__name__ == kind)
            await ready.passed(now)
            return ready

    ready = run_apart(filled())
    ready.execute(
        "INSERT INTO dead_letter_counts (source, shop, day, kind, reason, letters, replayed,"
        " discarded, first_received_at, last_received_at) VALUES"
        " ('spiffy', 'main', current_date, 'order', %s, 7, 2, 1, now(), now())",
        HOSTILE,
    )
    return ready


@pytest.fixture
def client(tables: Tables, live_stack: LiveStack) -> Iterator[TestClient]:
    stack = StackAddress(tables.settings, "https://hooks.example.com", live_stack.reader_url, "")
    database = Database(lambda: Reader(stack))
    yield TestClient(create(stack, database), base_url="http://127.0.0.1")
    database.close()


FILTERED = (
    *("now", "journey", "shops", "shops/spiffy/main", f"shops/run-free/{senders.SHOP}"),
    *(f"carts?days={days}" for days in DAYS),
    *(f"carts?status={status}&days=90" for status in STATUSES),
    *("carts?shop=spiffy/main", "carts?shop=spiffy/nobody", "carts?shop=&days=7&status="),
    *("customers", "customers?currency=EUR", "customers?currency=USD&measure=value"),
    *("customers?shop=spiffy/main", "customers?shop=spiffy/main&currency=XXX&measure=value"),
)


class Page(HTMLParser):
    """The elements of a page: what a browser would build of it."""

    VOID = frozenset({"meta", "link", "img", "br", "hr", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]


@pytest.mark.parametrize("path", FILTERED)
def test_a_page_is_whole_names_its_parts_and_runs_no_text_of_a_sender(
    client: TestClient, path: str
) -> None:
    answer = client.get(f"/{path}")
    assert answer.status_code == 200, answer.text
    page = Page(answer.text)
    assert page.open == []
    assert len(page.ids()) == len(set(page.ids()))
    for tag, attributes in page.tags:
        if tag == "script":
            assert attributes["src"] in ("/vendored/htmx.min.js", "/static/desk.js")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag not in ("img", "style", "iframe", "object")
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in page.ids()
        if tag == "select":
            assert f'for="{attributes["id"]}"' in answer.text
    assert not steers(answer.text.replace("\n", " "))
    assert sum(tag == "h1" for tag, _ in page.tags) == 1


@pytest.mark.parametrize("path", FILTERED)
def test_a_pages_json_is_of_the_same_address(client: TestClient, path: str) -> None:
    name, question, query = path.partition("?")
    answer = client.get(f"/{name}.json{question}{query}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.text)["at"]
    assert not steers(answer.text)


@pytest.mark.parametrize("path", FILTERED)
def test_no_contact_data_and_no_secret_is_in_a_page(client: TestClient, path: str) -> None:
    name, question, query = path.partition("?")
    texts = client.get(f"/{path}").text + client.get(f"/{name}.json{question}{query}").text
    secrets = re.findall(r'secrets = \["([^"]+)"', senders.SHOPS_TOML)
    assert secrets
    assert [word for word in (*CONTACT, *secrets) if word in texts] == []


@pytest.mark.parametrize("page", ["carts", "customers"])
def test_a_shop_without_a_delivery_has_a_note_that_there_is_none(
    client: TestClient, page: str
) -> None:
    note = "No delivery of spiffy/nobody is in the tables"
    assert note in client.get(f"/{page}?shop=spiffy/nobody").text
    assert "is in the tables: <a" not in client.get(f"/{page}?shop=spiffy/main").text


def test_the_hostile_texts_were_really_there(client: TestClient) -> None:
    shown = html.escape(HOSTILE[:25], quote=True)
    assert shown in client.get("/shops/spiffy/main").text
    assert "&lt;script&gt;" in client.get("/carts?days=90").text
    assert "&lt;script&gt;" in client.get("/customers?currency=USD").text


def test_the_funnel_counts_every_cart_once(client: TestClient) -> None:
    page = client.get("/carts.json").json()
    came_back = len(range(12, CARTS, 3)) - 1
    assert page["funnel"] == {
        "carts": CARTS,
        "abandoned": LEFT,
        "recovered": came_back,
        "voided": 1,
        "abandonment_rate": LEFT / CARTS,
        "recovery_rate": came_back / LEFT,
        "untraceable": 0,
        "is_provisional": True,
    }
    assert page["left"] == {
        "carts": LEFT, "back": came_back, "in_funnel": LEFT, "back_in_funnel": came_back,
        "outside": {},
    }  # fmt: skip
    for name, total in (("carts", CARTS), ("abandoned", LEFT), ("voided", 1)):
        assert sum(day[name] for day in page["days"]) == total
        assert sum(shop[name] for shop in page["by_shop"]) == total
    assert sum(step["carts"] for step in page["recovery"]["steps"]) == came_back
    [money] = page["money"]
    assert (money["currency"], money["open"], money["back"]) == ("USD", 20, came_back)
    assert (money["at_stake"], money["brought_back"]) == ("400.0000", f"{20 * came_back}.0000")


def test_the_list_leads_through_all_carts_that_were_left(client: TestClient) -> None:
    seen, path = [], "/carts.json?days=90"
    while path:
        page = client.get(path).json()
        seen += [each["cart_key"] for each in page["carts"]]
        older = page["older"]
        path = str(client.build_request("GET", "/carts.json", params={"days": 90, **older}).url
                   ) if older else ""  # fmt: skip
    assert len(seen) == len(set(seen)) == LEFT


@pytest.mark.parametrize(
    ("status", "count"), [("ABANDONED", 20), ("RECOVERED", 9), ("EXPIRED", 0), ("VOIDED", 1)]
)
def test_a_status_lists_its_carts_only(client: TestClient, status: str, count: int) -> None:
    page = client.get("/carts.json", params={"status": status, "days": 90}).json()
    assert [each["status"] for each in page["carts"]] == [status] * count


def test_customers_are_of_one_currency(client: TestClient) -> None:
    page = client.get("/customers.json").json()
    assert page["currency"] == "USD"
    assert [each["currency"] for each in page["currencies"]] == ["USD", "EUR"]
    assert page["summary"]["customers"] == 9
    assert sum(bar["customers"] for bar in page["distribution"]) == page["summary"]["with_net"]
    assert page["top"][0]["net"] == "9000.0000"
    assert sum(cohort["customers"] for cohort in page["cohorts"]) == 8
    assert {cohort["cells"][0]["share"] for cohort in page["cohorts"]} == {1.0}
    euros = client.get("/customers.json?currency=EUR").json()
    assert [each["shop"] for each in euros["top"]] == ["spiffy/other"]


def test_a_shop_shows_what_came_what_failed_and_where_it_sends_to(client: TestClient) -> None:
    listed = {each["shop"]: each for each in client.get("/shops.json").json()["shops"]}
    main = listed["spiffy/main"]
    assert (main["state"], main["dead_letters_open"], main["dead_letters_settled"]) == (
        "failing", 4, 3,
    )  # fmt: skip
    assert main["failures"][0]["reason"] == HOSTILE
    assert {each["kind"] for each in main["arrived"]} == {"carts", "customers", "orders"}
    assert (main["is_configured"], main["url"]) == (False, None)
    waiting = listed[f"run-free/{senders.SHOP}"]
    assert waiting["state"] == "waiting"
    assert waiting["url"].startswith(f"https://hooks.example.com/hooks/run-free/{senders.SHOP}/<")
    assert client.get("/shops/spiffy/nobody").status_code == 404


def test_now_names_what_holds_the_tables(client: TestClient, tables: Tables) -> None:
    tables.execute(
        "UPDATE watermark SET updated_at = now(), holder = 'sinks: hookline.orders-3',"
        " since = now() - interval '1 minute'"
    )
    page = client.get("/now.json").json()
    fresh = page["freshness"]
    assert (fresh["state"], fresh["held_by"], fresh["partition"]) == ("held", "sinks", 3)
    assert page["waiting"]["dead_letters"] == 4
    assert sum(minute["rows"] for minute in page["minutes"]) >= 10
    assert {topic["partitions"] for topic in page["topics"]} == {1}


def test_a_user_who_may_write_is_refused_with_a_page(tables: Tables, live_stack: LiveStack) -> None:
    stack = StackAddress(tables.settings, "", live_stack.database_url, "")
    client = TestClient(create(stack, Database(lambda: Reader(stack))), base_url="http://localhost")
    answer = client.get("/carts")
    assert answer.status_code == 503
    assert "refused to read as" in answer.text
    with pytest.raises(CommandError):
        Reader(stack)


def test_tables_that_are_not_there_are_a_page_with_the_remedy(live_stack: LiveStack) -> None:
    stack = StackAddress(live_stack.settings(), "", live_stack.reader_url, "")
    client = TestClient(create(stack, Database(lambda: Reader(stack))), base_url="http://localhost")
    answer = client.get("/now")
    assert answer.status_code == 503
    assert "hookline migrate" in answer.text


def test_a_server_that_is_away_is_a_page_and_comes_back(
    stack: LiveStack, client: TestClient, tables: Tables
) -> None:
    del tables
    assert client.get("/carts?days=7").status_code == 200
    stack.postgres.stop()
    for path in ("/now", "/customers?measure=value", f"/shops?x={Path.cwd().name}"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "PostgreSQL cannot be read" in answer.text
    stack.recover()
    assert client.get("/now").status_code == 200


def test_the_command_prints_its_address_serves_and_ends_at_a_signal(
    tables: Tables, live_stack: LiveStack
) -> None:
    command = [sys.executable, "-P", "-m", "hookline", "dashboard", "--port", "0"]
    variables = {
        "HOOKLINE_READER_URL": live_stack.reader_url,
        "HOOKLINE_PREFIX": tables.settings.prefix,
        "PATH": os.environ["PATH"],
    }
    with subprocess.Popen(
        command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            assert running.stdout is not None
            name, _, url = running.stdout.readline().strip().partition("  ")
            assert name == "dashboard"
            assert url.startswith("http://127.0.0.1:")
            with httpx.Client(base_url=url, trust_env=False, timeout=60) as visitor:
                assert visitor.get("/readyz").status_code == 200
                assert visitor.get("/carts?days=90").status_code == 200
                assert visitor.get("/now", headers={"host": "evil.example"}).status_code == 400
        finally:
            running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
