"""Partitions that somebody added to a topic: no stage reads or writes them."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.kafka import log_reader
from runtime.kafka.partition_counts import sentence
from schemas.topics import Topic

Partitions = Mapping[Topic, list[TopicPartition]]


@dataclass(frozen=True, slots=True)
class Added:
    """What somebody added to one topic, in a sentence; ``records`` that it holds."""

    topic: Topic
    sentence: str
    records: int


def declared(partitions: Partitions) -> int:
    """Return the partitions that all topics of the pipeline have."""
    return min(len(tps) for topic, tps in partitions.items() if topic.pipeline)


async def find(client: AIOKafkaConsumer, partitions: Partitions) -> list[Added]:
    """Find the partitions that some topics of the pipeline have and others lack."""
    count, found = declared(partitions), []
    for topic, tps in partitions.items():
        if topic.pipeline and (added := tps[count:]):
            ends = await log_reader.end_offsets(client, added)
            starts = await log_reader.beginning_offsets(client, added)
            held = sum(ends[tp] - starts[tp] for tp in added)
            why = sentence(added[0].topic, len(tps), count)
            found.append(Added(topic, f"{why}; they hold {held} records", held))
    return found
