"""Apache Kafka as one node, broker and controller combined (KRaft); see also ``cluster.py``."""

import asyncio
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from hookline.local.process import Child, free_port, is_free
from hookline.local.servers import fetch, java
from hookline.local.servers.server import LocalError, Server
from runtime.process.private_files import OTHERS, open_private, write_private
from schemas.topics import MIB, RAW_RETENTION

HEAP = "384m"


def new_cluster_id() -> str:
    """Draw an id as Kafka writes them."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A", 1)


class Kafka(Server):
    """A broker on ``port``, with its controller on another port."""

    name = "kafka"

    def __init__(self, directory: Path, port: int, logs: Path | None = None) -> None:
        super().__init__(directory, port, logs)
        self._controller_port = free_port(self.port)

    def properties(self) -> dict[str, str]:
        """The broker's settings: buffers for one machine, durations as in production."""
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.directory / "log"),
            "auto.create.topics.enable": "false",
            "message.max.bytes": str(5 * MIB),
            "replica.fetch.max.bytes": str(5 * MIB),
            # Committed offsets must outlive the raw records.
            "offsets.retention.minutes": str(2 * int(RAW_RETENTION.total_seconds()) // 60),
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.cleaner.dedupe.buffer.size": str(4 * MIB),
            "log.cleaner.io.buffer.size": str(MIB // 8),
        }

    @property
    def brokers(self) -> str:
        """Bootstrap servers."""
        return f"127.0.0.1:{self.port}"

    def cluster_id(self) -> str:
        """The id for a log folder that is formatted now."""
        return new_cluster_id()

    def prepare(self) -> Child:
        """Format the log folder once; write the settings each time, since ports may change."""
        jars = fetch.ensure(fetch.KAFKA)
        base = java.command(
            HEAP,
            self.directory / "tmp",
            [
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                "-cp",
                f"{jars}/*",
            ],
        )
        path = self.directory / "server.properties"
        lines = (f"{name}={value}\n" for name, value in self.properties().items())
        write_private(path, "".join(lines))
        if not (self.directory / "log" / "meta.properties").exists():
            tool = ["kafka.tools.StorageTool", "format", "-t", self.cluster_id(), "-c", str(path)]
            with open_private(self.log, "ab") as log:
                done = subprocess.run(
                    [*base, *tool],
                    env=java.environment(),
                    stdout=log,
                    stderr=log,
                    check=False,
                    timeout=60,
                    umask=OTHERS,
                )
            if done.returncode != 0:
                raise LocalError(f"Kafka's log folder cannot be formatted: see {self.log}")
        return Child(
            self.name, [*base, "kafka.Kafka", str(path)], self.log, environment=java.environment()
        )

    def launch(self) -> None:
        """Start the process, on another controller port if the previous one is taken."""
        is_running = self.child is not None and self.child.is_running
        if not is_running and not is_free(self._controller_port):
            self._controller_port = free_port(self.port)
            self.child = None
        super().launch()

    def is_ready(self) -> bool:
        """Whether its metadata lists a broker."""
        return bool(self.known_brokers())

    def known_brokers(self) -> set[int]:
        """The ids of the brokers that its metadata lists; none while it does not answer."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return set()
        # In another thread, since the caller may be running an event loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _known_brokers(self.brokers)).result()


async def _known_brokers(brokers: str) -> set[int]:
    client = AIOKafkaClient(bootstrap_servers=brokers, request_timeout_ms=3000)
    try:
        await client.bootstrap()
        return {broker.nodeId for broker in client.cluster.brokers()}
    except (KafkaError, OSError):
        return set()
    finally:
        await client.close()
