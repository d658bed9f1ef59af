"""Fetched batches into the tables: decode -> fold -> one transaction that moves the fence."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection

from runtime import logs, metrics
from runtime.stage import Batch, MovedError, RefusedError
from schemas.codec import Codec, UnknownSchemaError
from schemas.events import CartSignal, Event, Micros
from sinks.log import event_id
from sinks.postgres.session import Database, NoLongerWantedError
from sinks.store import apply, rejects, stored_offsets
from sinks.store.entity_locks import MoreKeysError
from sinks.store.rejects import Reject
from sinks.store.write_plan import Plan, add, plan

log = logs.get("hookline.sinks.batches")

_SLICE = 25
"""Records that are decoded, then planned, before an earlier transaction may go on: half a
millisecond each. It is what fills the time in which the database works."""
_REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""SQLSTATE classes 22 and 23: the database refuses what a record says."""


class Arrived(NamedTuple):
    """A canonical record and the event in it."""

    record: Any
    event: Event


@dataclass(slots=True)
class Prepared:
    """Batches whose records were decoded: what can be stored, as a plan too, and what not."""

    batches: Sequence[Batch]
    arrived: list[Arrived] = field(default_factory=list)
    refused: list[Reject] = field(default_factory=list)
    plan: Plan = field(default_factory=Plan)

    def is_current(self) -> bool:
        """Whether all of them are still ours."""
        return all(batch.is_current() for batch in self.batches)


class Writer:
    """Stores batches through one session of its own.

    ``tells``: whether what changed for carts goes to the outbox.
    """

    def __init__(
        self, database: Database, codec: Codec, clock: Callable[[], Micros], *, tells: bool = True
    ) -> None:
        self._database, self._codec, self._clock, self._tells = database, codec, clock, tells

    async def store(self, batches: Sequence[Batch], cluster_id: str | None) -> None:
        """``prepare`` and ``write``."""
        await self.write(await self.prepare(batches), cluster_id)

    async def prepare(self, batches: Sequence[Batch]) -> Prepared:
        """Batches of different partitions, decoded and planned: work of our own CPU alone.

        It is done in slices, so that an earlier transaction goes on beside it. Raises
        RefusedError where a record cannot be read yet.
        """
        made = Prepared(batches)
        records = chain.from_iterable(batch.records for batch in batches)
        while some := list(islice(records, _SLICE)):
            known = len(made.arrived)
            for record in some:
                self._decode(record, made)
            await asyncio.sleep(0)
            for arrived in made.arrived[known:]:
                add(made.plan, arrived.event)
            await asyncio.sleep(0)
        return made

    async def write(self, made: Prepared, cluster_id: str | None) -> None:
        """What was prepared, in one transaction.

        Raises MovedError where a fence stands elsewhere; of several batches that speaks of one
        that is not named, and none is stored.
        """
        extra: frozenset[str] = frozenset()
        one_by_one = False
        while True:
            work = _Transaction(made, extra, cluster_id, self._clock, one_by_one, self._tells)
            try:
                await self._database.run(work.run, made.is_current)
            except MoreKeysError as error:
                metrics.TRANSACTIONS.labels("retried").inc()
                extra |= error.keys
            except MovedError:
                metrics.TRANSACTIONS.labels("moved").inc()
                raise
            except NoLongerWantedError:
                return
            except _REFUSED as error:
                if one_by_one:
                    raise
                log.warning("batch refused, taken apart", sqlstate=error.sqlstate)
                one_by_one = True
            else:
                metrics.TRANSACTIONS.labels("committed").inc()
                for each in work.refused:
                    metrics.SINK_REJECTS.labels(each.topic).inc()
                return

    def _decode(self, record: Any, made: Prepared) -> None:
        try:
            event = self._codec.decode(record.value)
        except UnknownSchemaError as error:
            # Not this record's fault: setting it aside would lose it from the tables.
            raise RefusedError(
                f"{record.topic}-{record.partition} at {record.offset}: {error}. A newer"
                " Hookline wrote it, or the registry lost its data: upgrade the sinks, or"
                " restore the registry; nothing is lost meanwhile"
            ) from error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this record's
            made.refused.append(rejects.reject(record, "decode", type(error).__name__))
            return
        if isinstance(event, CartSignal):
            made.refused.append(rejects.reject(record, "decode", "a signal is no entity"))
            return
        made.arrived.append(Arrived(record, event))  # type: ignore[arg-type]  # not a signal


def _last_event(batch: Batch) -> str | None:
    return event_id(batch.records[-1].headers) if batch.records else None


class _Transaction:
    """The transaction of batches, as often as it must be tried."""

    def __init__(
        self,
        made: Prepared,
        extra: frozenset[str],
        cluster_id: str | None,
        clock: Callable[[], Micros],
        one_by_one: bool,
        tells: bool,
    ) -> None:
        self._made = made
        self._extra, self._cluster_id, self._clock = extra, cluster_id, clock
        self._one_by_one, self._tells = one_by_one, tells
        self.refused: list[Reject] = []

    async def run(self, connection: AsyncConnection[Any]) -> None:
        self.refused = list(self._made.refused)
        moves = [
            stored_offsets.Move(batch.partition, batch.offset, batch.end, _last_event(batch))
            for batch in self._made.batches
        ]
        moved = await stored_offsets.move(connection, moves, self._cluster_id)
        if moved < len(moves):
            stand = await stored_offsets.read_all(connection)
            if not moved and all(stand.get(move.partition, 0) == move.end for move in moves):
                return  # our own commit, whose answer was lost
            raise MovedError(stand.get(moves[0].partition, 0))
        if self._one_by_one:
            await self._halves(connection, self._made.arrived)
        elif self._made.arrived:
            await self._apply(connection, self._made.plan)
        await rejects.write(connection, self.refused)

    async def _apply(self, connection: AsyncConnection[Any], told: Plan) -> None:
        await apply.apply(connection, told, self._extra, self._clock, tells=self._tells)

    async def _halves(self, connection: AsyncConnection[Any], arrived: Sequence[Arrived]) -> None:
        if not arrived:
            return
        try:
            async with connection.transaction():
                await self._apply(connection, plan(each.event for each in arrived))
        except _REFUSED as error:
            if len(arrived) == 1:
                reason = error.sqlstate or "22000"
                self.refused.append(rejects.reject(arrived[0].record, reason, type(error).__name__))
                return
            middle = len(arrived) // 2
            await self._halves(connection, arrived[:middle])
            await self._halves(connection, arrived[middle:])
