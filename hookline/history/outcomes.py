"""What became of an import's deliveries, read from the logs of outcomes as they grow."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hookline.console.output import Progress
from hookline.history.state import Ranges
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.raw_delivery import Imported
from schemas.topics import OUTCOMES

PATIENCE = 60.0
"""Seconds without any outcome after which the processors count as not running."""
SHOWN = 1_000
_SLACK_MS = 600_000


@dataclass(slots=True)
class Outcomes:
    """Deliveries by verdict. ``open``: still to be processed. ``dead_rows``: (row, reason)."""

    canonical: int = 0
    events: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    open: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    dead_rows: list[tuple[int, str]] = field(default_factory=list)


class _Deliveries:
    """The offsets that the import wrote, and which of them have a verdict."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges = {number: sorted(found) for number, found in ranges.items()}
        self._firsts = {
            number: [first for first, _ in found] for number, found in self._ranges.items()
        }
        self._decided: dict[int, set[int]] = {number: set() for number in ranges}
        self.total = sum(b - a + 1 for found in ranges.values() for a, b in found)
        self.decided = 0

    def decide(self, partition: int, offset: int) -> bool | None:
        """Mark a delivery: True the first time, False later, None where it is not ours."""
        firsts = self._firsts.get(partition)
        if firsts is None:
            return None
        at = bisect_right(firsts, offset) - 1
        if at < 0 or self._ranges[partition][at][1] < offset:
            return None
        decided = self._decided[partition]
        if offset in decided:
            return False
        decided.add(offset)
        self.decided += 1
        return True


async def await_outcomes(
    settings: Settings, ranges: Ranges, since_ms: int, progress: Progress
) -> Outcomes:
    """Wait until each delivery has its verdict, or none comes for ``PATIENCE`` seconds."""
    result, ours = Outcomes(), _Deliveries(ranges)
    if not ours.total:
        return result
    async with log_reader.consumer(settings) as client:
        topics = await log_reader.topic_partitions(settings)
        partitions = [tp for topic in OUTCOMES for tp in topics[topic] if tp.partition in ranges]
        start = await log_reader.offsets_since(client, partitions, since_ms - _SLACK_MS)
        client.assign(partitions)
        for tp, offset in start.items():
            client.seek(tp, offset)
        last = time.monotonic()
        while ours.decided < ours.total and time.monotonic() - last < PATIENCE:
            fetched = await client.getmany(timeout_ms=250, max_records=10_000)
            before = ours.decided
            for batch in fetched.values():
                for record in batch:
                    _count(record, ours, result)
            if ours.decided > before:
                last = time.monotonic()
                progress("processed", ours.decided, ours.total)
            await asyncio.sleep(0)
        await _last_slots(client, ours, result)
    result.open = ours.total - ours.decided
    return result


async def _last_slots(client: Any, ours: _Deliveries, result: Outcomes) -> None:
    """Count the further events of the last deliveries, which are in other logs."""
    ends = await client.end_offsets(list(client.assignment()))
    while any([await client.position(tp) < end for tp, end in ends.items()]):
        for batch in (await client.getmany(timeout_ms=250, max_records=10_000)).values():
            for record in batch:
                _count(record, ours, result)


def _count(record: Any, ours: _Deliveries, result: Outcomes) -> None:
    headers = {name: value for name, value in record.headers if value is not None}
    try:
        offset, slot = int(headers[envelopes.RAW_OFFSET]), headers[envelopes.SLOT].decode()
        mark = headers.get(envelopes.IMPORT)
        row = Imported.of(mark).row if mark else None
    except (KeyError, ValueError):
        return  # no outcome of ours
    is_new = ours.decide(record.partition, offset)
    if is_new is None:
        return
    if slot == envelopes.DUPLICATE_SLOT:
        result.duplicates += is_new
    elif envelopes.REASON in headers:
        result.dead_letters += 1
        reason = headers[envelopes.REASON].decode(errors="replace")
        path = headers.get(envelopes.FIELD_PATH, b"").decode(errors="replace")
        result.reasons[reason] += 1
        if row is not None and len(result.dead_rows) < SHOWN:
            result.dead_rows.append((row, f"{reason} {path}".strip()))
    else:
        result.events += 1
        result.canonical += is_new
