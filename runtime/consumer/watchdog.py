"""Ends a process that lags without making progress; Faust would only log it.

No progress is expected while ``health`` shows that a service is waited for. Where Kafka does not
answer this process, a new client asks the same: if that one is answered, ours is broken. A blocked
event loop is detected by faulthandler's C thread, which does not need the interpreter's lock.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from runtime import logs
from runtime.consumer.lag import LagSeries
from runtime.consumer.positions import PartitionProgress
from runtime.kafka import log_reader

log = logs.get("hookline.watchdog")

EXIT_STALLED = 72
CHECK_INTERVAL = 1.0
ENDS_INTERVAL = 5.0
"""Seconds between requests for the ends of the logs."""
KAFKA_TIMEOUT = 3 * ENDS_INTERVAL
"""Seconds without an answer after which Kafka counts as away."""
EXIT_TIMEOUT = 5.0
"""Seconds for the log to be written before the process ends in any case."""


@dataclass(slots=True)
class Stall:
    """Finds what makes no progress for ``limit`` seconds."""

    limit: float
    _since: dict[str, tuple[Hashable, float]] = field(default_factory=dict)
    _checked: float | None = None

    def check(self, now: float, progress: Mapping[str, Hashable]) -> str | None:
        """Return a name without progress for longer than ``limit``; None while all is well.

        ``progress``: everything that should make progress, by name, with a value that changes
        when it does. After a long pause between two checks, in which this process did not run
        itself, all timers restart.
        """
        if self._checked is None or now - self._checked > 5 * CHECK_INTERVAL:
            self._since.clear()
        self._checked = now
        self._since = {
            name: previous
            if (previous := self._since.get(name)) is not None and previous[0] == value
            else (value, now)
            for name, value in progress.items()
        }
        return next(
            (name for name, (_, since) in self._since.items() if now - since > self.limit), None
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a consumer at one check.

    ``is_overdue``: a join takes longer than the rebalance timeout. ``is_answering``: Kafka
    answered recently. ``answers``: answers of services so far, which count as progress of a batch.
    """

    progress: Mapping[TP, PartitionProgress]
    ends: Mapping[TP, int]
    is_waiting: bool
    is_overdue: bool
    is_answering: bool
    generation: int
    thread_beats: int
    answers: int = 0

    def expected(self) -> dict[str, Hashable]:
        """Return what should make progress: lagging partitions, a join, the consumer's thread."""
        expected: dict[str, Hashable] = {"the consumer's thread": self.thread_beats}
        if self.is_answering and self.is_overdue:
            expected["joining the group"] = self.generation
        if self.is_answering and not self.is_waiting:
            for tp, progress in self.progress.items():
                if progress.is_in_flight or self.ends.get(tp, 0) > progress.acknowledged:
                    value = (progress.acknowledged, progress.steps, self.answers)
                    expected[f"{tp.topic}/{tp.partition}"] = value
        return expected


class Watchdog:
    """Watches one consumer. All times are in seconds.

    ``limit``: longest time without progress; ``join_limit``: the group's rebalance timeout;
    ``retentions``: how long each topic keeps its records.
    """

    def __init__(
        self, consumer: Any, limit: float, join_limit: float, retentions: Mapping[str, float]
    ) -> None:
        self._consumer = consumer
        self._join_limit = join_limit
        self._retentions = retentions
        self._limit = limit
        self._stall = Stall(limit)
        self._ends: dict[TP, int] = {}
        self._answered = time.monotonic()

    async def run(self) -> None:
        """Check every second until cancelled; ends the process where something is stuck."""
        polling = asyncio.ensure_future(self._poll_ends())
        lag = LagSeries(self._consumer.stage_label, self._retentions)
        try:
            while not polling.done():
                faulthandler.dump_traceback_later(self._limit, exit=True)
                self._consumer.thread.beat()
                snapshot = self._snapshot()
                stuck = self._stall.check(time.monotonic(), snapshot.expected())
                if stuck is not None:
                    _exit(stuck, self._limit)
                lag.report(snapshot.progress, self._consumer.stopped(), snapshot.ends, time.time())
                await asyncio.sleep(CHECK_INTERVAL)
            await polling
        finally:
            polling.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _snapshot(self) -> Snapshot:
        consumer, now = self._consumer, time.monotonic()
        return Snapshot(
            progress=consumer.progress(),
            ends=self._ends,
            is_waiting=bool(consumer.health.unmet),
            is_overdue=now - (consumer.joining_since or now) > self._join_limit,
            is_answering=now - self._answered < KAFKA_TIMEOUT,
            generation=consumer.app.consumer_generation_id,
            thread_beats=consumer.thread.beats,
            answers=consumer.health.answers,
        )

    async def _poll_ends(self) -> None:
        thread = self._consumer.thread
        silent_since: float | None = None
        while True:
            if not thread.is_started:
                await asyncio.sleep(CHECK_INTERVAL)
                continue
            ours = {**self._consumer.progress(), **self._consumer.stopped()}
            tps = list(ours) or [TP(name, 0) for name in self._retentions]
            try:
                self._ends = await thread.ask_ends(tps)
                self._answered, silent_since = time.monotonic(), None
            except (KafkaError, OSError) as error:
                log.info("kafka does not return its end offsets", error=repr(error))
                silent_since = silent_since or time.monotonic()
                silent_for = time.monotonic() - silent_since
                if silent_for > self._limit and await self._answers_others(tps):
                    _exit("this process's own client of Kafka, which answers a new one", silent_for)
            await asyncio.sleep(ENDS_INTERVAL)

    async def _answers_others(self, tps: Iterable[TP]) -> bool:
        """Whether a new client gets the answer that ours does not get."""
        try:
            async with (
                asyncio.timeout(KAFKA_TIMEOUT),
                log_reader.consumer(self._consumer.app.settings) as client,
            ):
                await log_reader.end_offsets(client, [TopicPartition(*tp) for tp in tps])
        except (TimeoutError, OSError, KafkaError) as error:
            log.info("kafka does not answer a new client either", error=repr(error))
            return False
        return True


def _exit(stuck: str, limit: float) -> None:
    """End the process without acknowledging; the supervisor restarts it."""
    faulthandler.dump_traceback_later(EXIT_TIMEOUT, exit=True)  # in case logging hangs too
    log.critical("no progress; exiting", stuck=stuck, seconds=limit)
    for task in asyncio.all_tasks():
        log.critical("waiting", task=task.get_name(), at=" > ".join(_awaits(task)))
    faulthandler.dump_traceback()
    logging.shutdown()
    os._exit(EXIT_STALLED)


def _is_coroutine(item: Any) -> bool:
    return hasattr(item, "cr_frame") or hasattr(item, "ag_frame")


def _awaits(task: "asyncio.Task[Any]") -> Iterator[str]:
    """List where a task waits, from its outermost coroutine to its innermost."""
    at: Any = task.get_coro()
    while at is not None:
        kind = next((kind for kind in ("cr", "ag", "gi") if hasattr(at, f"{kind}_frame")), None)
        if kind is None:  # a wrapper in C: look for the coroutine among its referents
            at = next(filter(_is_coroutine, gc.get_referents(at)), None)
            continue
        frame = getattr(at, f"{kind}_frame")
        if frame is not None:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        at = getattr(at, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
