"""Lists dead letters for screens and pages: their fields, groups with the newest letters."""

import heapq
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hookline.console import output
from hookline.dead_letters import letters, marks
from hookline.dead_letters.letters import DeadLetter, LetterGroup
from hookline.dead_letters.marks import Mark

Marked = tuple[DeadLetter, Mark | None]
Rank = tuple[int, int, int]
"""Append time in milliseconds, partition, offset: the order of a list, newest first."""


class State(StrEnum):
    """What operators decided about a letter; ALL chooses letters of every state."""

    OPEN = "open"
    REPLAYED = marks.REPLAYED
    DISCARDED = marks.DISCARDED
    ALL = "all"


def as_dict(letter: DeadLetter, mark: Mark | None) -> dict[str, Any]:
    """Return the fields of a letter as commands and pages show them."""
    return {
        "letter": letter.name,
        "when": output.from_unix_ms(letter.appended_ms),
        "shop": letter.shop,
        "event": letter.event,
        "entity": letter.entity,
        "reason": letter.reason,
        "path": letter.path,
        "detail": letter.detail,
        "stage": letter.stage,
        "adapter": letter.adapter,
        "delivery": letter.delivery_id,
        "raw": f"{letter.partition}:{letter.raw_offset}",
        "slot": letter.slot,
        "replay_of": letter.replay_of,
        "state": state_of(mark).value,
        "state_reason": mark.reason if mark else None,
        "state_at": mark.at if mark else None,
    }


def group_as_dict(group: LetterGroup) -> dict[str, Any]:
    """Return a group's fields as commands and pages show them."""
    return {
        "letters": group.letters,
        "shop": group.shop,
        "reason": group.reason,
        "path": group.path,
        "oldest": output.from_unix_ms(group.oldest_ms),
        "newest": output.from_unix_ms(group.newest_ms),
        "newest_letter": group.newest,
    }


def state_of(mark: Mark | None) -> State:
    """Return the state that a mark gives."""
    return State(mark.kind) if mark else State.OPEN


async def of_state(found: AsyncIterator[Marked], state: State) -> AsyncIterator[Marked]:
    """Yield the letters of one state."""
    async for letter, mark in found:
        if state in (State.ALL, state_of(mark)):
            yield letter, mark


@dataclass(slots=True)
class Survey:
    """Groups of all letters, and a part of the list of them. ``older``: where the next begins."""

    groups: list[LetterGroup] = field(default_factory=list)
    newest: list[Marked] = field(default_factory=list)
    older: Rank | None = None


async def survey(found: AsyncIterator[Marked], limit: int, before: Rank | None = None) -> Survey:
    """Group all letters, and keep the newest ``limit`` of those before a rank, newest first."""
    # The rank is unique, so that no letters are compared.
    kept: list[tuple[Rank, Marked]] = []

    async def keeping() -> AsyncIterator[Marked]:
        async for letter, mark in found:
            rank = rank_of(letter)
            if before is None or rank < before:
                add = heapq.heappush if len(kept) <= limit else heapq.heappushpop
                add(kept, (rank, (letter, mark)))
            yield letter, mark

    groups = await letters.group_letters(keeping())
    kept.sort(key=lambda each: each[0], reverse=True)
    shown = kept[:limit]
    older = shown[-1][0] if len(kept) > limit else None
    return Survey(groups, [each for _, each in shown], older)


def rank_of(letter: DeadLetter) -> Rank:
    """Return where a letter is in the list."""
    return letter.appended_ms, letter.partition, letter.offset
