"""Batches of records whose header names need not be UTF-8.

Kafka stores any bytes as a header's name, and librdkafka sends any. aiokafka decodes names while a
batch is iterated and raises UnicodeDecodeError at the first that is not UTF-8: the consumer then
never gets past that offset. Here the rest of such a batch is read again with undecodable bytes
replaced.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

_LENGTH_AT, _OVERHEAD = 8, 12
"""Where a batch's length is, and the bytes before those that it counts (base offset, length)."""


class Record(NamedTuple):
    """One record of a batch; the fields are those of aiokafka's own records."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


class TolerantRecords:
    """The bytes of a fetch, as batches: replaces aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._records = MemoryRecords(data)

    def size_in_bytes(self) -> int:
        """Return the size of all batches, the last of which may be cut off."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Whether there is another whole batch."""
        return bool(self._records.has_next())

    def next_batch(self) -> "TolerantBatch | None":
        """Return the next batch, None after the last one."""
        batch = self._records.next_batch()
        return None if batch is None else TolerantBatch(batch, self._data)


class TolerantBatch:
    """One of aiokafka's batches; everything but its iteration is the original's."""

    def __init__(self, batch: Any, data: bytes) -> None:
        self._batch, self._data = batch, data
        self._iterator: Iterator[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        count = 0
        try:
            for record in self._batch:
                count += 1
                yield record
        except UnicodeDecodeError:
            yield from self._from(count)

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self)
        return next(self._iterator)

    def _from(self, count: int) -> Iterator[Record]:
        """Yield the batch's records after the first ``count``."""
        batch = _DefaultRecordBatchPy(self._bytes())
        batch._maybe_uncompress()  # noqa: SLF001
        data, at = batch._buffer, batch._pos  # noqa: SLF001
        for number in range(batch._num_records):  # noqa: SLF001
            record, at = _record(batch, data, at)
            if number >= count:
                yield record

    def _bytes(self) -> bytes:
        base, at = self._batch.base_offset, 0
        while int.from_bytes(self._data[at : at + 8], "big") != base:
            at += _OVERHEAD + self._length(at)
        return self._data[at : at + _OVERHEAD + self._length(at)]

    def _length(self, at: int) -> int:
        return int.from_bytes(self._data[at + _LENGTH_AT : at + _OVERHEAD], "big")


def _record(batch: Any, data: bytearray, at: int) -> tuple[Record, int]:
    """Read the record at a position; return it and the position after it.

    The format is that of Kafka's documentation, "Record": varints, then key, value and headers.
    """
    _, at = decode_varint(data, at)  # its length; attributes follow
    _, at = decode_varint(data, at)
    time_delta, at = decode_varint(data, at)
    offset_delta, at = decode_varint(data, at)
    key, at = _bytes(data, at)
    value, at = _bytes(data, at)
    count, at = decode_varint(data, at)
    headers = []
    for _ in range(count):
        name, at = _bytes(data, at)
        header, at = _bytes(data, at)
        headers.append(((name or b"").decode(errors="replace"), header))
    is_append_time = batch.timestamp_type == batch.LOG_APPEND_TIME
    timestamp = batch.max_timestamp if is_append_time else batch.first_timestamp + time_delta
    offset = batch.base_offset + offset_delta
    return Record(offset, timestamp, batch.timestamp_type, key, value, headers), at


def _bytes(data: bytearray, at: int) -> tuple[bytes | None, int]:
    """Read a length and so many bytes; None for a negative length."""
    length, at = decode_varint(data, at)
    return (None, at) if length < 0 else (bytes(data[at : at + length]), at + length)


def install() -> None:
    """Let every consumer of this process read such batches."""
    fetcher.MemoryRecords = TolerantRecords
