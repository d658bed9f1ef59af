"""Journey's addresses and stations; what a search shows is in the integration tests."""

from dataclasses import replace
from http import HTTPStatus

import pytest
from starlette.testclient import TestClient

from hookline.dashboard.app import create
from hookline.dashboard.database import Database, Session
from hookline.dashboard.filters import FilterError
from hookline.dashboard.pages import journey
from hookline.dashboard.pages.journey import Question, question
from hookline.journey.model import Missing, MissingReason
from hookline.journey.search_text import HashedAddress, parse
from hookline.stack_address import StackAddress
from runtime.settings import Settings
from tests.unit.hookline.journey.test_model import JOURNEY

ADDRESS = "anna@example.com"


def never() -> Session:
    raise AssertionError("the database is not read")


def client(settings: Settings) -> TestClient:
    stack = StackAddress(settings, "", "", "")
    return TestClient(
        create(stack, Database(never)), base_url="http://127.0.0.1", follow_redirects=False
    )


def test_the_search_box_leads_to_an_address_that_can_be_sent_to_a_colleague() -> None:
    answer = client(Settings()).post("/journey", data={"q": " spiffy/johns/order:7 "})
    assert answer.status_code == HTTPStatus.SEE_OTHER
    assert answer.headers["location"] == "/journey?q=spiffy%2Fjohns%2Forder%3A7"
    assert client(Settings()).post("/journey").headers["location"] == "/journey"


def test_an_id_that_is_an_address_is_in_no_url() -> None:
    given = Settings(contact_key="a key of sixteen bytes and more")
    for text in (f"spiffy/johns/customer:{ADDRESS}", "johns/+44 20 7946 0000"):
        location = client(given).post("/journey", data={"q": text}).headers["location"]
        assert "hashed-" in location
        assert "anna" not in location
        assert "7946" not in location
        moved = client(given).get("/journey.json", params={"q": text, "max": 100})
        assert moved.headers["location"] == location.replace("?", ".json?") + "&max=100"


@pytest.mark.parametrize("text", [f"spiffy/johns/customer:{ADDRESS}", ADDRESS])
def test_without_a_contact_key_an_address_is_answered_with_what_to_set(text: str) -> None:
    answer = client(Settings()).post("/journey", data={"q": text})
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert ADDRESS not in answer.text
    assert "HOOKLINE_CONTACT_KEY" in answer.text


@pytest.mark.parametrize("text", ["\x1b[2J", "0190b7e0-0000-4000-8000-000000000001"])
def test_what_names_nothing_is_a_page_with_the_forms(text: str) -> None:
    answer = client(Settings()).post("/journey", data={"q": text})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "a raw position like 2:17" in answer.text


def test_a_form_that_is_too_long_is_refused() -> None:
    for size in (journey.LONGEST + 1, 100_000):
        assert client(Settings()).post("/journey", data={"q": "x" * size}).status_code == 400


def test_a_url_names_the_text_the_number_and_the_body() -> None:
    assert question({}) == Question()
    assert question({"q": " 2:17 ", "max": "100", "body": "1"}) == Question("2:17", 100, True)
    for wrong in ({"max": "3"}, {"body": "yes"}, {"q": "x" * (journey.LONGEST + 1)}):
        with pytest.raises(FilterError):
            question(wrong)


def test_a_journeys_stations_are_its_steps_with_the_rows_before_their_signals() -> None:
    way = journey.stations(JOURNEY)
    assert [each.step for each in way if each.step] == list(JOURNEY.steps)
    kinds = [each.kind for each in way]
    assert kinds == sorted(
        kinds, key=["received", "raw", "verdict", "event", "rows", "signal"].index
    )
    assert sum(each.share for each in way) == pytest.approx(1)
    gone = journey.stations(replace(JOURNEY, raw=None, rows=()))
    assert {"raw", "rows"}.isdisjoint(each.kind for each in gone)


def test_what_is_not_there_is_not_found() -> None:
    missing = Missing(MissingReason.NOT_THERE, "no such delivery")
    assert journey.status(missing) == HTTPStatus.NOT_FOUND
    assert journey.status(None) == journey.status(JOURNEY) == HTTPStatus.OK
    assert journey.page(Question("2:17"), missing)["q"] == "2:17"
    assert "found" not in journey.page(Question(), None)


def test_a_hashed_address_is_read_back_from_its_text() -> None:
    hashed = HashedAddress(("0f" * 16, "1e" * 16), (f"customer:hashed-{'2d' * 16}",))
    assert parse(hashed.text) == hashed
