"""The sweep over real records: deliveries in the raw topic, processors, the sinks' tables.

Only the broker's clock is told, so that two hours pass in half a minute. The default run has
5,000 deliveries behind the stopped processors; BACKLOG=50000 is the full one: about two minutes.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest

from runtime.health import Health
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.events import Event, Micros
from schemas.topics import CANONICAL, Group
from sinks.carts.records import Generation
from sinks.log import Log
from sinks.watermark.sweep import Sweep
from sinks.watermark.watermark import MARGIN_MS
from tests import raw
from tests.canonical_log import Worker
from tests.held_deliveries import (
    AWAY,
    BURST_S,
    END_S,
    GRACE_S,
    IDLE,
    PARTITIONS,
    SHOPS_TOML,
    START,
    STOPPED,
    Happening,
    append,
    happenings,
)
from tests.histories.reference import Reference
from tests.histories.running import by_topic
from tests.pipeline import Pipeline, Shape
from tests.pipeline import prepared as prepared_pipeline
from tests.sink_events import SECOND, Tables

BACKLOG = int(os.environ.get("BACKLOG", "5000"))
pytestmark = [pytest.mark.stack, pytest.mark.timeout(240 + BACKLOG // 50)]

STEP_S = 60
"""The sweep's interval on the told clock."""
BEAT_S = 5
SHARE = BACKLOG // 30
"""Events of a partition that the sinks take in a step at most: sweeps fall in between."""
_TOLD = """
    SELECT record->>'kind', cart_key, (record->>'abandoned_at')::bigint,
        (record->>'detected_at')::bigint
    FROM outbox
"""
_STAND = "SELECT cart_key, generation, status FROM abandoned_carts ORDER BY cart_key, generation"
_WATERMARK = "SELECT (extract(epoch FROM at) * 1000000)::bigint FROM watermark"


class ToldClock(Log):
    """The real log, and heartbeats as a test tells them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.beats: list[tuple[int, bool]] = []

    async def heartbeats(
        self, offsets: Mapping[int, int]
    ) -> tuple[list[tuple[int, bool]], dict[int, int]]:
        return self.beats[offsets.get(0, 0) :], {0: len(self.beats)}


@dataclass
class World:
    """The stages on the told clock, and what was seen of them."""

    settings: Settings
    pipeline: Pipeline
    arrivals: list[Happening]
    now_s: int = 0
    appended: int = 0
    stored: int = 0
    longest_backlog: int = 0
    caught_up_s: int = END_S
    """When all that piled up stood in the tables."""
    looks: dict[int, str] = field(default_factory=dict)
    """Second of each sweep -> what held the watermark behind it."""

    def clock(self) -> Micros:
        return START + self.now_s * SECOND

    async def run(self) -> None:
        """Live through it."""
        arriving = {
            end: list(some)
            for end, some in groupby(self.arrivals, lambda x: -(-x.arrives_s // BURST_S) * BURST_S)
        }
        sweep = Sweep(self.settings, Health(), self.clock)
        worker = Worker(self.settings, codec=None, clock=self.clock, size=1000)
        async with ToldClock(self.settings) as log, worker:
            sweep._log = log
            for self.now_s in range(0, END_S + 1, STEP_S):
                beats = range(self.now_s - STEP_S + BEAT_S, self.now_s + 1, BEAT_S)
                log.beats += [(self._ms(at), True) for at in beats if at not in AWAY]
                if self.now_s == STOPPED.start:
                    await asyncio.to_thread(self.pipeline.leave, "process-1")
                if self.now_s == STOPPED.stop:
                    self.pipeline.join("process")
                if some := arriving.get(self.now_s):
                    await append(self.settings, some)
                    self.appended += len(some)
                await self._work(log, worker)
                mark = await sweep.step()
                assert mark is not None
                self.looks[self.now_s] = mark.holder.partition(":")[0]
                if self.now_s >= STOPPED.stop and self.stored == self.appended:
                    self.caught_up_s = min(self.caught_up_s, self.now_s)
        await sweep._leader.close()

    async def _work(self, log: Log, worker: Worker) -> None:
        """Let the stages do their share of what there is; each delivery makes one event."""
        behind = self.appended - self.stored
        self.longest_backlog = max(self.longest_backlog, behind)
        if behind == 0 or self.now_s in STOPPED:
            return
        due = self.stored + min(behind, SHARE)
        while sum((await log.commits(Group.PROCESSORS)).values()) < due:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        self.stored += await worker.store(SHARE)

    def due(self, abandoned_at: Micros) -> Micros:
        """When that must be told at the latest: a sweep and a second after nothing holds it."""
        second = (abandoned_at - START) // SECOND + MARGIN_MS // 1000
        for start, end in (
            (AWAY.start, AWAY.stop + GRACE_S),
            (STOPPED.start, self.caught_up_s),
        ):
            look = -(-second // STEP_S) * STEP_S  # the first one that could tell it
            if start <= look <= end:
                second = end
        return START + (second + STEP_S + 1) * SECOND

    def _ms(self, second: int) -> int:
        return (START + second * SECOND) // 1000


async def test_no_outage_makes_the_sweep_tell_wrongly_miss_or_be_late(
    stack: Any, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    """Ingresses away for 20 minutes, a backlog behind stopped processors, an idle partition."""
    shops = tmp_path / "shops.toml"
    shops.write_text(SHOPS_TOML)
    settings = prepared(
        stack.settings(
            shops_file=str(shops),
            partitions=PARTITIONS,
            commit_interval=0.1,
            sender_grace=float(GRACE_S),
        )
    )
    with prepared_pipeline(settings, tmp_path / "logs", Shape()) as pipeline:
        pipeline.start("process")
        world = World(settings, pipeline, happenings(seed=1, carts=600, busy=BACKLOG))
        await world.run()
    assert world.longest_backlog >= BACKLOG
    assert {"ingress", "processors", ""} <= set(world.looks.values())
    records = await raw.records(settings, [settings.topic(topic) for topic in CANONICAL])
    assert IDLE not in {record.partition for record in records}
    codec = await load_codec(settings)
    events = [cast("Event", codec.decode(record.value)) for record in records]
    assert len(events) == len(world.arrivals)

    async with Tables(settings) as tables:
        [(watermark,)] = tables.rows(_WATERMARK)
        outbox = tables.rows(_TOLD)
        stand = tables.rows(_STAND)
    told = {(key, at): found for kind, key, at, found in outbox if kind == "ABANDONED"}
    assert "RETRACTED" not in {kind for kind, *_ in outbox}
    assert (world.clock() // 1000 - MARGIN_MS) * 1000 == watermark
    rows = _folded(events, watermark)
    assert _abandonments(rows) == told.keys()
    assert [
        (row.cart_key, row.generation, row.status.value) for row in rows if row.abandonments
    ] == stand
    assert {} == {each: at for each, at in told.items() if at > world.due(each[1])}

    # These hours do hold what the waiting is for: by what was known, more were silent.
    for known_s, end_s in ((AWAY.stop, AWAY.stop), (STOPPED.start, STOPPED.stop)):
        known = [event for event in events if event.meta.received_at <= START + known_s * SECOND]
        hasty = _abandonments(_folded(known, START + end_s * SECOND))
        assert len(hasty - told.keys()) > 10


def _folded(events: list[Event], watermark: Micros) -> list[Generation]:
    """The carts' generations by the pure rules, by cart."""
    known = Reference()
    for batch in by_topic(events, len(events)):
        known.put(batch)
    return sorted(known.generations(watermark), key=lambda row: (row.cart_key, row.generation))


def _abandonments(rows: list[Generation]) -> set[tuple[str, Micros]]:
    return {(row.cart_key, at) for row in rows for at in row.abandonments}
