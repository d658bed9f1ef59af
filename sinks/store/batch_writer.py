"""Fetched batches into the tables: decode, plan, write in the transaction that moves the offset."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, islice
from typing import Any

from runtime import logs, metrics
from runtime.registry.client import RegistryError
from runtime.stage import Batch, MovedError, RefusedError
from schemas.codec import Codec, UnknownSchemaError
from schemas.events import TOPIC_OF, Micros
from schemas.json_records.erasures import Ledger
from schemas.topics import BY_RECORD
from sinks.log import is_outcome
from sinks.postgres import applied_erasures
from sinks.postgres.applied_erasures import LedgerMovedError
from sinks.postgres.session import Database, NoLongerWantedError
from sinks.store.batch_transaction import (
    REFUSED,
    DecodedBatches,
    DecodedRecord,
    Transaction,
    reject_record,
)
from sinks.store.entity_locks import MoreKeysError
from sinks.store.write_plan import add_event, plan_writes

log = logs.get("hookline.sinks.batches")

Learn = Callable[[int, str], Awaitable[None]]
"""Adds the schema of an id, of a record's name, to the codec. Raises RegistryError."""
Committed = Callable[[Sequence[DecodedRecord]], None]
"""Is given the records that a commit has just stored."""
_TOPIC_NAMES = {kind: BY_RECORD[name].name for kind, name in TOPIC_OF.items()}
_SLICE = 25
"""Records decoded, then planned, before the event loop may resume an earlier transaction."""


async def _learn_nothing(schema_id: int, _name: str) -> None:
    raise UnknownSchemaError(schema_id)


def _ignore(_stored: Sequence[DecodedRecord]) -> None:
    """Measure nothing: for tables that nobody waits for."""


class Writer:
    """Stores batches through one session of its own.

    ``emit_signals``: whether changes of carts go to the outbox. ``learn``: adds the schema of an
    unknown id to the codec (``runtime.registry.newer_schemas``). ``committed``: called after each
    commit with the records that it stored; not with those that were stored before.
    """

    def __init__(
        self,
        database: Database,
        codec: Codec,
        clock: Callable[[], Micros],
        *,
        emit_signals: bool = True,
        learn: Learn = _learn_nothing,
        committed: Committed = _ignore,
    ) -> None:
        self._database, self._codec, self._clock = database, codec, clock
        self._emit_signals, self._learn = emit_signals, learn
        self._committed = committed
        self._number, self._ledger = 0, Ledger()

    async def store(self, batches: Sequence[Batch], cluster_id: str | None) -> None:
        """Prepare and write."""
        await self.write(await self.prepare(batches), cluster_id)

    async def prepare(self, batches: Sequence[Batch]) -> DecodedBatches:
        """Decode and plan batches of different partitions, without waiting for any service.

        The work is sliced, so that an earlier transaction can continue in between. Raises
        RefusedError for a record that cannot be read yet.
        """
        prepared = DecodedBatches(batches, number=self._number)
        ledger = self._ledger
        records = chain.from_iterable(batch.records for batch in batches)
        while records_slice := list(islice(records, _SLICE)):
            planned = len(prepared.decoded)
            for record in records_slice:
                try:
                    self._decode(record, prepared)
                except UnknownSchemaError as error:
                    await self._learn_schema(record, error.schema_id, prepared)
            await asyncio.sleep(0)
            for decoded in prepared.decoded[planned:]:
                add_event(prepared.plan, decoded.event, ledger)
            await asyncio.sleep(0)
        return prepared

    async def write(self, prepared: DecodedBatches, cluster_id: str | None) -> None:
        """Write what was prepared in one transaction.

        Raises MovedError, with nothing stored, where the stored offset of any partition is not
        the start of its batch; the error does not name the partition.
        """
        extra: frozenset[str] = frozenset()
        one_by_one = False
        while True:
            work = Transaction(
                prepared, extra, cluster_id, self._clock, one_by_one, self._emit_signals,
                self._ledger,
            )  # fmt: skip
            try:
                await self._database.run(work.run, prepared.is_current)
            except MoreKeysError as error:
                metrics.TRANSACTIONS.labels("retried").inc()
                extra |= error.keys
            except LedgerMovedError:
                await self._plan_again(prepared)
            except MovedError:
                metrics.TRANSACTIONS.labels("moved").inc()
                raise
            except NoLongerWantedError:
                return
            except REFUSED as error:
                if one_by_one:
                    raise
                log.warning("batch refused, bisecting it", sqlstate=error.sqlstate)
                one_by_one = True
            else:
                self._committed(work.stored)
                metrics.TRANSACTIONS.labels("committed").inc()
                for reject in work.refused:
                    metrics.SINK_REJECTS.labels(reject.topic).inc()
                return

    async def _plan_again(self, prepared: DecodedBatches) -> None:
        """Plan by the erasures that are applied now."""
        metrics.TRANSACTIONS.labels("retried").inc()
        self._number, self._ledger = await self._database.run(applied_erasures.read)
        prepared.number = self._number
        prepared.plan = plan_writes((each.event for each in prepared.decoded), self._ledger)

    def _decode(self, record: Any, prepared: DecodedBatches) -> None:
        """Decode a record, or reject it. Raises UnknownSchemaError, RefusedError."""
        try:
            event = self._codec.decode(record.value)
        except UnknownSchemaError:
            raise
        except Exception as error:  # noqa: BLE001 - any error comes from this record
            self._refuse_other_schema(record)
            prepared.refused.append(reject_record(record, "decode", type(error).__name__))
            return
        if not record.topic.endswith(_TOPIC_NAMES[type(event)]):
            self._refuse_other_schema(record)
            prepared.refused.append(reject_record(record, "decode", "it is of another topic"))
            return
        prepared.decoded.append(DecodedRecord(record, event))  # type: ignore[arg-type]  # not a signal

    def _refuse_other_schema(self, record: Any) -> None:
        """Raise RefusedError where an event of ours carries the schema id of another topic.

        The registry's ids have changed then. To set the record aside would lose it from the tables.
        """
        name = self._codec.record_name(record.value or b"")
        is_another = name is not None and not record.topic.endswith(BY_RECORD[name].name)
        if is_another and is_outcome(record.headers):
            raise RefusedError(
                f"{_position(record)} has the schema id of {name}: the registry lost its data or"
                " was restored out of order. Restore it with the same ids; nothing is lost"
                " meanwhile"
            )

    async def _learn_schema(self, record: Any, schema_id: int, prepared: DecodedBatches) -> None:
        """Decode a record whose schema is not known yet, with the registry's help.

        Another producer's is set aside unasked, so that it cannot wait for a registry that is away.
        """
        if not is_outcome(record.headers):
            prepared.refused.append(reject_record(record, "decode", "of no schema of ours"))
            return
        name = next((n for n, topic in BY_RECORD.items() if record.topic.endswith(topic.name)), "")
        try:
            await self._learn(schema_id, name)
            self._decode(record, prepared)
        except (UnknownSchemaError, RegistryError) as error:
            # The record is sound: rejecting it would lose it from the tables.
            raise RefusedError(
                f"{_position(record)}: {error}. A newer Hookline wrote it, or the registry lost"
                " its data: upgrade the sinks, or restore the registry; nothing is lost meanwhile"
            ) from error


def _position(record: Any) -> str:
    return f"{record.topic}-{record.partition} at {record.offset}"
