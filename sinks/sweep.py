"""The sweep: moves the watermark, and closes the carts that it shows to be silent."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.health import Health
from runtime.settings import Settings
from schemas.events import Micros
from schemas.topics import CANONICAL, WEBHOOKS, Group
from sinks import fences, groups, locks, projections
from sinks.leader import Leader
from sinks.locks import MoreKeysError
from sinks.log import Log
from sinks.plan import lock_of
from sinks.watermark import Ingresses, Watermark

log = logs.get("hookline.sinks.sweep")

_CHUNK = 500
_AT_ONCE = 1000
_DUE = """
    SELECT cart_key, source, shop FROM carts
    WHERE next_due <= timestamptz 'epoch' + %s * interval '1 microsecond'
    ORDER BY next_due, cart_key LIMIT %s
"""
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
_STALE = """
    SELECT v.customer_key, v.source, v.shop FROM customer_lifetime_value v, watermark w
    WHERE v.customer_key > %s AND v.as_of IS DISTINCT FROM date_trunc('day', w.at, 'UTC')
    ORDER BY v.customer_key LIMIT %s
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
            await self.close_due(self._mark.at * 1000)
            await self._refresh(self._mark.at // 86_400_000)
        return self._mark

    async def close_due(self, watermark: Micros) -> int:
        """Fold the carts that are due anew; return how many there were."""
        closed = 0
        while due := await self._leader.run(lambda connection: _due(connection, watermark)):
            extra: frozenset[str] = frozenset()
            while True:
                chunk = _Chunk(due, extra, self._clock)
                try:
                    done = await self._leader.run(chunk.fold)
                except MoreKeysError as error:
                    extra |= error.keys
                else:
                    break
            if not done:
                return closed
            closed += len(due)
            again = await self._leader.run(lambda connection: _due(connection, watermark))
            if again == due:
                log.error("carts stay due after a fold", carts=len(due), first=due[0][0])
                return closed
        return closed

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
            self._mark = self._mark.stored(await fences.read_all(connection), {})
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

    async def _refresh(self, day: int) -> None:
        """The days since a customer's first order go on without any event."""
        if day == self._day:
            return
        last = ""
        while True:
            stale = await self._leader.run(partial(_stale, last))
            if stale is None:
                return
            if not stale:
                break
            chunk = _Chunk(stale, frozenset(), self._clock)
            await self._leader.run(chunk.sum_up)
            last = stale[-1][0]
        self._day = day

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


class _Chunk:
    """Some carts, or some customers, in one transaction: (key, source, shop) each."""

    def __init__(
        self,
        rows: Sequence[tuple[str, str, str]],
        extra: frozenset[str],
        clock: Callable[[], Micros],
    ) -> None:
        self._keys = [key for key, _, _ in rows]
        self._shops = {(source, shop) for _, source, shop in rows}
        self._extra, self._clock = extra, clock

    async def fold(self, connection: AsyncConnection[Any]) -> bool:
        """Fold the carts anew under the locks that batches take."""
        await locks.share_shops(connection, self._shops)
        wanted = dict.fromkeys(self._extra, False) | dict.fromkeys(self._keys, True)
        carried = await locks.take(connection, wanted)
        customers = await groups.refold(connection, carried, (), wanted, self._clock)
        locks.require(map(lock_of, customers), wanted)
        await projections.recompute(connection, customers)
        return True

    async def sum_up(self, connection: AsyncConnection[Any]) -> bool:
        """Sum the customers up anew."""
        await locks.share_shops(connection, self._shops)
        await locks.take(connection, {lock_of(key): False for key in self._keys})
        await projections.recompute(connection, self._keys)
        return True


async def _due(connection: AsyncConnection[Any], watermark: Micros) -> list[tuple[str, str, str]]:
    cursor = await connection.execute(_DUE, [watermark, _CHUNK])
    return [(row[0], row[1], row[2]) async for row in cursor]


async def _stale(last: str, connection: AsyncConnection[Any]) -> list[tuple[str, str, str]]:
    cursor = await connection.execute(_STALE, [last, _AT_ONCE])
    return [(row[0], row[1], row[2]) async for row in cursor]
