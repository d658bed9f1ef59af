"""Canonical events as CloudEvents: what the binding for Kafka asks of headers."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from processors import cloudevents
from processors.decide import Decider
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from schemas.envelopes import Outcome
from schemas.events import TOPIC_OF
from schemas.topics import BY_RECORD, CARTS, CONSENTS
from tests import toy_platform
from tests.example_files import Example, examples
from tests.toy_platform import CODEC, SHOPS, record

PREFIX = "ce_"
REQUIRED = {"id", "source", "specversion", "type"}
NAME = re.compile(r"[a-z0-9]{1,20}")
URI_REFERENCE = re.compile(r"[A-Za-z0-9._~/%-]+")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


def outcomes(body: bytes, *, is_on: bool) -> list[Outcome]:
    verdicts = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key", cloudevents=is_on)
    found = verdicts.decide([record(0, body)], PartitionIndex(), SHOPS)
    return [outcome for verdict in found for outcome in verdict.outcomes]


def test_headers_are_added_to_the_others_and_the_value_is_the_same() -> None:
    plain, extended = (outcomes(b"content two", is_on=is_on) for is_on in (False, True))
    assert [each.topic for each in extended] == [CARTS.name, CONSENTS.name]
    for without, with_them in zip(plain, extended, strict=True):
        assert (with_them.key, with_them.value) == (without.key, without.value)
        count = len(without.headers)
        assert with_them.headers[:count] == without.headers
        assert parse_outcome_headers(with_them.headers) == parse_outcome_headers(without.headers)
        values = dict(with_them.headers[count:])
        assert values["ce_id"].decode() == CODEC.decode(with_them.value).meta.event_id  # type: ignore[union-attr]


def test_they_are_off_unless_they_are_asked_for() -> None:
    verdicts = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key")
    [verdict_] = verdicts.decide([record(0, b"content 1")], PartitionIndex(), SHOPS)
    assert not [name for name, _ in verdict_.outcomes[0].headers if name.startswith(PREFIX)]


def test_only_canonical_events_carry_them() -> None:
    for outcome in outcomes(b"?", is_on=True):
        assert not [name for name, _ in outcome.headers if name.startswith(PREFIX)]


CANONICAL = [each for each in examples() if "events" in each.told]


@pytest.mark.parametrize("example", CANONICAL, ids=lambda each: each.name)
def test_every_event_is_a_cloudevent(example: Example) -> None:
    for event in example.run()[1].values():
        topic = BY_RECORD[TOPIC_OF[type(event)]]
        headers = cloudevents.headers(topic, event.meta)
        values = {name: value.decode() for name, value in headers}
        assert len(values) == len(headers)
        attributes = {n.removeprefix(PREFIX): v for n, v in values.items() if n.startswith(PREFIX)}
        assert attributes.keys() >= REQUIRED
        assert all(NAME.fullmatch(name) and value for name, value in attributes.items())
        assert set(values) - {PREFIX + name for name in attributes} == {"content-type"}
        assert values["content-type"] == "application/avro"
        assert attributes["specversion"] == "1.0"
        assert attributes["type"] == f"{topic.name}.{event.meta.change.lower()}"
        assert attributes["subject"] == event.meta.entity
        assert URI_REFERENCE.fullmatch(attributes["source"])
        assert RFC_3339.fullmatch(attributes["time"])


@given(st.integers(-2_208_988_800_000_000, 7_258_118_400_000_000))
def test_the_time_is_that_of_the_event_to_the_microsecond(at: int) -> None:
    [event, *_] = CANONICAL[0].run()[1].values()
    meta = structs.replace(event.meta, occurred_at=at)
    values = dict(cloudevents.headers(CARTS, meta))["ce_time"].decode()
    assert EPOCH + timedelta(microseconds=at) == datetime.fromisoformat(values)
