"""Reads raw deliveries: one by its id or position, those of some keys from the newest back."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from hookline.journey.logs import Logs, Progress, first_match, silent
from hookline.journey.windows import RECEIPT
from ingest.partitioner import partition_of
from processors.parse import raw_of
from processors.sources.personal_ids import PREFIX, hashed_key
from runtime.kafka import log_reader
from schemas import envelopes
from schemas.raw_delivery import RawDelivery
from schemas.topics import WEBHOOKS

_MINUTE_MS = 60_000
_HASHED = f":{PREFIX}".encode()
_STEPS = (10, 60, 6 * 60, 24 * 60, 4 * 24 * 60, 12 * 24 * 60)
"""Minutes back from now, by which the list of deliveries goes back until it has enough."""


async def by_id(
    logs: Logs, delivery: str, received_ms: int, progress: Progress = silent
) -> RawDelivery | None:
    """Find a delivery's first raw record by the time in its id; None where it is not there."""
    wanted = delivery.encode()

    def matches(record: object) -> bool:
        headers: list[tuple[str, bytes]] = record.headers  # type: ignore[attr-defined]
        if not headers or (envelopes.DELIVERY, wanted) not in headers:
            return False
        # Another producer's record may carry the id too: it is none of ours.
        is_ours = raw_of(record).delivery_id == delivery
        return is_ours and all(name != envelopes.REPLAY_OF for name, _ in headers)

    partitions = logs.partitions[WEBHOOKS]
    found = await first_match(logs, partitions, received_ms, RECEIPT, matches, progress)
    return None if found is None else raw_of(found)


async def replay_of(
    logs: Logs, partition: int, letter: str, marked_ms: int, progress: Progress = silent
) -> RawDelivery | None:
    """Find the raw record that replays a dead letter, which was marked about then."""
    wanted = letter.encode()

    def matches(record: object) -> bool:
        headers: list[tuple[str, bytes]] = record.headers  # type: ignore[attr-defined]
        return dict(headers).get(envelopes.REPLAY_OF) == wanted

    partitions = logs.partition([WEBHOOKS], partition)
    found = await first_match(logs, partitions, marked_ms, RECEIPT, matches, progress)
    return None if found is None else raw_of(found)


async def at(logs: Logs, partition: int, offset: int) -> RawDelivery | None:
    """Return the raw record at an offset; None where there is none."""
    for tp in logs.partition([WEBHOOKS], partition):
        record = await log_reader.first_record(logs.client, tp, offset)
        if record is not None and record.offset == offset:
            return raw_of(record)
    return None


@dataclass(slots=True)
class Newest:
    """Deliveries, newest first. ``back_to_ms``: read back to this broker time, all if None."""

    deliveries: list[RawDelivery] = field(default_factory=list)
    back_to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many deliveries to return, and how far to go back at most."""

    maximum: int
    now_ms: int
    since_ms: int | None = None

    def steps(self) -> Iterator[int | None]:
        """Yield the times (ms) to go back to, one after the other; None is the beginning."""
        for minutes in _STEPS:
            at_ms = self.now_ms - minutes * _MINUTE_MS
            if self.since_ms is not None and at_ms <= self.since_ms:
                break
            yield at_ms
        yield self.since_ms


async def newest(
    logs: Logs, keys: Collection[str], limits: Limits, progress: Progress = silent
) -> Newest:
    """Return the newest deliveries of these entities.

    Only the partitions of their keys are read; all of them for a key with a hashed id, since the
    raw key has the id itself. ``limits.maximum``: of more, the newest.
    """
    wanted = {key.encode() for key in keys}
    numbers: Iterable[int] = sorted({partition_of(key, logs.declared) for key in wanted})
    if any(_HASHED in key for key in wanted):
        numbers = range(logs.declared)
    partitions = [logs.partitions[WEBHOOKS][number] for number in numbers]
    end = await log_reader.end_offsets(logs.client, partitions)
    found: list[RawDelivery] = []
    back_to: int | None = None
    for back_to in limits.steps():
        start = (
            await log_reader.beginning_offsets(logs.client, partitions)
            if back_to is None
            else await log_reader.offsets_since(logs.client, partitions, max(back_to, 0))
        )
        found += await _of_keys(logs, wanted, start, end, progress)
        end = start
        if len(found) >= limits.maximum:
            break
    found.sort(key=lambda raw: (raw.appended_ms, raw.offset), reverse=True)
    cut = len(found) > limits.maximum
    found = found[: limits.maximum]
    return Newest(found, found[-1].appended_ms if cut else back_to)


async def _of_keys(
    logs: Logs,
    wanted: Collection[bytes],
    start: dict[TopicPartition, int],
    end: dict[TopicPartition, int],
    progress: Progress,
) -> list[RawDelivery]:
    contact_key = logs.settings.contact_key.encode()
    found: list[RawDelivery] = []
    done, total = 0, sum(max(end[tp] - offset, 0) for tp, offset in start.items())
    async with aclosing(log_reader.batches(logs.client, start, end)) as fetches:
        async for fetched in fetches:
            for batch in fetched.values():
                for record in batch:
                    key = record.key or b""
                    if key in wanted or hashed_key(key, contact_key) in wanted:
                        found.append(raw_of(record))
                done += len(batch)
            progress("reading the deliveries", done, total)
    return found
