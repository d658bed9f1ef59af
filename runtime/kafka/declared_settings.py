"""Settings of topics that differ from the declared ones, and their correction.

``topic_checks.compare`` refuses what would lose or repeat records. Everything else that differs is
reported: readers take any compression and any segment, but somebody changed it unnoticed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from runtime.kafka.topic_checks import BrokerTopic, topic_configs
from runtime.kafka.topics_admin import TopicsError, admin_client, find_topics
from runtime.settings import Settings
from schemas.topics import ALL, Topic

_AT_LEAST = frozenset({"retention.ms", "max.message.bytes", "min.insync.replicas"})
"""Settings that may exceed the declared value; personal data is kept no longer than declared."""
_UNLIMITED = "-1"
_DYNAMIC = 1
"""The source of a setting of the topic itself, in Kafka's numbers."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of a topic that is not as declared."""

    topic: str
    setting: str
    found: str
    declared: str

    def __str__(self) -> str:
        return f"{self.topic} has {self.setting}={self.found}, declared is {self.declared}"


def differences(existing: Mapping[str, BrokerTopic], settings: Settings) -> list[Difference]:
    """List what differs, for topics by their names on the broker. Pure."""
    return [
        Difference(name, setting, found, declared)
        for topic in ALL
        if (name := settings.topic(topic)) in existing
        for setting, declared in topic_configs(topic, settings).items()
        for found in [existing[name].configs.get(setting) or ""]
        if not _is_enough(topic, setting, found, declared, existing[name].replicas)
    ]


def _is_enough(topic: Topic, setting: str, found: str, declared: str, replicas: int) -> bool:
    if setting not in _AT_LEAST or not found:
        return found == declared
    if setting == "retention.ms" and topic.is_personal:
        return found == declared
    if setting == "min.insync.replicas" and found != declared and int(found) >= replicas:
        return False  # one broker away would be enough to end all appends
    if setting == "retention.ms" and _UNLIMITED in (found, declared):
        return found == _UNLIMITED
    return int(found) >= int(declared)


async def find_differences(settings: Settings) -> list[Difference]:
    """Ask the broker. Raises KafkaError, TopicsError."""
    return differences(await find_topics(settings), settings)


async def configure(settings: Settings) -> list[Difference]:
    """Set what differs to the declared values; return what was changed.

    Other settings of the topics stay as they are. Raises KafkaError, TopicsError.
    """
    found = await find_differences(settings)
    by_topic: dict[str, dict[str, str]] = {}
    for each in found:
        by_topic.setdefault(each.topic, {})[each.setting] = each.declared
    async with admin_client(settings) as client:
        for name, changes in by_topic.items():
            # Kafka replaces all settings of the topic itself by those that are given.
            own = await _own_settings(client, name)
            resource = ConfigResource(ConfigResourceType.TOPIC, name, {**own, **changes})
            for response in await client.alter_configs([resource]):
                for code, message, *_ in response.resources:
                    if code != 0:
                        reason = message or for_code(code).description
                        raise TopicsError([f"{name} cannot be configured: {reason}"])
    return found


async def _own_settings(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    """Return the settings that were set for the topic itself."""
    answers = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    return {
        key: value
        for answer in answers
        for _, _, _, _, entries in answer.resources
        for key, value, _, source, *_ in entries
        # Version 0 of the answer has "is default" in place of the source.
        if source == _DYNAMIC or (answer.API_VERSION == 0 and not source)
    }
