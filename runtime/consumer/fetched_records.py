"""Records that a stage's own factory makes while aiokafka's fetcher unpacks a fetch.

aiokafka makes a ConsumerRecord of eleven fields for each. A stage that makes its own records
skips those, and what it leaves out is freed while it is still in the CPU's caches.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

from runtime.stage import Partition, RecordFactory


class FetchBuffer(OrderedDict[Any, Any]):
    """The fetch results by partition, replacing an aiokafka fetcher's own dict.

    ``factory``: makes the records of a partition; where it raises, a ConsumerRecord is returned.
    """

    def __init__(self, factory: Callable[[Partition], RecordFactory]) -> None:
        super().__init__()
        self._factory = factory

    def __setitem__(self, tp: Any, result: Any) -> None:
        if isinstance(result, FetchResult):
            result._partition_records = _Unpacking(  # noqa: SLF001
                result._partition_records,  # noqa: SLF001
                self._factory(Partition(*tp)),
            )
        super().__setitem__(tp, result)


class _Unpacking:
    """Replaces a fetcher's PartitionRecords; reads uncommitted records as well.

    ``next_fetch_offset``: the offset after the last record returned.
    """

    def __init__(self, original: Any, factory: RecordFactory) -> None:
        self.next_fetch_offset = original.next_fetch_offset
        self._records = self._unpacked(original, factory)
        original._records_iterator = None  # noqa: SLF001 - a reference cycle that holds the bytes

    def __iter__(self) -> Iterator[Any]:
        return self._records

    def _unpacked(self, original: Any, factory: RecordFactory) -> Iterator[Any]:
        tp, batches = original._tp, original._records  # noqa: SLF001
        while batches.has_next():
            batch = batches.next_batch()
            if not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {tp}")
            for raw in () if batch.is_control_batch else batch:
                offset = raw.offset
                if offset >= self.next_fetch_offset:  # a batch may begin before what was fetched
                    self.next_fetch_offset = offset + 1
                    try:
                        record = factory(offset, raw.timestamp, raw.key, raw.value, raw.headers)
                    except Exception:  # noqa: BLE001 - the stage meets and reports the same error
                        record = original._consumer_record(tp, raw)  # noqa: SLF001
                    yield record
            self.next_fetch_offset = batch.next_offset
