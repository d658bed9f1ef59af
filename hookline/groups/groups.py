"""Asks Kafka for the members of the stages' groups, their partitions and their lag."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupAuthorizationFailedError, for_code

from runtime.kafka import log_reader
from runtime.kafka.topics_admin import admin_client
from runtime.settings import Settings
from schemas.topics import CANONICAL, WEBHOOKS, Group, Topic

TOPICS: Mapping[Group, Sequence[Topic]] = {Group.PROCESSORS: (WEBHOOKS,), Group.SINKS: CANONICAL}
"""What each group reads."""


@dataclass(frozen=True, slots=True)
class Member:
    """A worker. ``partitions``: by topic, the numbers of those that it owns."""

    member: str
    client: str
    host: str
    partitions: Mapping[str, Sequence[int]]

    @property
    def owned(self) -> int:
        """How many partitions it owns."""
        return sum(map(len, self.partitions.values()))


@dataclass(frozen=True, slots=True)
class TopicLag:
    """Records of a topic that a group has not committed; ``seconds``: how long the oldest waits."""

    topic: str
    records: int
    seconds: float | None
    unowned: Sequence[int]


@dataclass(frozen=True, slots=True)
class GroupState:
    """A consumer group. ``state``: as Kafka names it, ``Stable`` when all is assigned."""

    group: str
    state: str
    members: Sequence[Member]
    topics: Sequence[TopicLag]

    @property
    def lag(self) -> int:
        """The records of all its topics that it has not committed."""
        return sum(each.records for each in self.topics)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for ``--json``."""
        return {**asdict(self), "lag": self.lag}


async def states(settings: Settings, clock: Callable[[], float] = time.time) -> list[GroupState]:
    """Return the state of each stage's group.

    Raises KafkaError, DeniedError, UnreachableError, TopicsError.
    """
    partitions = await log_reader.topic_partitions(settings)
    found = []
    async with admin_client(settings) as admin, log_reader.consumer(settings) as client:
        for group, topics in TOPICS.items():
            # First, since it waits for a coordinator, which a new cluster has not.
            done = await log_reader.committed(settings, group)
            state, members = await _members(admin, f"{settings.prefix}{group}")
            owned = {
                (topic, number)
                for each in members
                for topic, numbers in each.partitions.items()
                for number in numbers
            }
            lags = [
                await topic_lag(client, partitions[topic], done, owned, clock) for topic in topics
            ]
            found.append(GroupState(f"{settings.prefix}{group}", state, members, lags))
    return found


async def _members(admin: AIOKafkaAdminClient, group: str) -> tuple[str, list[Member]]:
    (response,) = await admin.describe_consumer_groups([group])
    code, _, state, _, _, members, *_ = response.groups[0]
    if code == GroupAuthorizationFailedError.errno:
        raise GroupAuthorizationFailedError(group)
    if code:
        raise for_code(code)(group)
    return state, sorted(map(member, members), key=lambda each: (each.host, each.member))


def member(described: Sequence[Any]) -> Member:
    """Read a member of a described group. Its assignment is empty while partitions move."""
    name, client, host, _, assigned = described[:5]
    partitions = ConsumerProtocolMemberAssignment.decode(assigned).assignment if assigned else ()
    owned = {topic: tuple(sorted(numbers)) for topic, numbers in sorted(partitions) if numbers}
    return Member(name, client, host.removeprefix("/"), owned)


async def topic_lag(
    client: AIOKafkaConsumer,
    partitions: Sequence[TopicPartition],
    done: Mapping[TopicPartition, int],
    owned: set[tuple[str, int]],
    clock: Callable[[], float],
) -> TopicLag:
    """Return how far a group is behind in a topic; without a commit, it is so from the beginning.

    Waiting is by the broker's append time of the oldest record that is not committed.
    """
    first = await log_reader.beginning_offsets(client, partitions)
    ends = await log_reader.end_offsets(client, partitions)
    following = {tp: max(done.get(tp, 0), first[tp]) for tp in partitions}
    lags = {tp: ends[tp] - at for tp, at in following.items() if at < ends[tp]}
    times = [await log_reader.appended_at(client, tp, following[tp]) for tp in lags]
    waits = max(clock() - min(times) / 1000, 0.0) if times else None
    unowned = tuple(tp.partition for tp in partitions if (tp.topic, tp.partition) not in owned)
    return TopicLag(partitions[0].topic, sum(lags.values()), waits, unowned)
