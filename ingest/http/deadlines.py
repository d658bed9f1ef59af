"""Waiting with a deadline, for the price of one timer at most: a request waits twice."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Told = Callable[[BaseException | None], object]


@types.coroutine
def within(seconds: float, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """The result of ``work``; TimeoutError, and ``work`` cancelled, after ``seconds``.

    ``asyncio.timeout`` without what a request needs none of: rescheduling, nesting, and a
    timer where ``work`` never has to wait.
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
            except BaseException as error:  # noqa: BLE001 - into the work, which may end by it
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
    """What is waited for ``seconds`` at most, all of it with one timer: most never needs one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[asyncio.Future[Any], tuple[float, Told]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(
        self, settling: "asyncio.Future[Any]", then: Callable[[], object], told: Told
    ) -> None:
        """Call ``told`` once, with None for a result, or its error; never cancel ``settling``.

        With TimeoutError once its time is over. ``then`` is called when it is settled, however
        late.
        """
        loop = settling.get_loop()
        waiting = self._waiting
        waiting[settling] = loop.time() + self._seconds, told
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)

        def end(_: object) -> None:
            then()
            if waiting.pop(settling, None) is not None:
                told(asyncio.CancelledError() if settling.cancelled() else settling.exception())

        settling.add_done_callback(end)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those whose time is over; look again when that of the next one is."""
        self._timer = None
        now = loop.time()
        late: list[asyncio.Future[Any]] = []
        for settling, (end, _) in self._waiting.items():  # in the order of their ends
            if end > now:
                self._timer = loop.call_at(end, self._look, loop)
                break
            late.append(settling)
        for settling in late:
            _, told = self._waiting.pop(settling)
            loop.call_soon(told, TimeoutError())
