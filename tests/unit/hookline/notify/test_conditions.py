"""What the tables show becomes conditions, and those become texts without personal data."""

import json
from datetime import timedelta
from typing import Any

import pytest

from hookline.notify.conditions import pipeline, shops
from hookline.notify.conditions.condition import Condition
from hookline.notify.conditions.drift import conditions as drift_conditions
from hookline.notify.incidents import message_of
from hookline.notify.sending import rendering
from hookline.notify.settings import NotifySettings
from hookline.shops.payload_drift import Drift, EventShapes
from hookline.tables.queries import Rows
from tests import named_commands
from tests.notify_conditions import NOON, condition
from tests.screens import steers

SETTINGS = NotifySettings(dashboard_url="http://127.0.0.1:8900/")
FRESH: dict[str, Any] = {
    "at": NOON, "whole_until": NOON - timedelta(seconds=15), "behind": timedelta(seconds=15),
    "held_by": None, "held_since": None, "reason": "nothing",
}  # fmt: skip
NO_LETTERS: dict[str, Any] = {"open": 0, "first_at": None, "shops": 0, "reason": None}


def rows(*records: dict[str, Any]) -> Rows:
    columns = list(records[0]) if records else []
    return Rows(columns, [tuple(each.values()) for each in records])


def of_pipeline(letters: dict[str, Any] = NO_LETTERS, **fresh: Any) -> list[str]:
    found = pipeline.conditions(rows({**FRESH, **fresh}), rows(letters), SETTINGS)
    return [each.alert for each in found]


def test_tables_that_follow_need_nobody() -> None:
    assert of_pipeline() == []
    assert of_pipeline(whole_until=None, behind=None) == []


def test_tables_that_are_behind_or_held_are_reported() -> None:
    late = timedelta(minutes=6)
    assert of_pipeline(behind=late, whole_until=NOON - late) == ["tables-behind"]
    held = {"held_by": "sinks", "reason": "sinks are behind in partition 3 of x"}
    assert of_pipeline(**held, held_since=NOON - timedelta(minutes=4)) == []
    assert of_pipeline(**held, held_since=NOON - late) == ["tables-held"]


def test_what_waits_for_senders_on_purpose_is_not_reported() -> None:
    late = timedelta(minutes=50)
    grace = "no ingress was healthy for a time: senders may still hold back deliveries"
    waiting = {"held_by": "ingress", "held_since": NOON - late, "behind": late}
    assert of_pipeline(**waiting, whole_until=NOON - late, reason=grace) == []
    beat = "no ingress has appended a heartbeat since then: none runs, or Kafka takes none"
    assert of_pipeline(**waiting, whole_until=NOON - late, reason=beat) == [
        "tables-behind", "tables-held",
    ]  # fmt: skip


def test_open_dead_letters_are_reported() -> None:
    letters = {"open": 7, "first_at": NOON, "shops": 2, "reason": "invalid-payload"}
    assert of_pipeline(letters) == ["dead-letters"]


HOUR = int(NOON.timestamp()) // 3600


def of_shops(
    last: int = 0, *, letters: int = 0, until: int | None = 0, weeks: int = 5
) -> list[Condition]:
    """A shop with 20 deliveries an hour up to ``last`` hours before noon."""
    newest = NOON - timedelta(hours=last)
    hours = range(HOUR - last - weeks * 168, HOUR - last + 1)
    named = {"source": "spiffy", "shop": "main"}
    arrived = rows(*({**named, "hour": h, "deliveries": 20, "newest": newest} for h in hours))
    failed = rows({**named, "newest": newest - timedelta(hours=1), "open": letters,
                   "first_at": NOON - timedelta(hours=5)})  # fmt: skip
    whole = None if until is None else NOON - timedelta(hours=until)
    return shops.conditions(arrived, failed, whole, NOON, SETTINGS)


def test_a_shop_is_silent_once_the_tables_are_whole_behind_its_silence() -> None:
    [silent] = of_shops(last=3)
    assert (silent.alert, silent.shop) == ("shop-silent", "spiffy/main")
    assert silent.since == NOON - timedelta(hours=3)
    assert "at least 40 deliveries" in silent.what
    assert of_shops(last=3, until=2) == []  # the tables may only be late
    assert of_shops(last=3, until=None) == []
    assert of_shops(last=1) == []
    assert of_shops(last=3, weeks=3) == []


def test_a_shop_fails_by_the_share_of_its_dead_letters() -> None:
    # Since yesterday's midnight 37 hours of 20.
    assert of_shops(letters=35) == []
    [failing] = of_shops(letters=60)
    assert (failing.alert, failing.level) == ("shop-failures", 60)
    assert failing.page == "/dead-letters?shop=spiffy%2Fmain"
    assert "8% of its deliveries" in failing.what
    named = {"source": "spiffy", "shop": "new"}
    few = rows({**named, "newest": NOON, "open": 4, "first_at": NOON})
    assert shops.conditions(rows(), few, NOON, NOON, SETTINGS) == []


def test_changed_payloads_are_reported_by_their_paths() -> None:
    drift = Drift(0, 1)
    shapes = drift.events["spiffy/main", "orders/create"] = EventShapes()
    for at_ms in range(10):
        shapes.before.add([("$", "object"), ("total", "number")], at_ms)
        shapes.after.add([("$", "object"), ("total", "text")], 100 + at_ms)
    [found] = drift_conditions(drift)
    assert found.what == "the payload of orders/create changed: total (type)"
    assert (found.shop, found.page) == ("spiffy/main", "/shops/spiffy/main")


EVERY = [
    *pipeline.conditions(
        rows({**FRESH, "behind": timedelta(hours=3), "held_by": "sinks",
              "held_since": NOON - timedelta(hours=3), "whole_until": NOON}),
        rows({"open": 7, "first_at": NOON, "shops": 2, "reason": "invalid-payload"}),
        SETTINGS,
    ),
    *of_shops(last=3, letters=99),
    pipeline.unreachable("PostgreSQL does not answer", NOON, SETTINGS),
]  # fmt: skip


def test_these_are_all_but_drift() -> None:
    assert {each.alert for each in EVERY} == {
        "tables-behind", "tables-held", "dead-letters", "shop-silent", "shop-failures",
        "tables-unreachable",
    }  # fmt: skip


@pytest.mark.parametrize("found", EVERY, ids=lambda each: each.alert)
def test_a_message_says_what_since_when_what_to_do_and_where_to_look(found: Condition) -> None:
    message = message_of("raised", found, NOON)
    data = json.loads(rendering.body(message, SETTINGS.dashboard_url))["data"]
    assert data["what"]
    assert data["since"].endswith("Z")
    assert data["url"].startswith("http://127.0.0.1:8900/")
    assert "//" not in data["url"].partition("8900")[2]
    commands = [part for part in data["do"].split("; ") if part.startswith("hookline ")]
    assert commands
    assert named_commands.missing(" ".join(f"`{each}`" for each in commands)) == []
    text = rendering.text(message, SETTINGS.dashboard_url)
    assert all(part in text for part in (data["what"], data["since"], data["do"], data["url"]))
    assert json.loads(rendering.body(message, ""))["data"]["url"] is None


def test_no_text_of_others_steers_a_header_or_a_screen() -> None:
    hostile = condition("shop-silent:a\x1b[2J\r\nBcc: x@y.z", what="b\x1b[2J\n\u202ec")
    message = message_of("raised", hostile, NOON)
    assert "\n" not in rendering.subject(message)
    assert not steers(rendering.subject(message) + rendering.text(message, ""))
