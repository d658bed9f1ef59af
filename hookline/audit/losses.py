"""Raw records that are gone before they were processed: found, and given up by an operator."""

import time
from dataclasses import dataclass

from aiokafka import TopicPartition

from hookline.errors import CommandError
from runtime.kafka import log_reader, operator_decisions
from runtime.settings import Settings
from schemas.decisions import AcceptedLoss
from schemas.topics import WEBHOOKS, Group


@dataclass(frozen=True, slots=True)
class Lost:
    """Offsets of one raw partition, from ``first`` up to ``until`` (excluded), that are gone."""

    topic: str
    partition: int
    first: int
    until: int

    @property
    def count(self) -> int:
        """How many records."""
        return self.until - self.first


async def find_lost(settings: Settings, partition: int) -> Lost | None:
    """What is missing where the processors stand in a partition; None where nothing is.

    Raises CommandError where there is no such partition.
    """
    stood = await log_reader.committed(settings, Group.PROCESSORS)
    async with log_reader.consumer(settings) as client:
        places = (await log_reader.places(settings))[WEBHOOKS]
        place = TopicPartition(settings.topic(WEBHOOKS), partition)
        if place not in places:
            raise CommandError(f"{place.topic} has partitions 0 to {len(places) - 1}")
        start = (await log_reader.begins(client, [place]))[place]
        end = (await log_reader.ends(client, [place]))[place]
        due = stood.get(place, start)
        if due >= end:
            return None
        client.assign([place])
        client.seek(place, max(due, start))
        first = int((await client.getone(place)).offset)
    return Lost(place.topic, partition, due, first) if first > due else None


async def accept(settings: Settings, partition: int, lost: Lost | None, until: int) -> AcceptedLoss:
    """Keep the decision to go on without what lies before ``until``.

    Raises CommandError where that is not what is lost.
    """
    if lost is None:
        raise CommandError(
            f"nothing is lost where the processors stand in partition {partition}: there is nothing"
            " to accept"
        )
    if until != lost.until:
        raise CommandError(
            f"offsets {lost.first} to {lost.until - 1} of partition {partition} are lost: say"
            f" --until {lost.until}, the first that is still there"
        )
    decision = AcceptedLoss(
        partition=partition, first=lost.first, until=until, at=time.time_ns() // 1000
    )
    await operator_decisions.record(settings, decision)
    return decision
