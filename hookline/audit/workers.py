"""Reads the audit's partitions: here, or, where there is much to read, in processes side by side.

Decoding records is what costs, and one process decodes on one core.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import uvloop

from hookline.audit import reader
from hookline.audit.reader import Plan, Segment
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas.topics import MIB

APART = 200_000
"""Records from which on processes of their own pay: each takes a second to start."""
AT_MOST = 4
"""Processes: each takes about 150 MB, and a broker serves no more than a few at full speed."""
_LOOK = 0.1

Progress = Callable[[int, int], None]
"""(records read, records to read)."""


async def read(
    settings: Settings, plans: Sequence[Plan], progress: Progress
) -> list[list[Segment]]:
    """The segments of each plan. Raises what reading raises, and leaves no process behind."""
    everything = sum(plan.size for plan in plans)
    if not everything:
        return [[] for _ in plans]
    processes = min(os.cpu_count() or 1, AT_MOST, sum(plan.size > 0 for plan in plans))
    if everything >= APART and processes > 1:
        return await _read_apart(settings, plans, processes, lambda n: progress(n, everything))
    count = 0

    def further(records: int) -> None:
        nonlocal count
        count += records
        progress(count, everything)

    async with log_reader.consumer(settings, MIB) as client:
        return [await reader.read(client, plan, further) for plan in plans]


async def _read_apart(
    settings: Settings, plans: Sequence[Plan], processes: int, progress: Callable[[int], None]
) -> list[list[Segment]]:
    context = multiprocessing.get_context("spawn")
    count, given_up = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(processes, context, _prepare, (count, given_up))
    loop = asyncio.get_running_loop()
    try:
        # The longest first: the last one to finish should be a short one.
        order = sorted(range(len(plans)), key=lambda n: plans[n].size, reverse=True)
        work = {n: loop.run_in_executor(pool, _read_one, settings, plans[n]) for n in order}
        pending: set[asyncio.Future[Any]] = set(work.values())
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=_LOOK, return_when=asyncio.FIRST_EXCEPTION
            )
            for each in done:
                each.result()
            progress(count.value)
        return [work[n].result() for n in range(len(plans))]
    finally:
        given_up.set()
        pool.shutdown(cancel_futures=True)


# In a process of its own.

_shared: dict[str, Any] = {}


def _prepare(count: Any, given_up: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command tells its processes to stop
    # Records are dropped by reference count; looking for cycles among them costs a third.
    gc.disable()
    _shared.update(count=count, given_up=given_up)


def _read_one(settings: Settings, plan: Plan) -> list[Segment]:
    def further(records: int) -> None:
        if _shared["given_up"].is_set():
            raise InterruptedError("the audit was given up")
        with _shared["count"].get_lock():
            _shared["count"].value += records

    async def reading() -> list[Segment]:
        async with log_reader.consumer(settings, MIB) as client:
            return await reader.read(client, plan, further)

    segments = uvloop.run(reading())
    gc.collect()
    return segments
