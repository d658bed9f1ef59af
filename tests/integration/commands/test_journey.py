"""The journey of deliveries through real stages: verdicts, rows, signals, lists, no answers."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from hookline.cli import app
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.dashboard.app import create
from hookline.dashboard.database import Database
from hookline.dead_letters.letters import LetterFilter, parse_letter_id
from hookline.dead_letters.replay import replay
from hookline.explain import story as explain_story
from hookline.journey.model import Answer, Deliveries, Journey, Missing, RowState, VerdictKind
from hookline.journey.search import Options, search
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from ingest.ids import uuid7
from runtime.settings import Settings
from schemas import envelopes
from tests import ROOT, senders
from tests.conftest import LiveStack, prepare, run_apart
from tests.pipeline import Pipeline, running
from tests.raw import Raw, append

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SHOPS = senders.SHOPS_TOML.replace('"60m"', '"2s"')
CUSTOMER = f"run-free/{senders.SHOP}/customer:1"
ORDER = f"run-free/{senders.SHOP}/order:448726"
ADDRESS = "test@runfree.run"


@dataclass(frozen=True, slots=True)
class House:
    """A pipeline with deliveries of every verdict, by name: their ids."""

    stack: StackAddress
    pipeline: Pipeline
    ids: dict[str, str]

    def search(self, text: str, **options: Any) -> Answer:
        return run_apart(search(self.stack, text, Options(**options)))

    def followed(self, text: str, **options: Any) -> Journey:
        found = self.search(text, **options)
        assert isinstance(found, Journey), found
        return found

    def journey(self, name: str, **options: Any) -> Journey:
        return self.followed(self.ids[name], **options)


def example(name: str, **changes: Any) -> bytes:
    document = json.loads((ROOT / "tests" / "examples" / "run-free" / f"{name}.json").read_text())
    document["data"] |= changes
    return json.dumps(document).encode()


def post(pipeline: Pipeline, body: bytes) -> str:
    url = f"{pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}"
    answer = httpx.post(url, content=body, trust_env=False)
    answer.raise_for_status()
    return str(answer.json()["delivery"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.fixture(scope="module")
def house(live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("journey")
    shops = folder / "shops.toml"
    shops.write_text(SHOPS)
    settings: Settings = prepare(replace(live_stack.settings(), shops_file=str(shops)))
    readers = live_stack.reader_url, live_stack.postgres.contacts_reader_url
    with running(settings, folder / "logs") as pipeline:
        ids = {"cart": post(pipeline, example("cart-change"))}
        stack = StackAddress(settings, pipeline.url, *readers)
        house = House(stack, pipeline, ids)
        until(lambda: bool(house.journey("cart").signals))
        body = example(
            "order-created", id=448726, ordered=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        )
        ids["order"] = post(pipeline, body)
        ids["repeat"] = post(pipeline, body)
        ids["dead"] = post(pipeline, example("order-created", id=7, subtotal="much"))
        until(lambda: len(house.journey("cart").signals) > 1)
        until(lambda: house.journey("dead").verdict.kind is VerdictKind.DEAD_LETTER)
        yield house


def test_a_cart_goes_from_its_receipt_to_its_signals(house: House) -> None:
    found = house.journey("cart")
    assert found.verdict.kind is VerdictKind.CANONICAL
    assert found.received.delivery == house.ids["cart"]
    stages = [step.stage for step in found.steps]
    assert stages[:3] == ["received", "raw", "canonical"]
    assert stages[-2:] == ["signal ABANDONED", "signal RECOVERED"]
    assert all(step.wait is not None for step in found.steps[1:])
    rules = [rule for row in found.rows for rule in row.rules]
    assert "the first activity: opens generation 1" in rules
    assert any("and items in it: abandoned" in rule for rule in rules)
    assert any(command.startswith("hookline why carts ") for command in found.next)


def test_an_order_shows_the_fields_that_it_decides_and_the_cart_that_it_closes(
    house: House,
) -> None:
    found = house.journey("order")
    (row,) = [each for each in found.rows if each.table == "orders"]
    assert (row.key, row.state) == (ORDER, RowState.DECIDES)
    assert "subtotal" not in row.decides
    assert "status" in row.decides
    assert any("closes generation 1" in r for each in found.rows for r in each.rules)
    assert any(each.table == "customer_lifetime_value" for each in found.rows)
    assert {each.noun for each in found.events} >= {"orders"}
    assert all(each.entity for each in found.events)


def test_a_raw_position_gives_the_same_journey_as_the_id(house: House) -> None:
    found = house.journey("order")
    assert found.raw is not None
    assert house.search(found.raw.position) == found


def test_a_repeat_names_the_delivery_that_it_repeats(house: House) -> None:
    found = house.journey("repeat")
    assert found.verdict.kind is VerdictKind.DUPLICATE
    assert found.verdict.repeats is not None
    assert found.verdict.repeats.delivery == house.ids["order"]
    assert found.next == (f"hookline journey {house.ids['order']}",)
    assert found.rows == ()


def test_a_dead_letter_has_its_reason_and_field(house: House) -> None:
    found = house.journey("dead")
    (letter,) = found.verdict.letters
    assert (letter.reason, letter.path) == ("invalid-payload", "data.subtotal")
    assert f"hookline dead show {letter.record.position}" in found.next


def test_a_body_is_shown_masked_and_only_where_it_is_asked_for(house: House) -> None:
    assert house.journey("order").body is None
    shown = json.dumps(house.journey("order", with_body=True).body)
    assert "448726" in shown
    assert ADDRESS not in shown


def test_a_customers_deliveries_are_the_newest_first_with_those_of_its_orders(
    house: House,
) -> None:
    found = house.search(CUSTOMER)
    assert isinstance(found, Deliveries)
    ids = [each.received.delivery for each in found.deliveries]
    assert ids == [house.ids["repeat"], house.ids["order"], house.ids["cart"]]
    kinds = [each.verdict.kind for each in found.deliveries]
    assert kinds == [VerdictKind.DUPLICATE, VerdictKind.CANONICAL, VerdictKind.CANONICAL]
    assert found.back_to is None
    newest = house.search(CUSTOMER, maximum=1)
    assert isinstance(newest, Deliveries)
    assert newest.deliveries == found.deliveries[:1]
    assert newest.back_to is not None


def test_a_carts_and_an_orders_and_a_customers_story_come_with_their_deliveries(
    house: House,
) -> None:
    cart = f"run-free/{senders.SHOP}/cart:1"
    for key, first in (
        (cart, "In abandoned_carts as RECOVERED: left at "),
        (ORDER, "COUNTED, since "),
        (CUSTOMER, "In customer_lifetime_value, "),
    ):
        found = house.search(key)
        assert isinstance(found, Deliveries)
        (story,) = found.stories
        assert story.key == key
        assert story.summary[0].startswith(first)
        assert ADDRESS not in json.dumps(found.as_dict(), default=str)
    (of_order,) = stories_of(house, ORDER)
    assert f"Closes {cart}, generation 1: RECOVERED" in of_order.summary
    (of_cart,) = stories_of(house, cart)
    with Reader(house.stack) as reader:
        explained = explain_story.cart(reader, cart)
    assert of_cart.explanation["moments"] == explained["moments"]


def stories_of(house: House, text: str) -> tuple[explain_story.Story, ...]:
    found = house.search(text)
    assert isinstance(found, Deliveries)
    return found.stories


def test_an_address_finds_the_same_deliveries_and_is_in_no_answer(house: House) -> None:
    found, by_key = house.search(f" {ADDRESS} "), house.search(CUSTOMER)
    assert isinstance(found, Deliveries)
    assert isinstance(by_key, Deliveries)
    assert found.deliveries == by_key.deliveries
    assert ADDRESS not in json.dumps(found.as_dict(), default=str)
    unknown = house.search("nobody@example.org")
    assert isinstance(unknown, Missing)
    assert "nobody" not in unknown.explanation


def test_an_order_is_found_by_its_id_alone(house: House) -> None:
    found = house.search("448726")
    assert isinstance(found, Deliveries)
    assert found.subjects == (ORDER,)


def test_what_is_not_there_is_explained(house: House) -> None:
    now = time.time_ns()
    day = 86_400 * 1_000_000_000
    for at, reason in ((now, "not-there"), (now - 40 * day, "beyond-retention"),
                       (now + day, "to-come")):  # fmt: skip
        found = house.search(uuid7(at, 5).decode())
        assert isinstance(found, Missing)
        assert found.reason == reason
    for text in ("99:0", "0:999999", "run-free/nowhere/order:1"):
        found = house.search(text)
        assert isinstance(found, Missing)
        assert found.reason == "not-there"
    with pytest.raises(CommandError, match="id of an event"):
        house.search(envelopes.event_id(house.ids["order"], "order"))
    with pytest.raises(CommandError, match="no order, cart or customer"):
        house.search(str(uuid.uuid4().int))


def test_the_command_shows_each_answer_and_exits_with_1_where_there_is_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in house.stack.settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOOKLINE_READER_URL", house.stack.reader_url)
    for text, shown in (
        (house.ids["cart"], "signal ABANDONED"),
        (house.ids["dead"], "invalid-payload at data.subtotal"),
        (CUSTOMER, "3 deliveries; all that the raw topic still holds"),
    ):
        plain = CliRunner().invoke(app, ["journey", text])
        assert plain.exit_code == 0, plain.output
        assert shown in plain.output
        parsed = json.loads(CliRunner().invoke(app, ["journey", text, "--json"]).output)
        assert parsed["found"] in ("delivery", "deliveries")
    by_address = CliRunner().invoke(app, ["journey", "-"], input=f"{ADDRESS}\n")
    assert "3 deliveries" in by_address.output
    assert ADDRESS not in by_address.output
    missing = CliRunner().invoke(app, ["journey", "99:0"])
    assert missing.exit_code == 1
    assert "the raw topic has partitions 0 to" in missing.output


def test_the_page_shows_the_answers_of_the_command_and_no_address_is_in_a_url(
    house: House,
) -> None:
    database = Database(lambda: Reader(house.stack))
    client = TestClient(create(house.stack, database), base_url="http://127.0.0.1")
    try:
        for name, kind in (
            ("order", "canonical"),
            ("repeat", "duplicate"),
            ("dead", "dead letter"),
        ):
            page = client.get("/journey", params={"q": house.ids[name], "body": "1"})
            assert f"Verdict: {kind}" in page.text
            assert ADDRESS not in page.text
            shown = client.get("/journey.json", params={"q": house.ids[name]}).json()
            assert shown["verdict"] == json.loads(
                output.to_json(house.journey(name).as_dict())
            )["verdict"]  # fmt: skip
        first = client.get("/journey", params={"q": CUSTOMER}).text
        assert first.index("In customer_lifetime_value, ") < first.index("3 deliveries")
        stories = client.get("/journey.json", params={"q": CUSTOMER}).json()["stories"]
        assert stories[0]["explanation"]["rows"]
        assert "data.subtotal" in client.get("/journey", params={"q": house.ids["dead"]}).text
        found = client.post("/journey", data={"q": ADDRESS})
        assert "3 deliveries" in found.text
        assert "q=person%3A" in str(found.url)
        assert ADDRESS not in found.text + str(found.url)
        moved = client.get("/journey.json", params={"q": ADDRESS})
        assert "q=person%3A" in str(moved.url)
        assert moved.json()["found"] == "deliveries"
        missing = client.get("/journey", params={"q": "99:0"})
        assert (missing.status_code, "has partitions 0 to" in missing.text) == (404, True)
    finally:
        database.close()


def test_a_replay_is_followed_from_its_letter(house: House) -> None:
    (letter,) = house.journey("dead").verdict.letters
    settings = house.stack.settings
    done = run_apart(
        replay(settings, LetterFilter(ids=frozenset({parse_letter_id(letter.record.position)})))
    )
    assert done.replayed == [letter.record.position]
    (marked,) = house.journey("dead").verdict.letters
    assert (marked.mark, marked.reason) == ("replayed", letter.reason)
    assert marked.replayed_as is not None
    name = marked.replayed_as
    until(lambda: house.followed(name).verdict.kind is VerdictKind.DEAD_LETTER)
    again = house.followed(name)
    assert again.received.replay_of == letter.record.position
    assert again.received.delivery == house.ids["dead"]


class ImportedRaw(Raw):
    """A row of an export, as ``hookline import`` writes it."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return [*super().headers, (envelopes.IMPORT, b"i-1:4:1700000000000000:1700000000000000")]


def test_an_imported_delivery_is_marked(house: House) -> None:
    delivery = uuid7(time.time_ns(), 9).decode()
    body = example("order-created", id=9, customer={"id": 2})
    raw = ImportedRaw("run-free", senders.SHOP, "order:9", body, delivery_id=delivery)
    run_apart(append(house.stack.settings, [raw]))
    until(lambda: house.followed(delivery).verdict.kind is VerdictKind.CANONICAL)
    found = house.followed(delivery)
    assert found.received.imported == "i-1"
    assert any("imported" in note for note in found.notes)


def test_a_delivery_that_no_processor_has_come_to_is_pending(house: House) -> None:
    house.pipeline.leave("process-1")
    late = post(house.pipeline, example("order-created", id=11))
    found = house.followed(late)
    assert found.verdict.kind is VerdictKind.PENDING
    assert "the processors are at offset" in found.verdict.explanation
    assert found.next == ("hookline status",)
