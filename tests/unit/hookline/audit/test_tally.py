"""Each delivery is in exactly one class, distinct by (raw offset, slot)."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.audit.tally import AuditResult, Count, HeaderIds, PartitionTally

TWO = ("order", "payment")


class Tally(PartitionTally):
    """A tally that takes one record at a time."""

    def __init__(self, begin: int, barrier: int, committed: int) -> None:
        self.ids = HeaderIds()
        super().__init__(begin, barrier, committed, self.ids)

    def raw(self, offset: int, shop: str, *, is_replay: bool) -> None:
        source, _, name = shop.partition("/")
        number = self.ids.shop(source.encode(), name.encode())
        self.add_raw(np.array([offset]), np.array([number]), np.array([is_replay]))

    def outcome(self, raw_offset: int, slot: str, slots: tuple[str, ...]) -> None:
        number = self.ids.slot(slot.encode(), ",".join(slots).encode())
        self.add_outcomes(np.array([raw_offset]), np.array([number]))


def tally(begin: int = 0, barrier: int = 4, committed: int = 4) -> Tally:
    counted = Tally(begin, barrier, committed)
    for offset in range(begin, barrier):
        counted.raw(offset, "spiffy/johns", is_replay=False)
    return counted


def count(counted: PartitionTally) -> Count:
    return counted.result().shops["spiffy/johns"]


def test_each_class_is_counted_once() -> None:
    counted = tally()
    counted.outcome(0, "cart", ("cart",))
    counted.outcome(1, "duplicate", ("duplicate",))
    counted.outcome(2, "dead-letter", ("dead-letter",))
    counted.outcome(3, "order", TWO)
    counted.outcome(3, "payment", TWO)
    assert count(counted) == Count(accepted=4, canonical=2, duplicates=1, dead_letters=1)
    assert count(counted).is_balanced


def test_a_delivery_without_all_its_slots_is_missing_and_named() -> None:
    counted = tally(begin=10, barrier=12, committed=12)
    counted.outcome(10, "order", TWO)
    counted.outcome(11, "order", TWO)
    counted.outcome(11, "payment", TWO)
    result = counted.result()
    assert result.missing_at == (10,)
    assert result.shops["spiffy/johns"] == Count(accepted=2, canonical=1, missing=1)
    assert not result.shops["spiffy/johns"].is_balanced


def test_what_the_processors_have_not_reached_is_in_flight() -> None:
    counted = tally(committed=2)
    for offset in (0, 1, 3):
        counted.outcome(offset, "cart", ("cart",))
    assert count(counted) == Count(accepted=4, canonical=3, in_flight=1)
    assert count(counted).is_balanced


def test_a_further_copy_is_late_and_counts_for_nothing() -> None:
    counted = tally(barrier=1, committed=1)
    counted.outcome(0, "order", TWO)
    counted.outcome(0, "order", TWO)
    result = counted.result()
    assert (result.late_copies, result.shops["spiffy/johns"].missing) == (1, 1)


def test_a_delivery_in_two_classes_does_not_balance() -> None:
    counted = tally(barrier=1, committed=1)
    counted.outcome(0, "cart", ("cart",))
    counted.outcome(0, "dead-letter", ("dead-letter",))
    assert count(counted).conflicting == 1
    assert not count(counted).is_balanced


def test_a_replay_is_no_delivery() -> None:
    counted = Tally(0, 1, 1)
    counted.raw(0, "spiffy/johns", is_replay=True)
    counted.outcome(0, "cart", ("cart",))
    assert count(counted) == Count(replays=1)


def test_where_copies_name_their_slots_in_another_order_each_is_counted_once() -> None:
    counted = tally(barrier=1, committed=1)
    counted.outcome(0, "payment", ("payment", "order"))
    counted.outcome(0, "payment", TWO)
    assert (counted.result().missing_at, counted.result().late_copies) == ((0,), 1)
    counted.outcome(0, "order", TWO)
    assert counted.result().missing_at == ()


def test_what_lies_outside_the_range_is_not_looked_at() -> None:
    counted = Tally(5, 6, 6)
    counted.raw(4, "spiffy/johns", is_replay=False)
    counted.raw(6, "spiffy/johns", is_replay=False)
    counted.outcome(4, "cart", ("cart",))
    assert counted.result() == AuditResult()


def test_an_outcome_without_a_raw_record_is_a_stranger() -> None:
    counted = Tally(0, 1, 1)
    counted.outcome(0, "cart", ("cart",))
    assert counted.result().strangers == 1


def test_a_fulfilment_with_many_parcels_is_whole_only_with_all_of_them() -> None:
    slots = ("order", *(f"shipment-{number}" for number in range(1, 400)))
    counted = tally(barrier=2, committed=2)
    for slot in slots:
        counted.outcome(0, slot, slots)
        counted.outcome(0, slot, slots)
    for slot in slots[:-1]:
        counted.outcome(1, slot, slots)
    result = counted.result()
    assert result.missing_at == (1,)
    assert result.late_copies == len(slots)


def test_a_slot_that_its_record_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'cart' is not among"):
        tally().outcome(0, "cart", TWO)


def test_shops_are_counted_apart_and_add_up() -> None:
    counted = Tally(0, 3, 3)
    for offset, shop in enumerate(("ciklik/a", "gooten/b", "ciklik/a")):
        counted.raw(offset, shop, is_replay=False)
        counted.outcome(offset, "cart", ("cart",))
    shops = counted.result().shops
    assert {shop: count.canonical for shop, count in shops.items()} == {
        "ciklik/a": 2,
        "gooten/b": 1,
    }
    assert shops["ciklik/a"] + shops["gooten/b"] == Count(accepted=3, canonical=3)


@given(
    st.lists(st.sampled_from(["cart", "two", "duplicate", "dead-letter"]), max_size=60),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_the_log_change_no_count(
    kinds: list[str], chance: random.Random
) -> None:
    outcomes = [
        (offset, slot, TWO if kind == "two" else (kind,))
        for offset, kind in enumerate(kinds)
        for slot in (TWO if kind == "two" else (kind,))
    ]
    shuffled = outcomes + chance.choices(outcomes, k=len(outcomes) // 2) if outcomes else []
    chance.shuffle(shuffled)
    results = []
    for log in (outcomes, shuffled):
        counted = tally(barrier=len(kinds), committed=len(kinds))
        for outcome in log:
            counted.outcome(*outcome)
        results.append(counted.result().shops)
    assert results[0] == results[1]
    assert sum(count.missing for count in results[0].values()) == 0
