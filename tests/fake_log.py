"""Logs in memory, in Kafka's own batch format, with what other producers write between ours.

``FakeConsumer`` reads them as aiokafka's consumer does and by aiokafka's own unpacking, one batch a
fetch: transaction markers take offsets, and a fetch may bring no record at all.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import TopicPartition, codec
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, PartitionRecords
from aiokafka.record._crc32c import crc
from aiokafka.record.util import encode_varint
from aiokafka.structs import OffsetAndTimestamp

from runtime.kafka import log_reader
from runtime.kafka.client.record_batches import TolerantRecords
from schemas.topics import ALL

NOW_MS = 1_800_000_000_000
ENCODE: tuple[Callable[[bytes], bytes], ...] = (
    bytes, codec.gzip_encode, codec.snappy_encode, codec.lz4_encode, codec.zstd_encode
)  # fmt: skip
"""By the number of Kafka's codec."""
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a producer wrote it: header names are any bytes."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[bytes, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Records written at once; a batch without records is a transaction marker."""

    records: tuple[Record, ...]
    codec: int = 0
    is_transactional: bool = False

    @property
    def size(self) -> int:
        """Offsets that it takes."""
        return len(self.records) or 1

    def stored(self, base: int, milliseconds: int) -> bytes:
        """The bytes that a broker holds: Kafka's documentation, "Record Batch"."""
        attributes, records = self.codec, self.records
        if self.is_transactional:
            attributes |= _TRANSACTIONAL
        if not records:
            attributes = _TRANSACTIONAL | _CONTROL
            records = (Record(b"\0\0\0\1", b"\0\0\0\0\0\0"),)
        body = bytearray()
        for number, record in enumerate(records):
            one = b"\0" + _varint(0) + _varint(number) + _bytes(record.key) + _bytes(record.value)
            one += _varint(len(record.headers))
            one += b"".join(_bytes(name) + _bytes(value) for name, value in record.headers)
            body += _varint(len(one)) + one
        parts = [(attributes, 2), (len(records) - 1, 4), (milliseconds, 8), (milliseconds, 8)]
        parts += [(7, 8), (0, 2), (0, 4), (len(records), 4)]  # producer, epoch, sequence
        signed = b"".join(number.to_bytes(size, "big") for number, size in parts)
        signed += ENCODE[attributes & 7](bytes(body))
        head = base.to_bytes(8, "big") + (len(signed) + 9).to_bytes(4, "big") + bytes(4) + b"\2"
        checked: bytes = head + crc(signed).to_bytes(4, "big") + signed
        return checked


def _varint(number: int) -> bytes:
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


def _bytes(value: bytes | None) -> bytes:
    return _varint(-1) if value is None else _varint(len(value)) + value


class FakeConsumer:
    """Reads ``logs`` as AIOKafkaConsumer does; a partition that is not among them is empty.

    Each batch was appended a second after the one before it. ``fetches`` are counted, and too many
    of them raise AssertionError: a reader that waits for what never comes.
    """

    def __init__(self, logs: Mapping[TopicPartition, Sequence[Batch]]) -> None:
        self._logs: dict[TopicPartition, list[tuple[int, int, bytes]]] = {}
        self._ends: dict[TopicPartition, int] = {}
        for tp, batches in logs.items():
            base = 0
            self._logs[tp] = []
            for number, batch in enumerate(batches):
                milliseconds = NOW_MS + 1000 * number
                self._logs[tp].append((base, milliseconds, batch.stored(base, milliseconds)))
                base += batch.size
            self._ends[tp] = base
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._fetches = 0

    def assign(self, tps: Iterable[TopicPartition]) -> None:
        self._positions = dict.fromkeys(tps, 0)
        self._paused.clear()

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    def pause(self, *tps: TopicPartition) -> None:
        self._paused.update(tps)

    def resume(self, *tps: TopicPartition) -> None:
        self._paused.difference_update(tps)

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def beginning_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, 0)

    async def end_offsets(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._ends.get(tp, 0) for tp in tps}

    async def offsets_for_times(
        self, times: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        found: dict[TopicPartition, OffsetAndTimestamp | None] = {}
        for tp, at in times.items():
            batches = self._logs.get(tp, [])
            since = (OffsetAndTimestamp(base, ms) for base, ms, _ in batches if ms >= at)
            found[tp] = next(since, None)
        return found

    async def getmany(
        self, *tps: TopicPartition, max_records: int | None = None, **_: Any
    ) -> dict[TopicPartition, list[Any]]:
        self._fetches += 1
        assert self._fetches < 1000, "waits for an offset that holds no record"
        fetched = {}
        for tp in tps or tuple(self._positions):
            if tp not in self._paused and (records := self._next(tp, max_records)):
                fetched[tp] = records
        return fetched

    def _next(self, tp: TopicPartition, max_records: int | None) -> list[Any]:
        at = self._positions[tp]
        for base, _, stored in reversed(self._logs.get(tp, [])):
            if base <= at < self._ends[tp]:
                unpacked = PartitionRecords(
                    tp, TolerantRecords(stored), [], at, None, None, True, READ_UNCOMMITTED
                )
                records: list[Any] = []
                while max_records is None or len(records) < max_records:
                    if (record := next(unpacked, None)) is None:
                        break
                    records.append(record)
                self._positions[tp] = unpacked.next_fetch_offset
                return records
        return []

    async def start(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def stop(self) -> None:
        """Do nothing."""


@contextmanager
def read_from(consumer: FakeConsumer, topics: Iterable[str]) -> Iterator[None]:
    """Let every command and stage read this consumer's logs: one partition a topic."""

    @asynccontextmanager
    async def opened(*_: Any, **__: Any) -> AsyncIterator[FakeConsumer]:
        yield consumer

    names = dict(zip(ALL, topics, strict=True))

    async def partitions(_: Any) -> dict[Any, list[TopicPartition]]:
        return {topic: [TopicPartition(name, 0)] for topic, name in names.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reader, "consumer", opened)
        patch.setattr(log_reader, "topic_partitions", partitions)
        yield
