"""What became of a replay, by the records that name it."""

import asyncio
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.dead_letters.replay_fates import Fate, ReplayFates
from schemas import envelopes
from schemas.topics import CARTS, DEAD_LETTERS, DUPLICATES, ORDERS

SLOTS = ("cart", "order", "order/2")


def record(letter: str, slot: str, slots: str = "", offset: int = 7) -> Any:
    headers = [
        (envelopes.DELIVERY, b"d-1"), (envelopes.SOURCE, b"spiffy"), (envelopes.SHOP, b"johns"),
        (envelopes.REASON, b"out-of-range"), (envelopes.FIELD_PATH, b"items[3].price"),
        (envelopes.SLOT, slot.encode()), (envelopes.SLOTS, (slots or slot).encode()),
        (envelopes.RAW_PARTITION, b"0"), (envelopes.RAW_OFFSET, b"40"), (envelopes.RAW_TIME, b"4"),
        (envelopes.REPLAY_OF, letter.encode()),
    ]  # fmt: skip
    return SimpleNamespace(partition=0, offset=offset, timestamp=5, headers=headers)


def counts(fates: ReplayFates) -> dict[str, Any]:
    return asyncio.run(fates.as_dict())


def test_each_replay_is_counted_once_by_what_became_of_it() -> None:
    fates = ReplayFates([f"0:{number}" for number in range(5)], 0)
    fates.add(ORDERS.name, record("0:0", "order"))
    fates.add(DEAD_LETTERS.name, record("0:1", envelopes.DEAD_SLOT, offset=70))
    fates.add(DUPLICATES.name, record("0:2", envelopes.DUPLICATE_SLOT))
    fates.add(ORDERS.name, record("0:3", "order", "order,cart"))
    assert not fates.is_decided
    fates.add(DEAD_LETTERS.name, record("0:3", "cart", "order,cart", offset=71))
    fates.add(ORDERS.name, record("0:99", "order"))
    found = counts(fates)
    assert [found[each.value] for each in Fate] == [1, 1, 1, 1, 1]
    assert found["followed"] == 5
    assert found["letters"] == ["0:70", "0:71"]
    [group] = found["groups"]
    assert (group["shop"], group["path"], group["letters"]) == ("spiffy/johns", "items[].price", 2)
    fates.add(ORDERS.name, record("0:4", "order"))
    assert fates.is_decided


@given(
    seen=st.lists(st.sampled_from(SLOTS), max_size=6),
    refused=st.sets(st.sampled_from(SLOTS)),
)
def test_a_replay_waits_until_all_of_its_events_are_there(
    seen: list[str], refused: set[str]
) -> None:
    fates = ReplayFates(["0:0"], 0)
    for slot in seen:
        topic = DEAD_LETTERS if slot in refused else CARTS
        fates.add(topic.name, record("0:0", slot, ",".join(SLOTS)))
    assert fates.is_decided == (set(seen) == set(SLOTS))
    if fates.is_decided:
        expected = Fate.EVENTS
        if refused:
            expected = Fate.REFUSED if refused == set(SLOTS) else Fate.PARTLY
        assert counts(fates)[expected.value] == 1


def test_a_record_of_another_producer_decides_nothing() -> None:
    fates = ReplayFates(["0:0"], 0)
    fates.add(ORDERS.name, SimpleNamespace(headers=[(envelopes.REPLAY_OF, b"0:0")]))
    fates.add(ORDERS.name, SimpleNamespace(headers=[(envelopes.REPLAY_OF, None)]))
    fates.add(ORDERS.name, SimpleNamespace(headers=[]))
    assert counts(fates)["waiting"] == 1
