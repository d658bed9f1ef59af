"""Waiting with a deadline, for the price of one timer at most: a request waits twice."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


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


def settled(
    settling: "asyncio.Future[Any]",
    seconds: float,
    then: Callable[[], object],
    told: Callable[[BaseException | None], object],
) -> None:
    """Call ``told`` once, with None for a result, or its error; never cancel ``settling``.

    With TimeoutError after ``seconds``. ``then`` is called when it is settled, however late.
    """
    is_late = False

    def late() -> None:
        nonlocal is_late
        is_late = True
        told(TimeoutError())

    def end(_: object) -> None:
        then()
        if is_late:
            return
        timer.cancel()
        told(asyncio.CancelledError() if settling.cancelled() else settling.exception())

    timer = settling.get_loop().call_later(seconds, late)
    settling.add_done_callback(end)
