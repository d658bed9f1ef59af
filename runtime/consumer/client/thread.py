"""The thread in which Faust's consumer talks to Kafka, and the pace of its fetches."""

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
from runtime.consumer.client.fetched_records import FetchBuffer, Skips, skipped_to
from runtime.consumer.client.group_requests import BoundedRequests
from runtime.consumer.client.refusals import RETRY
from runtime.consumer.positions import Commit
from runtime.health import wait_until
from runtime.kafka.client.silent_brokers import avoid_silent_brokers
from runtime.kafka.reasons import DENIED, explained, explanation
from runtime.stage import HasRecordFactory

log = logs.get("hookline.delivery")

FETCH_WAIT_MS, BUSY_WAIT_MS = 250, 20
"""How long the broker may hold a fetch: the driver's 1500 ms would delay new partitions.

The client sends a broker one fetch at a time, for the partitions without buffered records. New
records of other partitions wait until it returns, so fetches are short while records arrive.
"""
IDLE = 1.0
"""Seconds without a record after which fetches are long again."""
SMALL_BATCH = 500
"""Records; a batch of fewer costs more per record."""
PAUSE, PAUSE_TOGETHER = 0.02, 0.05
"""Shortest pause in seconds; longer for a stage that handles batches together."""
PAUSE_PER_RECORD, LONGEST_PAUSE = 0.0005, 0.1
"""Seconds for each record of the small batch, and at most: the busier, the more a pause saves."""
REFETCH_TIMEOUT = 0.02
"""Seconds to wait for further records after a pause, beyond the first few fetched."""
ANSWER_SHARE = 0.4
"""Share of the session timeout that a broker has for an answer: a heartbeat can still be repeated
at another one before the group evicts us."""
COMMIT_TIMEOUT = 10.0
"""Seconds after which a commit is abandoned; the next one includes it."""


def batch_pause(count: int, *, is_together: bool) -> float:
    """Return the seconds to wait after a batch of ``count`` records, so that the next is larger."""
    if not 0 < count < SMALL_BATCH:
        return 0.0
    shortest = PAUSE_TOGETHER if is_together else PAUSE
    return min(max(shortest, count * PAUSE_PER_RECORD), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A partition's offsets on the broker; ``committed`` is None without a commit."""

    start: int
    end: int
    committed: int | None
    metadata: str


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka; records the time of the last successful heartbeat.

    ``skips``: where the fetched logs hold transaction markers.
    """

    _consumer: Any
    last_heartbeat: float = 0.0
    beats: int = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.skips: Skips = {}

    def skipped_to(self, tp: TP, offset: int) -> int:
        """Return the first offset from ``offset`` on that is not known to hold a marker."""
        ranges = self.skips.get(tp)
        return skipped_to(ranges, offset) if ranges else offset

    @property
    def is_started(self) -> bool:
        """Whether the Kafka client is ready for requests."""
        return self._consumer is not None and self._consumer._fetcher is not None

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        consumer._client._request_timeout_ms = int(self._answer_bound * 1000)
        avoid_silent_brokers(consumer._client)
        return consumer

    @property
    def _answer_bound(self) -> float:
        """Seconds that a broker has for an answer."""
        return float(self.app.conf.broker_session_timeout) * ANSWER_SHARE

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust looks at its own books, in which no batch is ever committed.

        What makes no progress is found by ``watchdog.py``.
        """

    def pace(self, *, is_busy: bool) -> None:
        """Set how long the following fetches may wait: short while records arrive."""
        if self.is_started:
            wait_ms = BUSY_WAIT_MS if is_busy else FETCH_WAIT_MS
            self._consumer._fetcher._fetch_max_wait_ms = wait_ms

    async def on_start(self) -> None:
        """Start, install the stage's record factory, and observe the heartbeats."""
        await wait_until(
            self.consumer.health,
            "kafka",
            self._start_consumer,
            (KafkaError, OSError),
            lambda error: explanation(error, self.app.settings) or repr(error),
            longest_pause=2.0,
        )
        consumer = self._ensure_consumer()
        stage = self.app.stage
        factory = stage.record_factory if isinstance(stage, HasRecordFactory) else None
        consumer._fetcher._records = FetchBuffer(factory, self.skips)
        coordinator = consumer._coordinator
        conf = self.app.conf
        join_bound = conf.broker_rebalance_timeout + conf.broker_session_timeout
        BoundedRequests(coordinator, self._answer_bound, join_bound).install()
        heartbeat = coordinator._do_heartbeat

        async def observed() -> bool:
            succeeded: bool = await heartbeat()
            if succeeded:
                self.last_heartbeat = time.monotonic()
            return succeeded

        coordinator._do_heartbeat = observed
        push_error = coordinator._push_error_to_user

        def pushed(error: Exception) -> Any:
            """Join again where a right is missing: without partitions no fetch takes the error.

            With partitions one does, and the process ends: the heartbeat has ended as well.
            """
            if self.consumer.joining_since is None or not isinstance(error, DENIED):
                return push_error(error)
            self.consumer.refusals.of_group(error)
            self.consumer.joining_since = time.monotonic()  # it answers, so it is not stuck
            return asyncio.sleep(RETRY)

        coordinator._push_error_to_user = pushed

    async def _start_consumer(self) -> None:
        """Connect Faust's consumer: a new one for each attempt."""
        try:
            async with explained(self.app.settings, "Read"):
                await super().on_start()
        except BaseException:
            consumer, self._consumer = self._consumer, None
            if consumer is not None:
                await consumer.stop()
            raise

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """Count a finished join as a heartbeat."""
        self.last_heartbeat = time.monotonic()
        await super().on_partitions_assigned(assigned, generation_id)

    async def bounds(self, partitions: Sequence[TP]) -> dict[TP, Bounds]:
        """Ask for the start, end and last commit of these partitions."""
        consumer = self._ensure_consumer()
        keys = {tp: TopicPartition(tp.topic, tp.partition) for tp in partitions}
        starts = await consumer.beginning_offsets(list(keys.values()))
        ends = await consumer.end_offsets(list(keys.values()))
        commits = await consumer._coordinator.fetch_committed_offsets(list(keys.values()))
        bounds = {}
        for tp, key in keys.items():
            commit = commits.get(key)
            has_commit = commit is not None and commit.offset >= 0
            bounds[tp] = Bounds(
                starts[key],
                ends[key],
                commit.offset if has_commit else None,
                (commit.metadata or "") if has_commit else "",
            )
        return bounds

    def ask_ends(self, partitions: Sequence[TP]) -> "asyncio.Future[dict[TP, int]]":
        """Ask for the end offsets without waiting for this thread's queue of calls."""

        async def ask() -> dict[TP, int]:
            keys = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
            ends = await self._ensure_consumer().end_offsets(keys)
            return {TP(key.topic, key.partition): end for key, end in ends.items()}

        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(ask(), self.thread_loop))

    def beat(self) -> None:
        """Have this thread's loop increment ``beats``, which shows that it is alive."""

        def beat() -> None:
            self.beats += 1

        self.thread_loop.call_soon_threadsafe(beat)

    async def commit_offsets(self, commits: Mapping[TP, Commit]) -> bool:
        """Commit; False after a rebalance and while the broker is away."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        offsets = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(*commit)
            for tp, commit in commits.items()
            if TopicPartition(tp.topic, tp.partition) in assigned
        }
        if not offsets:
            return False
        try:
            await asyncio.wait_for(consumer.commit(offsets), COMMIT_TIMEOUT)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("not committed: the partitions were reassigned", reason=str(error))
        except (KafkaError, TimeoutError) as error:
            log.warning("commit failed, will be retried", error=repr(error))
        else:
            return True
        return False
