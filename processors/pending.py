"""The records of a batch that still lack an outcome."""

from collections.abc import Mapping, Sequence
from typing import Any

from processors.index.outcome_headers import LoggedOutcomes
from processors.parse import raw_of
from runtime.stage import RefusedError
from schemas.topics import WEBHOOKS


def pending_records(
    records: Sequence[Any], logged: Mapping[int, LoggedOutcomes]
) -> tuple[Sequence[Any], Sequence[LoggedOutcomes | None]]:
    """The records that lack an outcome, and for each the outcomes that are already written.

    Raises RefusedError where the written outcomes are another delivery's.
    """
    if not logged:
        return records, [None] * len(records)
    pending: list[Any] = []
    partly: list[LoggedOutcomes | None] = []
    for record in records:
        written = logged.get(record.offset)
        if written is not None:
            _check_same_delivery(record, written)
        if written is None or not written.is_complete:
            pending.append(record)
            partly.append(written)
    return pending, partly


def _check_same_delivery(record: Any, written: LoggedOutcomes) -> None:
    delivery_id = raw_of(record).delivery_id
    if delivery_id != written.delivery_id:
        raise RefusedError(
            f"offset {record.offset} of {WEBHOOKS.name}/{record.partition} is delivery"
            f" {delivery_id}, but its outcomes are those of {written.delivery_id}: the topic was"
            " recreated under us; restore it, or start over under a new prefix"
        )
