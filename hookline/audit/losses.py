"""Raw records lost before they were processed: finding them, and accepting the loss."""

import time
from dataclasses import dataclass

from aiokafka import TopicPartition

from hookline.console.errors import CommandError
from runtime.kafka import log_reader, operator_decisions
from runtime.settings import Settings
from schemas.json_records.decisions import AcceptedLoss
from schemas.topics import WEBHOOKS, Group


@dataclass(frozen=True, slots=True)
class LostRange:
    """Offsets of one raw partition, from ``first`` up to ``until`` (excluded), that are gone."""

    topic: str
    partition: int
    first: int
    until: int

    @property
    def count(self) -> int:
        """How many offsets."""
        return self.until - self.first


async def find_lost_range(settings: Settings, partition: int) -> LostRange | None:
    """Find the records missing at the processors' committed offset; None where none are.

    Raises CommandError where the topic has no such partition.
    """
    committed = await log_reader.committed(settings, Group.PROCESSORS)
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[WEBHOOKS]
        tp = TopicPartition(settings.topic(WEBHOOKS), partition)
        if tp not in partitions:
            raise CommandError(f"{tp.topic} has partitions 0 to {len(partitions) - 1}")
        start = (await log_reader.beginning_offsets(client, [tp]))[tp]
        end = (await log_reader.end_offsets(client, [tp]))[tp]
        next_offset = committed.get(tp, start)
        if next_offset >= end:
            return None
        record = await log_reader.first_record(client, tp, max(next_offset, start))
        first = next_offset if record is None else int(record.offset)
    return LostRange(tp.topic, partition, next_offset, first) if first > next_offset else None


async def accept(
    settings: Settings, partition: int, lost: LostRange | None, until: int
) -> AcceptedLoss:
    """Record the decision to continue without the offsets below ``until``.

    Raises CommandError where ``until`` is not the end of the lost range.
    """
    if lost is None:
        raise CommandError(
            f"no records are lost at the processors' committed offset in partition {partition}:"
            " there is nothing to accept"
        )
    if until != lost.until:
        raise CommandError(
            f"offsets {lost.first} to {lost.until - 1} of partition {partition} are lost: use"
            f" --until {lost.until}, the first offset that still exists"
        )
    decision = AcceptedLoss(
        partition=partition, first=lost.first, until=until, at=time.time_ns() // 1000
    )
    await operator_decisions.record(settings, decision)
    return decision
