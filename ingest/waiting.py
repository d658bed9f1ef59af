"""Waiting with a deadline, for the price of one timer: a request waits twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Awaitable[T]) -> T:
    """The result of ``work``; TimeoutError, and ``work`` cancelled, after ``seconds``.

    ``asyncio.timeout`` without what a request needs none of: rescheduling and nesting.
    """
    task = asyncio.current_task()
    is_late = False

    def end() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()  # type: ignore[union-attr]

    timer = asyncio.get_running_loop().call_later(seconds, end)
    try:
        return await work
    except asyncio.CancelledError:
        if is_late and task.uncancel() == 0:  # type: ignore[union-attr]
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


async def settled(
    settling: "asyncio.Future[Any]", then: Callable[["asyncio.Future[Any]"], object]
) -> None:
    """Return once ``settling`` has a result, or raise its error; never cancel it.

    ``then`` is called with it when it is settled, whoever still waits: ``asyncio.shield`` and
    a callback in one.
    """
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def told(future: "asyncio.Future[Any]") -> None:
        then(future)
        if not waiter.done():
            waiter.set_result(None)

    settling.add_done_callback(told)
    await waiter
    settling.result()
