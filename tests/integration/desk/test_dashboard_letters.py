"""The pages of dead letters on real topics and tables: groups, one letter, what a replay gives."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hookline.dashboard.app import create
from hookline.dashboard.database import Database
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime.settings import Settings
from schemas.envelopes import Reason, Reject
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.integration.commands.test_dead_letters import NOW, append_letters
from tests.raw import Raw
from tests.screens import steers

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

STEERS = "<script>alert(1)</script>\x1b[2J\u202e"
HOSTILE = f"{STEERS} anna@example.com"


def delivery(number: int) -> Raw:
    body = senders.NumberedOrder(number, NOW).body
    return Raw("run-free", senders.SHOP, f"order:{number}", body)


def refusals() -> list[tuple[Raw, Reject]]:
    """Letters of three causes; those of the first two would be events now."""
    price = [
        (
            delivery(number),
            Reject(Reason.INVALID_PAYLOAD, f"data.items[{number}].price", HOSTILE),
        )
        for number in range(5)
    ]
    total = [
        (delivery(number), Reject(Reason.OUT_OF_RANGE, "data.subtotal", "too precise"))
        for number in range(5, 7)
    ]
    broken = Raw("run-free", senders.SHOP, f"order:{STEERS}", HOSTILE.encode(), event=HOSTILE)
    return [*price, *total, (broken, Reject(Reason.MALFORMED_BODY, "@0", HOSTILE, "parse"))]


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    ready = prepared(replace(stack.settings(), shops_file=str(shops)))
    run_apart(append_letters(ready, refusals()))
    return ready


@pytest.fixture
def client(settings: Settings, stack: LiveStack) -> Iterator[TestClient]:
    address = StackAddress(settings, "https://hooks.example.com", stack.reader_url, "")
    database = Database(lambda: Reader(address))
    yield TestClient(create(address, database), base_url="http://127.0.0.1")
    database.close()


def test_letters_are_grouped_listed_and_opened_as_on_the_command_line(client: TestClient) -> None:
    page = client.get("/dead-letters.json").json()
    groups = [(each["reason"], each["path"], each["letters"]) for each in page["groups"]]
    assert groups == [
        ("invalid-payload", "data.items[].price", 5),
        ("out-of-range", "data.subtotal", 2),
        ("malformed-body", "@", 1),
    ]
    assert page["total"] == len(page["letters"]) == 8

    chosen = client.get("/dead-letters.json?reason=out-of-range&path=data.subtotal").json()
    assert chosen["total"] == 2
    name = chosen["letters"][0]["letter"]
    one = client.get(f"/dead-letters/{name}.json").json()
    assert (one["reason"], one["path"], one["state"]) == ("out-of-range", "data.subtotal", "open")
    would = one["replay_would_give"]
    assert would["reason"] is None
    assert would["events"][0]["topic"] == "orders"

    shown = client.get(f"/dead-letters/{name}").text
    assert "<mark>" in shown
    assert "&#34;subtotal&#34;" in shown.partition("<mark>")[2].partition("</mark>")[0]
    assert f"/journey?q={one['delivery']}" in shown


def test_no_text_of_a_sender_runs_or_steers_and_no_address_is_shown(client: TestClient) -> None:
    page = client.get("/dead-letters.json").json()
    addresses = ["/dead-letters", "/dead-letters?state=all&reason=malformed-body"]
    addresses += [f"/dead-letters/{each['letter']}" for each in page["letters"]]
    for address in addresses:
        path, question, query = address.partition("?")
        for text in (
            client.get(address).text,
            client.get(f"{path}.json{question}{query}").text,
        ):
            assert not steers(text.replace("\n", " "))
            assert "anna@example.com" not in text
        assert "<script>alert" not in client.get(address).text


def test_a_list_is_read_in_parts_and_a_letter_that_is_not_there_is_not_found(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookline.dashboard.letters.pages.LISTED", 3)
    seen: list[str] = []
    query = ""
    while True:
        page = client.get(f"/dead-letters.json{query}").json()
        seen += [each["letter"] for each in page["letters"]]
        if page["older"] is None:
            break
        query = f"?before={page['older']}"
    assert len(seen) == len(set(seen)) == 8
    assert client.get("/dead-letters/0:999999").status_code == 404
    assert client.get("/dead-letters/nothing").status_code == 404
    assert client.get("/dead-letters?reason=nothing").status_code == 400
    assert "error" in json.loads(client.get("/dead-letters/0:999999.json").text)
