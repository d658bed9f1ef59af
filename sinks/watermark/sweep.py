"""The sweep: moves the watermark, and closes the carts that it shows to be silent."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.health import Health
from runtime.settings import Settings
from schemas.events import Micros
from schemas.topics import CANONICAL, WEBHOOKS, Group
from sinks.log import Log
from sinks.postgres.leader_lock import Leader
from sinks.store import stored_offsets
from sinks.watermark import due_carts
from sinks.watermark.watermark import Ingresses, Watermark

log = logs.get("hookline.sinks.sweep")

_DAY_MS = 86_400_000
_LOAD = "SELECT (extract(epoch FROM at) * 1000)::bigint, state FROM watermark"
_SAVE = """
    INSERT INTO watermark (at, state, holder, since) VALUES (
        timestamptz 'epoch' + %(at)s * interval '1 millisecond', %(state)s::jsonb, %(holder)s,
        timestamptz 'epoch' + %(since)s * interval '1 millisecond'
    )
    ON CONFLICT (is_only) DO UPDATE SET at = greatest(watermark.at, excluded.at),
        state = excluded.state, holder = excluded.holder, since = excluded.since,
        updated_at = now()
"""


class Sweep:
    """One sweep of all processes works at a time. ``clock`` dates detections."""

    def __init__(self, settings: Settings, health: Health, clock: Callable[[], Micros]) -> None:
        self._settings, self._clock = settings, clock
        self._leader = Leader(settings, health, "sweep")
        self._grace_ms = int(settings.sender_grace * 1000)
        self._log: Log | None = None
        self._term = 0
        self._mark = Watermark()
        self._offsets: dict[int, int] = {}
        self._day: int | None = None

    async def run(self) -> None:
        """Sweep until cancelled, every ``sweep_interval`` seconds."""
        try:
            while True:
                try:
                    await self.step()
                except (KafkaError, OSError) as error:
                    log.warning("the watermark waits for kafka", error=str(error))
                    await self._forget_log()
                await asyncio.sleep(self._settings.sweep_interval)
        finally:
            await self._forget_log()
            await self._leader.close()

    async def step(self) -> Watermark | None:
        """Look once, move the watermark, close what is due; None where another process leads.

        Raises KafkaError or OSError where Kafka is away.
        """
        if await self._leader.run(self._lead) is None:
            return None
        await self._look()
        if await self._leader.run(self._save) is None:
            return None
        self._report()
        if self._mark.at is not None:
            await due_carts.close_due(self._leader, self._mark.at * 1000, self._clock)
            day = self._mark.at // _DAY_MS
            if day != self._day and await due_carts.refresh(self._leader, self._clock):
                self._day = day
        return self._mark

    async def _lead(self, connection: AsyncConnection[Any]) -> bool:
        if self._term == self._leader.terms:
            return True
        row = await (await connection.execute(_LOAD)).fetchone()
        at, state = (None, {}) if row is None else row
        self._mark = Watermark(
            at=at, ingresses=msgspec.convert(state.get("ingresses", {}), Ingresses)
        )
        self._offsets = {int(number): at for number, at in state.get("offsets", {}).items()}
        self._term = self._leader.terms
        return True

    async def _look(self) -> None:
        if self._log is None:
            self._log = await Log(self._settings).__aenter__()
        kafka = self._log
        beats, self._offsets = await kafka.heartbeats(self._offsets)
        self._mark = self._mark.heard(beats, self._grace_ms)
        if self._mark.barrier is None:
            self._mark = self._mark.started(await kafka.ends(WEBHOOKS))
        barrier = self._mark.barrier
        if barrier is not None and barrier.canonical is None:
            # Commits before ends: what they acknowledge is then below those ends.
            commits = await kafka.commits(Group.PROCESSORS)
            starts = await kafka.starts(WEBHOOKS)
            self._mark = self._mark.processed(commits, starts, await kafka.ends(*CANONICAL))

    async def _save(self, connection: AsyncConnection[Any]) -> bool:
        if self._mark.barrier is not None and self._mark.barrier.canonical is not None:
            self._mark = self._mark.stored(await stored_offsets.read_all(connection), {})
        state = {
            "ingresses": msgspec.to_builtins(self._mark.ingresses),
            "offsets": {str(number): at for number, at in self._offsets.items()},
        }
        await connection.execute(
            _SAVE,
            {
                "at": self._mark.at,
                "state": msgspec.json.encode(state).decode(),
                "holder": self._mark.holder,
                "since": self._mark.since,
            },
        )
        return True

    def _report(self) -> None:
        mark = self._mark
        if mark.at is not None:
            metrics.WATERMARK.set(mark.at / 1000)
        for stage in ("processors", "sinks", "ingress"):
            held = mark.holder.startswith(stage) and mark.since is not None
            seconds = (mark.ingresses.newest_time - (mark.since or 0)) / 1000 if held else 0
            metrics.WATERMARK_HELD.labels(stage).set(seconds)

    async def _forget_log(self) -> None:
        kafka, self._log = self._log, None
        if kafka is not None:
            await kafka.close()
