"""What became of replays: events, refused again, a duplicate, or not processed yet.

The outcomes of a replay name its letter (`REPLAY_OF`), so that no index is needed: the outcome
topics are read from the first replay on, and each look goes on where the one before ended.
"""

from collections.abc import Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiokafka import TopicPartition

from hookline.dead_letters.letters import DeadLetter, group_letters, parse_letter
from hookline.dead_letters.listing import group_as_dict
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import DEAD_LETTERS, DUPLICATES, OUTCOMES

MOST_RECORDS = 200_000
"""Records of one look; the next one reads on."""
SLACK_MS = 60_000
"""Brokers' clocks may differ by this from ours."""
NAMED = 10
"""New letters that are named."""


class Fate(StrEnum):
    """What became of one replay. PARTLY: some of its events were refused, the others are there."""

    WAITING = "waiting"
    EVENTS = "events"
    PARTLY = "partly"
    REFUSED = "refused"
    DUPLICATE = "duplicate"


@dataclass(slots=True)
class _Seen:
    """The outcomes of one replay so far. ``slots``: all that it has, once one is there."""

    slots: frozenset[str] = frozenset()
    events: set[str] = field(default_factory=set)
    duplicates: set[str] = field(default_factory=set)
    letters: dict[str, DeadLetter] = field(default_factory=dict)

    @property
    def fate(self) -> Fate:
        seen = self.events | self.duplicates | self.letters.keys()
        if not seen or not self.slots <= seen:
            return Fate.WAITING
        if self.letters:
            return Fate.PARTLY if self.events else Fate.REFUSED
        return Fate.EVENTS if self.events else Fate.DUPLICATE


class ReplayFates:
    """Follows replays. ``names``: their letters; ``since_ms``: when the first was replayed."""

    def __init__(self, names: Collection[str], since_ms: int) -> None:
        self._seen = {name.encode(): _Seen() for name in names}
        self._since_ms = since_ms
        self._next: dict[TopicPartition, int] = {}

    @property
    def is_decided(self) -> bool:
        """Whether nothing is waited for."""
        return all(each.fate is not Fate.WAITING for each in self._seen.values())

    def add(self, topic: str, record: Any) -> None:
        """Note a record of an outcome topic, named as in ``schemas.topics``."""
        headers = dict(record.headers)
        seen = self._seen.get(headers.get(envelopes.REPLAY_OF) or b"")
        if seen is None:
            return
        slot, slots = (_text(headers.get(name)) for name in (envelopes.SLOT, envelopes.SLOTS))
        if not slot or not slots:
            return  # another producer wrote it
        seen.slots |= frozenset(slots.split(","))
        if topic == DEAD_LETTERS.name:
            if (letter := parse_letter(record)) is not None:
                seen.letters[slot] = letter
        elif topic == DUPLICATES.name:
            seen.duplicates.add(slot)
        else:
            seen.events.add(slot)

    async def look(self, settings: Settings) -> None:
        """Read on, at most ``MOST_RECORDS``; nothing once all replays are decided."""
        if self.is_decided:
            return
        numbers = {int(name.partition(b":")[0]) for name in self._seen}
        async with log_reader.consumer(settings) as client:
            by_topic = await log_reader.topic_partitions(settings)
            names = {
                each: topic.name
                for topic in OUTCOMES
                for each in by_topic[topic]
                if each.partition in numbers
            }
            new = [each for each in names if each not in self._next]
            if new:
                since = max(self._since_ms - SLACK_MS, 0)
                self._next |= await log_reader.offsets_since(client, new, since)
            end = await log_reader.end_offsets(client, list(names))
            start = {each: self._next[each] for each in names if self._next[each] < end[each]}
            ends = {each: end[each] for each in start}
            count = 0
            # Closed here: a generator that is left open would pause its partitions.
            async with aclosing(log_reader.batches(client, start, ends)) as fetches:
                async for fetched in fetches:
                    for partition, batch in fetched.items():
                        for record in batch:
                            self.add(names[partition], record)
                        self._next[partition] = batch[-1].offset + 1
                        count += len(batch)
                    if count >= MOST_RECORDS:
                        return
            self._next |= ends  # the last offsets may be transaction markers

    async def as_dict(self) -> dict[str, Any]:
        """Return the counts by fate, the new letters and their groups."""
        fates = [each.fate for each in self._seen.values()]
        letters = [letter for each in self._seen.values() for letter in each.letters.values()]
        return {
            "followed": len(fates),
            **{each.value: fates.count(each) for each in Fate},
            "letters": [letter.name for letter in letters[:NAMED]],
            "groups": await _grouped(letters),
        }


async def _grouped(letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    async def unmarked() -> Any:
        for letter in letters:
            yield letter, None

    return [group_as_dict(each) for each in await group_letters(unmarked())]


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
