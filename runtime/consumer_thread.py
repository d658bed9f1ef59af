"""The thread in which Faust's consumer talks to Kafka."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from runtime import logs

log = logs.get("hookline.delivery")

FETCH_WAIT_MS = 250
"""How long the broker may hold a fetch; the driver's 1500 ms delays what was just assigned."""
COMMIT_TIMEOUT = 10.0
"""Seconds after which a commit is given up until the next one; the broker is away."""


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that talks to Kafka; it notes when the group last heard of us."""

    last_heartbeat: float = 0.0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start, and listen to the coordinator's heartbeats."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
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

    async def bounds(
        self, partitions: Sequence[Any]
    ) -> tuple[dict[Any, int], dict[Any, int], dict[Any, int | None]]:
        """Log starts, log ends and committed offsets, as aiokafka's partitions."""
        consumer = self._ensure_consumer()
        starts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        committed = {tp: await consumer.committed(tp) for tp in partitions}
        return starts, ends, committed

    async def commit_offsets(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False where the group has moved on or the broker is away."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        wanted = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
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
