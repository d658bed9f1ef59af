"""Batches are read whole, whatever bytes the names of their headers are."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import codec
from aiokafka.record._crc32c import crc
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from runtime.kafka.client.record_batches import TolerantRecords

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
ENCODE: tuple[Callable[[bytes], bytes], ...] = (
    bytes, codec.gzip_encode, codec.snappy_encode, codec.lz4_encode, codec.zstd_encode
)  # fmt: skip
VALUES = st.none() | st.binary(max_size=12)
RECORDS = st.lists(
    st.tuples(VALUES, VALUES, st.lists(st.tuples(st.binary(min_size=1, max_size=4), VALUES))),
    min_size=1,
    max_size=5,
)


def stored(drawn: Any, number: int, base: int) -> bytes:
    """A batch as a broker stores it; its header names are any bytes."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    names: list[bytes] = []
    for offset, (key, value, headers) in enumerate(drawn):
        fields = [(chr(0xE000 + len(names) + n) * 2, field) for n, (_, field) in enumerate(headers)]
        names += [name for name, _ in headers]
        builder.append(offset, 5 + offset, key, value, fields)
    plain = bytes(builder.build())
    head, body = bytearray(plain[:61]), plain[61:]
    body = renamed(body, names)
    body = ENCODE[number](body)
    head[8:12] = (len(body) + 49).to_bytes(4, "big")
    head[21:23] = number.to_bytes(2, "big")
    head[0:8] = base.to_bytes(8, "big")
    head[17:21] = crc(bytes(head[21:]) + body).to_bytes(4, "big")
    return bytes(head) + body


def renamed(body: bytes, names: list[bytes]) -> bytes:
    """Put other names of six bytes in place of those that the builder could write."""
    for number, name in enumerate(names):
        written = (chr(0xE000 + number) * 2).encode()
        assert len(written) == 6
        body = body.replace(written, name.ljust(6, b"."), 1)
    return body


def read(records: Any) -> list[Any]:
    found = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        found += [
            (r.offset, r.timestamp, r.key, r.value, [tuple(h) for h in r.headers]) for r in batch
        ]
    return found


@given(
    st.lists(st.tuples(RECORDS, st.sampled_from(sorted(CODECS.values()))), min_size=1, max_size=3)
)
def test_no_name_of_a_header_hides_a_record(drawn: list[Any]) -> None:
    base, blob, expected = 100, b"", []
    for records, kind in drawn:
        blob += stored(records, kind, base)
        for number, (key, value, headers) in enumerate(records):
            fields = [
                (name.ljust(6, b".").decode(errors="replace"), field) for name, field in headers
            ]
            expected.append((base + number, 5 + number, key, value, fields))
        base += len(records)
    assert read(TolerantRecords(blob)) == expected


def test_batches_with_names_in_utf_8_are_those_of_aiokafka() -> None:
    blob = stored([(b"k", b"v", [(b"name", b"1")]), (None, None, [])], 0, 7)
    assert read(TolerantRecords(blob)) == read(MemoryRecords(blob))


def test_aiokafka_alone_still_stops_at_such_a_name() -> None:
    """Should this fail, the module is no longer needed."""
    blob = stored([(b"k", b"v", [(b"\xff\xfe", b"1")])], 0, 7)
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(blob))


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_of_kafka_is_installed(name: str) -> None:
    records = [(b"key" * 20, b"value" * 200, [(b"name", b"1")])] * 5
    blob = stored(records, CODECS[name], 7)
    assert 5 == len(read(TolerantRecords(blob)))
