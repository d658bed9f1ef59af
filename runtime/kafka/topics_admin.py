"""Topics on the broker: created as declared, checked before a stage starts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from runtime.health import Health, wait_until
from runtime.kafka.client.silent_brokers import avoid_silent_brokers
from runtime.kafka.reasons import DeniedError, explained, explanation
from runtime.kafka.topic_checks import (
    ANY,
    BrokerTopic,
    compare,
    partition_count,
    topic_configs,
)
from runtime.settings import Settings
from schemas.topics import ALL, Topic

Result = TypeVar("Result")

_CREATED_WITHIN, _KNOWN_WITHIN = 30.0, 2.0
"""Seconds in which new topics have leaders, and in which every broker knows of them."""


class TopicsError(RuntimeError):
    """The topics are not as the pipeline needs them.

    ``problems`` holds each problem with its remedy; the message lists them.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Created:
    """The result of ``create_topics``: names on the broker, in the order of declaration."""

    created: tuple[str, ...]
    unchanged: tuple[str, ...]


@asynccontextmanager
async def admin_client(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connect an admin client. Raises UnreachableError where no broker can be used, DeniedError."""
    client = AIOKafkaAdminClient(**settings.kafka())
    avoid_silent_brokers(client._client)  # noqa: SLF001
    async with explained(settings, "Describe", of_group="Describe"):
        try:
            await client.start()
            yield client
        finally:
            await client.close()


async def once_kafka_answers(
    settings: Settings, health: Health, ask: Callable[[Settings], Awaitable[Result]]
) -> Result:
    """Return what ``ask`` returns; waits while Kafka is away. Raises DeniedError, TopicsError."""
    return await wait_until(
        health,
        "kafka",
        lambda: ask(settings),
        (KafkaError, OSError),
        str,
        final=DeniedError,
        longest_pause=2.0,
    )


async def cluster_id(settings: Settings) -> str:
    """Ask for the cluster's id. Raises KafkaError, OSError."""
    async with admin_client(settings) as client:
        described = await client.describe_cluster()
    return str(described["cluster_id"])


async def create_topics(settings: Settings) -> Created:
    """Create missing topics and check existing ones, which are never changed.

    Returns when all partitions have leaders. Raises TopicsError, KafkaConnectionError.
    """
    async with admin_client(settings) as client:
        existing = await _partitions(client)
        missing = [topic for topic in ALL if settings.topic(topic) not in existing]
        created = await _create(client, missing, settings) if missing else set()
        await _wait_for_leaders(client, settings)
        if problems := compare(await _once_known(client, settings, _CREATED_WITHIN), settings):
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
            topic_configs=topic_configs(topic, settings),
        )
        for topic in missing
    ]
    response = await client.create_topics(wanted)
    created, problems = set(), []
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code == 0:
            created.add(name)
        elif error is not TopicAlreadyExistsError:  # another process created it: just as good
            reason = (message[0] if message else None) or error.description
            problems.append(
                explanation(error(name), settings, "Create")
                or f"{name} cannot be created: {reason}. Check HOOKLINE_REPLICATION_FACTOR "
                f"({settings.replication_factor}) against the number of brokers."
            )
    if problems:
        raise TopicsError(problems)
    return created


async def _wait_for_leaders(client: AIOKafkaAdminClient, settings: Settings) -> None:
    deadline = asyncio.get_running_loop().time() + _CREATED_WITHIN
    while True:
        existing = await _partitions(client)
        leaderless = [
            settings.topic(topic)
            for topic in ALL
            if not (partitions := existing.get(settings.topic(topic)))
            or any(partition["leader"] < 0 for partition in partitions)
        ]
        if not leaderless:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise TopicsError(
                f"{name} has partitions without a leader: see the brokers' logs"
                for name in leaderless
            )
        await asyncio.sleep(0.1)


async def check_topics(
    settings: Settings, health: Health | None = None, topics: Mapping[Topic, str] = ANY
) -> None:
    """Raise TopicsError unless each of these topics is as the pipeline needs it.

    With ``health`` Kafka is waited for and shown there; without it KafkaError or OSError is
    raised. DeniedError in both cases. ``topics``: with the right that is needed on each.
    """

    async def known(settings: Settings) -> dict[str, BrokerTopic]:
        async with admin_client(settings) as client:
            return await _once_known(client, settings, _KNOWN_WITHIN, tuple(topics))

    if health is None:
        existing = await known(settings)
    else:
        existing = await once_kafka_answers(settings, health, known)
    if problems := compare(existing, settings, topics):
        raise TopicsError(problems)


async def find_topics(settings: Settings, topics: Iterable[Topic] = ALL) -> dict[str, BrokerTopic]:
    """Look up those of these topics that exist on the broker, by their names there."""
    async with admin_client(settings) as client:
        return await _find(client, settings, topics)


async def _once_known(
    client: AIOKafkaAdminClient, settings: Settings, within: float, topics: Sequence[Topic] = ALL
) -> dict[str, BrokerTopic]:
    """Look up topics until all are found: the brokers learn of new ones one after another.

    After ``within`` seconds some may be missing.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + within
    while True:
        try:
            existing = await _find(client, settings, topics)
        except UnknownTopicOrPartitionError:  # listed by one broker, not yet known to the next
            if clock() > deadline:
                raise
        else:
            if clock() > deadline or all(settings.topic(topic) in existing for topic in topics):
                return existing
        await asyncio.sleep(0.1)


async def partition_counts(settings: Settings) -> dict[str, int]:
    """Count the partitions of all topics, by name on the broker. Raises KafkaError, OSError."""
    async with admin_client(settings) as client:
        return {name: len(each) for name, each in (await _partitions(client)).items()}


async def _partitions(client: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    # All topics: asking for a missing one by name would create it on some brokers.
    return {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}


async def _find(
    client: AIOKafkaAdminClient, settings: Settings, topics: Iterable[Topic]
) -> dict[str, BrokerTopic]:
    existing = await _partitions(client)
    names = [settings.topic(topic) for topic in topics if settings.topic(topic) in existing]
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs = await read_configs(client, settings, resources)
    return {
        name: BrokerTopic(
            partitions=len(existing[name]),
            replicas=min((len(each["replicas"]) for each in existing[name]), default=0),
            configs=configs[name],
            in_sync=min((len(each["isr"]) for each in existing[name]), default=0),
        )
        for name in names
    }


async def read_configs(
    client: AIOKafkaAdminClient, settings: Settings, resources: list[ConfigResource]
) -> dict[str, dict[str, str | None]]:
    """Read the settings of topics or brokers, by name. Raises TopicsError, KafkaError."""
    configs: dict[str, dict[str, str | None]] = {}
    for response in await client.describe_configs(resources):
        for code, message, _, name, entries in response.resources:
            if code != 0:
                error = for_code(code)(name)
                if error.retriable:
                    raise error
                why = explanation(error, settings, "DescribeConfigs")
                raise TopicsError([why or f"the settings of {name} cannot be read: {message}"])
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs
