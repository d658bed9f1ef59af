"""Where the microseconds of one event go: each step of building it, timed apart."""

from collections.abc import Callable, Iterator
from typing import Any

from processors import cloudevents, dedupe
from processors.decide import AT_ONCE
from processors.outcomes import Origin
from processors.parse import raw_of
from processors.sources import ADAPTERS
from processors.sources.contract import Delivery, Parsed
from schemas.codec import Codec
from schemas.events import RECORDS
from schemas.topics import CARTS
from tests.bench.bodies import SHOPS
from tests.bench.measure import own_cpu
from tests.sink_events import FakeRecord

CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
STEPS = (
    "read the record's headers",
    "parse the body",
    "digest",
    "map to the typed event",
    "write Avro",
    "headers of the outcome",
    "CloudEvents headers",
)


def timed(records: list[FakeRecord], key: bytes, runs: int) -> dict[str, list[float]]:
    """CPU microseconds of an event in each step, for each run; one run before them is not told."""
    found: dict[str, list[float]] = {step: [] for step in STEPS}
    for _ in range(runs + 1):
        spent = dict.fromkeys(STEPS, 0.0)
        for first in range(0, len(records), AT_ONCE):
            some: list[Any] = [(each,) for each in records[first : first + AT_ONCE]]
            for step, work in _works(key):
                began = own_cpu()
                some = [work(*each) for each in some]
                spent[step] += own_cpu() - began
        for step, seconds in spent.items():
            found[step].append(seconds / len(records) * 1e6)
    return {step: figures[1:] for step, figures in found.items()}


def _works(key: bytes) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each step as a function of what the one before it gave."""
    return zip(
        STEPS, (_raw(key), _parsed, _digested, _mapped, _written, _headed, _told), strict=True
    )


def _raw(key: bytes) -> Callable[[FakeRecord], Any]:
    def read(record: FakeRecord) -> Any:
        raw = raw_of(record)
        return (Delivery(raw, SHOPS[raw.source, raw.shop], raw.body, key),)

    return read


def _parsed(delivery: Delivery) -> Any:
    return delivery, ADAPTERS[delivery.raw.source].parse(delivery)


def _digested(delivery: Delivery, parsed: Parsed) -> Any:
    raw, query = delivery.raw, parsed.query_identifiers
    return delivery, parsed, dedupe.digest(raw.source, raw.shop, parsed.event, query, raw.body)


def _mapped(delivery: Delivery, parsed: Parsed, digest: bytes) -> Any:
    adapter = ADAPTERS[delivery.raw.source]
    return Origin(delivery.raw, adapter.version, digest), adapter.events(delivery, parsed)


def _written(origin: Origin, slots: Any) -> Any:
    [(slot, event)] = slots.items()
    return origin, slot, event.meta, CODEC.encode(event)


def _headed(origin: Origin, slot: str, meta: Any, _value: bytes) -> Any:
    return meta, origin.headers(slot, (slot,))


def _told(meta: Any, _headers: Any) -> Any:
    return cloudevents.headers(CARTS, meta)
