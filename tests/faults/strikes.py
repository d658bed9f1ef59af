"""What is done to a running pipeline: processes killed and stopped, services taken away."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from typing import Any, LiteralString

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hookline.local.servers.server import Server
from schemas.topics import Group
from tests.faults.storm import Storm

AWAY = 10.0
"""Seconds for which a killed server stays away."""
WINDOW = 10
"""Seconds of the dedupe window of shops whose window is to pass."""
MIDDLE = (0.35, 0.65, 0.95)
"""Shares of the deliveries that are accepted when a fault strikes, again and again."""
LATE = 0.8
"""The share at which a fault begins that lasts a while: the last deliveries come as it ends."""


async def away(work: Callable[..., Any], *args: Any) -> Any:
    """Blocking work, beside the senders."""
    return await asyncio.to_thread(work, *args)


def killed(*stages: str) -> Callable[[Storm], Any]:
    """All processes of these stages killed, three times."""

    async def strike(storm: Storm) -> None:
        for share in MIDDLE:
            await storm.accepted(share)
            storm.pipeline.kill(*(n for stage in stages for n in storm.pipeline.names(stage)))

    return strike


def killed_one(stage: str) -> Callable[[Storm], Any]:
    """One process of a stage killed, three times, another each time."""

    async def strike(storm: Storm) -> None:
        for share in MIDDLE:
            await storm.accepted(share)
            alive = [
                n for n in storm.pipeline.names(stage) if storm.pipeline.children[n].is_running
            ]
            storm.pipeline.kill(storm.chance.choice(alive))

    return strike


async def rolling_restart(storm: Storm) -> None:
    """SIGTERM to each worker, one after the other, each back before the next."""
    await storm.accepted(LATE)
    for name in storm.pipeline.names():
        storm.pipeline.signal(name, SIGTERM)
        await asyncio.sleep(1.0)
        await away(storm.pipeline.wait_ready, 60)


def frozen(stage: str) -> Callable[[Storm], Any]:
    """A process stopped for longer than its session lasts, then let go on."""

    async def strike(storm: Storm) -> None:
        await storm.accepted(LATE)
        name = storm.chance.choice(storm.pipeline.names(stage))
        storm.pipeline.signal(name, SIGSTOP)
        await asyncio.sleep(storm.freeze)
        storm.pipeline.signal(name, SIGCONT)

    return strike


async def frozen_in_transaction(storm: Storm) -> None:
    """A sink stopped while its transaction is open."""
    await storm.accepted(LATE)
    name = storm.chance.choice(storm.pipeline.names("sink"))
    async with asyncio.timeout(20):
        while True:
            storm.pipeline.signal(name, SIGSTOP)
            if await away(_open_transactions, storm):
                break
            storm.pipeline.signal(name, SIGCONT)
            await asyncio.sleep(0.01)
    await asyncio.sleep(storm.freeze)
    storm.pipeline.signal(name, SIGCONT)


def _open_transactions(storm: Storm) -> int:
    """Transactions of sinks that have waited for their client for a moment."""
    with psycopg.connect(storm.settings.database_url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hookline-sinks-%'"
            " AND state = 'idle in transaction'"
            " AND state_change < now() - interval '50 milliseconds'"
        ).fetchone()
    return 0 if row is None else int(row[0])


async def rebalances(storm: Storm) -> None:
    """Twelve rebalances: workers join and leave, in random order."""
    await storm.accepted(LATE)
    for _ in range(int(12 * storm.scale)):
        stage = storm.chance.choice(("process", "sink"))
        names = storm.pipeline.names(stage)
        if len(names) > 2 and storm.chance.random() < 0.5:
            await away(storm.pipeline.leave, storm.chance.choice(names))
        else:
            await away(storm.pipeline.join, stage)
        await asyncio.sleep(storm.chance.uniform(0.5, 2.0))


async def everything_at_once(storm: Storm) -> None:
    """Ten of: join, SIGTERM, kill -9, SIGSTOP for 15 s; in random order, overlapping."""
    await storm.accepted(LATE)
    thawing: list[asyncio.Task[None]] = []
    for what in storm.chance.sample(["join", "term", "kill", "freeze"] * 3, int(10 * storm.scale)):
        stage = storm.chance.choice(("process", "process", "sink"))
        name = storm.chance.choice(storm.pipeline.names(stage))
        if what == "join":
            await away(storm.pipeline.join, stage)
        elif what == "freeze":
            storm.pipeline.signal(name, SIGSTOP)
            thawing.append(asyncio.create_task(_thaw(storm, name)))
        else:
            storm.pipeline.signal(name, SIGTERM if what == "term" else SIGKILL)
        await asyncio.sleep(storm.chance.uniform(0.5, 4.0))
    await asyncio.gather(*thawing)


async def _thaw(storm: Storm, name: str) -> None:
    await asyncio.sleep(storm.freeze)
    storm.pipeline.signal(name, SIGCONT)


async def _killed_for_a_while(storm: Storm, server: Server) -> None:
    await storm.accepted(LATE)
    await away(storm.stack.kill, server)
    await asyncio.sleep(AWAY)
    await away(server.start)


async def broker_killed(storm: Storm) -> None:
    await _killed_for_a_while(storm, storm.stack.kafka)


async def broker_frozen(storm: Storm) -> None:
    await storm.accepted(LATE)
    storm.stack.pause(storm.stack.kafka)
    await asyncio.sleep(20 * storm.scale)
    storm.stack.resume(storm.stack.kafka)


async def database_killed(storm: Storm) -> None:
    await _killed_for_a_while(storm, storm.stack.postgres)


async def connections_cut(storm: Storm) -> None:
    """Every session of a sink ended once a second, for ten seconds."""
    await storm.accepted(LATE)
    for _ in range(int(10 * storm.scale)):
        await away(_cut, storm)
        await asyncio.sleep(1)


def _cut(storm: Storm) -> None:
    with psycopg.connect(storm.settings.database_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'hookline-sinks-%'"
        )


async def registry_away(storm: Storm) -> None:
    """Away while workers run, and while killed ones start again."""
    await storm.accepted(MIDDLE[0])
    await away(storm.stack.kill, storm.stack.registry)
    await storm.accepted(LATE)
    storm.pipeline.kill(*storm.pipeline.names("process"), *storm.pipeline.names("sink"))
    await asyncio.sleep(AWAY)
    await away(storm.stack.registry.start)


async def window_over(storm: Storm) -> None:
    """Outcomes written, killed before the commit; back after the window, offsets forgotten."""
    await storm.accepted(LATE)
    for name in storm.pipeline.names("process"):
        await away(storm.pipeline.fall, name)
    await asyncio.sleep(WINDOW + 1)
    await away(_forget_offsets, storm)
    storm.pipeline.shape = replace(storm.pipeline.shape, variables={})  # these commit as usual
    for _ in range(storm.shape.processors):
        await away(storm.pipeline.join, "process")


def _forget_offsets(storm: Storm) -> None:
    """Delete the group of the processors, once the broker no longer counts on its members."""
    client = AdminClient({"bootstrap.servers": storm.settings.brokers})
    group = storm.settings.prefix + Group.PROCESSORS
    deadline = time.monotonic() + 3 * storm.settings.session_timeout
    while True:
        try:
            client.delete_consumer_groups([group])[group].result()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


async def database_restored(storm: Storm) -> None:
    """The database as it was a while ago: what came since is only in Kafka."""
    await storm.accepted(MIDDLE[0])
    for name in storm.pipeline.names("sink"):
        await away(storm.pipeline.leave, name)
    await away(_administer, storm, "CREATE DATABASE older TEMPLATE hookline")
    await _new_sinks(storm)
    await storm.accepted(MIDDLE[2])
    for name in storm.pipeline.names("sink"):
        await away(storm.pipeline.fall, name)
    await away(_administer, storm, "DROP DATABASE hookline WITH (FORCE)")
    await away(_administer, storm, "ALTER DATABASE older RENAME TO hookline")
    await _new_sinks(storm)


async def _new_sinks(storm: Storm) -> None:
    for _ in range(storm.shape.sinks):
        await away(storm.pipeline.join, "sink")


def _administer(storm: Storm, command: LiteralString) -> None:
    """A command about databases, from outside of ours, which nobody may use meanwhile."""
    with psycopg.connect(
        storm.settings.database_url, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'hookline'"
        )
        connection.execute(command)


async def power_cut(storm: Storm) -> None:
    """Everything at once, servers too; then everything starts."""
    await storm.accepted(LATE)
    storm.pipeline.kill(*storm.pipeline.names())
    for server in storm.stack.servers:
        await away(storm.stack.kill, server)
    await asyncio.sleep(1)
    await away(storm.stack.start)
