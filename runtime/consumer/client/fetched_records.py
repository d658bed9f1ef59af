"""Unpacks what aiokafka's fetcher fetched, by a stage's own factory if it has one.

aiokafka makes a ConsumerRecord of eleven fields for each record. A stage that makes its own
records skips those, and what it leaves out is freed while it is still in the CPU's caches.

Transaction markers take offsets of the log and are no records. Where they were met is kept, so
that their offsets are not taken for lost records.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

from runtime.stage import Partition, RecordFactory

Skips = dict[tuple[str, int], tuple[tuple[int, int], ...]]
"""By topic and partition, the newest ranges of offsets [first, end) that hold markers."""
_KEPT_SKIPS = 64


class FetchBuffer(OrderedDict[Any, Any]):
    """The fetch results by partition, replacing an aiokafka fetcher's own dict.

    ``factory``: makes the records of a partition; where it raises, and where there is none, a
    ConsumerRecord is returned. ``skips`` is written by the consumer's thread, a tuple at a time.
    """

    def __init__(self, factory: Callable[[Partition], RecordFactory] | None, skips: Skips) -> None:
        super().__init__()
        self._factory, self._skips = factory, skips

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records = _Unpacking(  # noqa: SLF001
                result._partition_records,  # noqa: SLF001
                None if self._factory is None else self._factory(Partition(*tp)),
                self._skips,
            )
        super().__setitem__(tp, result)


def skipped_to(ranges: Sequence[tuple[int, int]], offset: int) -> int:
    """Return the first offset from ``offset`` on that lies in none of the ranges."""
    for first, end in sorted(ranges):
        if first <= offset < end:
            offset = end
    return offset


class _Unpacking:
    """Replaces a fetcher's PartitionRecords; reads uncommitted records as well.

    ``next_fetch_offset``: the offset after the last record returned.
    """

    def __init__(self, original: Any, factory: RecordFactory | None, skips: Skips) -> None:
        self.next_fetch_offset = original.next_fetch_offset
        self._skips = skips
        self._records = self._unpacked(original, factory)
        original._records_iterator = None  # noqa: SLF001 - a reference cycle that holds the bytes

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def _unpacked(self, original: Any, factory: RecordFactory | None) -> Iterator[Any]:
        tp, batches = original._tp, original._records  # noqa: SLF001
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {tp}")
            if batch.is_control_batch:
                self._skip(tp, batch.base_offset, batch.next_offset)
                continue
            for raw in batch:
                offset = raw.offset
                if offset >= self.next_fetch_offset:  # a batch may begin before what was fetched
                    self.next_fetch_offset = offset + 1
                    yield _record(original, factory, raw)
            self.next_fetch_offset = batch.next_offset

    def _skip(self, tp: Any, first: int, end: int) -> None:
        """Note markers; those that follow each other become one range."""
        self.next_fetch_offset = end
        *ranges, newest = self._skips.get(tp, ((first, first),))
        if newest[1] != first:
            ranges.append(newest)
            newest = first, first
        self._skips[tp] = (*ranges[1 - _KEPT_SKIPS :], (newest[0], end))


def _record(original: Any, factory: RecordFactory | None, raw: Any) -> Any:
    if factory is not None:
        try:
            return factory(raw.offset, raw.timestamp, raw.key, raw.value, raw.headers)
        except Exception:  # noqa: BLE001, S110 - the stage meets and reports the same error
            pass
    return original._consumer_record(original._tp, raw)  # noqa: SLF001
