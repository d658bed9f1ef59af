"""Dead letters appended to the raw topic again: each settled once, however often it is tried.

What was replayed is asked of Kafka itself, so a replay that was killed is simply repeated. Two
replays at the same moment are told apart by the processors: the second is a duplicate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from hookline.dead_letters import letters, marks
from hookline.dead_letters.letters import Choice, Letter
from hookline.errors import CommandError
from hookline.tables.session import Connection, connected
from runtime.kafka import log_reader
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from schemas import envelopes
from schemas.envelopes import Headers
from schemas.topics import DEAD_LETTERS, OUTCOMES, WEBHOOKS, Topic

SLACK_MS = 600_000
"""Brokers' clocks may differ by this: logs are read from so long before the oldest letter."""
AT_ONCE = 100
"""Letters that are acknowledged and marked together."""

_OF_THE_LETTER = frozenset(
    {
        envelopes.RAW_OFFSET,
        envelopes.RAW_TIME,
        envelopes.RAW_PARTITION,
        envelopes.SLOT,
        envelopes.SLOTS,
        envelopes.ENTITY,
        envelopes.DIGEST,
        envelopes.ADAPTER,
        envelopes.STAGE,
        envelopes.REASON,
        envelopes.FIELD_PATH,
        envelopes.DETAIL,
        envelopes.REPLAY_OF,
    }
)
"""Headers that say what became of the delivery, not what it is."""

Progress = Callable[[str, int, int], None]
"""(what is done, how many of how many)."""


@dataclass(slots=True)
class Replayed:
    """What became of the chosen letters: places (partition:offset), and why some were left."""

    replayed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def replay_headers(headers: Sequence[tuple[str, bytes]], place: str) -> Headers:
    """The raw headers of a letter's replay: its delivery's own, and where it comes from.

    ``place`` is the letter's. The original raw coordinates are those of the very first record,
    also where a replay was refused again.
    """
    said = dict(headers)
    kept = [
        (name, value)
        for name, value in headers
        if name not in _OF_THE_LETTER and not name.startswith(envelopes.CONNECT)
    ]
    if envelopes.ORIGINAL not in said:
        first = [
            said[name]
            for name in (envelopes.RAW_PARTITION, envelopes.RAW_OFFSET, envelopes.RAW_TIME)
        ]
        kept.append((envelopes.ORIGINAL, b":".join(first)))
    return [*kept, (envelopes.REPLAY_OF, place.encode())]


async def replay(
    settings: Settings,
    choice: Choice,
    progress: Progress = lambda _what, _done, _all: None,
    *,
    rate: float | None = None,
    is_rehearsal: bool = False,
) -> Replayed:
    """Append every chosen letter that is still open to the raw topic, and mark it.

    ``rate``: at most so many letters a second. ``is_rehearsal``: only find out. Raises
    CommandError where a letter is not there, or Kafka does not acknowledge.
    """
    done = Replayed()
    async with connected(settings, "replay") as connection, log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        due = await _due(client, connection, places[DEAD_LETTERS], choice, done)
        for number, chosen in due.items():
            settled = await _settled(client, places, number, chosen, progress)
            for kind in set(settled.values()):
                known = [(o, chosen[o].delivery_id) for o, why in settled.items() if why == kind]
                done.skipped |= {f"{number}:{offset}": kind for offset, _ in known}
                if not is_rehearsal and kind != _PART:
                    place = places[DEAD_LETTERS][number]
                    await marks.write(connection, place, known, marks.REPLAYED, kind)
            for offset in settled:
                del chosen[offset]
        if is_rehearsal:
            done.replayed = [letter.place for each in due.values() for letter in each.values()]
            return done
        count = sum(map(len, due.values()))
        async with producer_of(settings) as producer:
            for number, chosen in due.items():
                place = places[DEAD_LETTERS][number]
                async for records in _bodies(client, place, chosen, rate):
                    await append(producer, settings.topic(WEBHOOKS), records)
                    told = [(each.offset, chosen[each.offset].delivery_id) for each in records]
                    await marks.write(connection, place, told, marks.REPLAYED, _SENT)
                    done.replayed += [f"{number}:{each.offset}" for each in records]
                    progress("replaying", len(done.replayed), count)
    return done


_SENT = "appended to the raw topic"
_STANDS = "a replay of it stands in the raw topic"
_CANONICAL = "its delivery is canonical"
_ANSWERED = "a replay of it has its verdict"
_PART = "its delivery is canonical but for this event, which a replay cannot give"


async def _due(
    client: AIOKafkaConsumer,
    connection: Connection,
    places: Sequence[TopicPartition],
    choice: Choice,
    done: Replayed,
) -> dict[int, dict[int, Letter]]:
    """Letters that no mark settles: partition -> offset -> letter."""
    due: dict[int, dict[int, Letter]] = {}
    found: set[letters.Place] = set()
    async for letter, mark in letters.chosen(client, connection, places, choice):
        found.add((letter.partition, letter.offset))
        if mark is None:
            due.setdefault(letter.partition, {})[letter.offset] = letter
        elif choice.places is not None:
            done.skipped[letter.place] = f"{mark.kind}: {mark.reason}"
    letters.require(choice, found)
    return due


async def _settled(
    client: AIOKafkaConsumer,
    places: Mapping[Topic, Sequence[TopicPartition]],
    number: int,
    chosen: Mapping[int, Letter],
    progress: Progress,
) -> dict[int, str]:
    """Letters of one partition that Kafka shows to be settled: offset -> why."""
    deliveries: dict[bytes, list[int]] = {}
    for letter in chosen.values():
        deliveries.setdefault(letter.delivery_id.encode(), []).append(letter.offset)
    of_letters = {f"{number}:{offset}".encode(): offset for offset in chosen}
    logs = [places[topic][number] for topic in (WEBHOOKS, *OUTCOMES)]
    oldest = min(letter.appended_ms for letter in chosen.values())
    start = await log_reader.since(client, logs, max(oldest - SLACK_MS, 0))
    end = await log_reader.ends(client, logs)
    everything, read = sum(end[place] - start[place] for place in logs), 0
    settled: dict[int, str] = {}
    async for place, batch in log_reader.records(client, start, end):
        is_raw = place == places[WEBHOOKS][number]
        for record in batch:
            said = dict(record.headers)
            replayed = of_letters.get(said.get(envelopes.REPLAY_OF, b""))
            if replayed is not None:
                settled[replayed] = _STANDS if is_raw else _ANSWERED
            elif not is_raw and _is_canonical(said):
                for offset in deliveries.get(said.get(envelopes.DELIVERY, b""), ()):
                    settled[offset] = _CANONICAL if chosen[offset].slot is None else _PART
        read += len(batch)
        progress(f"looking what stands in partition {number}", read, everything)
    return settled


def _is_canonical(said: Mapping[str, bytes]) -> bool:
    slot = said.get(envelopes.SLOT, b"").decode()
    is_verdict = slot in (envelopes.DEAD_SLOT, envelopes.DUPLICATE_SLOT)
    return not is_verdict and envelopes.REASON not in said


async def _bodies(
    client: AIOKafkaConsumer,
    place: TopicPartition,
    chosen: Mapping[int, Letter],
    rate: float | None,
) -> AsyncIterator[list[Any]]:
    """The letters' records, a few at a time and no faster than ``rate``."""
    at_once = AT_ONCE if rate is None else max(1, min(AT_ONCE, int(rate / 10)))
    pause = 0.0 if rate is None else at_once / rate
    held: list[Any] = []
    for first, last in log_reader.runs(sorted(chosen)):
        async for _, batch in log_reader.records(client, {place: first}, {place: last + 1}):
            for record in batch:
                if record.offset in chosen:
                    held.append(record)
                if len(held) == at_once:
                    yield held
                    held = []
                    await asyncio.sleep(pause)
    if held:
        yield held


async def append(producer: AIOKafkaProducer, topic: str, records: Sequence[Any]) -> None:
    """Append the replays to the partition of their letters; return once all are acknowledged."""
    try:
        sent = [
            await producer.send(
                topic,
                value=each.value,
                key=each.key,
                partition=each.partition,
                headers=replay_headers(each.headers, f"{each.partition}:{each.offset}"),
            )
            for each in records
        ]
        await asyncio.gather(*sent)
    except KafkaError as error:
        raise UnacknowledgedError(
            f"Kafka does not acknowledge ({type(error).__name__}): run the same command again;"
            " what did arrive is found and not replayed twice"
        ) from error


class UnacknowledgedError(CommandError):
    """Whether some replays stand is not known."""


@asynccontextmanager
async def producer_of(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """An idempotent producer, stopped only after work that went well."""
    producer = new_producer(settings, linger_ms=2)
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    yield producer
    # Only where every answer came: stop() flushes, which after an unknown result could append
    # a batch again. Else the process ends, and its connections with it.
    await producer.stop()
