"""Three real brokers: which of them leads, coordinates and controls, and what is in sync."""

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata

from hookline.local.process import free_port
from hookline.local.servers import cluster
from hookline.local.servers.kafka import Kafka

BROKERS = 3
PATIENCE = 120.0
"""Seconds within which a cluster must have come to what a test waits for."""


class Cluster:
    """Three brokers on ports of their own. A broker goes by its number, which is its node id.

    ``spare``: brokers beyond the three that are known to the controllers and not started.
    """

    def __init__(self, directory: Path, logs: Path, spare: int = 0) -> None:
        count = BROKERS + spare
        ports = {name: free_port() for name in cluster.port_names(count)}
        kafkas = cluster.create(directory, ports, count, logs)
        self.kafkas, self.spare = kafkas[:BROKERS], kafkas[BROKERS:]

    @property
    def brokers(self) -> str:
        """Bootstrap servers."""
        return ",".join(kafka.brokers for kafka in self.kafkas)

    def start(self) -> None:
        """Start those that do not run; return when all answer."""
        for kafka in self.kafkas:
            self.resume(kafka)
        with ThreadPoolExecutor(len(self.kafkas)) as threads:
            list(threads.map(lambda kafka: kafka.start(), self.kafkas))

    def broker(self, number: int) -> Kafka:
        return (*self.kafkas, *self.spare)[number - 1]

    def kill(self, kafka: Kafka) -> None:
        """Kill -9."""
        if kafka.child is not None:
            kafka.child.kill()

    def pause(self, kafka: Kafka) -> None:
        """Suspend a broker (SIGSTOP)."""
        if kafka.child is not None:
            kafka.child.signal(SIGSTOP)

    def resume(self, kafka: Kafka) -> None:
        if kafka.child is not None:
            kafka.child.signal(SIGCONT)

    def discard(self) -> None:
        """Kill all brokers and delete what they kept; their logs stay."""
        for kafka in (*self.kafkas, *self.spare):
            self.kill(kafka)
            shutil.rmtree(kafka.directory, ignore_errors=True)

    def empty_disk(self, kafka: Kafka) -> None:
        """Delete everything that a broker, which must not run, has kept."""
        shutil.rmtree(kafka.directory)
        kafka.child = None  # so that the next start formats the disk

    def controller(self) -> int:
        """The number of the active controller, by what the voters wrote down last."""
        votes = []
        for kafka in self.kafkas:
            path = kafka.directory / "log" / "__cluster_metadata-0" / "quorum-state"
            state = json.loads(path.read_text())
            votes.append((state["leaderEpoch"], state["leaderId"]))
        return int(max(votes)[1])

    def wait_until_in_sync(self, numbers: Sequence[int] = ()) -> None:
        """Return once every partition has all of its replicas in sync. Raises TimeoutError.

        ``numbers``: and once the replicas are on these brokers alone.
        """
        deadline = time.monotonic() + PATIENCE
        while lacking := _lacking(self.brokers, frozenset(numbers)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not in sync after {PATIENCE:.0f} s: {lacking[:5]}")
            time.sleep(0.5)

    def move(self, numbers: Sequence[int]) -> None:
        """Begin to move every partition of every topic to these brokers, as many as its replicas.

        Raises KafkaError.
        """
        topics = {name: sorted(topic.partitions) for name, topic in _topics(self.brokers).items()}
        asyncio.run(_reassign(self.brokers, topics, numbers))


def busiest_leader(brokers: str, prefix: str) -> int:
    """The broker that leads most partitions of the topics whose names begin so."""
    leaders = Counter(
        partition.leader
        for name, topic in _topics(brokers).items()
        if name.startswith(prefix)
        for partition in topic.partitions.values()
    )
    return leaders.most_common(1)[0][0]


def coordinator(brokers: str, group: str) -> int:
    """The broker that coordinates a group."""
    admin = AdminClient({"bootstrap.servers": brokers})
    described = admin.describe_consumer_groups([group], request_timeout=10)[group].result()
    return int(described.coordinator.id)


async def _reassign(brokers: str, topics: dict[str, list[int]], numbers: Sequence[int]) -> None:
    wanted = [
        (
            name,
            [
                (partition, [*numbers[partition % len(numbers) :], *numbers][: len(numbers)], {})
                for partition in partitions
            ],
            {},
        )
        for name, partitions in topics.items()
    ]
    client = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await client.start()
    try:
        request = AlterPartitionReassignmentsRequest(30_000, wanted, {})
        answer = await client._send_request(request)
    finally:
        await client.close()
    codes = [answer.error_code, *(p[1] for topic in answer.responses for p in topic[1])]
    if bad := next((code for code in codes if code), 0):
        raise for_code(bad)(answer.error_message or "")


def _lacking(brokers: str, numbers: frozenset[int] = frozenset()) -> list[str]:
    """Partitions without all of their replicas, or on others, or why that cannot be seen."""
    try:
        return [
            f"{name}/{number}"
            for name, topic in _topics(brokers).items()
            for number, partition in topic.partitions.items()
            if len(partition.isrs) < len(partition.replicas)
            or (numbers and not numbers.issuperset(partition.replicas))
        ]
    except KafkaException as error:
        return [str(error)]


def _topics(brokers: str) -> dict[str, TopicMetadata]:
    admin = AdminClient({"bootstrap.servers": brokers})
    return dict(admin.list_topics(timeout=10).topics)
