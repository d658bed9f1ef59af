"""Finds the outcomes of a delivery: by its raw offset in its partition, or by its id."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from hookline.journey.logs import Logs, Progress, around, silent
from hookline.journey.windows import CLOCKS_MS, PROCESSING, Span
from schemas import envelopes
from schemas.topics import OUTCOMES, Topic
from sinks.log import is_outcome

SEEN_LATER_MS = 60_000
"""So long after the outcome of a later delivery an earlier one of its partition has its own."""
BY_ID: Sequence[Span] = ((1_000, 10_000), (60_000, 120_000), (CLOCKS_MS, 2 * CLOCKS_MS))
"""Around the time in a delivery's id: where its outcomes are, if processors were not away."""
_TOO_LONG = 19
"""Digits that may not fit into 64 bits."""


def number(header: bytes) -> int | None:
    """Return the number in a header; None for another text, and for one beyond 64 bits."""
    return int(header) if header.isdigit() and len(header) < _TOO_LONG else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A record of an outcome topic that the processors wrote."""

    topic: Topic
    record: Any
    headers: dict[str, bytes]

    @property
    def raw_offset(self) -> int:
        """The offset of its raw record, in the partition of the same number."""
        return number(self.headers[envelopes.RAW_OFFSET]) or 0

    def text(self, name: str) -> str:
        """Return a header as text; empty where there is none."""
        return self.headers.get(name, b"").decode(errors="replace")

    @property
    def slot(self) -> str:
        """The event that it is of its delivery."""
        return self.text(envelopes.SLOT)

    @property
    def slots(self) -> frozenset[str]:
        """All events of its delivery."""
        return frozenset(self.text(envelopes.SLOTS).split(","))


@dataclass(slots=True)
class Found:
    """The outcomes of one delivery by slot: the first copy of each."""

    by_slot: dict[str, Outcome] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Add an outcome; a later copy of one is left out."""
        self.by_slot.setdefault(outcome.slot, outcome)

    @property
    def is_whole(self) -> bool:
        """Whether each event that the delivery has was found."""
        return any(each.slots <= self.by_slot.keys() for each in self.by_slot.values())

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes, the oldest first; those appended at once as their delivery names them."""
        first = next(iter(self.by_slot.values()), None)
        order = first.text(envelopes.SLOTS).split(",") if first else []
        ranks = {slot: number for number, slot in enumerate(order)}
        return sorted(
            self.by_slot.values(),
            key=lambda each: (each.record.timestamp, ranks.get(each.slot, len(ranks))),
        )

    @property
    def lacking(self) -> list[str]:
        """Slots of the delivery of which there is no record."""
        named = {slot for each in self.by_slot.values() for slot in each.slots}
        return sorted(named - self.by_slot.keys())


def parse_outcome(topic: Topic, record: Any) -> Outcome | None:
    """Read a record of an outcome topic; None for one that another producer wrote."""
    if not is_outcome(record.headers):
        return None
    return Outcome(topic, record, dict(record.headers))


async def of_raw(
    logs: Logs,
    partition: int,
    offset: int,
    appended_ms: int,
    spans: Sequence[Span] = PROCESSING,
    progress: Progress = silent,
) -> Found:
    """Find the outcomes of the raw record at an offset, appended at ``appended_ms``."""
    wanted = b"%d" % offset
    later: list[int] = []  # append times of outcomes of later deliveries

    def matches(record: Any) -> bool:
        given: bytes = dict(record.headers).get(envelopes.RAW_OFFSET) or b""
        if given == wanted:
            return True
        if (found := number(given)) is not None and found > offset:
            later.append(record.timestamp)
        return False

    def is_enough(until_ms: int) -> bool:
        """Deliveries are processed in order, and outcomes of one moment appended together."""
        return bool(later) and min(later) + SEEN_LATER_MS <= until_ms

    partitions = logs.partition(OUTCOMES, partition)
    reading = around(logs, partitions, appended_ms, spans, progress, is_enough)
    return await _find(logs, reading, matches)


async def of_delivery(
    logs: Logs, delivery: str, received_ms: int, progress: Progress = silent
) -> Found:
    """Find the outcomes of a delivery whose raw record is gone, in all partitions, by its id."""
    wanted = delivery.encode()

    def matches(record: Any) -> bool:
        headers = dict(record.headers)
        return headers.get(envelopes.DELIVERY) == wanted and envelopes.REPLAY_OF not in headers

    partitions = [tp for topic in OUTCOMES for tp in logs.partitions[topic]]
    return await _find(logs, around(logs, partitions, received_ms, BY_ID, progress), matches)


async def _find(
    logs: Logs,
    reading: AsyncGenerator[tuple[TopicPartition, Sequence[Any]], None],
    matches: Callable[[Any], bool],
) -> Found:
    """Read until each event of the delivery is found, or nothing is left to read."""
    topics = {tp.topic: topic for topic in OUTCOMES for tp in logs.partitions[topic]}
    found = Found()
    async with aclosing(reading) as batches:
        async for tp, batch in batches:
            for record in batch:
                if matches(record) and (outcome := parse_outcome(topics[tp.topic], record)):
                    found.add(outcome)
            if found.is_whole:
                return found
    return found
