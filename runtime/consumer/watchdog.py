"""Ends a process that lags and does not move; Faust only logs it.

A stage that waits for a service says so on ``health``: then nothing is expected to move. What
blocks the loop itself is seen by a thread of C, which needs no lock of the interpreter.
"""

import asyncio
import faulthandler
import gc
import logging
import os
import time
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from runtime import logs, metrics
from runtime.consumer.positions import Standing

log = logs.get("hookline.watchdog")

EXIT_STALLED = 72
LOOK = 1.0
ASK = 5.0
"""Seconds between questions where the logs end."""
SILENT = 3 * ASK
"""Seconds without an answer after which Kafka counts as away."""
ALARM = 0.25
"""Share of the retention that a lag may be old before it is told aloud."""
LAST_WORDS = 5.0


@dataclass(slots=True)
class Stall:
    """What should move, and since when it has not. Times are seconds, of one clock."""

    limit: float
    _since: dict[str, tuple[Hashable, float]] = field(default_factory=dict)
    _looked: float | None = None

    def look(self, now: float, moving: Mapping[str, Hashable]) -> str | None:
        """The name of something that stood still for ``limit``; None while all is well.

        ``moving``: what should move now, by name, with a value that changes when it does.
        Between looks that are far apart it was we who did not run, so nothing is held against
        anybody.
        """
        if self._looked is None or now - self._looked > 5 * LOOK:
            self._since.clear()
        self._looked = now
        self._since = {
            name: known
            if (known := self._since.get(name)) is not None and known[0] == value
            else (value, now)
            for name, value in moving.items()
        }
        return next((n for n, (_, at) in self._since.items() if now - at > self.limit), None)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known at one look.

    ``is_overdue``: a join takes longer than the group gives its members. ``is_answering``:
    Kafka told the ends lately. ``answers``: what services have answered so far: the work of a
    batch moves where they do.
    """

    standings: Mapping[TP, Standing]
    ends: Mapping[TP, int]
    is_waiting: bool
    is_overdue: bool
    is_answering: bool
    generation: int
    thread_beats: int
    answers: int = 0

    def moving(self) -> dict[str, Hashable]:
        """What should move: lagging partitions, a join, the consumer's thread."""
        found: dict[str, Hashable] = {"the consumer's thread": self.thread_beats}
        if self.is_answering and self.is_overdue:
            found["joining the group"] = self.generation
        if self.is_answering and not self.is_waiting:
            for tp, standing in self.standings.items():
                if standing.in_hand or self.ends.get(tp, 0) > standing.safe:
                    moved = (standing.safe, standing.steps, self.answers)
                    found[f"{tp.topic}/{tp.partition}"] = moved
        return found


def lag_age(standing: Standing, end: int, now: float) -> float | None:
    """Seconds since the last safe record was appended, while others wait; None: not known."""
    if end <= standing.safe:
        return 0.0
    return max(now - standing.safe_ms / 1000, 0.0) if standing.safe_ms else None


class Watchdog:
    """Watches one consumer.

    ``limit``: seconds that anything may stand still; ``join_limit``: that the group gives its
    members to join; ``retentions``: that each topic keeps its records.
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
        self._alarmed: set[TP] = set()

    async def run(self) -> None:
        """Look every second until cancelled. Does not return where something is stuck."""
        asking = asyncio.ensure_future(self._ask())
        try:
            while not asking.done():
                faulthandler.dump_traceback_later(self._limit, exit=True)
                self._consumer.thread.beat()
                outlook = self._outlook()
                if (stuck := self._stall.look(time.monotonic(), outlook.moving())) is not None:
                    _leave(stuck, self._limit)
                self._tell_lag(outlook)
                await asyncio.sleep(LOOK)
            await asking
        finally:
            asking.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _outlook(self) -> Outlook:
        consumer, now = self._consumer, time.monotonic()
        return Outlook(
            standings=consumer.standings(),
            ends=self._ends,
            is_waiting=bool(consumer.health.unmet),
            is_overdue=now - (consumer.joining_since or now) > self._join_limit,
            is_answering=now - self._answered < SILENT,
            generation=consumer.app.consumer_generation_id,
            thread_beats=consumer.thread.beats,
            answers=consumer.health.answers,
        )

    async def _ask(self) -> None:
        thread = self._consumer.thread
        while True:
            if not thread.is_started:
                await asyncio.sleep(LOOK)
                continue
            tps = list(self._consumer.standings()) or [TP(name, 0) for name in self._retentions]
            try:
                self._ends = await thread.ask_ends(tps)
                self._answered = time.monotonic()
            except KafkaError as error:
                log.info("kafka does not tell where its logs end", error=repr(error))
            await asyncio.sleep(ASK)

    def _tell_lag(self, outlook: Outlook) -> None:
        for tp, standing in outlook.standings.items():
            end = outlook.ends.get(tp, standing.safe)
            where = (self._consumer.label_of_stage, tp.topic, str(tp.partition))
            metrics.LAG_RECORDS.labels(*where).set(max(end - standing.safe, 0))
            age = lag_age(standing, end, time.time())
            if age is None:
                continue
            share = age / self._retentions.get(tp.topic, float("inf"))
            metrics.LAG_SECONDS.labels(*where).set(age)
            metrics.LAG_OF_RETENTION.labels(*where).set(share)
            if share <= ALARM:
                self._alarmed.discard(tp)
            elif tp not in self._alarmed:
                self._alarmed.add(tp)
                log.critical(
                    "records will be lost to retention before they are processed: add workers",
                    partition=f"{tp.topic}/{tp.partition}",
                    lag_seconds=int(age),
                    kept_seconds=int(self._retentions[tp.topic]),
                )


def _leave(stuck: str, limit: float) -> None:
    """End the process without acknowledging: the supervisor starts it again."""
    faulthandler.dump_traceback_later(LAST_WORDS, exit=True)  # if even the log hangs
    log.critical("nothing moved, and nothing was waited for", stuck=stuck, seconds=limit)
    for task in asyncio.all_tasks():
        log.critical("waiting", task=task.get_name(), at=" > ".join(_awaits(task)))
    faulthandler.dump_traceback()
    logging.shutdown()
    os._exit(EXIT_STALLED)


def _awaits(task: "asyncio.Task[Any]") -> Iterator[str]:
    """Where a task waits, from its outermost coroutine to its innermost."""
    at: Any = task.get_coro()
    while at is not None:
        kind = next((kind for kind in ("cr", "ag", "gi") if hasattr(at, f"{kind}_frame")), None)
        if kind is None:  # a wrapper of C: what it wraps is what it refers to
            wrapped = gc.get_referents(at)
            at = next(
                (w for w in wrapped if hasattr(w, "cr_frame") or hasattr(w, "ag_frame")), None
            )
            continue
        frame = getattr(at, f"{kind}_frame")
        if frame is not None:
            yield f"{frame.f_code.co_qualname}:{frame.f_lineno}"
        at = getattr(at, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
