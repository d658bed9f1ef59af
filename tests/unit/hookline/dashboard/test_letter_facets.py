"""A filter offers every value, each with the letters that the other filters leave it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hookline.dashboard.letters.facets import Facets
from hookline.dashboard.letters.query import ANY_PATH, LetterQuery
from hookline.dead_letters.letters import DeadLetter
from hookline.dead_letters.listing import Marked

SHOPS, REASONS, PATHS = ("a/x", "a/y", "b/z"), ("out-of-range", "invalid-payload"), ("", "p", "@9")
LETTER = DeadLetter(
    0, 0, 0, 0, "d", "", "e", "n", "parse", "", "", "", "1", 0, None, None
)  # fmt: skip
LETTERS = st.lists(
    st.builds(
        lambda shop, reason, path: replace(LETTER, shop=shop, reason=reason, path=path),
        st.sampled_from(SHOPS), st.sampled_from(REASONS), st.sampled_from(PATHS),
    ),
    max_size=20,
)  # fmt: skip
QUERIES = st.builds(
    LetterQuery,
    shop=st.sampled_from(["", *SHOPS]),
    reason=st.sampled_from(["", *REASONS]),
    path=st.sampled_from([ANY_PATH, "", "p", "@"]),
)


async def marked(letters: list[DeadLetter]) -> AsyncIterator[Marked]:
    for each in letters:
        yield each, None


def counted(given_: LetterQuery, letters: list[DeadLetter]) -> tuple[Facets, list[DeadLetter]]:
    async def run() -> tuple[Facets, list[DeadLetter]]:
        facets = Facets(given_)
        return facets, [letter async for letter, _ in facets.chosen(marked(letters))]

    return asyncio.run(run())


@given(query=QUERIES, letters=LETTERS)
def test_a_choice_has_the_count_that_choosing_it_gives(
    query: LetterQuery, letters: list[DeadLetter]
) -> None:
    facets, _ = counted(query, letters)
    for name, field in (("shops", "shop"), ("reasons", "reason"), ("paths", "path")):
        for value, count in facets.choices()[name]:
            _, found = counted(replace(query, **{field: value}), letters)
            assert len(found) == count


@given(query=QUERIES, letters=LETTERS)
def test_no_choice_is_lost_by_choosing_another(
    query: LetterQuery, letters: list[DeadLetter]
) -> None:
    facets, _ = counted(query, letters)
    offered = [value for value, _ in facets.choices()["shops"]]
    assert offered == sorted({each.shop for each in letters} | ({query.shop} - {""}))
