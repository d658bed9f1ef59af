"""Whether a log is the one that the tables were made of."""

from collections.abc import Mapping

from runtime.stage import Partition, RefusedError
from schemas.topics import CANONICAL
from sinks.log import Log
from sinks.store.stored_offsets import Fence


class StrangeLogError(RefusedError):
    """A topic is not the one that the tables were made of; the message says what to do."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"{said}: was the topic recreated? restore it, or make the tables of what is there"
            " with `hookline rebuild --accept-log`; then start the sinks again"
        )


async def compare(kafka: Log, held: Mapping[Partition, Fence]) -> str:
    """The cluster's id. Raises StrangeLogError where a fence speaks of another log.

    Raises KafkaError or OSError while Kafka is away.
    """
    cluster_id = await kafka.cluster_id()
    for said in (await differences(kafka, held, cluster_id)).values():
        raise StrangeLogError(said)
    return cluster_id


async def differences(
    kafka: Log, held: Mapping[Partition, Fence], cluster_id: str
) -> dict[Partition, str]:
    """What tells a fence's log from the one that stands, in words, by partition."""
    found: dict[Partition, str] = {}
    ends = await kafka.ends(*CANONICAL)
    for partition, fence in held.items():
        place, end = f"{partition.topic}-{partition.number}", ends.get(partition, 0)
        if fence.cluster_id not in (None, cluster_id):
            found[partition] = (
                f"{place}: stored from cluster {fence.cluster_id}, this is {cluster_id}"
            )
        elif fence.next_offset > end:
            found[partition] = f"{place}: stored up to {fence.next_offset}, the log ends at {end}"
        elif fence.last_event_id is not None:
            there = await kafka.event_id(partition, fence.next_offset - 1)
            if there != fence.last_event_id:
                found[partition] = (
                    f"{place}: at {fence.next_offset - 1} stands event {there}, stored was"
                    f" {fence.last_event_id}"
                )
    return found
