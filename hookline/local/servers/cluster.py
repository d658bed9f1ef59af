"""Several Kafka brokers on this machine, each of them a controller too (KRaft)."""

import json
from collections.abc import Mapping
from pathlib import Path

from hookline.local.process import Child
from hookline.local.servers.kafka import Kafka, new_cluster_id
from hookline.local.servers.server import LocalError, Server
from runtime.process.private_files import create_folder, write_private

REPLICAS, IN_SYNC = 3, 2
"""Copies of every record, and how many of them acknowledge it."""
FEWEST, MOST = 3, 5
"""Brokers of a cluster: of two, neither could go on without the other."""

GRACE = 8.0
"""Seconds in which a broker gives up its leaderships; killed later, it loses nothing."""


def server_names(brokers: int) -> tuple[str, ...]:
    """Name the brokers, as in ``ports.json`` and ``hookline status``."""
    return ("kafka",) if brokers == 1 else tuple(f"kafka-{n + 1}" for n in range(brokers))


def port_names(brokers: int) -> tuple[str, ...]:
    """Name the ports of the brokers: each needs one, in a cluster a second for its controller."""
    controllers = () if brokers == 1 else tuple(f"controller-{n + 1}" for n in range(brokers))
    return server_names(brokers) + controllers


def count_brokers(directory: Path) -> int:
    """Count the brokers whose data a folder holds."""
    if (directory / "kafka").exists():
        return 1
    return sum((directory / name).exists() for name in server_names(MOST))


def choose_count(directory: Path, wanted: int | None) -> int:
    """Return how many brokers to start: the given number, that of the data, else one.

    Raises LocalError where the data is of another number, and for a cluster of two.
    """
    found = count_brokers(directory)
    count = wanted or found or 1
    if found and count != found:
        raise LocalError(
            f"{directory} holds the data of {found} broker{'s' * (found > 1)}, not of {count}: "
            f"the number of brokers is fixed for a data folder. Start it with --brokers {found}, "
            "or choose another --data"
        )
    if 1 < count < FEWEST:
        raise LocalError(
            f"--brokers {count}: start 1, or {FEWEST} to {MOST}; of two brokers neither can go on "
            "without the other"
        )
    return count


class ClusterBroker(Kafka):
    """Broker and controller ``number`` of a cluster. ``ports``: those of all, by name."""

    def __init__(
        self, directory: Path, number: int, ports: Mapping[str, int], logs: Path | None = None
    ) -> None:
        self.name = f"kafka-{number}"
        super().__init__(directory / self.name, ports[self.name], logs)
        self.number = number
        self._siblings = directory
        self._controllers = {
            int(name.partition("-")[2]): port
            for name, port in ports.items()
            if name.startswith("controller-")
        }
        self._controller_port = self._controllers[number]

    def properties(self) -> dict[str, str]:
        """The settings of one broker, with three copies of everything."""
        copies, in_sync = str(REPLICAS), str(IN_SYNC)
        voters = (f"{n}@127.0.0.1:{port}" for n, port in self._controllers.items())
        return super().properties() | {
            "node.id": str(self.number),
            "controller.quorum.voters": ",".join(voters),
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
        }

    def cluster_id(self) -> str:
        """The id that all share; a broker with an empty disk takes that of the others."""
        path = self._siblings / "cluster.json"
        if not path.exists():
            raise LocalError(f"{path} is missing: the brokers' data belongs to no cluster")
        return str(json.loads(path.read_text())["id"])

    def prepare(self) -> Child:
        """Describe the process. The last broker to stop finds no quorum that lets it go."""
        child = super().prepare()
        child.grace = GRACE
        return child

    def launch(self) -> None:
        """Start the process. Its controller's port is fixed: the other brokers know it."""
        Server.launch(self)

    def is_ready(self) -> bool:
        """Whether the cluster counts it among its brokers."""
        return self.number in self.known_brokers()


def create(
    directory: Path, ports: Mapping[str, int], brokers: int, logs: Path | None = None
) -> tuple[Kafka, ...]:
    """Describe the brokers of a data folder: one as ever, or a cluster."""
    if brokers == 1:
        return (Kafka(directory / "kafka", ports["kafka"], logs),)
    path = directory / "cluster.json"
    if not path.exists():
        create_folder(directory)
        write_private(path, json.dumps({"id": new_cluster_id()}))
    return tuple(ClusterBroker(directory, n + 1, ports, logs) for n in range(brokers))
