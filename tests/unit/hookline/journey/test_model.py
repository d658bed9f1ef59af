"""Stations of a journey with the waits between them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hookline.console import output
from hookline.journey.model import (
    EventRecord,
    Journey,
    Received,
    SentSignal,
    Stored,
    Verdict,
    VerdictKind,
)

AT = datetime(2026, 1, 1, tzinfo=UTC)
JOURNEY = Journey(
    Received("019a", "spiffy/main", "orders/create", "spiffy/main/order:1", AT),
    Stored("hookline.webhooks", 2, 17, AT + timedelta(milliseconds=5)),
    Verdict(VerdictKind.CANONICAL, AT + timedelta(milliseconds=20)),
    (
        EventRecord(
            Stored("hookline.orders", 2, 3, AT + timedelta(milliseconds=20)), "orders", "order", "e"
        ),
    ),
    signals=(
        SentSignal("RECOVERED", "c", 1, "s2", AT, None),
        SentSignal("ABANDONED", "c", 1, "s1", AT, AT + timedelta(seconds=9)),
    ),
)


def test_each_station_has_its_time_and_the_wait_since_the_one_before() -> None:
    assert [(step.stage, step.wait) for step in JOURNEY.steps] == [
        ("received", None),
        ("raw", 0.005),
        ("canonical", 0.015),
        ("event", 0.0),
        ("signal ABANDONED", 8.98),
        ("signal RECOVERED", None),
    ]
    assert [step.where for step in JOURNEY.steps][1] == "hookline.webhooks 2:17"


def test_a_wait_is_counted_from_the_last_station_that_has_a_time() -> None:
    pending = replace(JOURNEY, verdict=Verdict(VerdictKind.PENDING), events=(), signals=())
    assert [step.wait for step in pending.steps] == [None, 0.005, None]
    gone = replace(JOURNEY, raw=None)
    assert gone.steps[1].wait == 0.02


def test_a_journey_is_json_with_its_steps() -> None:
    text = output.to_json(JOURNEY.as_dict())
    assert '"found": "delivery"' in text
    assert '"steps": [' in text
    assert '"kind": "canonical"' in text
