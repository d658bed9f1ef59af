"""What a cluster must be set to: the brokers' own settings, and replicas. Advice, no refusal."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from runtime.kafka.topic_checks import MIN_IN_SYNC, BrokerTopic
from runtime.kafka.topics_admin import admin_client, find_topics, read_configs
from runtime.settings import Settings
from schemas.topics import RAW_RETENTION

MIN_REPLICAS = 3
MAX_REPLICA_LAG_MS = 30_000
"""The watermark's margin has room for it (``sinks.watermark.watermark.REPLICA_LAG_MS``)."""
_BROKER_TIMEOUT = 5.0
"""Seconds for the settings of one broker."""

Configs = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class BrokerSetting:
    """A setting of the brokers: its name and value, and what another value does."""

    name: str
    wanted: str
    is_right: Callable[[str], bool]
    harm: str
    only_replicated: bool = False

    def problem(self, configs: Configs) -> str | None:
        """What is wrong with the value of a broker; None also where it does not give one."""
        found = configs.get(self.name)
        if found is None or self.is_right(found):
            return None
        return f"{self.name}={found}, {self.harm}: set it to {self.wanted}"


_KEPT = int(RAW_RETENTION.total_seconds()) // 60
BROKER_SETTINGS = (
    BrokerSetting(
        "offsets.retention.minutes",
        f"{_KEPT} or more",
        lambda value: int(value) >= _KEPT,
        "so that offsets are forgotten before raw records are",
    ),
    BrokerSetting(
        "auto.create.topics.enable",
        "false",
        lambda value: value == "false",
        "so that whoever asks for a missing topic creates it with other settings than declared",
    ),
    BrokerSetting(
        "replica.lag.time.max.ms",
        f"{MAX_REPLICA_LAG_MS} or less",
        lambda value: int(value) <= MAX_REPLICA_LAG_MS,
        "so that records may appear later than the watermark waits for them",
        only_replicated=True,
    ),
)


async def advice(settings: Settings) -> list[str]:
    """List what a production cluster lacks, each with its remedy, and brokers that are silent.

    Raises KafkaError where a request fails. With a replication factor of 1, replicas are not
    checked.
    """
    async with admin_client(settings) as client:
        topics = await find_topics(settings)
        brokers = (await client.describe_cluster())["brokers"]
        answers = await asyncio.gather(
            *(_broker_configs(client, settings, broker) for broker in brokers)
        )
    is_replicated = settings.replication_factor > 1
    problems = [answer for answer in answers if isinstance(answer, str)]
    configs = [answer for answer in answers if not isinstance(answer, str)]
    problems += broker_problems(configs, is_replicated=is_replicated)
    return problems + (replica_problems(topics) if is_replicated else [])


async def _broker_configs(
    client: AIOKafkaAdminClient, settings: Settings, broker: Mapping[str, Any]
) -> Configs | str:
    """Return a broker's settings, or why they cannot be read."""
    node = broker["node_id"]
    try:
        async with asyncio.timeout(_BROKER_TIMEOUT):
            # Requests go only to connected nodes.
            await client._client.ready(node)  # noqa: SLF001
            resource = ConfigResource(ConfigResourceType.BROKER, str(node))
            (configs,) = (await read_configs(client, settings, [resource])).values()
    except (TimeoutError, KafkaError) as error:
        why = str(error) or f"nothing within {_BROKER_TIMEOUT:.0f} s"
        at = f"{broker['host']}:{broker['port']}"
        return f"broker {node} at {at} does not answer ({why}): is it running?"
    return configs


def broker_problems(brokers: list[Configs], *, is_replicated: bool) -> list[str]:
    """List wrong settings of the brokers, each once, in order."""
    found = (
        setting.problem(configs)
        for setting in BROKER_SETTINGS
        if is_replicated or not setting.only_replicated
        for configs in brokers
    )
    return list(dict.fromkeys(problem for problem in found if problem is not None))


def replica_problems(topics: Mapping[str, BrokerTopic]) -> list[str]:
    """List what topics lack in replicas, each with the topics that lack it."""
    return [
        f"{problem}: {', '.join(name for name, topic in topics.items() if is_lacking(topic))}"
        for problem, is_lacking in _LACKING.items()
        if any(map(is_lacking, topics.values()))
    ]


def _min_in_sync(topic: BrokerTopic) -> int:
    return int(topic.configs.get("min.insync.replicas") or 1)


_LACKING: dict[str, Callable[[BrokerTopic], bool]] = {
    f"fewer than {MIN_REPLICAS} replicas, so that a lost disk loses records; add some": (
        lambda topic: topic.replicas < MIN_REPLICAS
    ),
    f"one replica acknowledges alone; set min.insync.replicas to {MIN_IN_SYNC}": (
        lambda topic: _min_in_sync(topic) < MIN_IN_SYNC
    ),
    "all replicas must acknowledge, so that one broker away ends all appends; set"
    f" min.insync.replicas to {MIN_IN_SYNC}": (
        lambda topic: topic.replicas >= MIN_REPLICAS and _min_in_sync(topic) >= topic.replicas
    ),
    "fewer replicas in sync than min.insync.replicas, so that nothing can be appended; bring the"
    " brokers back": (
        lambda topic: topic.in_sync is not None and topic.in_sync < _min_in_sync(topic)
    ),
    "a replica that lacks records may lead; set unclean.leader.election.enable to false": (
        lambda topic: topic.configs.get("unclean.leader.election.enable") == "true"
    ),
}
