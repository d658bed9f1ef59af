"""Outcome logs that lost records too early, and accepting that repeats of those may pass."""

import time

from hookline.console.errors import CommandError
from runtime.kafka import log_reader, operator_decisions
from runtime.settings import Settings
from schemas.json_records.decisions import AcceptedHorizon
from schemas.topics import OUTCOMES, WEBHOOKS


async def find_trimmed(settings: Settings, partition: int) -> dict[str, int]:
    """Return the first offset of each outcome log of a partition that no longer starts at 0.

    Raises CommandError where the raw topic has no such partition.
    """
    topics = await log_reader.topic_partitions(settings)
    if not 0 <= partition < len(raws := topics[WEBHOOKS]):
        raise CommandError(f"{settings.topic(WEBHOOKS)} has partitions 0 to {len(raws) - 1}")
    logs = [tp for topic in OUTCOMES for tp in topics[topic] if tp.partition == partition]
    async with log_reader.consumer(settings) as client:
        starts = await log_reader.beginning_offsets(client, logs)
    return {tp.topic: start for tp, start in starts.items() if start > 0}


async def accept(settings: Settings, partition: int, trimmed: dict[str, int]) -> AcceptedHorizon:
    """Record that repeats of what these logs have lost may pass.

    Raises CommandError where they have lost nothing.
    """
    if not trimmed:
        raise CommandError(
            f"the outcome logs of partition {partition} are whole: there is nothing to accept"
        )
    decision = AcceptedHorizon(partition=partition, starts=trimmed, at=time.time_ns() // 1000)
    await operator_decisions.record(settings, decision)
    return decision
