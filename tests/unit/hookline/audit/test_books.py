"""The audit's books: each delivery in exactly one class, distinct by (raw offset, slot)."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.audit.books import Count, Glossary, PartitionBooks, Verdicts

TWO = ("order", "payment")


class Books(PartitionBooks):
    """Books that take one record at a time."""

    def __init__(self, begin: int, barrier: int, committed: int) -> None:
        self.words = Glossary()
        super().__init__(begin, barrier, committed, self.words)

    def raw(self, offset: int, shop: str, *, is_replay: bool) -> None:
        source, _, name = shop.partition("/")
        number = self.words.shop(source.encode(), name.encode())
        self.raws(np.array([offset]), np.array([number]), np.array([is_replay]))

    def outcome(self, raw_offset: int, slot: str, slots: tuple[str, ...]) -> None:
        number = self.words.slot(slot.encode(), ",".join(slots).encode())
        self.outcomes(np.array([raw_offset]), np.array([number]))


def books(begin: int = 0, barrier: int = 4, committed: int = 4) -> Books:
    made = Books(begin, barrier, committed)
    for offset in range(begin, barrier):
        made.raw(offset, "spiffy/johns", is_replay=False)
    return made


def count(made: PartitionBooks) -> Count:
    return made.close().shops["spiffy/johns"]


def test_each_class_is_counted_once() -> None:
    made = books()
    made.outcome(0, "cart", ("cart",))
    made.outcome(1, "duplicate", ("duplicate",))
    made.outcome(2, "dead-letter", ("dead-letter",))
    made.outcome(3, "order", TWO)
    made.outcome(3, "payment", TWO)
    assert count(made) == Count(accepted=4, canonical=2, duplicates=1, dead_letters=1)
    assert count(made).is_balanced


def test_a_delivery_without_all_its_slots_is_missing_and_named() -> None:
    made = books(begin=10, barrier=12, committed=12)
    made.outcome(10, "order", TWO)
    made.outcome(11, "order", TWO)
    made.outcome(11, "payment", TWO)
    verdicts = made.close()
    assert verdicts.missing_at == (10,)
    assert verdicts.shops["spiffy/johns"] == Count(accepted=2, canonical=1, missing=1)
    assert not verdicts.shops["spiffy/johns"].is_balanced


def test_what_the_processors_have_not_reached_is_in_flight() -> None:
    made = books(committed=2)
    for offset in (0, 1, 3):
        made.outcome(offset, "cart", ("cart",))
    assert count(made) == Count(accepted=4, canonical=3, in_flight=1)
    assert count(made).is_balanced


def test_a_further_copy_is_late_and_counts_for_nothing() -> None:
    made = books(barrier=1, committed=1)
    made.outcome(0, "order", TWO)
    made.outcome(0, "order", TWO)
    verdicts = made.close()
    assert (verdicts.late_copies, verdicts.shops["spiffy/johns"].missing) == (1, 1)


def test_a_delivery_in_two_classes_does_not_balance() -> None:
    made = books(barrier=1, committed=1)
    made.outcome(0, "cart", ("cart",))
    made.outcome(0, "dead-letter", ("dead-letter",))
    assert count(made).conflicting == 1
    assert not count(made).is_balanced


def test_a_replay_is_no_delivery() -> None:
    made = Books(0, 1, 1)
    made.raw(0, "spiffy/johns", is_replay=True)
    made.outcome(0, "cart", ("cart",))
    assert count(made) == Count(replays=1)


def test_where_copies_name_their_slots_in_another_order_each_is_counted_once() -> None:
    made = books(barrier=1, committed=1)
    made.outcome(0, "payment", ("payment", "order"))
    made.outcome(0, "payment", TWO)
    assert (made.close().missing_at, made.close().late_copies) == ((0,), 1)
    made.outcome(0, "order", TWO)
    assert made.close().missing_at == ()


def test_what_lies_outside_the_range_is_not_looked_at() -> None:
    made = Books(5, 6, 6)
    made.raw(4, "spiffy/johns", is_replay=False)
    made.raw(6, "spiffy/johns", is_replay=False)
    made.outcome(4, "cart", ("cart",))
    assert made.close() == Verdicts()


def test_an_outcome_without_a_raw_record_is_a_stranger() -> None:
    made = Books(0, 1, 1)
    made.outcome(0, "cart", ("cart",))
    assert made.close().strangers == 1


def test_a_fulfilment_with_many_parcels_is_whole_only_with_all_of_them() -> None:
    slots = ("order", *(f"shipment-{number}" for number in range(1, 400)))
    made = books(barrier=2, committed=2)
    for slot in slots:
        made.outcome(0, slot, slots)
        made.outcome(0, slot, slots)
    for slot in slots[:-1]:
        made.outcome(1, slot, slots)
    verdicts = made.close()
    assert verdicts.missing_at == (1,)
    assert verdicts.late_copies == len(slots)


def test_a_slot_that_its_record_does_not_name_is_refused() -> None:
    with pytest.raises(ValueError, match="'cart' is not among"):
        books().outcome(0, "cart", TWO)


def test_shops_are_counted_apart_and_add_up() -> None:
    made = Books(0, 3, 3)
    for offset, shop in enumerate(("ciklik/a", "gooten/b", "ciklik/a")):
        made.raw(offset, shop, is_replay=False)
        made.outcome(offset, "cart", ("cart",))
    shops = made.close().shops
    assert {shop: told.canonical for shop, told in shops.items()} == {"ciklik/a": 2, "gooten/b": 1}
    assert shops["ciklik/a"] + shops["gooten/b"] == Count(accepted=3, canonical=3)


@given(
    st.lists(st.sampled_from(["cart", "two", "duplicate", "dead-letter"]), max_size=60),
    st.randoms(use_true_random=False),
)
def test_order_and_repetition_of_the_log_change_no_count(
    kinds: list[str], chance: random.Random
) -> None:
    said = [
        (offset, slot, TWO if kind == "two" else (kind,))
        for offset, kind in enumerate(kinds)
        for slot in (TWO if kind == "two" else (kind,))
    ]
    shuffled = said + chance.choices(said, k=len(said) // 2) if said else []
    chance.shuffle(shuffled)
    results = []
    for log in (said, shuffled):
        made = books(barrier=len(kinds), committed=len(kinds))
        for outcome in log:
            made.outcome(*outcome)
        results.append(made.close().shops)
    assert results[0] == results[1]
    assert sum(told.missing for told in results[0].values()) == 0
