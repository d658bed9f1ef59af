"""Raw records -> outcomes: one verdict each, the same at every attempt."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors import verdicts
from processors.index import PartitionIndex, noted
from processors.sources.contract import Adapter, Delivery, Parsed, Rule, Slots
from processors.verdicts import Verdict, Verdicts
from schemas import envelopes
from schemas.codec import Codec
from schemas.envelopes import Outcome, Reason, Reject
from schemas.events import RECORDS, Cart, Change, Consent, Meta, ShopSettings, TimeBasis
from schemas.shops import Shop
from schemas.topics import CARTS, CONSENTS, DEAD_LETTERS, DUPLICATES, MAX_BODY
from tests.raw import Raw

SHOP = Shop(source="spiffy", id="s", secrets=("x",), currency="USD")
SHOPS = {("spiffy", "s"): SHOP}


@dataclass(frozen=True, slots=True)
class Record:
    """A raw record as aiokafka gives it."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    partition: int = 0
    timestamp: int = 1_000_000


def record(offset: int, body: bytes, *, at: int = 1_000_000, **changes: Any) -> Record:
    raw = Raw("spiffy", "s", "cart:1", body, delivery_id=f"delivery-{offset}")
    return Record(offset, raw.key, body, tuple(raw.headers), timestamp=at, **changes)


def parse(delivery: Delivery) -> Parsed | Reject:
    """Bodies of the toy platform: ``state:…`` or ``content:…``; ``!`` is a bug in parse."""
    if delivery.body.startswith(b"!"):
        raise ValueError("a bug")
    if delivery.body.startswith(b"?"):
        return Reject(Reason.INVALID_PAYLOAD, "data.x", "not so", "validate")
    rule = Rule.CONTENT if delivery.body.startswith(b"content") else Rule.STATE
    return Parsed("toy", rule, delivery.body)


def events(delivery: Delivery, parsed: Parsed) -> Slots | Reject:
    if b"boom" in parsed.payload:
        raise ValueError("another bug")
    raw = delivery.raw
    meta = Meta(
        event_id=envelopes.event_id(raw.delivery_id, "cart"),
        delivery_id=raw.delivery_id,
        source=raw.source,
        shop=raw.shop,
        entity=raw.entity,
        slot="cart",
        source_event="toy",
        change=Change.UPDATED,
        occurred_at=1,
        time_basis=TimeBasis.RECEIVED,
        version_at=1,
        received_at=1,
        raw_partition=raw.partition,
        raw_offset=raw.offset,
        raw_appended_at=raw.appended_ms * 1000,
        is_test=False,
        adapter_version=1,
        settings=ShopSettings(
            timezone="UTC",
            abandon_after_s=1,
            expire_after_s=1,
            checkout_grace_s=1,
            counts_as_sale=True,
        ),
    )
    slots: Slots = {"cart": Cart(meta=meta, cart_id="1", abandoned=False)}
    if b"two" in parsed.payload:
        slots["consent"] = Consent(
            meta=msgspec.structs.replace(meta, slot="consent"), consent_id="1"
        )
    return slots


CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
VERDICTS = Verdicts(CODEC, {"spiffy": Adapter(1, parse, events)}, b"key")


def decide(
    records: Sequence[Record],
    index: PartitionIndex | None = None,
    shops: Mapping[tuple[str, str], Shop] = SHOPS,
) -> list[Verdict]:
    return VERDICTS.decide(records, PartitionIndex() if index is None else index, shops)


def write(index: PartitionIndex, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        index.add(noted(outcome.headers))


def kinds(found: list[Verdict]) -> list[str]:
    return [verdict.kind for verdict in found]


def header(outcome: Outcome, name: str) -> bytes:
    return dict(outcome.headers)[name]


def test_every_record_gets_one_verdict_in_order() -> None:
    found = decide([record(0, b"content 1"), record(1, b"?"), record(2, b"content 1")])
    assert kinds(found) == ["canonical", "dead-letter", "duplicate"]
    assert [v.outcomes[0].topic for v in found] == [CARTS.name, DEAD_LETTERS.name, DUPLICATES.name]


def test_a_cart_that_goes_a_b_a_says_three_things_and_a_retry_of_the_last_none() -> None:
    bodies = [b"state a", b"state b", b"state a", b"state a"]
    found = decide([record(offset, body) for offset, body in enumerate(bodies)])
    assert kinds(found) == ["canonical", "canonical", "canonical", "duplicate"]


def test_a_dead_letter_is_no_earlier_saying() -> None:
    index = PartitionIndex()
    first = decide([record(0, b"content boom")], index)
    write(index, first[0].outcomes)
    fixed = Verdicts(
        CODEC,
        {"spiffy": Adapter(2, parse, lambda d, p: events(d, replace(p, payload=b"")))},
        b"key",
    )
    assert kinds(fixed.decide([record(1, b"content boom")], index, SHOPS)) == ["canonical"]


def test_what_is_written_is_not_written_again() -> None:
    index = PartitionIndex()
    batch = [record(0, b"content 1"), record(1, b"content 2 two"), record(2, b"?")]
    for verdict in decide(batch, index):
        write(index, verdict.outcomes)
    assert decide(batch, index) == []


@pytest.mark.parametrize("slot", ["cart", "consent"])
def test_after_a_crash_only_the_missing_slot_is_written(slot: str) -> None:
    index = PartitionIndex()
    batch = [record(0, b"content two")]
    whole = decide(batch, index)[0].outcomes
    write(index, [outcome for outcome in whole if header(outcome, envelopes.SLOT) == slot.encode()])
    rest = decide(batch, index)[0].outcomes
    missing = {"cart": CONSENTS.name, "consent": CARTS.name}[slot]
    assert [outcome.topic for outcome in rest] == [missing]


BODIES = [b"state a", b"state b", b"content c", b"content d two", b"?"]


@settings(max_examples=100)
@given(
    st.lists(
        st.sampled_from([b"state a", b"state b", b"content c", b"content d two", b"?"]), max_size=12
    ),
    st.data(),
)
def test_any_part_of_the_outcomes_lost_gives_the_same_final_outcomes(
    bodies: list[bytes], data: st.DataObject
) -> None:
    batch = [record(offset, body) for offset, body in enumerate(bodies)]
    whole = [outcome for verdict in decide(batch) for outcome in verdict.outcomes]
    kept = [outcome for outcome in whole if data.draw(st.booleans())]
    index = PartitionIndex()
    write(index, kept)
    again = [outcome for verdict in decide(batch, index) for outcome in verdict.outcomes]

    def named(outcome: Outcome) -> tuple[str, bytes, bytes]:
        return outcome.topic, header(outcome, envelopes.RAW_OFFSET), outcome.value

    assert sorted(map(named, whole)) == sorted(map(named, [*kept, *again]))


def test_a_bug_in_an_adapter_is_a_dead_letter_with_its_traceback() -> None:
    for body, stage in ((b"!", b"parse"), (b"content boom", b"transform")):
        outcome = decide([record(0, body)])[0].outcomes[0]
        assert header(outcome, envelopes.REASON) == Reason.INTERNAL_ERROR.encode()
        assert header(outcome, envelopes.STAGE) == stage
        assert b"ValueError" in header(outcome, envelopes.DETAIL)
        assert outcome.value == body


def test_a_dead_letter_carries_the_original_bytes_headers_reason_and_path() -> None:
    outcome = decide([record(7, b"? what")])[0].outcomes[0]
    assert outcome.value == b"? what"
    assert header(outcome, envelopes.FIELD_PATH) == b"data.x"
    assert header(outcome, envelopes.RAW_OFFSET) == b"7"
    assert header(outcome, envelopes.DELIVERY) == b"delivery-7"
    assert header(outcome, envelopes.CONTENT_TYPE) == b"application/json"
    assert header(outcome, "__connect.errors.offset") == b"7"
    assert header(outcome, "__connect.errors.exception.message") == b"not so"


def test_a_shop_that_left_the_file_gives_a_dead_letter_that_can_be_replayed() -> None:
    outcome = decide([record(0, b"content 1")], shops={})[0].outcomes[0]
    assert header(outcome, envelopes.REASON) == Reason.INVALID_PAYLOAD.encode()
    assert b"not in the shops file" in header(outcome, envelopes.DETAIL)


def encoded(offset: int, body: bytes, encoding: bytes) -> Record:
    plain = record(offset, body)
    return replace(plain, headers=(*plain.headers, (envelopes.CONTENT_ENCODING, encoding)))


def test_a_gzip_body_is_the_same_saying_as_its_content() -> None:
    halves = gzip.compress(b"content") + gzip.compress(b" 1")
    found = decide(
        [
            record(0, b"content 1"),
            encoded(1, gzip.compress(b"content 1"), b"gzip"),
            encoded(2, halves, b"gzip"),
        ]
    )
    assert kinds(found) == ["canonical", "duplicate", "duplicate"]


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"no gzip", b"gzip", Reason.MALFORMED_BODY),
        (gzip.compress(b"content")[:-4], b"gzip", Reason.MALFORMED_BODY),
        (gzip.compress(bytes(MAX_BODY + 1)), b"gzip", Reason.TOO_LARGE),
        (b"x", b"br", Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_a_body_that_does_not_inflate_is_a_dead_letter(
    body: bytes, encoding: bytes, reason: Reason
) -> None:
    assert decide([encoded(0, body, encoding)])[0].reason == reason


def test_an_event_beyond_its_topics_limit_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "too_large", lambda topic, _: topic is CARTS)
    found = decide([record(0, b"content 1")])
    assert found[0].reason == Reason.TOO_LARGE


def test_a_replay_skips_the_question_whether_it_was_said_before() -> None:
    again = record(1, b"content 1")
    replayed = replace(again, headers=(*again.headers, (envelopes.REPLAY_OF, b"0:3")))
    assert kinds(decide([record(0, b"content 1"), replayed])) == ["canonical", "canonical"]


def test_the_window_and_the_retry_window_are_the_shops_own() -> None:
    day = 86_400_000
    late = record(1, b"content 1", at=1_000_000 + 4 * day)
    assert kinds(decide([record(0, b"content 1"), late])) == ["canonical", "canonical"]
    longer = {("spiffy", "s"): replace(SHOP, window=5 * 86400)}
    assert kinds(decide([record(0, b"content 1"), late], shops=longer)) == [
        "canonical",
        "duplicate",
    ]
