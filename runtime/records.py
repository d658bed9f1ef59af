"""Fetched records as plain structs, made from what aiokafka's fetcher holds.

aiokafka makes a ConsumerRecord of each, a frozen dataclass of eleven fields: setting them, and
letting go of them, took a processor some 3% of its time.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record of a topic; ``timestamp`` in milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Holding(OrderedDict[Any, Any]):
    """What an aiokafka fetcher holds of each partition; its results give our records."""

    def __setitem__(self, partition: Any, found: Any) -> None:
        if isinstance(found, FetchResult):
            found._partition_records = _Unpacking(found._partition_records)  # noqa: SLF001
        super().__setitem__(partition, found)


class _Unpacking:
    """Stands in for a fetcher's PartitionRecords, which reads uncommitted records as well.

    ``next_fetch_offset``: behind what was given.
    """

    def __init__(self, theirs: Any) -> None:
        self.next_fetch_offset = theirs.next_fetch_offset
        self._records = self._unpacked(theirs._tp, theirs._records)  # noqa: SLF001
        theirs._records_iterator = None  # noqa: SLF001 - a cycle that holds the bytes

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def _unpacked(self, place: Any, batches: Any) -> Iterator[Record]:
        topic, partition = place
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {place}")
            for told in () if batch.is_control_batch else batch:
                offset = told.offset
                if offset >= self.next_fetch_offset:  # else of the batch, but before what was asked
                    self.next_fetch_offset = offset + 1
                    yield Record(
                        topic, partition, offset, told.timestamp, told.key, told.value, told.headers
                    )
            self.next_fetch_offset = batch.next_offset
