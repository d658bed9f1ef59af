"""Deadlines: results in time, timeouts, and one timer for many futures."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ingest.http.deadlines import Deadlines, within


async def test_work_that_is_late_is_cancelled_and_a_timeout() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await within(0.01, work())
    assert ended == ["cancelled"]


async def test_a_cancellation_from_outside_is_no_timeout() -> None:
    task = asyncio.create_task(within(60, asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_never_waits_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> str:
        return "done"

    async def fails() -> None:
        raise ValueError("at once")

    monkeypatch.setattr(asyncio, "get_running_loop", None)
    assert await within(0, work()) == "done"
    with pytest.raises(ValueError, match="at once"):
        await within(0, fails())


async def test_work_that_waits_often_is_given_all_that_it_waits_for() -> None:
    async def work() -> list[int]:
        return [await asyncio.sleep(0.001, number) for number in range(3)]

    assert await within(60, work()) == [0, 1, 2]


def _watched(future: "asyncio.Future[int]", seconds: float) -> list[Any]:
    """A list that the callbacks of a watched future append to."""
    calls: list[Any] = []
    Deadlines(seconds).watch(future, lambda: calls.append("settled"), calls.append)
    return calls


async def test_a_future_past_its_deadline_is_reported_once_and_not_cancelled() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    calls = _watched(future, 0.01)
    await asyncio.sleep(0.03)

    [late] = calls
    assert isinstance(late, TimeoutError)
    assert not future.cancelled()
    future.set_result(1)
    await asyncio.sleep(0)
    assert calls == [late, "settled"]


async def test_a_result_in_time_is_reported_and_no_timeout_follows() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    calls = _watched(future, 0.01)
    await asyncio.sleep(0)
    assert calls == []
    future.set_result(1)
    await asyncio.sleep(0.03)
    assert calls == ["settled", None]


async def test_an_error_is_reported_as_it_is() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    error = ValueError("no")
    calls = _watched(future, 1)
    future.set_exception(error)
    await asyncio.sleep(0)

    assert calls == ["settled", error]


async def test_a_cancellation_is_reported_as_an_error() -> None:
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    calls = _watched(future, 1)
    future.cancel()
    await asyncio.sleep(0)

    [settled_, error] = calls
    assert settled_ == "settled"
    assert isinstance(error, asyncio.CancelledError)


class Clock:
    """An event loop for Deadlines, with simulated time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, int, Callable[[], object]]] = []
        self.numbers = itertools.count()
        self.armed = self.most_armed = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., object], *arguments: Any) -> Any:
        self.armed += 1
        self.most_armed = max(self.most_armed, self.armed)

        def fire() -> None:
            self.armed -= 1
            call(*arguments)

        self.at(when, fire)
        return fire

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> Any:
        return self.call_at(self.now + delay, call, *arguments)

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        call(*arguments)

    def at(self, when: float, call: Callable[[], object]) -> None:
        heapq.heappush(self.timers, (when, next(self.numbers), call))

    def run(self) -> None:
        while self.timers:
            self.now, _, call = heapq.heappop(self.timers)
            call()


class Settling:
    """A future for Deadlines, on that clock; ``end`` settles it."""

    def __init__(self, clock: Clock) -> None:
        self.get_loop = lambda: clock
        self.end: Callable[[object], object] = lambda _: None
        self.add_done_callback = lambda end: setattr(self, "end", end)
        self.cancelled = lambda: False
        self.exception = lambda: None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30)), max_size=30))
def test_each_of_many_futures_is_reported_once_at_its_own_time(
    waits: list[tuple[int, int]],
) -> None:
    clock, deadlines = Clock(), Deadlines(10)
    reported: dict[int, list[tuple[float, bool]]] = {number: [] for number in range(len(waits))}
    freed: list[int] = []

    def begin(number: int, lasts: int) -> None:
        settling = Settling(clock)

        def report(error: BaseException | None) -> None:
            reported[number].append((clock.now, isinstance(error, TimeoutError)))

        deadlines.watch(settling, lambda: freed.append(number), report)  # type: ignore[arg-type]
        clock.at(clock.now + lasts, lambda: settling.end(settling))

    for number, (begins, lasts) in enumerate(waits):
        assume(lasts != 10)
        clock.at(begins, partial(begin, number, lasts))
    clock.run()
    wanted = {
        number: [(begins + min(lasts, 10), lasts > 10)]
        for number, (begins, lasts) in enumerate(waits)
    }
    assert wanted == reported
    assert sorted(freed) == sorted(reported)
    assert clock.most_armed <= 1
    assert not deadlines._waiting
