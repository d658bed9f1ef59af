"""Deliveries and outcomes meet in any order, once, and no more than a bound is kept."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.journey.model import Received, VerdictKind
from hookline.journey.verdict import to_time
from hookline.listen.board import Board
from processors.outcomes import Origin, dead_letter, event
from runtime.settings import Settings
from schemas.envelopes import Outcome, Reason, Reject
from schemas.raw_delivery import RawDelivery
from schemas.topics import CUSTOMERS, DEAD_LETTERS, ORDERS, WEBHOOKS, Topic
from tests.fake_log import NOW_MS
from tests.raw import Raw
from tests.sink_events import CODEC, NOON, order

SETTINGS = Settings(contact_key="key")
PARTITION = 3
RAW = Raw("spiffy", "main", "order:1", b"{}", "orders/create")
SLOTS = ("order", "customer")


class Record:
    """A fetched record."""

    def __init__(
        self, topic: Topic, offset: int, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        self.topic, self.partition, self.offset = SETTINGS.topic(topic), PARTITION, offset
        self.timestamp, self.key = NOW_MS, RAW.key
        self.value, self.headers = value, tuple(headers)


def raw(offset: int) -> Record:
    return Record(WEBHOOKS, offset, RAW.body, RAW.headers)


def origin(offset: int) -> Origin:
    delivery = RawDelivery(PARTITION, offset, NOW_MS, RAW.key, b"{}", RAW.delivery_id, "spiffy",
                           "main", "orders/create", NOW_MS * 1000)  # fmt: skip
    return Origin(delivery, 3, b"0" * 16)


def canonical(offset: int, slot: str) -> tuple[Topic, Record]:
    topic = ORDERS if slot == "order" else CUSTOMERS
    made = event(origin(offset), slot, (topic, b"k", CODEC.encode(order("1", NOON)), []), SLOTS)
    assert isinstance(made, Outcome)
    return topic, Record(topic, 100 + offset, made.value or b"", made.headers)


def letter(offset: int) -> tuple[Topic, Record]:
    made = dead_letter(origin(offset), Reject(Reason.INVALID_PAYLOAD, "data.total", "no number"))
    return DEAD_LETTERS, Record(DEAD_LETTERS, 100 + offset, made.value or b"", made.headers)


def received(delivery: RawDelivery) -> Received:
    shop = f"{delivery.source}/{delivery.shop}"
    at = to_time(delivery.received_at // 1000)
    return Received(delivery.delivery_id, shop, delivery.event, delivery.entity, at)


def board(**options: Any) -> Board:
    return Board({PARTITION: 7}, CODEC, received, **options)


@given(st.permutations(["raw", "order", "customer", "order again"]))
def test_a_delivery_is_decided_once_in_any_order_of_its_records(
    names: list[str],
) -> None:
    tested = board()
    decided = []
    for name in names:
        if name == "raw":
            tested.add_raw(raw(7), 1.0)
        else:
            tested.add_outcome(*canonical(7, name.split()[0]), 2.0)
        decided += tested.take_decided()
    (heard,) = decided
    assert heard.verdict is not None
    assert heard.verdict.kind is VerdictKind.CANONICAL
    assert {each.noun for each in heard.events} == {"orders", "customers"}
    assert tested.waiting == 0


def test_the_outcome_of_a_delivery_before_the_start_is_passed_over() -> None:
    tested = board()
    tested.add_outcome(*letter(6), 1.0)
    tested.add_raw(raw(7), 1.0)
    assert (tested.take_decided(), tested.waiting) == ([], 1)


def test_a_letter_has_its_reason_and_field() -> None:
    tested = board()
    tested.add_raw(raw(7), 1.0)
    tested.add_outcome(*letter(7), 2.0)
    (heard,) = tested.take_decided()
    assert heard.verdict is not None
    assert heard.verdict.kind is VerdictKind.DEAD_LETTER
    assert [(each.reason, each.path) for each in heard.verdict.letters] == [
        ("invalid-payload", "data.total")
    ]


def test_what_is_not_wanted_takes_no_memory() -> None:
    tested = board(is_wanted=lambda _: False)
    tested.add_outcome(*letter(8), 1.0)
    for offset in (7, 8):
        tested.add_raw(raw(offset), 1.0)
        tested.add_outcome(*letter(offset), 2.0)
    assert (tested.take_decided(), tested.waiting, tested.lost) == ([], 0, 0)


def test_of_too_many_without_a_verdict_the_oldest_are_forgotten_and_counted() -> None:
    tested = board(maximum=2)
    for offset in range(7, 12):
        tested.add_raw(raw(offset), float(offset))
    for offset in range(7, 12):
        tested.add_outcome(*letter(offset), 20.0)
    assert [heard.raw.offset for heard in tested.take_decided()] == [10, 11]
    assert tested.lost == 3


def test_a_delivery_without_a_verdict_is_named_once_and_decided_later() -> None:
    tested = board()
    tested.add_raw(raw(7), 1.0)
    tested.add_raw(raw(8), 5.0)
    assert [heard.raw.offset for heard in tested.take_silent(before=5.0)] == [7]
    assert tested.take_silent(before=5.0) == []
    tested.add_outcome(*letter(7), 9.0)
    assert [heard.raw.offset for heard in tested.take_decided()] == [7]
