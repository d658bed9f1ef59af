"""Partitions that somebody adds to a topic: seen while running, reported, never used.

The count is fixed for a topic's life. With another one keys would move to other partitions, where
nothing knows their order and their repeats. So what is in an added partition waits for a person.
"""

import asyncio
from collections.abc import Mapping

from aiokafka.errors import KafkaError

from runtime import logs
from runtime.health import Health
from runtime.kafka.topic_checks import partition_count
from runtime.kafka.topics_admin import TopicsError, partition_counts
from runtime.settings import Settings
from schemas.topics import ALL

log = logs.get("hookline.topics")

INTERVAL = 20.0
"""Seconds between two looks at the topics."""


def added(counts: Mapping[str, int], settings: Settings) -> dict[str, str]:
    """Return a sentence for each topic that has more partitions than it was created with.

    ``counts``: of topics by their names on the broker.
    """
    return {
        name: sentence(name, counts[name], partition_count(topic, settings))
        for topic in ALL
        if counts.get(name := settings.topic(topic), 0) > partition_count(topic, settings)
    }


def sentence(name: str, found: int, wanted: int) -> str:
    """Return the sentence for a topic of ``wanted`` partitions that has ``found``."""
    return (
        f"{name} has {found} partitions, not {wanted}: somebody added some. The count is fixed for"
        f" a topic's life, so partitions {wanted} to {found - 1} are neither written nor processed;"
        " the others go on. Find out who wrote to them; for more partitions start over under a new"
        " prefix"
    )


async def watch(settings: Settings, health: Health) -> None:
    """Show added partitions as warnings, within a minute, until cancelled."""
    shown: dict[str, str] = {}
    while True:
        try:
            found = added(await partition_counts(settings), settings)
        except (KafkaError, OSError, TopicsError) as error:
            log.debug("the partition counts cannot be read", error=repr(error))
            found = shown
        for name, why in found.items():
            if shown.get(name) != why:
                log.critical("partitions were added", topic=name, why=why)
            health.warn(f"partitions {name}", why)
        for name in shown.keys() - found.keys():
            health.clear_warning(f"partitions {name}")
        shown = found
        await asyncio.sleep(INTERVAL)
