import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.http.fair_reading import HELD, KNOWN, FairProtocol, Reads, TurnTakingFlow


class Transport(asyncio.Transport):
    """Only counts: ``reading`` is whether it is read, ``closing`` is set by a test."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.closing = False

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        assert not self.closing
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.closing = True


async def passes(count: int) -> None:
    """Let the event loop make so many passes."""
    for _ in range(count):
        await asyncio.sleep(0)


def waiting(reads: Reads, addresses: list[str | None]) -> list[str | None]:
    """One connection of each address waits; the list is filled in the order of their turns."""
    order: list[str | None] = []
    assert reads.take()
    for address in addresses:
        assert not reads.take()
        reads.wait(address, partial(order.append, address), order.clear)
    return order


async def test_where_nobody_waits_a_turn_is_free_again_in_the_next_pass() -> None:
    reads = Reads()
    assert reads.take()
    assert not reads.take()
    await passes(2)
    assert reads.take()


async def test_there_is_one_turn_in_a_pass() -> None:
    order = waiting(reads := Reads(), ["a", "b", "c"])
    for count in range(4):
        assert len(order) <= count
        assert not reads.take()
        await passes(1)
    assert order == ["a", "b", "c"]


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40))
def test_a_connection_waits_for_no_more_than_one_turn_of_each_other_address(
    addresses: list[str],
) -> None:
    async def turns() -> list[str | None]:
        order = waiting(Reads(), [*addresses, "newcomer"])
        await passes(len(addresses) + 3)
        return order

    order = asyncio.run(turns())
    assert Counter(order) == Counter([*addresses, "newcomer"])
    assert order.index("newcomer") <= len(set(addresses))


async def test_after_a_refusal_the_next_turn_waits() -> None:
    reads = Reads(pause=0.05)
    order, both = waiting(reads, ["a"]), asyncio.Event()
    reads.wait("b", both.set, both.clear)
    reads.refused()
    began = asyncio.get_running_loop().time()
    await both.wait()
    assert order == ["a"]
    assert asyncio.get_running_loop().time() - began >= 0.05


async def test_who_left_gets_no_turn() -> None:
    reads = Reads()
    assert reads.take()
    order: list[str | None] = []
    reads_of = {name: partial(order.append, name) for name in "abc"}
    for read in reads_of.values():
        reads.wait("one", read, order.clear)
    reads.leave("one", reads_of["b"])
    reads.leave("one", reads_of["b"])
    reads.leave("other", reads_of["a"])
    await passes(5)
    assert order == ["a", "c"]


async def test_a_cancelled_wait_leaves_the_queue() -> None:
    reads = Reads()
    assert reads.take()
    tasks = [asyncio.create_task(reads.turn("one")) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    await asyncio.wait_for(asyncio.gather(tasks[0], tasks[2]), 5)
    await passes(3)
    assert reads.take()


def test_the_addresses_that_proved_something_last_are_known() -> None:
    reads = Reads()
    for number in range(KNOWN):
        reads.proved(f"{number}")
    reads.proved("0")
    reads.proved("newest")
    reads.proved(None)
    assert reads.is_known("0")
    assert reads.is_known("newest")
    assert not reads.is_known("1")
    assert not reads.is_known(None)


@given(st.lists(st.sampled_from(["pause_reading", "resume_reading", "await_turn", "give_turn"])))
def test_a_connection_is_read_only_where_neither_application_nor_turn_pauses_it(
    calls: list[str],
) -> None:
    transport: Any = Transport()
    flow = TurnTakingFlow(transport)
    has_turn, wanted = True, True
    for call in calls:
        if call == "await_turn" and not has_turn:
            continue  # a connection waits once
        getattr(flow, call)()
        has_turn = {"await_turn": False, "give_turn": True}.get(call, has_turn)
        wanted = {"pause_reading": False, "resume_reading": True}.get(call, wanted)
        assert transport.reading == (has_turn and wanted)
        assert flow.read_paused == (not wanted)


def test_a_closing_connection_is_not_read_again() -> None:
    transport: Any = Transport()
    flow = TurnTakingFlow(transport)
    flow.await_turn()
    transport.closing = True
    flow.give_turn()
    assert not transport.reading


class Connection(FairProtocol):
    """A connection of an address without a server; keeps what it takes."""

    def __init__(self, reads: Reads, address: str) -> None:  # uvicorn's needs a server
        self.reads, self._address, self._is_exempt = reads, address, False
        self.cycle = None  # type: ignore[assignment]
        self.transport: Any = Transport()
        self.flow = TurnTakingFlow(self.transport)
        self._deferred_data, self._on_turn = b"", self._receive_deferred
        self.taken: list[bytes] = []

    def _receive(self, data: bytes) -> None:
        self.taken.append(data)


@given(st.integers(1, 6), st.integers(1, 5))
def test_all_data_is_taken_in_order_one_connection_in_a_pass(count: int, chunks: int) -> None:
    async def work() -> None:
        reads = Reads()
        crowd = [Connection(reads, f"{number % 2}") for number in range(count)]
        sent = [0] * count
        for _ in range(count * chunks + 2):
            before = sum(len(each.taken) for each in crowd)
            for number, each in enumerate(crowd):
                if each.transport.reading and sent[number] < chunks:
                    sent[number] += 1
                    each.data_received(b"%d" % sent[number])
            await passes(1)
            assert sum(len(each.taken) for each in crowd) - before <= 2
        await passes(count + 2)
        for each in crowd:
            assert each.taken == [b"%d" % number for number in range(1, chunks + 1)]
            assert each.transport.reading
        assert reads.held == 0

    asyncio.run(work())


async def test_where_too_much_waits_the_largest_crowd_gives_way() -> None:
    reads = Reads()
    first, second, third = (Connection(reads, "crowd") for _ in range(3))
    newcomer = Connection(reads, "newcomer")
    for each in (first, second, third):
        each.data_received(b"a" * (HELD // 2))
    assert reads.held == HELD
    newcomer.data_received(b"b")
    assert third.transport.closing
    assert reads.held == HELD // 2 + 1
    await passes(4)
    assert [len(each.taken) for each in (first, second, third, newcomer)] == [1, 1, 0, 1]
    assert reads.held == 0


async def test_a_connection_that_has_proved_something_never_waits() -> None:
    reads = Reads()
    assert reads.take()
    good = Connection(reads, "good")
    good._is_exempt = True
    good.data_received(b"a")
    assert good.taken == [b"a"]
