"""One event, from the raw record to Avro bytes and headers: what the CPU does for it."""

import io
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import fastavro
import msgspec

from processors.index import PartitionIndex
from processors.sources import ADAPTERS
from processors.verdicts import Verdicts
from schemas import codec as codecs
from schemas.codec import Codec
from schemas.envelopes import RawDelivery
from schemas.events import RECORDS
from tests.bench.baselines.work import Work
from tests.bench.bodies import CARTS, SHOPS
from tests.bench.child import call
from tests.bench.measure import Row, Sample, alternate, at_most, timed
from tests.bench.real import Bench
from tests.sink_events import FakeRecord

COUNT = 100_000
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
KEY = b"the key of the bench"


def run(bench: Bench) -> list[Row]:
    """The 765 B cart, against fastavro as the writer; and the whole of what the stage decides."""
    count = bench.count(COUNT)
    with bench.bar("build") as told:
        told(0, 1)
        found = call(bench.cores.stage, compared, count=count, runs=bench.runs)
    ours, fast, decided = ([Sample(**each) for each in side] for side in found)
    work = "one cart of 765 B: decode, map, Avro, headers"
    return [
        Row(
            "build", work, "µs",
            [each.cpu_us for each in ours],
            "fastavro as writer", [each.cpu_us for each in fast],
            bar=at_most(18), note="CPU of one core",
        ),
        Row(
            "build", "the same with dedupe and verdict, index empty", "µs",
            [each.cpu_us for each in decided], note="what the processor does between two waits",
        ),
    ]  # fmt: skip


def compared(count: int, runs: int) -> list[list[dict[str, Any]]]:
    """Samples of each side, in this process."""
    records = [record(number) for number in range(count)]
    work = Work(CODEC, SHOPS, KEY)
    verdicts = Verdicts(CODEC, ADAPTERS, KEY)
    plain = _fastavro()

    def built(write: Callable[[Any], bytes] | None) -> int:
        for each in records:
            raw = RawDelivery.of(
                each.partition, each.offset, each.timestamp, each.key, each.value, each.headers
            )
            read = work.read(raw)
            if write is None:
                work.made(read)
            else:
                write(work.event(read)[1])
        return count

    def decided() -> int:
        index = PartitionIndex()
        for first in range(0, count, 2000):
            made = verdicts.decide(records[first : first + 2000], index, SHOPS)
            if any(each.kind != "canonical" for each in made):
                raise AssertionError(f"not canonical: {made[0]}")
        return count

    event = work.event(work.read(CARTS_RAW))[1]
    if plain(event) != CODEC.encode(event)[5:]:
        raise AssertionError("fastavro writes other bytes: the two do not do the same")
    sides = (
        lambda: timed(lambda: built(None)),
        lambda: timed(lambda: built(plain)),
        lambda: timed(decided),
    )
    return [[asdict(each) for each in side] for side in alternate(sides, runs)]


def _fastavro() -> Callable[[Any], bytes]:
    schema = fastavro.parse_schema(codecs.schema("carts"), named_schemas={})

    def write(event: Any) -> bytes:
        out = io.BytesIO()
        datum = msgspec.to_builtins(event, builtin_types=(Decimal,))
        fastavro.schemaless_writer(out, schema, datum, disable_tuple_notation=True)
        return out.getvalue()

    return write


def record(number: int, offset: int | None = None) -> FakeRecord:
    """A cart as the consumer gives it."""
    key, body, headers = CARTS.raw(number)
    at = number if offset is None else offset
    appended = 1_800_000_000_000 + number // 100
    return FakeRecord("webhooks", 0, at, key, body, tuple(headers), appended)


def _raw(each: FakeRecord) -> RawDelivery:
    return RawDelivery.of(0, each.offset, each.timestamp, each.key, each.value, each.headers)


CARTS_RAW = _raw(record(0))
