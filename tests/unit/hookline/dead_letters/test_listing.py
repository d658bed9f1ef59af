"""Lists of dead letters: groups of all, and every letter once, part by part."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hookline.dead_letters.letters import DeadLetter
from hookline.dead_letters.listing import Marked, State, of_state, rank_of, survey
from hookline.dead_letters.marks import DISCARDED, REPLAYED, Mark
from tests.unit.hookline.dead_letters.test_letters import LETTER

MARKS = (None, *(Mark("d-1", kind, "a test", datetime.now(UTC)) for kind in (REPLAYED, DISCARDED)))


def given_letters(times: list[int]) -> list[DeadLetter]:
    return [
        replace(LETTER, partition=number % 3, offset=number, appended_ms=time)
        for number, time in enumerate(times)
    ]


async def stream(found: list[Marked]) -> AsyncIterator[Marked]:
    for each in found:
        yield each


@given(times=st.lists(st.integers(0, 5), max_size=25), limit=st.integers(1, 7))
def test_the_parts_of_a_list_hold_each_letter_once_newest_first(
    times: list[int], limit: int
) -> None:
    found: list[Marked] = [(letter, None) for letter in given_letters(times)]
    seen: list[DeadLetter] = []
    before = None
    while True:
        part = asyncio.run(survey(stream(found), limit, before))
        assert sum(group.letters for group in part.groups) == len(found)
        assert len(part.newest) <= limit
        seen += [letter for letter, _ in part.newest]
        if part.older is None:
            break
        before = part.older
    assert seen == sorted((letter for letter, _ in found), key=rank_of, reverse=True)


@given(marks=st.lists(st.sampled_from(MARKS), max_size=12))
def test_the_states_part_the_letters(marks: list[Mark | None]) -> None:
    found: list[Marked] = [(LETTER, mark) for mark in marks]

    async def count(state: State) -> int:
        return len([each async for each in of_state(stream(found), state)])

    counts = {state: asyncio.run(count(state)) for state in State}
    assert counts.pop(State.ALL) == len(found) == sum(counts.values())
