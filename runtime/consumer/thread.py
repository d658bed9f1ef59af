"""The thread in which Faust's consumer talks to Kafka."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime import logs
from runtime.consumer.fetched_records import Holding
from runtime.consumer.positions import Commit
from runtime.stage import MakesRecords

log = logs.get("hookline.delivery")

FETCH_WAIT_MS, BUSY_WAIT_MS = 250, 20
"""How long the broker may hold a fetch: the driver's 1500 ms delays what was just assigned.

A broker has one fetch of ours at a time, for those partitions of which nothing waits here. What
comes for the others meanwhile waits until it is over: where records come it is a short one.
"""
COMMIT_TIMEOUT = 10.0
"""Seconds after which a commit is given up until the next one; the broker is away."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A partition on the broker. ``committed`` None where the group never committed."""

    start: int
    end: int
    committed: int | None
    metadata: str


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka; it notes when the group last heard of us."""

    last_heartbeat: float = 0.0
    beats: int = 0

    @property
    def is_started(self) -> bool:
        """Whether there is a client to ask."""
        return self._consumer is not None and self._consumer._fetcher is not None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    def pace(self, *, is_busy: bool) -> None:
        """Say whether records are coming, for the fetches that follow."""
        if self.is_started:
            wait_ms = BUSY_WAIT_MS if is_busy else FETCH_WAIT_MS
            self._consumer._fetcher._fetch_max_wait_ms = wait_ms

    async def on_start(self) -> None:
        """Start, fetch our own records, and listen to the coordinator's heartbeats."""
        await super().on_start()
        consumer = self._ensure_consumer()
        stage = self.app.stage
        making = stage.making if isinstance(stage, MakesRecords) else None
        consumer._fetcher._records = Holding(making)
        coordinator = consumer._coordinator
        heartbeat = coordinator._do_heartbeat

        async def noted() -> bool:
            succeeded: bool = await heartbeat()
            if succeeded:
                self.last_heartbeat = time.monotonic()
            return succeeded

        coordinator._do_heartbeat = noted

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """A finished join is as good as a heartbeat."""
        self.last_heartbeat = time.monotonic()
        await super().on_partitions_assigned(assigned, generation_id)

    async def bounds(self, partitions: Sequence[TP]) -> dict[TP, Bounds]:
        """Where the logs of these begin and end, and what the group last committed."""
        consumer = self._ensure_consumer()
        keys = {tp: TopicPartition(tp.topic, tp.partition) for tp in partitions}
        starts = await consumer.beginning_offsets(list(keys.values()))
        ends = await consumer.end_offsets(list(keys.values()))
        told = await consumer._coordinator.fetch_committed_offsets(list(keys.values()))
        found = {}
        for tp, key in keys.items():
            said = told.get(key)
            known = said is not None and said.offset >= 0
            found[tp] = Bounds(
                starts[key],
                ends[key],
                said.offset if known else None,
                (said.metadata or "") if known else "",
            )
        return found

    def ask_ends(self, partitions: Sequence[TP]) -> "asyncio.Future[dict[TP, int]]":
        """The ends of these logs, asked beside everything that is queued for this thread."""

        async def ask() -> dict[TP, int]:
            keys = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
            ends = await self._ensure_consumer().end_offsets(keys)
            return {TP(key.topic, key.partition): end for key, end in ends.items()}

        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask(), self.thread_loop))

    def beat(self) -> None:
        """Ask this thread's loop for a sign of life: ``beats`` grows."""

        def beat() -> None:
            self.beats += 1

        self.thread_loop.call_soon_threadsafe(beat)

    async def commit_offsets(self, commits: Mapping[TP, Commit]) -> bool:
        """Commit; False where the group has moved on or the broker is away."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        wanted = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(*commit)
            for tp, commit in commits.items()
            if TopicPartition(tp.topic, tp.partition) in assigned
        }
        if not wanted:
            return False
        try:
            await asyncio.wait_for(consumer.commit(wanted), COMMIT_TIMEOUT)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit left to the next owner", reason=str(error))
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed, trying again later", error=repr(error))
        else:
            return True
        return False
