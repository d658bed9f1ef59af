"""Waiting with a deadline, with fewer timers than asyncio's own: this runs for every request."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
OnResult = Callable[[BaseException | None], object]
"""Called with None, or with the error."""


@types.coroutine
def within(seconds: float, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await ``work``; cancel it and raise TimeoutError after ``seconds``.

    Unlike ``asyncio.timeout`` it sets no timer if ``work`` never has to wait, and can be
    neither rescheduled nor nested.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    return (yield from _timed(seconds, work, waits_for))


def _timed(seconds: float, work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    is_late = False

    def end() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()  # type: ignore[union-attr]

    timer = loop.call_later(seconds, end)
    try:
        while True:
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 - the work decides what it does with it
                waits_for = work.throw(error)
            else:
                waits_for = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    except asyncio.CancelledError:
        if is_late and task.uncancel() == 0:  # type: ignore[union-attr]
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


class Deadlines:
    """Futures that are waited for at most ``seconds``, with one timer for all of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[asyncio.Future[Any], tuple[float, OnResult]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(
        self, future: "asyncio.Future[Any]", on_done: Callable[[], object], on_result: OnResult
    ) -> None:
        """Call ``on_result`` once: when ``future`` is done, or with TimeoutError at its deadline.

        ``on_done`` is called when ``future`` is done, however late: it is never cancelled.
        """
        loop = future.get_loop()
        waiting = self._waiting
        waiting[future] = loop.time() + self._seconds, on_result
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire, loop)

        def end(_: object) -> None:
            on_done()
            if waiting.pop(future, None) is not None:
                on_result(asyncio.CancelledError() if future.cancelled() else future.exception())

        future.add_done_callback(end)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Report the futures past their deadline; run again at the next deadline."""
        self._timer = None
        now = loop.time()
        late: list[asyncio.Future[Any]] = []
        for future, (deadline, _) in self._waiting.items():  # in order of their deadlines
            if deadline > now:
                self._timer = loop.call_at(deadline, self._expire, loop)
                break
            late.append(future)
        for future in late:
            _, on_result = self._waiting.pop(future)
            loop.call_soon(on_result, TimeoutError())
