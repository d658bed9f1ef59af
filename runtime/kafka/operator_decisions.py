"""Operators' decisions: appended to their topic, read from its start; there are only a few."""

from aiokafka import TopicPartition

from runtime import logs
from runtime.kafka import log_reader
from runtime.kafka.producer import new_producer
from runtime.kafka.reasons import explained
from runtime.settings import Settings
from schemas.json_records import decisions
from schemas.json_records.decisions import AcceptedLoss, Decision
from schemas.topics import DECISIONS

log = logs.get("hookline.decisions")


async def record(settings: Settings, decision: Decision) -> None:
    """Append a decision; it is in force when this returns. Raises KafkaError."""
    producer = new_producer(settings)
    async with explained(settings, "Write"):
        try:
            await producer.start()
            await producer.send_and_wait(
                settings.topic(DECISIONS),
                key=decision.key,
                value=decisions.encode(decision),
                partition=0,  # the only one that is read, also where somebody added more
            )
        finally:
            await producer.stop()


async def read(settings: Settings) -> list[AcceptedLoss]:
    """Read all losses accepted so far, in order. Raises KafkaError, OSError."""
    return [each for each in await read_all(settings) if isinstance(each, AcceptedLoss)]


async def read_all(settings: Settings) -> list[Decision]:
    """Read all decisions so far, in order. Raises KafkaError, OSError."""
    tp = TopicPartition(settings.topic(DECISIONS), 0)
    found: list[Decision] = []
    unknown = 0
    async with log_reader.consumer(settings) as client:
        start = await log_reader.beginning_offsets(client, [tp])
        end = await log_reader.end_offsets(client, [tp])
        async for _, batch in log_reader.records(client, start, end):
            for record in batch:
                if (decision := decisions.decode_or_none(record.value)) is None:
                    unknown += 1
                else:
                    found.append(decision)
    if unknown:
        log.warning("records are no decisions", records=unknown)
    return found


def accepted_until(accepted: list[AcceptedLoss], partition: int, first: int) -> int:
    """Return the offset up to which losses from ``first`` on were accepted; ``first`` if none."""
    reached = first
    for decision in sorted(accepted, key=lambda loss: loss.first):
        if decision.partition == partition and decision.first <= reached:
            reached = max(reached, decision.until)
    return reached


def divided(
    losses: list[AcceptedLoss], partition: int, first: int, end: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Split the offsets [first, end) of a partition: ranges accepted as lost, and the others."""
    accepted: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    offset = first
    for decision in sorted(losses, key=lambda loss: loss.first):
        start, until = max(decision.first, offset), min(decision.until, end)
        if decision.partition != partition or start >= until:
            continue
        if offset < start:
            others.append((offset, start))
        accepted.append((start, until))
        offset = until
    if offset < end:
        others.append((offset, end))
    return accepted, others
