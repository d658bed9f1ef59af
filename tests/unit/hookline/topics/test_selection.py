"""A record is shown if its key, its shop and its headers are as asked, from one time to another."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.console.patterns import matches
from hookline.topics import records
from hookline.topics.selection import Selection, parse_headers
from runtime.settings import Settings
from schemas.topics import ALL, WEBHOOKS
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record, read_from

SETTINGS = Settings()
NAMES = [SETTINGS.topic(topic) for topic in ALL]


def record(key: str | None = "spiffy/johns/order:7", **headers: str | None) -> dict[str, Any]:
    named = {f"hookline-{name}": value for name, value in headers.items()}
    return {"key": key, "headers": {"traceparent": "00-1", **named}}


@given(st.text(), st.text(), st.text())
def test_a_star_stands_for_any_part_and_everything_else_for_itself(a: str, b: str, c: str) -> None:
    assert matches(a, a)
    assert matches(f"{a}*{c}".replace("**", "*"), f"{a}{b}{c}") or "*" in a + c
    assert "*" in a or not matches(a, a + "x")


@pytest.mark.parametrize(
    ("selection", "is_wanted"),
    [
        (Selection(), True),
        (Selection(key="spiffy/johns/order:7"), True),
        (Selection(key="spiffy/*:7"), True),
        (Selection(key="spiffy/johns/order:"), False),
        (Selection(shop="johns"), True),
        (Selection(shop="spiffy/johns"), True),
        (Selection(shop="spiffy"), False),
        (Selection(headers={"event": "orders/*"}), True),
        (Selection(headers={"hookline-event": "orders/paid", "traceparent": "00-*"}), True),
        (Selection(headers={"event": "orders/paid", "shop": "other"}), False),
        (Selection(headers={"absent": "*"}), False),
        (Selection(shop="johns", key="*:8"), False),
    ],
)
def test_what_is_asked_for_holds_all_together(selection: Selection, is_wanted: bool) -> None:
    assert selection.is_wanted(record(event="orders/paid", shop="johns")) is is_wanted


def test_a_record_without_a_key_is_of_no_shop() -> None:
    assert not Selection(shop="johns").is_wanted(record(None))
    assert Selection().is_wanted(record(None))


def test_a_header_without_a_value_is_refused() -> None:
    assert parse_headers(["event=a=b", "x="]) == {"event": "a=b", "x": ""}
    for text in ("event", "=value"):
        with pytest.raises(CommandError, match="NAME=VALUE"):
            parse_headers([text])


@pytest.mark.parametrize(
    ("selection", "offsets"),
    [
        (Selection(from_start=True), [0, 1, 2, 3]),
        (Selection(), []),
        (Selection(since_ms=NOW_MS + 1500), [2, 3]),
        (Selection(until_ms=NOW_MS + 2000), [0, 1]),
        (Selection(since_ms=NOW_MS + 1000, until_ms=NOW_MS + 3000), [1, 2]),
        (Selection(since_ms=NOW_MS + 3000, until_ms=NOW_MS + 1000), []),
        (Selection(since_ms=NOW_MS + 90_000), []),
    ],
)
def test_the_part_between_two_times_is_read(selection: Selection, offsets: list[int]) -> None:
    """The log has a record a second."""
    batches = [Batch((Record(b"a/b/c", b"{}"),)) for _ in range(4)]
    raw = SETTINGS.topic(WEBHOOKS)

    async def read() -> list[int]:
        tailed = records.tail(SETTINGS, WEBHOOKS, selection, follow=False)
        return [each["offset"] async for each in tailed]

    with read_from(FakeConsumer({TopicPartition(raw, 0): batches}), NAMES):
        assert asyncio.run(read()) == offsets
