"""Listens to the logs from now on: without a consumer group, with the tables as their reader."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from aiokafka import TopicPartition

from hookline.console.patterns import matches, matches_shop
from hookline.journey.logs import Logs
from hookline.journey.model import Received, Verdict, VerdictKind
from hookline.journey.trace import Tracer
from hookline.listen.board import Board
from hookline.listen.heard import Heard, Totals
from hookline.listen.rows import RowDesk
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime.kafka import log_reader
from runtime.registry.schema_ids import load_codec
from schemas.topics import MIB, OUTCOMES, WEBHOOKS

STEP_S = 0.1
SILENT_S = 10.0
"""A delivery without a verdict is shown as such after so long, and again when it has one."""
_NO_END = 1 << 62
_FETCH = MIB
_MAX_RECORDS = 1_000
_PENDING = Verdict(
    VerdictKind.PENDING, explanation="no processor has come to it: `hookline status` shows the lag"
)


@dataclass(frozen=True, slots=True)
class Options:
    """What to show. ``shop`` and ``event`` may hold ``*``; ``count`` and ``seconds`` end it."""

    shop: str | None = None
    event: str | None = None
    dead_only: bool = False
    count: int | None = None
    seconds: float | None = None

    def is_wanted(self, received: Received) -> bool:
        """Whether a delivery is of the shop, with or without its platform, and of the event."""
        if self.shop is not None and not matches_shop(self.shop, received.shop):
            return False
        return self.event is None or matches(self.event, received.event)


class Listener:
    """One run. ``show`` is called with each delivery, ``totals`` counts them as they are shown."""

    def __init__(
        self, stack: StackAddress, options: Options, show: Callable[[Heard], None]
    ) -> None:
        self._stack, self._options, self._show = stack, options, show
        self._clock = time.monotonic
        self.totals = Totals()

    async def run(self, ready: Callable[[], None]) -> None:
        """Show deliveries until ``count`` or ``seconds``, or for ever; ``ready``: from now on.

        Raises CommandError, KafkaError, psycopg.Error, SettingsError.
        """
        async with AsyncExitStack() as opened:
            settings = self._stack.settings
            client = await opened.enter_async_context(log_reader.consumer(settings, _FETCH))
            partitions, codec = await asyncio.gather(
                log_reader.topic_partitions(settings), load_codec(settings)
            )
            logs = Logs(settings, client, partitions, codec)
            reader = opened.enter_context(Reader(self._stack)) if self._stack.reader_url else None
            starts = await self._ends(logs)
            board = self._board(logs, starts)
            self.totals.since = datetime.now(UTC)
            ready()
            ends = dict.fromkeys(starts, _NO_END)
            reading = asyncio.create_task(read(logs, starts, ends, board, self._clock))
            try:
                await self._steps(board, RowDesk(reader, self._clock), reading)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    def _board(self, logs: Logs, starts: Mapping[TopicPartition, int]) -> Board:
        raw = {tp.partition: starts[tp] for tp in logs.partitions[WEBHOOKS]}
        return Board(raw, logs.codec, Tracer(logs).received, self._options.is_wanted)

    async def _ends(self, logs: Logs) -> dict[TopicPartition, int]:
        """Return where to begin: the outcomes' ends are older than the raw ones."""
        outcomes = [tp for topic in OUTCOMES for tp in logs.partitions[topic]]
        ends = await log_reader.end_offsets(logs.client, outcomes)
        return ends | await log_reader.end_offsets(logs.client, logs.partitions[WEBHOOKS])

    async def _steps(self, board: Board, desk: RowDesk, reading: "asyncio.Task[None]") -> None:
        until = None if self._options.seconds is None else self._clock() + self._options.seconds
        while not reading.done():
            for heard in board.take_decided():
                assert heard.verdict is not None  # noqa: S101 - that is what decided means
                if heard.verdict.letters or not self._options.dead_only:
                    desk.add(heard)
            for heard in await asyncio.to_thread(desk.step):
                self._show(heard)
                self.totals.add(heard)
                if self.totals.deliveries == self._options.count:
                    return
            self.totals.lost = board.lost
            if not self._options.dead_only:
                for heard in board.take_silent(self._clock() - SILENT_S):
                    self._show(replace(heard, verdict=_PENDING))
            if until is not None and self._clock() > until:
                return
            await asyncio.sleep(STEP_S)
        await reading  # its error


async def read(
    logs: Logs,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    board: Board,
    clock: Callable[[], float],
) -> None:
    """Put the records of the raw topic and of the outcome topics on the board."""
    topics = {tp.topic: topic for topic in OUTCOMES for tp in logs.partitions[topic]}
    reading = log_reader.batches(logs.client, starts, ends, float("inf"), _MAX_RECORDS)
    async for fetched in reading:
        now = clock()
        for tp, batch in fetched.items():
            topic = topics.get(tp.topic)
            for record in batch:
                if topic is None:
                    board.add_raw(record, now)
                else:
                    board.add_outcome(topic, record, now)
