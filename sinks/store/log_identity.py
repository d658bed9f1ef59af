"""Check that the log is the one that the tables were built from."""

from collections.abc import Mapping

from runtime.stage import Partition, RefusedError
from schemas.topics import CANONICAL, CONTACTS
from sinks.log import Log
from sinks.store.stored_offsets import StoredOffset


class LogMismatchError(RefusedError):
    """A topic is not the one that the tables were built from; the message names the way out."""

    def __init__(self, mismatch: str) -> None:
        super().__init__(
            f"{mismatch}: was the topic recreated? restore it, or build the tables from this log"
            " with `hookline rebuild --accept-log`; then start the sinks again"
        )


async def check_log(kafka: Log, stored: Mapping[Partition, StoredOffset]) -> str:
    """Return the cluster's id; raise LogMismatchError where a partition is of another log.

    Raises KafkaError or OSError while Kafka is away.
    """
    cluster_id = await kafka.cluster_id()
    for mismatch in (await mismatches(kafka, stored, cluster_id)).values():
        raise LogMismatchError(mismatch)
    return cluster_id


async def mismatches(
    kafka: Log, stored: Mapping[Partition, StoredOffset], cluster_id: str
) -> dict[Partition, str]:
    """Describe, by partition, how the log differs from the one that was stored."""
    found: dict[Partition, str] = {}
    ends, trimmed = await kafka.ends(*CANONICAL), await kafka.starts(CONTACTS)
    for partition, offset in stored.items():
        name, end = f"{partition.topic}-{partition.number}", ends.get(partition, 0)
        if offset.cluster_id not in (None, cluster_id):
            found[partition] = (
                f"{name}: stored from cluster {offset.cluster_id}, this is {cluster_id}"
            )
        elif offset.next_offset > end:
            found[partition] = f"{name}: stored up to {offset.next_offset}, the log ends at {end}"
        elif offset.last_event_id is not None:
            last = offset.next_offset - 1
            if last < trimmed.get(partition, 0):
                continue  # its retention has passed: there is nothing left to compare
            event_id = await kafka.event_id(partition, last)
            if event_id != offset.last_event_id:
                found[partition] = (
                    f"{name}: event {offset.last_event_id} was stored from offset {last}, the log"
                    f" has {event_id} there"
                )
    return found
