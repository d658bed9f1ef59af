"""Whatever a body holds: events or a reject with its path, and never an exception."""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import MAX_MONEY, Codec
from schemas.envelopes import Reject, event_id
from schemas.events import RECORDS
from tests.example_files import DELIVERY_ID, RECEIVED_AT, Example, examples
from tests.unit.sources.deliveries import delivery, outcome

CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
JSON_EXAMPLES = [example for example in examples() if example.path.suffix == ".json"]
PUBLISHED = [example for example in JSON_EXAMPLES if example.told["published"]]
HARD = st.sampled_from(
    json.loads(
        """[null, "", "0", -1, 0, 1, 9007199254740993, 9223372036854775808, 1e14, 1e40, 1e300,
        18446744073709551616, 100000000000000, true, false, [], {}, [{}], [[[]]], {"a": 1}, 0.1,
        8.32, "2026-03-01T13:00:00Z", "2024-03-31T02:30:00", "0000-00-00", "9999-12-31",
        "1e999999999", "-0.00001", "NaN", "é", "@", "evt_", [null], "-5"]"""
    )
).map(copy.deepcopy)
VALUES = HARD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document that can be replaced."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


@st.composite
def broken(draw: st.DrawFn) -> tuple[Example, dict[str, Any]]:
    """An example with up to three of its values replaced or removed."""
    example = draw(st.sampled_from(JSON_EXAMPLES))
    document = copy.deepcopy(json.loads(example.body))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(document)) or [("id",)]))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[path[-1]] = draw(VALUES)
        else:
            holder.pop(path[-1], None)
    return example, document


def amounts(value: Any) -> Iterator[Decimal]:
    """Every amount of a record."""
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from amounts(inner)
    elif hasattr(value, "__struct_fields__"):
        for name in value.__struct_fields__:
            yield from amounts(getattr(value, name))


def check(example: Example, body: bytes | dict[str, Any]) -> None:
    given_to = delivery(example.platform, example.told["event"], body)
    made = outcome(given_to)
    assert made == outcome(given_to)
    if isinstance(made, Reject):
        assert made.path
        assert made.detail
        return
    _, slots = made
    assert next(iter(slots.values())).meta.entity == given_to.raw.entity
    for slot, event in slots.items():
        assert (event.meta.slot, event.meta.event_id) == (slot, event_id(DELIVERY_ID, slot))
        assert event.meta.occurred_at <= RECEIVED_AT
        assert all(abs(amount) <= MAX_MONEY for amount in amounts(event))
        assert CODEC.decode(CODEC.encode(event)) == event


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(broken())
def test_a_broken_example_gives_events_or_a_reject(case: tuple[Example, dict[str, Any]]) -> None:
    check(*case)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(JSON_EXAMPLES), st.binary() | VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_give_events_or_a_reject(example: Example, body: bytes) -> None:
    check(example, body)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_cut_and_flipped_bytes_give_events_or_a_reject(data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(examples()))
    body = bytearray(example.body)
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check(example, bytes(body[: data.draw(st.integers(0, len(body)))]))


NUMBERS = (b"1e999999999", b"1e-999999999", b"9" * 4000, b"0." + b"1" * 50_000)


@pytest.mark.parametrize("example", PUBLISHED, ids=lambda example: example.name)
def test_no_number_hangs_or_escapes_wherever_it_stands(example: Example) -> None:
    document = json.loads(example.body)
    for number, path in enumerate(places(document)):
        hostile = copy.deepcopy(document)
        holder = hostile
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = "HOSTILE NUMBER"
        body = json.dumps(hostile).encode()
        check(example, body.replace(b'"HOSTILE NUMBER"', NUMBERS[number % len(NUMBERS)]))
