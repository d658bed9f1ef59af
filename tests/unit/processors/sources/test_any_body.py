"""Whatever a body holds: events or a reject with its path, and never an exception."""

import copy
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors.sources import ADAPTERS, notes
from processors.sources.personal_ids import hashed_entity
from processors.sources.readers.fields import names
from schemas.codec import MAX_MONEY, Codec
from schemas.envelopes import Reject, event_id
from schemas.events import RECORDS
from tests.example_files import RECEIVED_AT, Example, examples
from tests.rails_xml import to_xml
from tests.unit.processors.sources.deliveries import Outcome, delivery, outcome

CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
EXAMPLES = examples()
JSON_EXAMPLES = [example for example in EXAMPLES if example.path.suffix == ".json"]
PUBLISHED = [example for example in JSON_EXAMPLES if example.told["published"]]
ANOTHER_ID = "019ca8f2-6b7a-7c3d-8e4f-a1b2c3d4e5f7"
every_platform = pytest.mark.parametrize("platform", sorted(ADAPTERS))
SLOW = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

HARD = st.sampled_from(
    json.loads(
        """[null, "", "0", -1, 0, 1, 9007199254740993, 9223372036854775808, 1e14, 1e40, 1e300,
        18446744073709551616, 100000000000000, true, false, [], {}, [{}], [[[]]], {"a": 1}, 0.1,
        8.32, "2026-03-01T13:00:00Z", "2024-03-31T02:30:00", "0000-00-00", "9999-12-31",
        "1e999999999", "-0.00001", "NaN", "é", "@", "evt_", [null], "-5", "\\u0007", " ", "test"]"""
    )
).map(copy.deepcopy)
VALUES = HARD | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def of(platform: str, choice: list[Example] = EXAMPLES) -> list[Example]:
    return [example for example in choice if example.platform == platform]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document that can be replaced."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def holder_of(document: Any, path: tuple[Any, ...]) -> Any:
    """Return the object or list that holds the value at a path."""
    for key in path[:-1]:
        document = document[key]
    return document


@st.composite
def broken(draw: st.DrawFn, platform: str) -> tuple[Example, dict[str, Any]]:
    """An example with up to three of its values replaced or removed."""
    example = draw(st.sampled_from(of(platform, JSON_EXAMPLES)))
    document = copy.deepcopy(json.loads(example.body))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(paths(document)) or [("id",)]))
        holder = holder_of(document, path)
        if draw(st.booleans()) or isinstance(holder, list):
            holder[path[-1]] = draw(VALUES)
        else:
            holder.pop(path[-1], None)
    return example, document


@cache
def vocabulary(platform: str) -> list[str]:
    """Every field name that a platform's examples use."""
    read = [p for e in of(platform, JSON_EXAMPLES) for p in paths(json.loads(e.body))]
    return sorted({path[-1] for path in read if isinstance(path[-1], str)})


def free(platform: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any document in the platform's own field names."""
    names = st.sampled_from(vocabulary(platform))
    inner = st.recursive(
        HARD,
        lambda part: st.lists(part, max_size=3) | st.dictionaries(names, part, max_size=6),
        max_leaves=12,
    )
    return st.dictionaries(names, inner, max_size=8)


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


def check(platform: str, event: str, body: bytes | dict[str, Any]) -> Outcome:
    """What holds of every outcome."""
    made_of = delivery(platform, event, body)
    made = outcome(made_of)
    assert made == outcome(delivery(platform, event, body))
    if isinstance(made, Reject):
        assert made.path
        assert made.detail
        return made
    _, slots = made
    first = next(iter(slots.values()))
    assert first.meta.entity == hashed_entity(made_of.raw.entity, made_of.contact_key)
    assert names_its_key(first)
    for slot, record in slots.items():
        assert record.meta.slot == slot
        assert record.meta.event_id == event_id(made_of.raw.delivery_id, slot)
        assert record.meta.occurred_at <= RECEIVED_AT
        assert all(abs(amount) <= MAX_MONEY for amount in amounts(record))
        assert CODEC.decode(CODEC.encode(record)) == record
    again = outcome(delivery(platform, event, body, delivery_id=ANOTHER_ID, offset=43))
    assert not isinstance(again, Reject)
    assert without_origin(again[1]) == without_origin(slots)
    return made


IDS = names(
    """
    cart_id cart_token order_id customer_id subscription_id native_id payment_id shipment_id
    consent_id
    """
)


def names_its_key(event: Any) -> bool:
    """Whether the id in an event's key is one of its own: ingress and adapter read the same."""
    kind, _, native = event.meta.entity.split("/", 2)[2].partition(":")
    if kind in ("body", "address"):  # no id could be read; an address reports on its customer
        return True
    ids = {getattr(event, name, None) for name in IDS}
    if kind == "credit" and native not in ids:  # by its customer and creation, even with an id
        return event.customer is not None and native.startswith(f"{event.customer.customer_id}-")
    return native in ids


def without_origin(slots: Any) -> dict[str, Any]:
    """Events apart from where and as which delivery they came."""
    plain: dict[str, Any] = msgspec.to_builtins(slots)
    for event in plain.values():
        for name in ("event_id", "delivery_id", "raw_offset"):
            del event["meta"][name]
    return plain


def leads_somewhere(path: str, document: Any) -> bool:
    """Whether a reject's path leads to a value of the document, or to a missing field of one."""
    if path == "$" or path.startswith("hookline-"):
        return True
    *holders, last = re.findall(r"[^.\[\]]+", path)
    try:
        for key in holders:
            document = document[int(key) if isinstance(document, list) else key]
    except (KeyError, IndexError, TypeError):
        return False
    return isinstance(document, dict) or (isinstance(document, list) and int(last) < len(document))


@every_platform
def test_a_broken_example_gives_events_or_a_reject(platform: str) -> None:
    @SLOW
    @given(broken(platform))
    def holds(case: tuple[Example, dict[str, Any]]) -> None:
        check(platform, case[0].told["event"], case[1])

    holds()


@every_platform
def test_any_document_with_the_platforms_event_names_gives_events_or_a_reject(
    platform: str,
) -> None:
    @SLOW
    @given(st.sampled_from(sorted(ADAPTERS[platform].event_names)), free(platform))
    def holds(event: str, document: dict[str, Any]) -> None:
        made = check(platform, event, document)
        if isinstance(made, Reject):
            inner = document.get(event.partition("/")[0].removesuffix("s"))
            assert any(leads_somewhere(made.path, values) for values in (document, inner))

    holds()


@every_platform
def test_any_bytes_give_events_or_a_reject(platform: str) -> None:
    @SLOW
    @given(
        st.sampled_from(sorted(ADAPTERS[platform].event_names)) | st.text(max_size=300),
        st.binary() | VALUES.map(lambda value: json.dumps(value).encode()),
    )
    def holds(event: str, body: bytes) -> None:
        check(platform, event, body)

    holds()


@every_platform
def test_cut_and_flipped_bytes_give_events_or_a_reject(platform: str) -> None:
    @SLOW
    @given(st.sampled_from(of(platform)), st.data())
    def holds(example: Example, data: st.DataObject) -> None:
        body = bytearray(example.body)
        for _ in range(data.draw(st.integers(0, 4))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        check(platform, example.told["event"], bytes(body[: data.draw(st.integers(0, len(body)))]))

    holds()


XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
XML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | XML_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "price", "customer", "line_items"]), inner)
    ),
    max_leaves=6,
)


@SLOW
@given(st.sampled_from(of("spiffy", JSON_EXAMPLES)), XML_VALUES, st.booleans(), st.data())
def test_broken_xml_gives_events_or_a_reject(
    example: Example, value: Any, dashed: bool, data: st.DataObject
) -> None:
    document = json.loads(example.body)
    path = data.draw(st.sampled_from(list(paths(document))))
    holder_of(document, path)[path[-1]] = value
    check("spiffy", example.told["event"], to_xml(document, "any", dashed=dashed))


NUMBERS = (b"1e999999999", b"1e-999999999", b"9" * 4000, b"0." + b"1" * 50_000)


def with_number(document: Any, path: tuple[Any, ...], number: bytes) -> bytes:
    """Return the document with a number at a path, spelled exactly so."""
    changed = copy.deepcopy(document)
    holder_of(changed, path)[path[-1]] = "THE NUMBER"
    return json.dumps(changed).encode().replace(b'"THE NUMBER"', number)


@pytest.mark.parametrize("example", PUBLISHED, ids=lambda example: example.name)
def test_no_number_hangs_or_escapes_in_any_field(example: Example) -> None:
    document = json.loads(example.body)
    for count, path in enumerate(paths(document)):
        body = with_number(document, path, NUMBERS[count % len(NUMBERS)])
        check(example.platform, example.told["event"], body)


PRICES = st.decimals(1000, 10**9, places=2) | st.decimals(1000, 10**9, places=4) | st.decimals(
    1000, 10**9, places=7
)  # fmt: skip


@every_platform
def test_an_amount_is_only_ever_rounded_to_four_decimals(platform: str) -> None:
    """An amount in any field is in the events rounded half-even to four decimals, or not at all."""

    @SLOW
    @given(st.sampled_from(of(platform, JSON_EXAMPLES)), PRICES, st.booleans(), st.data())
    def holds(example: Example, price: Decimal, as_text: bool, data: st.DataObject) -> None:
        document = json.loads(example.body)
        path = data.draw(st.sampled_from(list(paths(document))))
        spelled = f'"{price}"' if as_text else f"{price}"
        body = with_number(document, path, spelled.encode())
        made = outcome(delivery(platform, example.told["event"], body))
        if isinstance(made, Reject):
            return
        near = round(price, 4)
        found = [amount for event in made[1].values() for amount in amounts(event)]
        assert [amount for amount in found if amount != near and abs(amount - near) < 1] == []

    holds()


@every_platform
def test_more_than_four_decimals_are_rounded_and_noted_at_every_amount(platform: str) -> None:
    """Wherever 1234.5 becomes an amount, 1234.50001 becomes the same and is kept as a note."""
    amount, finer, count = Decimal("1234.5"), b"1234.50001", 0
    for example in of(platform, JSON_EXAMPLES):
        document = json.loads(example.body)
        for path in paths(document):
            event = example.told["event"]
            made = outcome(delivery(platform, event, with_number(document, path, b"1234.5")))
            if isinstance(made, Reject):
                continue
            if any(amount in amounts(record) for record in made[1].values()):
                again = outcome(delivery(platform, event, with_number(document, path, finer)))
                assert not isinstance(again, Reject), (example.name, path)
                primary = next(iter(again[1].values()))
                noted = [n for n in primary.attributes if n.startswith(notes.ROUNDED)]
                assert len(noted) == 1, (example.name, path)
                assert noted[0].endswith(str(path[-1]))
                assert primary.attributes[noted[0]] == finer.decode()
                assert [list(amounts(e)) for e in again[1].values()] == [
                    list(amounts(e)) for e in made[1].values()
                ]
                count += 1
    assert count or platform == "shoprocket"  # its newer envelope has whole pence


@every_platform
def test_a_change_is_never_dated_after_its_receipt(platform: str) -> None:
    """Any time of an example set to tomorrow or to the year 2199 moves no event ahead of us."""
    for example in of(platform, JSON_EXAMPLES):
        document = json.loads(example.body)
        for path in paths(document):
            for future in ("2026-03-02T12:00:00Z", "2199-12-31 23:59:59", RECEIVED_AT // 1000 + 1):
                changed = copy.deepcopy(document)
                holder_of(changed, path)[path[-1]] = future
                made = outcome(delivery(platform, example.told["event"], changed))
                if not isinstance(made, Reject):
                    assert all(e.meta.occurred_at <= RECEIVED_AT for e in made[1].values())


def test_a_delivery_is_frozen_so_that_no_adapter_changes_what_the_next_one_reads() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        delivery("gooten", "", {}).body = b""  # type: ignore[misc]
