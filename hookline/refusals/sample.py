"""What a replay of many letters would give, by a sample of each of their groups."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookline.dead_letters.letters import DeadLetter, LetterGroup, group_letters, path_pattern
from hookline.dead_letters.marks import Mark
from hookline.refusals.preview import Preview, preview
from hookline.topics.records import at_offsets
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas.shops import ShopsError, load
from schemas.topics import DEAD_LETTERS

SAMPLE = 30
"""Letters that are tried in all, if there are no more groups than that."""
EACH = 20
"""Letters that are tried of one group at most, the oldest of each partition first."""

Refusal = tuple[str, str]
"""Reason and path pattern of a refusal."""


@dataclass(slots=True)
class GroupSample:
    """A group, and what replays of some of its letters would give."""

    group: LetterGroup
    tried: int = 0
    events: int = 0
    refused: Counter[Refusal] = field(default_factory=Counter)

    def add(self, made: Preview) -> None:
        """Count what a replay of one letter would give."""
        self.tried += 1
        if made.reason is None:
            self.events += 1
        else:
            self.refused[made.reason, path_pattern(made.path or "")] += 1


@dataclass(slots=True)
class Sample:
    """The groups, largest first. ``note``: why no letter could be tried, if so."""

    groups: list[GroupSample]
    note: str | None = None


async def sampled(
    settings: Settings, found: AsyncIterator[tuple[DeadLetter, Mark | None]]
) -> Sample:
    """Group letters, and try to replay the first of each group; nothing is written."""
    first: dict[tuple[str, str, str], list[DeadLetter]] = {}

    async def keeping() -> AsyncIterator[tuple[DeadLetter, Mark | None]]:
        async for letter, mark in found:
            kept = first.setdefault((letter.shop, letter.reason, path_pattern(letter.path)), [])
            if len(kept) < EACH:
                kept.append(letter)
            yield letter, mark

    groups = [GroupSample(each) for each in await group_letters(keeping())]
    share = min(EACH, max(1, SAMPLE // max(len(groups), 1)))
    of_letter = {
        letter.id: sample
        for sample in groups[:SAMPLE]
        for letter in first[sample.group.shop, sample.group.reason, sample.group.path][:share]
    }
    try:
        shops = load(Path(settings.shops_file), needs_secrets=False)
    except ShopsError as error:
        return Sample(groups, str(error))
    for record in await _records(settings, sorted(of_letter)):
        made = preview(record, shops, settings.contact_key)
        of_letter[record.partition, record.offset].add(made)
    return Sample(groups)


async def _records(settings: Settings, ids: Sequence[tuple[int, int]]) -> list[Any]:
    found: list[Any] = []
    async with log_reader.consumer(settings) as client:
        partitions = (await log_reader.topic_partitions(settings))[DEAD_LETTERS]
        for number in sorted({number for number, _ in ids}):
            offsets = [offset for partition, offset in ids if partition == number]
            async for records in at_offsets(client, partitions[number], offsets, len(offsets)):
                found += records
    return found
