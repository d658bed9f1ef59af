"""The outcomes of a delivery are found late and early, whole, and told from those of others."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.journey import outcomes
from hookline.journey.logs import Logs
from hookline.journey.model import VerdictKind
from hookline.journey.outcomes import Found, number
from hookline.journey.verdict import events, verdict
from processors.dedupe import PriorOutcome
from processors.outcomes import Origin, dead_letter, duplicate, event
from processors.sources.contract import Parsed, Rule
from runtime.settings import Settings
from schemas.envelopes import Outcome, Reason, Reject, event_id
from schemas.raw_delivery import RawDelivery
from schemas.topics import ALL, CONTACTS, CUSTOMERS, DEAD_LETTERS, DUPLICATES, ORDERS, Topic
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record
from tests.sink_events import CODEC, NOON, order

SETTINGS = Settings(contact_key="key")
DELIVERY = "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071"


def raw(offset: int, delivery: str = DELIVERY) -> RawDelivery:
    return RawDelivery(0, offset, NOW_MS, b"spiffy/main/order:1", b"{}", delivery, "spiffy", "main",
                       "orders/create", NOW_MS * 1000)  # fmt: skip


def origin(offset: int, delivery: str = DELIVERY) -> Origin:
    return Origin(raw(offset, delivery), 3, b"0" * 16)


def canonical(
    offset: int, topic: Topic = ORDERS, slot: str = "order", slots: Sequence[str] = ("order",)
) -> Outcome:
    value = CODEC.encode(order("1", NOON))
    made = event(origin(offset), slot, (topic, b"k", value, []), tuple(slots))
    assert isinstance(made, Outcome)
    return made


def batch_of(made: Outcome) -> Batch:
    headers = tuple((name.encode(), value) for name, value in made.headers)
    return Batch((Record(made.key, made.value, headers),))


def logs_of(records: dict[Topic, list[Outcome]]) -> Logs:
    """Each log has a batch a second."""
    tps = {topic: [TopicPartition(SETTINGS.topic(topic), 0)] for topic in ALL}
    consumer: Any = FakeConsumer(
        {tps[topic][0]: [batch_of(each) for each in made] for topic, made in records.items()}
    )
    consumer.assign([tp for each in tps.values() for tp in each])
    return Logs(SETTINGS, consumer, tps, CODEC)


def found_in(records: dict[Topic, list[Outcome]], offset: int, appended_ms: int = NOW_MS) -> Found:
    return asyncio.run(outcomes.of_raw(logs_of(records), 0, offset, appended_ms))


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(-600, 600))
def test_an_outcome_is_found_however_long_the_processors_were_away(wanted: int, late: int) -> None:
    """``late``: seconds between the raw record's append time and the log's first outcome."""
    log = [canonical(offset) for offset in range(31)]
    found = found_in({ORDERS: log}, wanted, NOW_MS - late * 1000)
    (only,) = found.outcomes
    assert (only.raw_offset, only.record.offset) == (wanted, wanted)


def test_all_events_of_a_delivery_are_found_in_the_order_of_their_slots() -> None:
    slots = ("order", "customer")
    found = found_in(
        {
            CUSTOMERS: [canonical(5, CUSTOMERS, "customer", slots)],
            ORDERS: [canonical(4), canonical(5, ORDERS, "order", slots)],
        },
        5,
    )
    assert verdict(found).kind is VerdictKind.CANONICAL
    made = events(found, CODEC)
    assert {each.slot: each.event_id for each in made} == {
        slot: event_id(DELIVERY, slot) for slot in slots
    }
    assert [each.noun for each in made] == ["customers", "orders"]  # by their append times
    assert found.lacking == []


def test_a_lost_event_of_a_delivery_is_named() -> None:
    found = found_in(
        {ORDERS: [canonical(5, ORDERS, "order", ("order", "contact"))], CONTACTS: []}, 5
    )
    assert found.lacking == ["contact"]
    assert verdict(found).kind is VerdictKind.CANONICAL


def test_nothing_is_found_for_a_delivery_without_outcome_though_others_have_theirs() -> None:
    log = [canonical(offset) for offset in range(200) if offset != 7]
    found = found_in({ORDERS: log}, 7)
    assert found.outcomes == []
    assert verdict(found).kind is VerdictKind.MISSING


def test_a_second_copy_of_an_outcome_is_left_out() -> None:
    found = found_in({ORDERS: [canonical(1), canonical(1), canonical(2)]}, 1)
    assert [each.record.offset for each in found.outcomes] == [0]


def test_a_dead_letter_has_its_reason_and_a_duplicate_what_it_repeats() -> None:
    reject = Reject(Reason.INVALID_PAYLOAD, "data.items[0].cost", "no amount")
    parsed = Parsed("orders/create", Rule.CONTENT, None)
    logs = {
        DEAD_LETTERS: [dead_letter(origin(1), reject)],
        DUPLICATES: [duplicate(origin(2), parsed, PriorOutcome(1, NOW_MS - 5, b""))],
    }
    (letter,) = verdict(found_in(logs, 1)).letters
    assert (letter.reason, letter.path, letter.slot) == (reject.reason, reject.path, None)
    assert verdict(found_in(logs, 1)).kind is VerdictKind.DEAD_LETTER
    repeated = verdict(found_in(logs, 2))
    assert repeated.kind is VerdictKind.DUPLICATE
    assert repeated.repeats is not None
    assert (repeated.repeats.raw, repeated.repeats.rule) == ("0:1", "content")


def test_one_dead_event_leaves_its_delivery_canonical() -> None:
    slots = ("order", "payment")
    reject = Reject(Reason.TOO_LARGE, "payment", "", "encode")
    found = found_in(
        {
            ORDERS: [canonical(1, ORDERS, "order", slots)],
            DEAD_LETTERS: [dead_letter(origin(1), reject, "payment", slots)],
        },
        1,
    )
    what = verdict(found)
    assert what.kind is VerdictKind.CANONICAL
    assert [letter.slot for letter in what.letters] == ["payment"]


def test_outcomes_are_found_by_the_delivery_where_its_raw_record_is_gone() -> None:
    logs = logs_of({ORDERS: [canonical(offset) for offset in range(3)]})
    found = asyncio.run(outcomes.of_delivery(logs, DELIVERY, NOW_MS))
    assert found.outcomes[0].raw_offset == 0
    none = asyncio.run(outcomes.of_delivery(logs, DELIVERY.replace("6071", "6072"), NOW_MS))
    assert none.outcomes == []


def test_a_header_of_another_producer_is_a_number_only_within_64_bits() -> None:
    given = {b"12": 12, b"9" * 18: 10**18 - 1, b"9" * 5000: None, b"": None, b"-1": None}
    assert {text: number(text) for text in given} == given
