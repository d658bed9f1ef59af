"""Raw records -> outcomes: one verdict each, the same at every attempt."""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from processors import cloudevents, outcomes
from processors import decide as decide_module
from processors.decide import Decider, Verdict
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.outcomes import Origin
from processors.parse import raw_of
from processors.sources.contract import Adapter
from runtime.stage import RefusedError
from schemas import envelopes
from schemas.envelopes import Outcome, Reason, Reject
from schemas.raw_delivery import Imported
from schemas.shops import Shop
from schemas.topics import (
    CARTS,
    CONSENTS,
    CUSTOMERS,
    DEAD_LETTERS,
    DUPLICATES,
    MAX_BODY,
    WEBHOOKS,
    Topic,
)
from tests import toy_platform
from tests.sink_events import meta
from tests.toy_platform import CODEC, SHOP, SHOPS, Record, events, parse, record

VERDICTS = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key")


def decide(
    records: Sequence[Record],
    index: PartitionIndex | None = None,
    shops: Mapping[tuple[str, str], Shop] = SHOPS,
) -> list[Verdict]:
    return VERDICTS.decide(records, PartitionIndex() if index is None else index, shops)


def write(index: PartitionIndex, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        index.add(parse_outcome_headers(outcome.headers))


def kinds(found: list[Verdict]) -> list[str]:
    return [verdict.kind for verdict in found]


def header(outcome: Outcome, name: str) -> bytes:
    return dict(outcome.headers)[name]


def test_every_record_gets_one_verdict_in_order() -> None:
    found = decide([record(0, b"content 1"), record(1, b"?"), record(2, b"content 1")])
    assert kinds(found) == ["canonical", "dead-letter", "duplicate"]
    assert [v.outcomes[0].topic for v in found] == [CARTS.name, DEAD_LETTERS.name, DUPLICATES.name]


def test_every_outcome_of_a_traced_delivery_passes_its_trace_on_once() -> None:
    trace = ((envelopes.TRACEPARENT, b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
    found = decide([record(n, body, extra=trace) for n, body in enumerate((b"a", b"?", b"a"))])
    assert kinds(found) == ["canonical", "dead-letter", "duplicate"]
    for outcome in (outcome for verdict in found for outcome in verdict.outcomes):
        assert [pair for pair in outcome.headers if pair[0] == envelopes.TRACEPARENT] == [*trace]


def test_a_repeat_that_states_how_far_a_history_reaches_is_an_event_again() -> None:
    row = ((envelopes.IMPORT, Imported("i", 1, 5, 5).header),)
    stated = ((envelopes.IMPORT, Imported("i", 1, 5, 5, 3).header),)
    body = b"content 1"
    found = decide([record(0, body), record(1, body, extra=row), record(2, body, extra=stated)])
    assert kinds(found) == ["canonical", "duplicate", "canonical"]


def test_a_row_that_only_its_list_dates_is_a_newer_state_in_a_later_list() -> None:
    """What came in between is overruled; of the same list it is a repeat. A cart dates itself."""
    marks = [Imported("i", 1, 5, at) for at in (5, 9, 9, 12)]
    for key, kinds_ in (
        (b"spiffy/main/order:1", ["canonical", "canonical", "duplicate", "canonical"]),
        (b"spiffy/main/cart:1", ["canonical", "duplicate", "duplicate", "duplicate"]),
    ):
        batch = [
            replace(record(number, b"content 1", extra=((envelopes.IMPORT, mark.header),)), key=key)
            for number, mark in enumerate(marks)
        ]
        assert kinds(decide(batch)) == kinds_


def test_every_outcome_carries_what_the_index_is_read_back_from() -> None:
    batch = [record(4, b"content 1 two"), record(5, b"?"), record(6, b"content 1 two")]
    written = [outcome for verdict in decide(batch) for outcome in verdict.outcomes]
    read = [parse_outcome_headers(outcome.headers) for outcome in written]
    assert [(each.raw_offset, each.slot, each.slots) for each in read] == [
        (4, "cart", ("cart", "consent")),
        (4, "consent", ("cart", "consent")),
        (5, "dead-letter", ("dead-letter",)),
        (6, "duplicate", ("duplicate",)),
    ]
    for raw, each, outcome in zip([0, 0, 1, 2], read, written, strict=True):
        assert (each.raw_time, each.entity) == (batch[raw].timestamp, batch[raw].key)
        assert (each.delivery_id, len(each.digest)) == (f"delivery-{each.raw_offset}", 16)
        assert header(outcome, envelopes.ADAPTER) == b"1"
        assert not each.is_replay


def test_a_cart_that_goes_a_b_a_says_three_things_and_a_retry_of_the_last_none() -> None:
    bodies = [b"state a", b"state b", b"state a", b"state a"]
    found = decide([record(offset, body) for offset, body in enumerate(bodies)])
    assert kinds(found) == ["canonical", "canonical", "canonical", "duplicate"]


def test_an_address_in_place_of_an_id_is_in_no_key_and_no_header_and_repeats_are_found() -> None:
    index = PartitionIndex()
    bodies = [b"state a", b"state a", b"?"]
    given = [
        replace(record(at, body), key=b"spiffy/johns/cart:anna@example.com")
        for at, body in enumerate(bodies)
    ]
    first = decide(given[:1], index)
    write(index, first[0].outcomes)
    found = [*first, *decide(given[1:], index)]
    assert kinds(found) == ["canonical", "duplicate", "dead-letter"]
    for outcome in (outcome for verdict in found for outcome in verdict.outcomes):
        assert b"anna" not in outcome.key
        assert b"anna" not in header(outcome, envelopes.ENTITY)


def test_a_dead_letter_is_no_prior_outcome() -> None:
    index = PartitionIndex()
    first = decide([record(0, b"content boom")], index)
    write(index, first[0].outcomes)
    fixed = Decider(
        CODEC,
        {"spiffy": Adapter(2, parse, lambda d, p: events(d, structs.replace(p, payload=b"")))},
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
    st.lists(st.sampled_from(BODIES), max_size=12),
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


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*BODIES, b"content boom", b"state boom", b"content c two"]),
            st.sampled_from(["cart:1", "cart:2"]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_a_batch_is_decided_as_its_records_would_be_one_by_one(
    deliveries: list[tuple[bytes, str, bool]], known: int
) -> None:
    replay = ((envelopes.REPLAY_OF, b"0:0"), (envelopes.ORIGINAL, b"0:0:1"))
    batch = [
        record(offset, body, entity=entity, extra=replay if is_replay else ())
        for offset, (body, entity, is_replay) in enumerate(deliveries)
    ]
    singly: list[Verdict] = []
    index, other = PartitionIndex(), PartitionIndex()
    for each in batch:
        [verdict] = decide([each], index)
        write(index, verdict.outcomes)
        if each.offset < known:
            write(other, verdict.outcomes)
        else:
            singly.append(verdict)
    assert singly == decide(batch[known:], other)


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
    assert header(outcome, envelopes.REASON) == Reason.UNKNOWN_SHOP.encode()
    assert b"not in the shops file" in header(outcome, envelopes.DETAIL)


def encoded(offset: int, body: bytes, encoding: bytes) -> Record:
    plain = record(offset, body)
    return replace(plain, headers=(*plain.headers, (envelopes.CONTENT_ENCODING, encoding)))


def test_a_gzip_body_repeats_its_plain_content() -> None:
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
        (gzip.compress(b"content", mtime=0)[:-4], b"gzip", Reason.MALFORMED_BODY),
        (gzip.compress(bytes(MAX_BODY + 1), mtime=0), b"gzip", Reason.TOO_LARGE),
        (b"x", b"br", Reason.UNSUPPORTED_FORMAT),
    ],
)
def test_a_body_that_does_not_inflate_is_a_dead_letter(
    body: bytes, encoding: bytes, reason: Reason
) -> None:
    assert decide([encoded(0, body, encoding)])[0].reason == reason


def test_an_event_beyond_its_topics_limit_is_a_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "SURELY_FITS", -1)
    monkeypatch.setattr(outcomes, "too_large", lambda topic, _: topic is CARTS)
    found = decide([record(0, b"content 1")])
    assert found[0].reason == Reason.TOO_LARGE


def test_what_surely_fits_does_beside_all_that_a_delivery_can_bring() -> None:
    parts, most = WEBHOOKS.max_message_bytes // 3, outcomes.SURELY_FITS
    raw = raw_of(record(0, b"content 1"))
    raw = structs.replace(raw, key=b"k" * parts, delivery_id="d" * parts, replay_of="r" * parts)
    slot = "s" * most
    event_meta = structs.replace(meta("spiffy", "cart", "1", 0), entity="e" * most, shop="o" * most)
    headers = Origin(raw, 1, bytes(16)).headers(slot, (slot,)) + cloudevents.headers(
        CARTS, event_meta
    )
    outcome = Outcome(CARTS.name, event_meta.entity.encode(), b"v" * most, headers)
    assert not outcomes.too_large(CARTS, outcome)


def test_the_list_of_very_many_slots_is_counted_whatever_the_event() -> None:
    raw = raw_of(record(0, b"content 1"))
    slots = tuple(f"shipment-{number}" for number in range(400_000))
    made: outcomes.EncodedEvent = (CARTS, b"key", b"small", [])
    assert isinstance(outcomes.event(Origin(raw, 1, bytes(16)), slots[0], made, slots), Reject)
    assert isinstance(outcomes.event(Origin(raw, 1, bytes(16)), "cart", made, ("cart",)), Outcome)


def test_a_replay_does_not_repeat_another_delivery() -> None:
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


NEXT = Decider(CODEC, {"spiffy": toy_platform.adapter(toy_platform.NEXT)}, b"key")


def half_written(body: bytes, *slots: str, version: Decider = VERDICTS) -> PartitionIndex:
    """An index that knows only these slots of the delivery at offset 0."""
    index = PartitionIndex()
    for outcome in version.decide([record(0, body)], index, SHOPS)[0].outcomes:
        if header(outcome, envelopes.SLOT).decode() in slots:
            index.add(parse_outcome_headers(outcome.headers))
    return index


@pytest.mark.parametrize(
    ("body", "written", "reason"),
    [
        (b"content two old-only", "cart", Reason.INVALID_PAYLOAD),
        (b"content two old-only", "consent", Reason.INVALID_PAYLOAD),
        (b"content two old-word", "cart", Reason.UNKNOWN_EVENT),
        (b"content fewer", "cart", Reason.INTERNAL_ERROR),
    ],
)
def test_a_slot_that_cannot_be_made_any_more_gets_a_dead_letter_in_its_place(
    body: bytes, written: str, reason: Reason
) -> None:
    missing = {"cart": "consent", "consent": "cart"}[written]
    index = half_written(body, written)
    verdict = NEXT.decide([record(0, body)], index, SHOPS)[0]
    assert (verdict.kind, verdict.reason) == ("canonical", reason)
    [letter] = verdict.outcomes
    assert letter.topic == DEAD_LETTERS.name
    assert letter.value == body
    values = {name: header(letter, name) for name in (envelopes.SLOT, envelopes.SLOTS)}
    assert values == {envelopes.SLOT: missing.encode(), envelopes.SLOTS: b"cart,consent"}
    assert header(letter, envelopes.REASON) == reason.encode()
    write(index, verdict.outcomes)
    assert NEXT.decide([record(0, body)], index, SHOPS) == []


def test_a_missing_slot_that_its_topic_cannot_take_gets_a_dead_letter_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = half_written(b"content two", "cart")

    def beyond(topic: Topic, _: Outcome) -> bool:
        return topic is CONSENTS

    monkeypatch.setattr(outcomes, "too_large", beyond)
    [letter] = decide([record(0, b"content two")], index)[0].outcomes
    assert header(letter, envelopes.REASON) == Reason.TOO_LARGE.encode()
    assert header(letter, envelopes.SLOT) == b"consent"


def test_what_can_still_be_made_is_written_beside_the_dead_letter_with_the_first_list() -> None:
    index = half_written(b"content three fewer", "cart")
    found = NEXT.decide([record(0, b"content three fewer")], index, SHOPS)[0].outcomes
    topics = {header(outcome, envelopes.SLOT): outcome.topic for outcome in found}
    assert topics == {b"consent": DEAD_LETTERS.name, b"customer": CUSTOMERS.name}
    assert {header(outcome, envelopes.SLOTS) for outcome in found} == {b"cart,consent,customer"}


def test_a_slot_that_only_the_next_version_gives_is_not_added_to_a_delivery_begun() -> None:
    index = half_written(b"content two more", "cart")
    found = NEXT.decide([record(0, b"content two more")], index, SHOPS)[0].outcomes
    assert [header(outcome, envelopes.SLOT) for outcome in found] == [b"consent"]


@pytest.mark.parametrize("first", ["letter", "event"])
def test_a_delivery_with_a_dead_letter_in_a_slot_is_still_a_prior_outcome(first: str) -> None:
    body = b"content two old-only"
    index = half_written(body, "cart")
    [letter] = NEXT.decide([record(0, body)], index, SHOPS)[0].outcomes
    event = decide([record(0, body)])[0].outcomes[0]
    both = [letter, event] if first == "letter" else [event, letter]
    fresh = PartitionIndex()
    write(fresh, both)
    assert kinds(decide([record(1, body)], fresh)) == ["duplicate"]
    alone = PartitionIndex()
    write(alone, [letter])
    assert kinds(decide([record(1, body)], alone)) == ["canonical"]


def test_a_digest_stays_the_one_that_the_first_copy_claimed() -> None:
    renamed = Adapter(2, lambda d: structs.replace(parse(d), event="renamed"), events)  # type: ignore[type-var]
    index = half_written(b"content two", "cart")
    rest = Decider(CODEC, {"spiffy": renamed}, b"key").decide(
        [record(0, b"content two")], index, SHOPS
    )[0]
    first = decide([record(0, b"content two")])[0].outcomes[0]
    claimed = [header(outcome, envelopes.DIGEST) for outcome in (first, *rest.outcomes)]
    assert claimed[0] == claimed[1]


def replay(offset: int, of: int, body: bytes, *, at: int = 1_000_000) -> Record:
    """The delivery at raw offset ``of``, appended again."""
    extra = (
        (envelopes.REPLAY_OF, b"0:0"),
        (envelopes.ORIGINAL, b"0:%d:1000000" % of),
    )
    return record(offset, body, at=at, delivery_id=f"delivery-{of}", extra=extra)


def test_a_delivery_that_is_replayed_twice_is_canonical_once() -> None:
    rejected = b"content 1 new-only"
    index = PartitionIndex()
    write(index, decide([record(0, rejected)], index)[0].outcomes)
    batch = [replay(1, 0, rejected), replay(2, 0, rejected), record(3, rejected)]
    assert kinds(NEXT.decide(batch, index, SHOPS)) == ["canonical", "duplicate", "duplicate"]
    write(index, NEXT.decide(batch[:1], index, SHOPS)[0].outcomes)
    assert kinds(NEXT.decide([replay(4, 0, rejected)], index, SHOPS)) == ["duplicate"]


def test_a_replay_of_a_delivery_that_is_canonical_already_is_a_duplicate() -> None:
    assert kinds(decide([record(0, b"state 1"), replay(1, 0, b"state 1")])) == [
        "canonical",
        "duplicate",
    ]


def test_a_replay_never_becomes_the_latest_state_of_its_entity() -> None:
    found = decide(
        [record(0, b"state a"), replay(1, 9, b"state b"), record(2, b"state a")],
    )
    assert kinds(found) == ["canonical", "canonical", "duplicate"]


MIXED_BODIES = [
    b"content 1 two",
    b"state a",
    b"state b",
    b"content 1 new-only",
    b"?",
    b"content 1 three",
]


@settings(deadline=None)
@given(
    bodies=st.lists(
        st.tuples(st.sampled_from(MIXED_BODIES), st.none() | st.integers(0, 3)), max_size=12
    ),
    written=st.integers(0, 6),
    at_once=st.integers(1, 4),
)
def test_how_many_records_are_decided_at_once_changes_no_verdict(
    bodies: list[tuple[bytes, int | None]], written: int, at_once: int
) -> None:
    batch = [
        record(offset, body, entity=f"cart:{len(body) % 2}")
        if of is None
        else replay(offset, of, body)
        for offset, (body, of) in enumerate(bodies)
    ]
    outcomes = [outcome for verdict in decide(batch) for outcome in verdict.outcomes]
    whole, sliced = PartitionIndex(), PartitionIndex()
    for index in (whole, sliced):
        write(index, outcomes[:written])  # what a killed process left of them
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide_module, "AT_ONCE", at_once)
        found = decide(batch, sliced)
    assert found == decide(batch, whole)


def test_outcomes_of_another_delivery_at_a_raw_offset_are_refused() -> None:
    index = PartitionIndex()
    write(index, decide([record(0, b"content 1")])[0].outcomes)
    with pytest.raises(RefusedError, match="recreated under us"):
        decide([record(0, b"content 1", delivery_id="another")], index)


def test_what_killed_its_worker_too_often_is_a_dead_letter_and_is_not_built_again() -> None:
    index = PartitionIndex()
    [verdict] = VERDICTS.decide([encoded(0, b"no gzip", b"gzip")], index, SHOPS, is_condemned=True)
    assert (verdict.kind, verdict.reason) == ("dead-letter", Reason.KILLED_WORKER)
    write(index, verdict.outcomes)
    assert VERDICTS.decide([encoded(0, b"no gzip", b"gzip")], index, SHOPS) == []


def test_a_half_written_delivery_that_kills_its_worker_stays_canonical() -> None:
    index = half_written(b"content two", "cart")
    [verdict] = VERDICTS.decide([record(0, b"content two")], index, SHOPS, is_condemned=True)
    assert (verdict.kind, verdict.reason) == ("canonical", Reason.KILLED_WORKER)
    assert [header(each, envelopes.SLOT) for each in verdict.outcomes] == [b"consent"]
