"""Appends dead letters to the raw topic again; each is settled once, however often it is tried.

Kafka itself shows which letters were replayed already, so a killed replay is simply repeated. Of
two replays at the same moment the processors make the second a duplicate.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.dead_letters import letters, marks
from hookline.dead_letters.letters import DeadLetter, LetterFilter, LetterId
from hookline.dead_letters.replay_record import replay_headers, replay_key
from hookline.tables.queries import Connection, connected
from hookline.topics.records import at_offsets, scan
from runtime.kafka import log_reader
from runtime.kafka.producer import new_producer
from runtime.kafka.reasons import DENIED, explained
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Reason
from schemas.topics import DEAD_LETTERS, OUTCOMES, WEBHOOKS, Topic

SLACK_MS = 600_000
"""Brokers' clocks may differ by this: logs are read from this long before the oldest letter."""
BATCH = 100
"""Letters that are acknowledged and marked together."""

_VERDICT_SLOTS = (None, envelopes.DEAD_SLOT.encode(), envelopes.DUPLICATE_SLOT.encode())

_FOREIGN = "it is no delivery: another producer wrote it to the raw topic"
_APPENDED = "appended to the raw topic"
_REPLAYED = "a replay of it is in the raw topic"
_CANONICAL = "its delivery is canonical"
_DECIDED = "a replay of it has its verdict"
_PARTIAL = "its delivery is canonical except for this event, which a replay cannot produce"


@dataclass(slots=True)
class ReplayResult:
    """Names (partition:offset) of the letters replayed, and why others were skipped."""

    replayed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


async def replay(
    settings: Settings,
    wanted: LetterFilter,
    progress: Progress = lambda _what, _done, _total: None,
    *,
    rate: float | None = None,
    dry_run: bool = False,
    result: ReplayResult | None = None,
) -> ReplayResult:
    """Append every matching letter that is still open to the raw topic, and mark it.

    ``rate``: letters per second, at most. ``dry_run``: change nothing. ``result``: filled and
    returned, so that it is known also of a replay that is stopped. Raises CommandError where
    a letter does not exist, or Kafka does not acknowledge.
    """
    result = ReplayResult() if result is None else result
    async with connected(settings, "replay") as connection, log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        dead = partitions[DEAD_LETTERS]
        open_letters = await _open_letters(client, connection, dead, wanted, result)
        for number, by_offset in open_letters.items():
            settled = await _settled(client, partitions, number, by_offset, progress)
            for reason in set(settled.values()):
                done = [by_offset.pop(o) for o, why in settled.items() if why == reason]
                result.skipped |= {letter.name: reason for letter in done}
                if not dry_run and reason != _PARTIAL:
                    await marks.write(connection, dead[number], done, marks.REPLAYED, reason)
        if dry_run:
            result.replayed = [
                letter.name for group in open_letters.values() for letter in group.values()
            ]
            return result
        count = sum(map(len, open_letters.values()))
        async with replay_producer(settings) as producer:
            for number, by_offset in open_letters.items():
                tp = dead[number]
                async for read in _bodies(client, tp, by_offset, rate):
                    records = await _still_open(connection, tp, by_offset, read, result)
                    await append(producer, settings.topic(WEBHOOKS), records)
                    done = [by_offset[record.offset] for record in records]
                    await marks.write(connection, tp, done, marks.REPLAYED, _APPENDED)
                    result.replayed += [letter.name for letter in done]
                    progress("replaying", len(result.replayed), count)
    return result


async def _open_letters(
    client: AIOKafkaConsumer,
    connection: Connection,
    partitions: Sequence[TopicPartition],
    wanted: LetterFilter,
    result: ReplayResult,
) -> dict[int, dict[int, DeadLetter]]:
    """Return the matching letters without a mark: partition -> offset -> letter."""
    unmarked: dict[int, dict[int, DeadLetter]] = {}
    existing: set[LetterId] = set()
    async for letter, mark in letters.matching(client, connection, partitions, wanted):
        existing.add(letter.id)
        if letter.reason == Reason.FOREIGN_RECORD or not _names_a_shop(letter):
            result.skipped[letter.name] = _FOREIGN
        elif mark is None:
            unmarked.setdefault(letter.partition, {})[letter.offset] = letter
        elif wanted.ids is not None:
            result.skipped[letter.name] = f"{mark.kind}: {mark.reason}"
    letters.require_found(wanted, existing)
    return unmarked


def _names_a_shop(letter: DeadLetter) -> bool:
    """Whether the letter names its platform and shop, as each of a delivery of ours does."""
    source, _, shop = letter.shop.partition("/")
    return bool(source and shop)


async def _settled(
    client: AIOKafkaConsumer,
    partitions: Mapping[Topic, Sequence[TopicPartition]],
    number: int,
    by_offset: Mapping[int, DeadLetter],
    progress: Progress,
) -> dict[int, str]:
    """Return the letters of one partition that Kafka shows to be settled: offset -> reason."""
    offsets_of_delivery: dict[bytes, list[int]] = {}
    for letter in by_offset.values():
        offsets_of_delivery.setdefault(letter.delivery_id.encode(), []).append(letter.offset)
    offset_of_name = {letter.name.encode(): offset for offset, letter in by_offset.items()}
    raw = partitions[WEBHOOKS][number]
    logs = [raw, *(partitions[topic][number] for topic in OUTCOMES)]
    oldest = min(letter.appended_ms for letter in by_offset.values())
    start = await log_reader.offsets_since(client, logs, max(oldest - SLACK_MS, 0))
    end, settled = await log_reader.end_offsets(client, logs), dict[int, str]()
    what = f"looking for replays in partition {number}"
    async for tp, batch in scan(client, start, end, what, progress):
        for record in batch:
            headers = dict(record.headers)
            replayed = offset_of_name.get(headers.get(envelopes.REPLAY_OF, b""))
            if replayed is not None:
                settled[replayed] = _REPLAYED if tp == raw else _DECIDED
            elif tp != raw and _is_canonical(headers):
                for offset in offsets_of_delivery.get(headers.get(envelopes.DELIVERY, b""), ()):
                    settled[offset] = _CANONICAL if by_offset[offset].slot is None else _PARTIAL
    return settled


def _is_canonical(headers: Mapping[str, bytes]) -> bool:
    return headers.get(envelopes.SLOT) not in _VERDICT_SLOTS and envelopes.REASON not in headers


async def _still_open(
    connection: Connection,
    tp: TopicPartition,
    by_offset: Mapping[int, DeadLetter],
    records: Sequence[Any],
    result: ReplayResult,
) -> list[Any]:
    """Return the records of letters that nobody settled meanwhile: a slow replay takes hours."""
    found = await marks.read(connection, tp, [record.offset for record in records])
    left: list[Any] = []
    for record in records:
        letter, mark = by_offset[record.offset], found.get(record.offset)
        if mark and mark.delivery_id == letter.delivery_id:
            result.skipped[letter.name] = f"{mark.kind}: {mark.reason}"
            continue
        left.append(record)
    return left


async def _bodies(
    client: AIOKafkaConsumer,
    tp: TopicPartition,
    by_offset: Mapping[int, DeadLetter],
    rate: float | None,
) -> AsyncIterator[list[Any]]:
    """Yield the letters' records, a few at a time and no faster than ``rate``."""
    size = BATCH if rate is None else max(1, min(BATCH, int(rate / 10)))
    async for records in at_offsets(client, tp, by_offset, size):
        yield records
        if rate is not None:
            await asyncio.sleep(size / rate)


async def append(producer: AIOKafkaProducer, topic: str, records: Sequence[Any]) -> None:
    """Append the replays to the partitions of their letters; return once all are acknowledged.

    Raises UnacknowledgedError.
    """
    try:
        futures = [
            await producer.send(
                topic,
                value=record.value,
                key=replay_key(record),
                partition=record.partition,
                headers=replay_headers(record.headers, f"{record.partition}:{record.offset}"),
            )
            for record in records
        ]
        await asyncio.gather(*futures)
    except DENIED:
        raise  # the reason is known: `explained` names the right
    except KafkaError as error:
        raise UnacknowledgedError(
            f"Kafka does not acknowledge ({type(error).__name__}): run the same command again;"
            " replays that did arrive are found and not repeated"
        ) from error


class UnacknowledgedError(CommandError):
    """It is unknown whether some replays were appended."""


@asynccontextmanager
async def replay_producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Open an idempotent producer, which is stopped only if the work succeeded."""
    producer = new_producer(settings, linger_ms=2)
    async with explained(settings, "Write"):
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        yield producer
    # Only if every answer came: stop() flushes, which after an unknown result could append
    # a batch again. Otherwise the process ends, and its connections with it.
    await producer.stop()
