"""The sweep: moves the watermark, and folds the carts that silence changes up to it."""

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
from sinks.postgres.session import Leader
from sinks.store import stored_offsets
from sinks.watermark import due_carts
from sinks.watermark.watermark import Ingresses, Watermark, margin_ms

log = logs.get("hookline.sinks.sweep")

_DAY_MS = 86_400_000
_CONDITION = "kafka-watermark"
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
    """Moves the watermark; one sweep of all processes leads at a time. ``clock`` dates signals."""

    def __init__(self, settings: Settings, health: Health, clock: Callable[[], Micros]) -> None:
        self._settings, self._health, self._clock = settings, health, clock
        self._leader = Leader(settings, health, "sweep")
        self._grace_ms = int(settings.sender_grace * 1000)
        self._log: Log | None = None
        self._term = 0  # the leader's term in which the state below was loaded
        self._watermark = Watermark()
        self._offsets: dict[int, int] = {}
        self._day: int | None = None

    async def run(self) -> None:
        """Sweep until cancelled, every ``sweep_interval`` seconds."""
        try:
            while True:
                try:
                    await self.step()
                except (KafkaError, OSError) as error:
                    self._wait(error)
                    await self._close_log()
                else:
                    self._health.met(_CONDITION)
                await asyncio.sleep(self._settings.sweep_interval)
        finally:
            await self._close_log()
            await self._leader.close()

    def _wait(self, error: Exception) -> None:
        reason = f"the watermark cannot be moved: {str(error) or repr(error)}"
        if self._health.unmet.get(_CONDITION) != reason:  # once, not in every interval
            log.warning("the watermark waits for kafka", error=str(error) or repr(error))
        self._health.waiting(_CONDITION, reason)

    async def step(self) -> Watermark | None:
        """Move the watermark once and fold what is due; None where another process leads.

        Raises KafkaError or OSError while Kafka is not available.
        """
        if await self._leader.run(self._load) is None:
            _show_nothing()
            return None
        await self._read_kafka()
        if await self._leader.run(self._save) is None:
            _show_nothing()
            return None
        self._report()
        if self._watermark.at is not None:
            await due_carts.fold_due(self._leader, self._watermark.at * 1000, self._clock)
            day = self._watermark.at // _DAY_MS
            if day != self._day and await due_carts.refresh_customers(self._leader):
                self._day = day
        return self._watermark

    async def _load(self, connection: AsyncConnection[Any]) -> bool:
        if self._term == self._leader.terms:
            return True
        row = await (await connection.execute(_LOAD)).fetchone()
        at, state = (None, {}) if row is None else row
        self._watermark = Watermark(
            at=at, ingresses=msgspec.convert(state.get("ingresses", {}), Ingresses)
        )
        self._offsets = {int(number): at for number, at in state.get("offsets", {}).items()}
        self._term = self._leader.terms
        return True

    async def _read_kafka(self) -> None:
        if self._log is None:
            self._log = await Log(self._settings).__aenter__()
        kafka = self._log
        beats, self._offsets = await kafka.heartbeats(self._offsets)
        self._watermark = self._watermark.with_heartbeats(beats, self._grace_ms)
        if self._watermark.barrier is None:
            self._watermark = self._watermark.with_barrier(await kafka.ends(WEBHOOKS))
        barrier = self._watermark.barrier
        if barrier is not None and barrier.canonical is None:
            # Commits first: the events of every committed record are then below the ends.
            commits = await kafka.commits(Group.PROCESSORS)
            starts = await kafka.starts(WEBHOOKS)
            self._watermark = self._watermark.after_processors(
                commits, starts, await kafka.ends(*CANONICAL)
            )

    async def _save(self, connection: AsyncConnection[Any]) -> bool:
        if self._watermark.barrier is not None and self._watermark.barrier.canonical is not None:
            self._watermark = self._watermark.after_sinks(
                await stored_offsets.next_offsets(connection),
                {},
                margin_ms(self._settings.replication_factor),
            )
        state = {
            "ingresses": msgspec.to_builtins(self._watermark.ingresses),
            "offsets": {str(number): at for number, at in self._offsets.items()},
        }
        await connection.execute(
            _SAVE,
            {
                "at": self._watermark.at,
                "state": msgspec.json.encode(state).decode(),
                "holder": self._watermark.holder,
                "since": self._watermark.since,
            },
        )
        return True

    def _report(self) -> None:
        watermark = self._watermark
        if watermark.at is not None:
            metrics.WATERMARK.set(watermark.at / 1000)
        for stage in ("processors", "sinks", "ingress"):
            held_ms = 0
            if watermark.holder.startswith(stage) and watermark.since is not None:
                held_ms = watermark.ingresses.newest_time - watermark.since
            metrics.WATERMARK_HELD.labels(stage).set(held_ms / 1000)

    async def _close_log(self) -> None:
        kafka, self._log = self._log, None
        if kafka is not None:
            await kafka.close()


def _show_nothing() -> None:
    """Show no watermark: the leader shows its own."""
    metrics.unset(metrics.WATERMARK)
    metrics.unset(metrics.WATERMARK_HELD, is_labelled=True)
