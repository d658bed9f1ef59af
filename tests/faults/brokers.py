"""Faults of a cluster of three brokers, each beside a plain client that shows what Kafka needs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from hookline.local.servers.cluster import REPLICAS
from schemas.topics import Group
from tests.cluster import Cluster, busiest_leader, coordinator
from tests.conftest import prepare
from tests.faults.fault import QUEUE_ALERTS, Fault
from tests.faults.plain_client import plain_client
from tests.faults.storm import Storm
from tests.faults.strikes import AWAY, LATE, away

FROZEN = 150.0
"""Seconds for which a coordinator stays stopped: longer than any bound of a client."""
NO_QUORUM = 90.0
"""Seconds for which two of three brokers are gone."""


def three_brokers(rival: Group = Group.PROCESSORS, *, spare: int = 0) -> Callable[[Storm], Any]:
    """Stages on three brokers: ``storm.cluster``. A plain client has the coordinator of a group.

    ``spare``: brokers that may join later.
    """

    def around(storm: Storm) -> AbstractAsyncContextManager[None]:
        return _three_brokers(storm, rival, spare)

    return around


@asynccontextmanager
async def _three_brokers(storm: Storm, rival: Group, spare: int) -> AsyncIterator[None]:
    cluster = Cluster(storm.directory / "cluster", storm.directory / "logs", spare)
    storm.stack.pause(storm.stack.kafka)  # nobody uses it now
    try:
        await away(cluster.start)
        storm.cluster = cluster
        storm.settings = storm.staged = replace(
            storm.settings, brokers=cluster.brokers, replication_factor=REPLICAS
        )
        await away(prepare, storm.settings)
        async with plain_client(storm.settings, rival) as storm.plain:
            yield
    finally:
        await away(cluster.discard)
        storm.stack.resume(storm.stack.kafka)


def _cluster(storm: Storm) -> Cluster:
    assert storm.cluster is not None
    return storm.cluster


async def _down_and_up(storm: Storm, number: int) -> None:
    """Kill -9 of one broker, which stays away for a while."""
    cluster = _cluster(storm)
    await away(cluster.kill, cluster.broker(number))
    await asyncio.sleep(AWAY)
    await away(cluster.broker(number).start)


async def leader_killed(storm: Storm) -> None:
    """Kill -9 of the broker that leads most partitions."""
    await storm.accepted(LATE)
    leader = await away(busiest_leader, storm.settings.brokers, storm.settings.prefix)
    await _down_and_up(storm, leader)


async def controller_killed(storm: Storm) -> None:
    """Kill -9 of the active controller, and of the broker in the same process."""
    await storm.accepted(LATE)
    await _down_and_up(storm, _cluster(storm).controller())


async def brokers_restarted(storm: Storm) -> None:
    """SIGTERM of each broker in turn, each in sync before the next."""
    cluster = _cluster(storm)
    await storm.accepted(LATE)
    for kafka in cluster.kafkas:
        await away(kafka.stop)
        await away(kafka.start)
        await away(cluster.wait_until_in_sync)


def coordinator_frozen(group: Group) -> Callable[[Storm], Any]:
    """The coordinator of a group stopped: its connections stay and give no answer."""

    async def strike(storm: Storm) -> None:
        await storm.accepted(LATE)
        cluster, name = _cluster(storm), storm.settings.prefix + group
        number = await away(coordinator, storm.settings.brokers, name)
        cluster.pause(cluster.broker(number))
        await asyncio.sleep(FROZEN * storm.scale)
        cluster.resume(cluster.broker(number))
        await away(cluster.wait_until_in_sync)

    return strike


async def quorum_lost(storm: Storm) -> None:
    """Two of three brokers gone, and meanwhile one processor and one sink killed."""
    cluster = _cluster(storm)
    await storm.accepted(LATE)
    gone = storm.chance.sample(cluster.kafkas, 2)
    for kafka in gone:
        await away(cluster.kill, kafka)
    await asyncio.sleep(NO_QUORUM * storm.scale / 2)
    storm.pipeline.kill(*(storm.pipeline.names(stage)[0] for stage in ("process", "sink")))
    await asyncio.sleep(NO_QUORUM * storm.scale / 2)
    await away(cluster.start)


async def disk_emptied(storm: Storm) -> None:
    """The broker that leads most comes back with an empty disk."""
    cluster = _cluster(storm)
    await storm.accepted(LATE)
    number = await away(busiest_leader, storm.settings.brokers, storm.settings.prefix)
    kafka = cluster.broker(number)
    await away(cluster.kill, kafka)
    await asyncio.sleep(AWAY)
    await away(cluster.empty_disk, kafka)
    await away(kafka.start)
    await away(cluster.wait_until_in_sync)


async def partitions_moved(storm: Storm) -> None:
    """A new broker joins, all partitions move off the first one, which is stopped for good."""
    cluster = _cluster(storm)
    await storm.accepted(LATE)
    retired, *kept = (number + 1 for number in range(len(cluster.kafkas)))
    new = len(cluster.kafkas) + 1
    await away(cluster.broker(new).start)
    await away(cluster.move, (*kept, new))
    await away(cluster.wait_until_in_sync, (*kept, new))
    await away(cluster.broker(retired).stop)


ROWS = (
    Fault(
        23,
        "kill-leader",
        "3 brokers: kill -9 of the leader of most partitions",
        leader_killed,
        around=three_brokers(),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        24,
        "kill-controller",
        "3 brokers: kill -9 of the controller",
        controller_killed,
        around=three_brokers(),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        25,
        "restart-brokers",
        "3 brokers: each restarted in turn",
        brokers_restarted,
        around=three_brokers(),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        26,
        "freeze-processors-coordinator",
        "3 brokers: the processors' coordinator stopped for 150 s",
        coordinator_frozen(Group.PROCESSORS),
        around=three_brokers(),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        27,
        "freeze-sinks-coordinator",
        "3 brokers: the sinks' coordinator stopped for 150 s",
        coordinator_frozen(Group.SINKS),
        around=three_brokers(Group.SINKS),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        28,
        "no-quorum",
        "3 brokers: two gone for 90 s, a processor and a sink killed meanwhile",
        quorum_lost,
        around=three_brokers(),
        answers=frozenset({503}),
        exits=0,
        alerts=frozenset({"HooklineDeliveriesRefused", "HooklineNotReady", "HooklineWorkersEnd"}),
        may_alert=QUEUE_ALERTS | {"HooklineLagging", "HooklineNoSweep"},
    ),
    Fault(
        29,
        "empty-broker",
        "3 brokers: the leader of most back with an empty disk",
        disk_emptied,
        around=three_brokers(),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
    Fault(
        30,
        "moved-partitions",
        "3 brokers: all partitions moved to a new broker, an old one retired",
        partitions_moved,
        around=three_brokers(spare=1),
        exits=0,
        may_alert=QUEUE_ALERTS | {"HooklineDeliveriesRefused"},
    ),
)
