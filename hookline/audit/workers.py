"""Reads the audit's partitions: in this process, or in several where there is much to read.

Decoding records dominates, and one process decodes on one core.
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

PARALLEL_FROM = 200_000
"""Records from which several processes pay off: each takes a second to start."""
MAX_PROCESSES = 4
"""Each takes about 150 MB, and a broker serves no more than a few at full speed."""
_POLL_S = 0.1

Progress = Callable[[int, int], None]
"""(records read, records to read)."""


async def read(
    settings: Settings, plans: Sequence[Plan], progress: Progress
) -> list[list[Segment]]:
    """Read the segments of each plan.

    Raises the errors of ``reader.read``, and leaves no process running.
    """
    total = sum(plan.size for plan in plans)
    if not total:
        return [[] for _ in plans]
    processes = min(os.cpu_count() or 1, MAX_PROCESSES, sum(plan.size > 0 for plan in plans))
    if total >= PARALLEL_FROM and processes > 1:
        return await _read_in_parallel(settings, plans, processes, lambda n: progress(n, total))
    done = 0

    def advance(records: int) -> None:
        nonlocal done
        done += records
        progress(done, total)

    async with log_reader.consumer(settings, MIB) as client:
        return [await reader.read(client, plan, advance) for plan in plans]


async def _read_in_parallel(
    settings: Settings, plans: Sequence[Plan], processes: int, progress: Callable[[int], None]
) -> list[list[Segment]]:
    context = multiprocessing.get_context("spawn")
    count, cancelled = context.Value("q", 0), context.Event()
    pool = ProcessPoolExecutor(processes, context, _prepare, (count, cancelled))
    loop = asyncio.get_running_loop()
    try:
        # The longest first: the last one to finish should be a short one.
        order = sorted(range(len(plans)), key=lambda n: plans[n].size, reverse=True)
        work = {n: loop.run_in_executor(pool, _read_one, settings, plans[n]) for n in order}
        pending: set[asyncio.Future[Any]] = set(work.values())
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=_POLL_S, return_when=asyncio.FIRST_EXCEPTION
            )
            for future in done:
                future.result()
            progress(count.value)
        return [work[n].result() for n in range(len(plans))]
    finally:
        cancelled.set()
        pool.shutdown(cancel_futures=True)


# The rest runs in the worker processes.

_shared: dict[str, Any] = {}


def _prepare(count: Any, cancelled: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command stops its own workers
    # Records are freed by reference count; the cyclic collector would take a third of the time.
    gc.disable()
    _shared.update(count=count, cancelled=cancelled)


def _read_one(settings: Settings, plan: Plan) -> list[Segment]:
    def advance(records: int) -> None:
        if _shared["cancelled"].is_set():
            raise InterruptedError("the audit was cancelled")
        with _shared["count"].get_lock():
            _shared["count"].value += records

    async def read_plan() -> list[Segment]:
        async with log_reader.consumer(settings, MIB) as client:
            return await reader.read(client, plan, advance)

    segments = uvloop.run(read_plan())
    gc.collect()
    return segments
