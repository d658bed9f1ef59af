"""Operators' decisions: appended to their topic, read from its start, a handful in all."""

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime import logs
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import decisions
from schemas.decisions import AcceptedLoss
from schemas.topics import DECISIONS

log = logs.get("hookline.decisions")

POLL_MS = 500


async def record(settings: Settings, decision: AcceptedLoss) -> None:
    """Append a decision; it stands when this returns. Raises KafkaError."""
    producer = new_producer(settings)
    await producer.start()
    try:
        await producer.send_and_wait(
            settings.topic(DECISIONS),
            key=decisions.key(decision),
            value=decisions.encode(decision),
        )
    finally:
        await producer.stop()


async def read(settings: Settings) -> list[AcceptedLoss]:
    """Every decision so far, in order. Raises KafkaError, OSError."""
    place = TopicPartition(settings.topic(DECISIONS), 0)
    reader = AIOKafkaConsumer(**settings.kafka(), enable_auto_commit=False)
    found: list[AcceptedLoss] = []
    try:
        await reader.start()
        reader.assign([place])
        await reader.seek_to_beginning(place)
        end = (await reader.end_offsets([place]))[place]
        while await reader.position(place) < end:
            for each in (await reader.getmany(place, timeout_ms=POLL_MS)).get(place, ()):
                try:
                    found.append(decisions.decode(each.value or b""))
                except msgspec.MsgspecError:
                    log.warning("not a decision", offset=each.offset)
    finally:
        await reader.stop()
    return found


def accepted_until(made: list[AcceptedLoss], partition: int, due: int) -> int:
    """Up to which offset a partition's losses from ``due`` on were accepted; ``due`` if none."""
    reached = due
    for decision in sorted(made, key=lambda each: each.first):
        if decision.partition == partition and decision.first <= reached:
            reached = max(reached, decision.until)
    return reached


def divided(
    made: list[AcceptedLoss], partition: int, first: int, end: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The offsets [first, end) of a partition: ranges accepted as lost, and the others."""
    accepted: list[tuple[int, int]] = []
    others: list[tuple[int, int]] = []
    at = first
    for decision in sorted(made, key=lambda each: each.first):
        start, until = max(decision.first, at), min(decision.until, end)
        if decision.partition != partition or start >= until:
            continue
        if at < start:
            others.append((at, start))
        accepted.append((start, until))
        at = until
    if at < end:
        others.append((at, end))
    return accepted, others
