"""Dead letters as they stand in their topic: read, chosen, grouped. Flat: bodies are not kept."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.dead_letters import marks
from hookline.dead_letters.marks import Mark
from hookline.errors import CommandError
from hookline.tables.session import Connection, connected
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import DEAD_LETTERS

_INDEX = re.compile(r"\[\d+\]|@\d+")
_PLACE = re.compile(r"(\d{1,9}):(\d{1,18})")

Place = tuple[int, int]
"""Partition and offset of a letter."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter without its body. Times in milliseconds, the broker's.

    ``shop`` is source/shop. ``raw_offset`` and ``raw_ms`` are those of the raw record that it
    answers, in the same partition; ``adapter`` the version that refused it. ``slot`` names the
    one event of an else canonical delivery that could not be made, None for a whole delivery.
    ``replay_of`` is the letter that was replayed and refused again.
    """

    partition: int
    offset: int
    appended_ms: int
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
    raw_ms: int
    slot: str | None
    replay_of: str | None

    @property
    def place(self) -> str:
        """Its name: partition:offset."""
        return f"{self.partition}:{self.offset}"


def letter_of(record: Any) -> Letter:
    """A record of the topic as a letter."""
    said = {name: value.decode(errors="replace") for name, value in record.headers}
    slot = said.get(envelopes.SLOT)
    return Letter(
        partition=record.partition,
        offset=record.offset,
        appended_ms=record.timestamp,
        delivery_id=said.get(envelopes.DELIVERY, ""),
        shop=f"{said.get(envelopes.SOURCE, '')}/{said.get(envelopes.SHOP, '')}",
        event=said.get(envelopes.EVENT, ""),
        entity=said.get(envelopes.ENTITY, ""),
        stage=said.get(envelopes.STAGE, ""),
        reason=said.get(envelopes.REASON, ""),
        path=said.get(envelopes.FIELD_PATH, ""),
        detail=said.get(envelopes.DETAIL, ""),
        adapter=said.get(envelopes.ADAPTER, ""),
        raw_offset=int(said[envelopes.RAW_OFFSET]),
        raw_ms=int(said[envelopes.RAW_TIME]),
        slot=None if slot == envelopes.DEAD_SLOT else slot,
        replay_of=said.get(envelopes.REPLAY_OF),
    )


def field_of(path: str) -> str:
    """A field path without positions: what letters of one cause have in common."""
    return _INDEX.sub(lambda match: "@" if match[0].startswith("@") else "[]", path)


def place_of(text: str) -> Place:
    """``2:17`` as a place. Raises CommandError for anything else."""
    if (match := _PLACE.fullmatch(text)) is None:
        raise CommandError(f"{text!r} names no letter: `hookline dead list` does, as 2:17")
    return int(match[1]), int(match[2])


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters: all that meet every condition that is not None.

    ``shop`` is source/shop or the shop alone, ``path`` a field path with or without positions.
    """

    shop: str | None = None
    reason: str | None = None
    path: str | None = None
    since_ms: int | None = None
    places: frozenset[Place] | None = None

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is among them."""
        return (
            (self.shop is None or self.shop in (letter.shop, letter.shop.partition("/")[2]))
            and (self.reason is None or self.reason == letter.reason)
            and (self.path is None or self.path in (letter.path, field_of(letter.path)))
            and (self.since_ms is None or letter.appended_ms >= self.since_ms)
            and (self.places is None or (letter.partition, letter.offset) in self.places)
        )


EVERY = Choice()


async def chosen(
    client: AIOKafkaConsumer,
    connection: Connection,
    places: Sequence[TopicPartition],
    choice: Choice,
) -> AsyncIterator[tuple[Letter, Mark | None]]:
    """The chosen letters in each partition's order, with what an operator made of them.

    ``places`` are the partitions of the topic.
    """
    start, end = await _range(client, places, choice)
    async for place, batch in log_reader.records(client, start, end):
        letters = [letter for letter in map(letter_of, batch) if choice.takes(letter)]
        found = await marks.read(connection, place, [letter.offset for letter in letters])
        for letter in letters:
            mark = found.get(letter.offset)
            yield letter, mark if mark and mark.delivery_id == letter.delivery_id else None


async def _range(
    client: AIOKafkaConsumer, places: Sequence[TopicPartition], choice: Choice
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    start = await log_reader.begins(client, places)
    end = await log_reader.ends(client, places)
    if choice.since_ms is not None:
        start = await log_reader.since(client, places, choice.since_ms)
    if choice.places is not None:
        offsets: dict[int, list[int]] = {}
        for number, offset in choice.places:
            offsets.setdefault(number, []).append(offset)
        for place in places:
            wanted = offsets.get(place.partition, [end[place]])
            start[place] = max(start[place], min(wanted))
            end[place] = min(end[place], max(wanted) + 1)
    return start, end


@dataclass(slots=True)
class Group:
    """Letters of one shop, reason and field path. Times in milliseconds."""

    shop: str
    reason: str
    path: str
    letters: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    newest: str = ""


class Groups:
    """Letters counted by shop, reason and field path."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], Group] = {}

    def add(self, letter: Letter) -> None:
        """Count one letter."""
        key = letter.shop, letter.reason, field_of(letter.path)
        group = self._groups.setdefault(key, Group(*key, oldest_ms=letter.appended_ms))
        group.letters += 1
        group.oldest_ms = min(group.oldest_ms, letter.appended_ms)
        if letter.appended_ms >= group.newest_ms:
            group.newest_ms, group.newest = letter.appended_ms, letter.place

    def __iter__(self) -> Iterator[Group]:
        """The largest first."""
        return iter(sorted(self._groups.values(), key=lambda group: -group.letters))


async def discard(settings: Settings, choice: Choice, because: str) -> list[str]:
    """Mark every chosen letter that is still open as not worth a replay; return their names.

    Raises CommandError where a letter that was named is not there.
    """
    discarded: list[str] = []
    found: set[Place] = set()
    async with (
        connected(settings, "discard") as connection,
        log_reader.consumer(settings) as client,
    ):
        places = (await log_reader.places(settings))[DEAD_LETTERS]
        async for letter, mark in chosen(client, connection, places, choice):
            found.add((letter.partition, letter.offset))
            if mark is None:
                told = [(letter.offset, letter.delivery_id)]
                place = places[letter.partition]
                await marks.write(connection, place, told, marks.DISCARDED, because)
                discarded.append(letter.place)
    require(choice, found)
    return discarded


def require(choice: Choice, found: set[Place]) -> None:
    """Raise CommandError where a letter that was named is not there."""
    if lost := sorted((choice.places or frozenset()) - found):
        names = ", ".join(f"{number}:{offset}" for number, offset in lost)
        raise CommandError(f"no dead letter {names}: `hookline dead list --all` names them")


async def listed(
    settings: Settings, choice: Choice = EVERY, *, settled: bool = True
) -> AsyncIterator[tuple[Letter, Mark | None]]:
    """The chosen letters with their marks; without ``settled`` those that have none."""
    async with connected(settings, "dead") as connection, log_reader.consumer(settings) as client:
        places = (await log_reader.places(settings))[DEAD_LETTERS]
        async for letter, mark in chosen(client, connection, places, choice):
            if settled or mark is None:
                yield letter, mark
