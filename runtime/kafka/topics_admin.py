"""Topics on the broker: created as declared, checked before any stage stands on them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from runtime.health import Health
from runtime.kafka.topic_checks import Found, compare, partition_count, topic_configs
from runtime.settings import Settings
from schemas.topics import ALL, RAW_RETENTION, Topic

_CREATED_WITHIN = 30.0
_MIN_REPLICAS = 3
_MIN_IN_SYNC = 2


class TopicsError(RuntimeError):
    """The topics are not what the pipeline stands on.

    ``problems`` says each with its remedy; the message lists them.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Created:
    """What ``create_topics`` did: names on the broker, in the order of declaration."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client. Raises KafkaConnectionError where no broker answers."""
    client = AIOKafkaAdminClient(**settings.kafka())
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def cluster_id(settings: Settings) -> str:
    """The id of the cluster that the brokers form. Raises KafkaConnectionError."""
    async with admin_client(settings) as client:
        described = await client.describe_cluster()
    return str(described["cluster_id"])


async def create_topics(settings: Settings) -> Created:
    """Create what is missing and check what stands; nothing that stands is changed.

    Returns when all partitions have leaders. Raises TopicsError, KafkaConnectionError.
    """
    async with admin_client(settings) as client:
        standing = await _partitions(client)
        missing = [topic for topic in ALL if settings.topic(topic) not in standing]
        created = await _create(client, missing, settings) if missing else set()
        await _wait_for_leaders(client, settings)
        if problems := compare(await _found(client, settings), settings):
            raise TopicsError(problems)
    names = [settings.topic(topic) for topic in ALL]
    return Created(
        tuple(name for name in names if name in created),
        tuple(name for name in names if name not in created),
    )


async def _create(
    client: AIOKafkaAdminClient, missing: Iterable[Topic], settings: Settings
) -> set[str]:
    wanted = [
        NewTopic(
            settings.topic(topic),
            partition_count(topic, settings),
            settings.replication_factor,
            topic_configs=topic_configs(topic),
        )
        for topic in missing
    ]
    response = await client.create_topics(wanted)
    created, problems = set(), []
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.add(name)
        elif error is not TopicAlreadyExistsError:  # somebody else was faster: as good
            why = (message[0] if message else None) or error.description
            problems.append(
                f"{name} cannot be created: {why}. Check HOOKLINE_REPLICATION_FACTOR "
                f"({settings.replication_factor}) against the number of brokers, and the right "
                "to create topics."
            )
    if problems:
        raise TopicsError(problems)
    return created


async def _wait_for_leaders(client: AIOKafkaAdminClient, settings: Settings) -> None:
    deadline = asyncio.get_running_loop().time() + _CREATED_WITHIN
    while True:
        standing = await _partitions(client)
        waiting = [
            settings.topic(topic)
            for topic in ALL
            if not (held := standing.get(settings.topic(topic)))
            or any(partition["leader"] < 0 for partition in held)
        ]
        if not waiting:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise TopicsError(
                f"{name} has partitions without a leader: see the brokers' logs" for name in waiting
            )
        await asyncio.sleep(0.1)


async def check_topics(settings: Settings, health: Health | None = None) -> None:
    """Raise TopicsError unless every topic stands as the pipeline needs it.

    With ``health`` an unreachable broker is waited out, saying so there; without it
    KafkaConnectionError is raised.
    """
    pause = 0.5
    while True:
        try:
            async with admin_client(settings) as client:
                problems = compare(await _found(client, settings), settings)
            break
        except KafkaConnectionError:
            if health is None:
                raise
            health.waiting("kafka", f"no broker answers at {settings.brokers}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)
    if health is not None:
        health.met("kafka")
    if problems:
        raise TopicsError(problems)


async def find_topics(settings: Settings) -> dict[str, Found]:
    """Our topics that stand on the broker, by their names there."""
    async with admin_client(settings) as client:
        return await _found(client, settings)


async def _partitions(client: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    # All topics: naming one that is missing would create it on some brokers.
    return {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}


async def _found(client: AIOKafkaAdminClient, settings: Settings) -> dict[str, Found]:
    standing = await _partitions(client)
    names = [settings.topic(topic) for topic in ALL if settings.topic(topic) in standing]
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = await _configs(client, asked)
    return {
        name: Found(
            partitions=len(standing[name]),
            replicas=min((len(held["replicas"]) for held in standing[name]), default=0),
            configs=configs[name],
        )
        for name in names
    }


async def _configs(
    client: AIOKafkaAdminClient, asked: list[ConfigResource]
) -> dict[str, dict[str, str | None]]:
    configs: dict[str, dict[str, str | None]] = {}
    for response in await client.describe_configs(asked):
        for code, message, _, name, entries in response.resources:
            if code != 0:
                raise TopicsError([f"the settings of {name} cannot be read: {message}"])
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


async def advice(settings: Settings) -> list[str]:
    """What a production cluster lacks to keep the promise, each with its remedy.

    Raises KafkaError where the brokers do not tell. One broker on one machine is not asked
    for replicas.
    """
    async with admin_client(settings) as client:
        found = await _found(client, settings)
        described = await client.describe_cluster()
        node = described["brokers"][0]["node_id"]
        await client._client.ready(node)  # noqa: SLF001 - it sends only to connected nodes
        asked = [ConfigResource(ConfigResourceType.BROKER, str(node))]
        (broker,) = (await _configs(client, asked)).values()
    problems = []
    kept = int(broker.get("offsets.retention.minutes") or 0)
    needed = int(RAW_RETENTION.total_seconds()) // 60
    if kept < needed:
        problems.append(
            f"the brokers forget offsets after {kept} minutes: set offsets.retention.minutes to "
            f"{needed} or more, the retention of raw records"
        )
    if settings.replication_factor == 1:
        return problems
    return problems + [
        f"{words}: {', '.join(name for name, topic in found.items() if is_lacking(topic))}"
        for words, is_lacking in _LACKING.items()
        if any(map(is_lacking, found.values()))
    ]


_LACKING: dict[str, Callable[[Found], bool]] = {
    f"fewer than {_MIN_REPLICAS} replicas, so that a lost disk loses records; add some": (
        lambda topic: topic.replicas < _MIN_REPLICAS
    ),
    f"one replica acknowledges alone; set min.insync.replicas to {_MIN_IN_SYNC}": (
        lambda topic: int(topic.configs.get("min.insync.replicas") or 1) < _MIN_IN_SYNC
    ),
    "a replica that lacks records may lead; set unclean.leader.election.enable to false": (
        lambda topic: topic.configs.get("unclean.leader.election.enable") == "true"
    ),
}


__all__ = [
    "Created",
    "Found",
    "KafkaError",
    "TopicsError",
    "admin_client",
    "advice",
    "check_topics",
    "cluster_id",
    "compare",
    "create_topics",
    "find_topics",
    "partition_count",
    "topic_configs",
]
