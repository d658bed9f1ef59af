"""Reads, filters, groups and discards dead letters, without keeping their bodies in memory."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.dead_letters import marks
from hookline.dead_letters.marks import Mark
from hookline.tables.queries import Connection, connected
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import DEAD_LETTERS
from sinks.dead_letters.letters import received_us, text

_INDEX = re.compile(r"\[\d+\]|@\d+")
_OFFSET = re.compile(r"[0-9]{1,18}")
_COORDINATES = (envelopes.RAW_PARTITION, envelopes.RAW_OFFSET, envelopes.RAW_TIME)
_EVERY = (envelopes.DELIVERY, envelopes.REASON, envelopes.SLOT, envelopes.SLOTS, *_COORDINATES)
"""Headers that every dead letter of ours has: without one, another producer wrote it."""
_LETTER_ID = re.compile(r"(\d{1,9}):(\d{1,18})")

LetterId = tuple[int, int]
"""Partition and offset of a dead letter."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter without its body.

    ``appended_ms`` is the broker's time, ``received_us`` the ingress's. ``shop`` is source/shop.
    ``raw_offset`` is that of its raw record, in the same partition; ``adapter`` is the version
    that refused it. ``slot`` names the one event that could not be made of an otherwise canonical
    delivery, None for a whole delivery. ``replay_of`` names the letter that was replayed and
    refused again.
    """

    partition: int
    offset: int
    appended_ms: int
    received_us: int
    delivery_id: str
    shop: str
    event: str
    entity: str
    stage: str
    reason: str
    path: str
    detail: str
    adapter: str
    raw_offset: int
    slot: str | None
    replay_of: str | None

    @property
    def id(self) -> LetterId:
        """Partition and offset."""
        return self.partition, self.offset

    @property
    def name(self) -> str:
        """The id as commands take it: ``partition:offset``."""
        return f"{self.partition}:{self.offset}"


def parse_letter(record: Any) -> DeadLetter | None:
    """Read a record of the dead-letter topic; None for one that this pipeline did not write."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    if not all(headers.get(name) for name in _EVERY) or not all(
        _OFFSET.fullmatch(headers[name]) for name in _COORDINATES
    ):
        return None
    slot = headers[envelopes.SLOT]
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        appended_ms=record.timestamp,
        received_us=received_us(headers, record.timestamp),
        delivery_id=text(headers[envelopes.DELIVERY]),
        shop=f"{headers.get(envelopes.SOURCE, '')}/{headers.get(envelopes.SHOP, '')}",
        event=headers.get(envelopes.EVENT, ""),
        entity=headers.get(envelopes.ENTITY, ""),
        stage=headers.get(envelopes.STAGE, ""),
        reason=headers.get(envelopes.REASON, ""),
        path=headers.get(envelopes.FIELD_PATH, ""),
        detail=headers.get(envelopes.DETAIL, ""),
        adapter=headers.get(envelopes.ADAPTER, ""),
        raw_offset=int(headers[envelopes.RAW_OFFSET]),
        slot=None if slot == envelopes.DEAD_SLOT else slot,
        replay_of=headers.get(envelopes.REPLAY_OF),
    )


def path_pattern(path: str) -> str:
    """Return a field path without indexes: the same for all letters of one cause."""
    return _INDEX.sub(lambda match: "@" if match[0].startswith("@") else "[]", path)


def parse_letter_id(text: str) -> LetterId:
    """Parse ``2:17``. Raises CommandError for anything else."""
    if (match := _LETTER_ID.fullmatch(text)) is None:
        raise CommandError(
            f"{text!r} is not a dead letter: `hookline dead list` shows their names, like 2:17"
        )
    return int(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Matches the letters that meet every condition that is not None.

    ``shop`` is source/shop or the shop alone, ``path`` a field path with or without indexes.
    """

    shop: str | None = None
    reason: str | None = None
    path: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    ids: frozenset[LetterId] | None = None

    def matches(self, letter: DeadLetter) -> bool:
        """Whether a letter meets all conditions."""
        return (
            (self.shop is None or self.shop in (letter.shop, letter.shop.partition("/")[2]))
            and (self.reason is None or self.reason == letter.reason)
            and (self.path is None or self.path in (letter.path, path_pattern(letter.path)))
            and (self.since_ms is None or letter.appended_ms >= self.since_ms)
            and (self.until_ms is None or letter.appended_ms <= self.until_ms)
            and (self.ids is None or letter.id in self.ids)
        )


async def matching(
    client: AIOKafkaConsumer,
    connection: Connection,
    partitions: Sequence[TopicPartition],
    wanted: LetterFilter,
) -> AsyncIterator[tuple[DeadLetter, Mark | None]]:
    """Yield the letters that match, in each partition's order, with their marks.

    ``partitions`` are those of the dead-letter topic.
    """
    start, end = await _range(client, partitions, wanted)
    async for tp, batch in log_reader.records(client, start, end):
        parsed = [letter for letter in map(parse_letter, batch) if letter is not None]
        letters = [letter for letter in parsed if wanted.matches(letter)]
        marks_by_offset = await marks.read(connection, tp, [letter.offset for letter in letters])
        for letter in letters:
            mark = marks_by_offset.get(letter.offset)
            # A mark of another delivery is left over from a topic that was recreated.
            yield letter, mark if mark and mark.delivery_id == letter.delivery_id else None


async def _range(
    client: AIOKafkaConsumer, partitions: Sequence[TopicPartition], wanted: LetterFilter
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return the first and the end offset to read of each partition."""
    start = await log_reader.beginning_offsets(client, partitions)
    end = await log_reader.end_offsets(client, partitions)
    if wanted.since_ms is not None:
        start = await log_reader.offsets_since(client, partitions, wanted.since_ms)
    if wanted.ids is not None:
        offsets: dict[int, list[int]] = {}
        for number, offset in wanted.ids:
            offsets.setdefault(number, []).append(offset)
        for tp in partitions:
            own = offsets.get(tp.partition, [end[tp]])
            start[tp] = max(start[tp], min(own))
            end[tp] = min(end[tp], max(own) + 1)
    return start, end


@dataclass(slots=True)
class LetterGroup:
    """Letters of one shop, reason and field path. Times in milliseconds."""

    shop: str
    reason: str
    path: str
    letters: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    newest: str = ""


async def group_letters(
    letters: AsyncIterator[tuple[DeadLetter, Mark | None]],
) -> list[LetterGroup]:
    """Count letters by shop, reason and field path; return the groups, largest first.

    Groups of one size are in order of their names, whichever partition is read first.
    """
    groups: dict[tuple[str, str, str], LetterGroup] = {}
    async for letter, _ in letters:
        key = letter.shop, letter.reason, path_pattern(letter.path)
        group = groups.setdefault(key, LetterGroup(*key, oldest_ms=letter.appended_ms))
        group.letters += 1
        group.oldest_ms = min(group.oldest_ms, letter.appended_ms)
        if letter.appended_ms >= group.newest_ms:
            group.newest_ms, group.newest = letter.appended_ms, letter.name
    return sorted(
        groups.values(), key=lambda group: (-group.letters, group.shop, group.reason, group.path)
    )


async def discard(
    settings: Settings,
    wanted: LetterFilter,
    because: str,
    progress: Progress = lambda _what, _done, _total: None,
) -> list[str]:
    """Mark every matching letter that is still open as discarded; return their names.

    Raises CommandError where a letter of ``wanted.ids`` does not exist.
    """
    discarded: list[str] = []
    existing: set[LetterId] = set()
    async with (
        connected(settings, "discard") as connection,
        log_reader.consumer(settings) as client,
    ):
        partitions = (await log_reader.topic_partitions(settings))[DEAD_LETTERS]
        async for letter, mark in matching(client, connection, partitions, wanted):
            existing.add(letter.id)
            if mark is None:
                tp = partitions[letter.partition]
                await marks.write(connection, tp, [letter], marks.DISCARDED, because)
                discarded.append(letter.name)
                progress("discarding", len(discarded), 0)
    require_found(wanted, existing)
    return discarded


def require_found(wanted: LetterFilter, existing: set[LetterId]) -> None:
    """Raise CommandError where a letter of ``wanted.ids`` is not among ``existing``."""
    if missing := sorted((wanted.ids or frozenset()) - existing):
        names = ", ".join(f"{number}:{offset}" for number, offset in missing)
        raise CommandError(f"no dead letter {names}: `hookline dead list --all` shows them")


async def read_letters(
    settings: Settings, wanted: LetterFilter, *, settled: bool = True
) -> AsyncIterator[tuple[DeadLetter, Mark | None]]:
    """Yield the matching letters with their marks; ``settled`` False: only unmarked ones."""
    async with connected(settings, "dead") as connection, log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[DEAD_LETTERS]
        async for letter, mark in matching(client, connection, partitions, wanted):
            if settled or mark is None:
                yield letter, mark
