"""Bodies that came before: counted, held where the shop is strict; the rule and its index."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.decide import Decider, Verdict
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.seen_before import Kind
from processors.sources import ADAPTERS
from processors.sources.contract import Parsed, Rule
from processors.sources.spiffy.topics import body_shows_event
from schemas import envelopes
from schemas.raw_delivery import Imported
from schemas.shops import Shop
from tests.raw import Raw
from tests.toy_platform import CODEC, Record

SHOP = Shop(source="spiffy", id="s", secrets=("x",), currency="USD", window=3600)
RUN_FREE = Shop(source="run-free", id="r", secrets=("x",), currency="USD", window=3600)
OPEN = {("spiffy", "s"): SHOP, ("run-free", "r"): RUN_FREE}
STRICT = {("spiffy", "s"): replace(SHOP, strict_topics=True)}
DECIDER = Decider(CODEC, ADAPTERS, b"a key")
NOW = 2_000_000_000_000


def sent(
    offset: int, event: str, body: dict[str, Any], at: int = 0, extra: Sequence[Any] = ()
) -> Record:
    """A Spiffy delivery, appended ``at`` seconds after the first."""
    kind = event.partition("/")[0].removesuffix("s")
    raw = Raw(
        "spiffy", "s", f"{kind}:{body['id']}", json.dumps(body).encode(), event,
        delivery_id=f"delivery-{offset}",
    )  # fmt: skip
    headers = (*raw.headers, *extra)
    return Record(offset, raw.key, raw.body, headers, timestamp=NOW + 1000 * at)


def decided(batches: Sequence[Sequence[Record]], shops: Any = OPEN) -> list[Verdict]:
    """The verdicts of batches that are written one after the other."""
    index = PartitionIndex()
    found: list[Verdict] = []
    for batch in batches:
        verdicts = DECIDER.decide(batch, index, shops)
        found += verdicts
        for verdict in verdicts:
            for outcome in verdict.outcomes:
                index.add(parse_outcome_headers(outcome.headers))
    return found


def as_batches(records: Sequence[Record]) -> list[list[Sequence[Record]]]:
    """All in one batch, and each in its own."""
    return [[records], [[record] for record in records]]


def seen(found: Sequence[Verdict]) -> list[str]:
    return ["" if each.seen is None else each.seen.header.decode() for each in found]


ORDER = {"id": 5, "total_price": "1.00", "updated_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("number", [0, 1], ids=["one batch", "a batch each"])
def test_a_body_under_another_topic_is_applied_and_counted(number: int) -> None:
    records = [sent(0, "orders/create", ORDER), sent(1, "orders/cancelled", ORDER)]
    found = decided(as_batches(records)[number])

    assert [each.kind for each in found] == ["canonical", "canonical"]
    assert seen(found) == ["", "other-topic:0"]
    header = dict(found[1].outcomes[0].headers)
    assert header[envelopes.SEEN_BEFORE] == b"other-topic:0"
    assert envelopes.SEEN_BEFORE not in dict(found[0].outcomes[0].headers)


@pytest.mark.parametrize("number", [0, 1], ids=["one batch", "a batch each"])
def test_a_strict_shop_holds_what_the_body_does_not_show(number: int) -> None:
    records = [
        sent(0, "orders/create", ORDER),
        sent(1, "orders/cancelled", ORDER),
        sent(2, "orders/delete", ORDER),
        sent(3, "orders/updated", ORDER),
    ]
    found = decided(as_batches(records)[number], STRICT)

    assert [each.kind for each in found] == ["canonical", "dead-letter", "dead-letter", "canonical"]
    assert [each.reason for each in found] == ["", "topic-replay", "topic-replay", ""]
    assert seen(found) == ["", "other-topic:0", "other-topic:0", "other-topic:0"]


def test_a_strict_shop_takes_a_body_that_shows_its_topic() -> None:
    body = {**ORDER, "cancelled_at": "2026-01-01T00:00:00Z", "financial_status": "paid"}
    records = [
        sent(number, f"orders/{verb}", body)
        for number, verb in enumerate(["create", "cancelled", "paid"])
    ]
    found = decided([records], STRICT)

    assert [each.kind for each in found] == ["canonical"] * 3
    assert seen(found) == ["", "other-topic:0", "other-topic:1"]


def test_a_replayed_letter_is_an_operators_decision() -> None:
    first = [sent(0, "orders/create", ORDER), sent(1, "orders/cancelled", ORDER)]
    replay = (
        (envelopes.REPLAY_OF, b"0:1"),
        (envelopes.ORIGINAL, f"0:1:{NOW}".encode()),
    )
    again = replace(sent(1, "orders/cancelled", ORDER, extra=replay), offset=2)
    found = decided([first, [again]], STRICT)

    assert [each.kind for each in found] == ["canonical", "dead-letter", "canonical"]


def test_an_imported_row_is_no_body_of_a_stranger_and_is_never_held() -> None:
    mark = ((envelopes.IMPORT, Imported("i", 1, 1, 1).header),)
    records = [sent(0, "orders/create", ORDER), sent(1, "orders/cancelled", ORDER, extra=mark)]
    found = decided([records], STRICT)

    assert [each.kind for each in found] == ["canonical", "canonical"]
    assert seen(found) == ["", ""]


def test_the_same_under_the_same_topic_is_a_duplicate_as_before() -> None:
    records = [sent(0, "orders/create", ORDER), sent(1, "orders/create", ORDER)]
    assert [each.kind for each in decided([records], STRICT)] == ["canonical", "duplicate"]


def test_what_came_before_the_window_is_not_counted() -> None:
    records = [sent(0, "orders/create", ORDER), sent(1, "orders/cancelled", ORDER, at=3601)]
    found = decided([records], STRICT)

    assert [each.kind for each in found] == ["canonical", "canonical"]
    assert seen(found) == ["", ""]


def cart(items: int) -> dict[str, Any]:
    line = {"id": 1, "quantity": 1, "line_price": "1.00"}
    return {"id": "c", "token": "c", "line_items": [line] * items}


@pytest.mark.parametrize("number", [0, 1], ids=["one batch", "a batch each"])
def test_a_cart_state_that_equals_an_earlier_one_but_not_the_latest_is_counted(number: int) -> None:
    states = [1, 2, 1, 1, 3, 2]
    records = [
        sent(offset, "carts/update", cart(items), at=901 * offset % 3600)
        for offset, items in enumerate(states)
    ]
    found = decided(as_batches(records)[number])

    assert [each.kind for each in found] == ["canonical"] * 6
    assert seen(found) == ["", "", "state:0", "", "", "state:1"]


def test_a_cart_state_under_another_topic_is_an_earlier_state_too() -> None:
    records = [
        sent(0, "carts/create", cart(1)),
        sent(1, "carts/update", cart(1)),
        sent(2, "carts/update", cart(2)),
        sent(3, "carts/create", cart(1)),
    ]
    assert seen(decided([records], STRICT)) == ["", "other-topic:0", "", "state:1"]


@given(
    st.lists(st.tuples(st.sampled_from(["create", "update"]), st.integers(0, 3)), max_size=12),
    st.integers(1, 12),
)
def test_carts_are_counted_alike_however_they_are_batched(
    states: list[tuple[str, int]], size: int
) -> None:
    """Against a plain list; all within the window, and later than a retry could be."""
    records = [
        sent(offset, f"carts/{verb}", cart(items), at=0)
        for offset, (verb, items) in enumerate(states)
    ]
    batches = [records[first : first + size] for first in range(0, len(records), size)]
    applied: list[tuple[str, int]] = []
    expected: list[Kind | None] = []
    for verb, items in states:
        if applied and applied[-1] == (verb, items):
            expected.append(None)  # a retry
            continue
        if applied and applied[-1][1] == items:
            expected.append(Kind.OTHER_TOPIC)
        elif any(earlier == items for _, earlier in applied):
            expected.append(Kind.STATE)
        else:
            expected.append(None)
        applied.append((verb, items))
    found = decided(batches)

    assert [None if each.seen is None else each.seen.kind for each in found] == expected


@pytest.mark.parametrize(
    ("topic", "body", "shown"),
    [
        ("carts/create", {}, True),
        ("orders/updated", {}, True),
        ("orders/paid", {"financial_status": "paid"}, True),
        ("orders/paid", {"financial_status": "pending"}, False),
        ("orders/partially_refunded", {"financial_status": "partially_refunded"}, True),
        ("orders/fulfilled", {"fulfillment_status": "fulfilled"}, True),
        ("orders/partially_fulfilled", {"fulfillment_status": "fulfilled"}, False),
        ("orders/cancelled", {"cancelled_at": None}, False),
        ("orders/cancelled", {"cancelled_at": "2026-01-01T00:00:00Z"}, True),
        ("orders/delete", {}, False),
        ("orders/delete", {"deleted_at": "2026-01-01T00:00:00Z"}, True),
        ("customers/delete", {"state": "enabled"}, False),
        ("customers/disable", {"state": "enabled"}, False),
        ("customers/disable", {"state": "disabled"}, True),
        ("customers/enable", {"state": "enabled"}, True),
        ("orders/exploded", {}, False),
        ("customers/paid", {"financial_status": "paid"}, False),
    ],
)
def test_a_body_shows_its_topic_or_does_not(topic: str, body: dict[str, Any], shown: bool) -> None:
    assert body_shows_event(Parsed(topic, Rule.CONTENT, body)) is shown
