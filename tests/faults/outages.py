"""Outages long enough for alerts: each kind of alert that a fault can raise, raised and ended.

Deliveries come at a steady rate, no queue stands when an outage begins, and it lasts for longer
than its alerts wait. What a plan of minutes or days needs is not here: ``HooklineProofsFail`` (five
minutes), ``HooklineRetentionNear`` (a lag of days), ``HooklineSignalsWait`` (a thousand signals).
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from typing import Any

from hookline.local.servers.server import Server
from runtime.registry import cached_ids
from schemas.topics import ORDERS
from tests import senders
from tests.faults import strangers, surroundings
from tests.faults.fault import WORKERS, Fault
from tests.faults.lost_records import accept_loss, first_offset, trim
from tests.faults.poison import Poison
from tests.faults.storm import Storm
from tests.faults.strikes import away

COUNT = 600
"""Distinct deliveries of an outage, or more: it lasts until the outage has ended."""
RATE = 40.0
"""Deliveries a second."""
BEFORE = 0.9
"""The share at which an outage begins: after a quarter of a minute without any fault."""
LONG, LONGER = 90.0, 180.0
"""Seconds: longer than most alerts wait; longer than what waits for minutes."""
BAD = 10
"""Deliveries of which no event can be made, and foreign records."""

Strike = Callable[[Storm], Any]


def stopped(stage: str, seconds: float) -> Strike:
    """Every process of a stage ended in order, and started again after a while."""

    async def strike(storm: Storm) -> None:
        names = storm.pipeline.names(stage)
        await storm.accepted(BEFORE)
        for name in names:
            await away(storm.pipeline.leave, name)
        await asyncio.sleep(seconds)
        for _ in names:
            await away(storm.pipeline.join, stage)
        await away(storm.pipeline.wait_ready, 60)

    return strike


async def ingress_hung(storm: Storm) -> None:
    """The ingress killed as fast as it starts, so that its port stays the senders' own."""
    await storm.accepted(BEFORE)
    [name] = storm.pipeline.names("ingest")
    until = asyncio.get_running_loop().time() + LONG
    while asyncio.get_running_loop().time() < until:
        storm.pipeline.signal(name, SIGKILL)
        await asyncio.sleep(0.2)
    await away(storm.pipeline.wait_ready, 60)


def server_gone(which: str, seconds: float) -> Strike:
    """A server of the stack killed, and started again after a while."""

    async def strike(storm: Storm) -> None:
        server: Server = getattr(storm.stack, which)
        await storm.accepted(BEFORE)
        await away(storm.stack.kill, server)
        await asyncio.sleep(seconds)
        await away(server.start)

    return strike


async def registry_gone(storm: Storm) -> None:
    """The registry away and no file with its ids, while a processor is killed and starts again."""
    await storm.accepted(BEFORE)
    await away(storm.stack.kill, storm.stack.registry)
    await away(cached_ids.path(storm.settings).unlink)
    storm.pipeline.kill(storm.pipeline.names("process")[0])
    await asyncio.sleep(LONG)
    await away(storm.stack.registry.start)


async def disk_full(storm: Storm) -> None:
    """The disk of a server full for a while; then room, and whatever fell starts."""
    assert storm.disk is not None
    assert storm.server is not None
    await storm.accepted(BEFORE)
    filler = await away(surroundings.fill, storm.disk)
    await asyncio.sleep(LONG)
    await away(filler.unlink)
    await asyncio.sleep(1)
    await away(storm.server.start)


async def raw_records_gone(storm: Storm) -> None:
    """Raw records gone before a processor came to them; an operator gives them up after a while."""
    await storm.accepted(BEFORE)
    names = storm.pipeline.names("process")
    for name in names:
        await away(storm.pipeline.leave, name)
    await storm.accepted(BEFORE + 0.3)  # these stand behind the commits
    await trim(storm.settings, 0)
    for _ in names:
        await away(storm.pipeline.join, "process")
    await asyncio.sleep(LONG)
    until = await first_offset(storm.settings, 0)
    await away(accept_loss, storm.settings, 0, until)


async def bad_deliveries(storm: Storm) -> None:
    """Deliveries that are accepted and can become no event."""
    await storm.accepted(BEFORE)
    storm.dead += BAD
    bad = (Poison(number) for number in range(BAD))
    await senders.send_all(storm.pipeline.urls, bad, senders=4, sent=storm.sent)


async def foreign_events(storm: Storm) -> None:
    """Records of another producer in a canonical topic."""
    await storm.accepted(BEFORE)
    await strangers.write_to(storm, ORDERS, BAD)


async def shops_file_broken(storm: Storm) -> None:
    """A shops file that is no TOML, for a while."""
    file = Path(storm.settings.shops_file)
    text = await away(file.read_text)
    await storm.accepted(BEFORE)
    await away(file.write_text, "[[shops]\n")
    await asyncio.sleep(LONG)
    await away(file.write_text, text)


async def worker_killed(storm: Storm) -> None:
    """One processor killed once."""
    await storm.accepted(BEFORE)
    storm.pipeline.kill(storm.pipeline.names("process")[0])
    await asyncio.sleep(storm.settings.session_timeout)


def _outage(
    number: int, name: str, title: str, strike: Strike, alerts: str, may: str = "", **more: Any
) -> Fault:
    """Return an outage; alerts by their names without the prefix."""
    return Fault(
        number,
        name,
        title,
        strike,
        recovery=120.0,
        shape=replace(WORKERS, processors=2),
        alerts=_alerts(alerts),
        may_alert=_alerts(may),
        is_outage=True,
        **more,
    )


def _alerts(names: str) -> frozenset[str]:
    return frozenset(f"Hookline{name}" for name in names.split())


ROWS = (
    _outage(
        61, "no-processors", "no processor for 180 s", stopped("process", LONGER),
        "StageAbsent TablesBehind RowsLate",
    ),
    _outage(
        # Sinks that start anew may store all before they are scraped twice: no rate shows that.
        62, "no-sinks", "no sink for 90 s", stopped("sink", LONG),
        "StageAbsent NoSweep", "RowsLate",
    ),
    # What it had taken before it hung is acknowledged, and visible, after it.
    _outage(63, "no-ingress", "no ingress for 90 s", ingress_hung, "StageAbsent", "RowsLate"),
    _outage(
        64, "no-broker", "Kafka away for 90 s", server_gone("kafka", LONG),
        "DeliveriesRefused NotReady", "RowsLate Lagging WorkersEnd",
    ),
    _outage(
        65, "no-database", "PostgreSQL away for 180 s", server_gone("postgres", LONGER),
        "NotReady Lagging TablesBehind RowsLate", "NoSweep",
    ),
    _outage(
        66, "no-registry", "the registry away for 90 s, a processor killed meanwhile",
        registry_gone, "NotReady WorkersEnd", "RowsLate",
    ),
    _outage(
        67, "full-kafka-disk", "Kafka's disk full for 90 s", disk_full,
        "DeliveriesRefused NotReady", "RowsLate Lagging WorkersEnd",
        around=surroundings.kafka_on_small_disk,
    ),
    _outage(
        68, "full-database-disk", "PostgreSQL's disk full for 90 s", disk_full,
        # PostgreSQL answers and reads: sinks are ready, and fall behind.
        "Lagging RowsLate", "NotReady NoSweep", around=surroundings.postgres_on_small_disk,
    ),
    _outage(
        69, "gap", "raw records lost, given up after 90 s", raw_records_gone,
        "PartitionsStopped NotReady RecordsGivenUp", "StageAbsent RowsLate", is_lossy=True,
    ),
    _outage(70, "bad-deliveries", "ten deliveries that become no event", bad_deliveries,
            "DeadLetters"),
    _outage(71, "foreign-events", "ten records of another producer", foreign_events,
            "SinkRejects"),
    _outage(72, "broken-shops-file", "a broken shops file for 90 s", shops_file_broken,
            "ShopsUnusable"),
    _outage(73, "killed-worker", "a processor killed once", worker_killed, "WorkersEnd",
            "RowsLate"),
)  # fmt: skip
OUTAGES = {fault.name: fault for fault in ROWS}
