"""Fetched records as plain structs, made from what aiokafka's fetcher holds.

aiokafka makes a ConsumerRecord of each, a frozen dataclass of eleven fields: setting them, and
letting go of them, took a processor some 3% of its time. A stage may have records of its own made
instead: what they leave out is gone while it is still in the core's caches.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

from runtime.stage import Make, Partition


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
    """What an aiokafka fetcher holds of each partition; its results give our records.

    ``making``: what makes those of a partition; what it refuses is given as a ``Record``.
    """

    def __init__(self, making: Callable[[Partition], Make] | None = None) -> None:
        super().__init__()
        self._making = making

    def __setitem__(self, place: Any, found: Any) -> None:
        if isinstance(found, FetchResult):
            plain = partial(Record, *place)
            make = plain if self._making is None else self._making(Partition(*place))
            found._partition_records = _Unpacking(found._partition_records, make, plain)  # noqa: SLF001
        super().__setitem__(place, found)


class _Unpacking:
    """Stands in for a fetcher's PartitionRecords, which reads uncommitted records as well.

    ``next_fetch_offset``: behind what was given.
    """

    def __init__(self, theirs: Any, make: Make, plain: Make) -> None:
        self.next_fetch_offset = theirs.next_fetch_offset
        self._records = self._unpacked(theirs._tp, theirs._records, make, plain)  # noqa: SLF001
        theirs._records_iterator = None  # noqa: SLF001 - a cycle that holds the bytes

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def _unpacked(self, place: Any, batches: Any, make: Make, plain: Make) -> Iterator[Any]:
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {place}")
            for told in () if batch.is_control_batch else batch:
                offset = told.offset
                if offset >= self.next_fetch_offset:  # else of the batch, but before what was asked
                    self.next_fetch_offset = offset + 1
                    key, value, headers = told.key, told.value, told.headers
                    try:
                        record = make(offset, told.timestamp, key, value, headers)
                    except Exception:  # noqa: BLE001 - the stage meets it again, and says so
                        record = plain(offset, told.timestamp, key, value, headers)
                    yield record
            self.next_fetch_offset = batch.next_offset
