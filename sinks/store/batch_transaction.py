"""One transaction of batches: offsets move and rows are written together, or not at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection

from runtime.stage import Batch, MovedError
from schemas.events import Event, Micros
from schemas.json_records.erasures import Ledger
from sinks.log import event_id
from sinks.postgres import applied_erasures
from sinks.store import apply, stored_offsets
from sinks.store.write_plan import WritePlan, plan_writes

REFUSED = (psycopg.DataError, psycopg.IntegrityError)
"""SQLSTATE classes 22 and 23: a record's values are refused."""
_REJECT = """
    INSERT INTO sink_rejects
        (topic, partition, record_offset, event_id, record_key, record_value, reason, detail)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class Reject(NamedTuple):
    """A row of ``sink_rejects``. ``detail`` never quotes the record: it may hold personal data."""

    topic: str
    partition: int
    offset: int
    event_id: str | None
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str


def reject_record(record: Any, reason: str, detail: str) -> Reject:
    """Return the row for a record; ``detail`` quotes nothing of it."""
    identifier = event_id(record.headers)
    if identifier is not None and "\0" in identifier:  # PostgreSQL's text cannot hold it
        identifier = None
    at = record.topic, record.partition, record.offset
    return Reject(*at, identifier, record.key, record.value, reason, detail)


class DecodedRecord(NamedTuple):
    """A canonical record and the event in it."""

    record: Any
    event: Event


@dataclass(slots=True)
class DecodedBatches:
    """Batches of several partitions, decoded and planned; ``refused`` cannot be decoded."""

    batches: Sequence[Batch]
    decoded: list[DecodedRecord] = field(default_factory=list)
    refused: list[Reject] = field(default_factory=list)
    plan: WritePlan = field(default_factory=WritePlan)
    number: int = 0  # of the last erasure that the plan knows

    def is_current(self) -> bool:
        """Whether all partitions still belong to this process."""
        return all(batch.is_current() for batch in self.batches)


def _last_event(batch: Batch) -> str | None:
    return event_id(batch.records[-1].headers) if batch.records else None


class Transaction:
    """The transaction of prepared batches; ``run`` may be called again after a rollback."""

    def __init__(
        self,
        prepared: DecodedBatches,
        extra: frozenset[str],
        cluster_id: str | None,
        clock: Callable[[], Micros],
        one_by_one: bool,
        emit_signals: bool,
        ledger: Ledger,
    ) -> None:
        self._prepared, self._ledger = prepared, ledger
        self._extra, self._cluster_id, self._clock = extra, cluster_id, clock
        self._one_by_one, self._emit_signals = one_by_one, emit_signals
        self.refused: list[Reject] = []
        self.stored: Sequence[DecodedRecord] = ()

    async def run(self, connection: AsyncConnection[Any]) -> None:
        """Move the offsets and write. Raises MovedError, LedgerMovedError, MoreKeysError."""
        self.refused, self.stored = list(self._prepared.refused), ()
        moves = [
            stored_offsets.Move(batch.partition, batch.offset, batch.end, _last_event(batch))
            for batch in self._prepared.batches
        ]
        moved = await stored_offsets.move(connection, moves, self._cluster_id)
        if moved < len(moves):
            stored = await stored_offsets.next_offsets(connection)
            if not moved and all(stored.get(move.partition, 0) == move.end for move in moves):
                return  # this transaction was committed before; only the reply was lost
            raise MovedError(stored.get(moves[0].partition, 0))
        await applied_erasures.require(connection, self._prepared.number)
        decoded = self.stored = self._prepared.decoded
        if self._one_by_one:
            self.stored = await self._bisect(connection, decoded)
        elif decoded:
            await self._apply(connection, self._prepared.plan)
        for row in self.refused:
            await connection.execute(_REJECT, row)

    async def _apply(self, connection: AsyncConnection[Any], plan: WritePlan) -> None:
        await apply.apply(
            connection, plan, self._extra, self._clock, emit_signals=self._emit_signals
        )

    async def _bisect(
        self, connection: AsyncConnection[Any], decoded: Sequence[DecodedRecord]
    ) -> Sequence[DecodedRecord]:
        """Write all records but those that the database refuses, which become rejects."""
        if not decoded:
            return decoded
        try:
            async with connection.transaction():
                await self._apply(
                    connection, plan_writes((record.event for record in decoded), self._ledger)
                )
        except REFUSED as error:
            if len(decoded) == 1:
                reason = error.sqlstate or "22000"
                self.refused.append(reject_record(decoded[0].record, reason, type(error).__name__))
                return ()
            middle = len(decoded) // 2
            return [
                *await self._bisect(connection, decoded[:middle]),
                *await self._bisect(connection, decoded[middle:]),
            ]
        return decoded
