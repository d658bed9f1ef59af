"""One event, from the raw record to Avro bytes and headers: what the CPU does for it."""

import io
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import fastavro
import msgspec

from processors.decide import AT_ONCE, Decider
from processors.index.partition_index import PartitionIndex
from processors.parse import raw_of
from processors.sources import ADAPTERS
from runtime.process.memory import configure_gc
from schemas import codec as codecs
from schemas.codec import Codec
from schemas.events import RECORDS
from tests.bench import steps
from tests.bench.baselines.work import Work
from tests.bench.bodies import CARTS, SHOPS
from tests.bench.child import call
from tests.bench.measure import Row, Sample, alternate, at_most, ratio_at_most, timed
from tests.bench.real import Bench
from tests.sink_events import FakeRecord

COUNT = 100_000
BATCH = 470
"""Records of half a MiB, which is what a processor is given at once."""
CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
KEY = b"the key of the bench"


def run(bench: Bench) -> list[Row]:
    """The 765 B cart by steps and one by one, against fastavro; and what the stage decides."""
    count = bench.count(COUNT)
    with bench.bar("build") as told:
        told(0, 1)
        found = call(bench.cores.stage, compared, count=count, runs=bench.runs)
        by_step = call(bench.cores.stage, step_by_step, count=count, runs=bench.runs)
    ours, singly, fast, decided, events = ([Sample(**each) for each in side] for side in found)
    work = "one cart of 765 B: decode, map, Avro, headers"
    whole = "the same with dedupe and verdict, index empty"

    def row(what: str, samples: list[Sample], **told: Any) -> Row:
        return Row("build", what, "µs", [each.cpu_us for each in samples], **told)

    return [
        row(
            work, ours, baseline="fastavro as writer", base_values=[each.cpu_us for each in fast],
            bar=at_most(18), note=f"CPU of one core; {AT_ONCE} at once, as the stage does",
        ),
        row(f"{work}; one record after the other", singly, note="as the bare loops do"),
        row(whole, decided, note="what the processor does between two waits"),
        row(
            f"{whole}; with CloudEvents headers", events, baseline="without",
            base_values=[each.cpu_us for each in decided],
            bar=ratio_at_most(1.03), note="HOOKLINE_CLOUDEVENTS; off by default beyond 3%",
        ),
        *(Row("build", f"step: {step}", "µs", figures) for step, figures in by_step.items()),
    ]  # fmt: skip


def compared(count: int, runs: int) -> list[list[dict[str, Any]]]:
    """Samples of each side, in this process."""
    records = [record(number) for number in range(count)]
    work = Work(CODEC, SHOPS, KEY)
    plain = _fastavro()
    _same_bytes(work, plain)
    configure_gc()

    def built(write: Callable[[Any], bytes] | None) -> int:
        for each in records:
            read = work.read(raw_of(each))
            if write is None:
                work.made(read)
            else:
                write(work.event(read)[1])
        return count

    def by_steps() -> int:
        for first in range(0, count, AT_ONCE):
            reads = work.reads([raw_of(each) for each in records[first : first + AT_ONCE]])
            events = [work.event(read) for read in reads]
            written = [CODEC.encode(event) for _, event in events]
            for read, (slot, _), _ in zip(reads, events, written, strict=True):
                work.headed(read, slot)
        return count

    def decided(verdicts: Decider) -> int:
        index = PartitionIndex()
        for first in range(0, count, BATCH):
            made = verdicts.iter_verdicts(records[first : first + BATCH], index, SHOPS)
            if (kinds := {each.kind for each in made}) != {"canonical"}:
                raise AssertionError(f"not canonical: {kinds}")
        return count

    without, told = (Decider(CODEC, ADAPTERS, KEY, cloudevents=told) for told in (False, True))
    sides = (
        lambda: timed(by_steps),
        lambda: timed(lambda: built(None)),
        lambda: timed(lambda: built(plain)),
        lambda: timed(lambda: decided(without)),
        lambda: timed(lambda: decided(told)),
    )
    return [[asdict(each) for each in side] for side in alternate(sides, runs)]


def step_by_step(count: int, runs: int) -> dict[str, list[float]]:
    """Microseconds of each step, in this process."""
    configure_gc()
    return steps.timed([record(number) for number in range(count)], KEY, runs)


def _same_bytes(work: Work, plain: Callable[[Any], bytes]) -> None:
    event = work.event(work.read(CARTS_RAW))[1]
    if plain(event) != CODEC.encode(event)[5:]:
        raise AssertionError("fastavro writes other bytes: the two do not do the same")


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


CARTS_RAW = raw_of(record(0))
