"""Filters of dead letters: in the address, in a form, as a command's filter."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.dashboard.filters import FilterError
from hookline.dashboard.letters.query import ANY_PATH, LetterQuery, parse, parse_until
from hookline.dead_letters.listing import State
from schemas.envelopes import Reason

PRINTABLE = st.characters(exclude_categories=["C", "Z"])
QUERIES = st.builds(
    LetterQuery,
    shop=st.text(PRINTABLE, max_size=40),
    reason=st.sampled_from(["", *(each.value for each in Reason)]),
    path=st.just(ANY_PATH) | st.text(PRINTABLE, max_size=40),
    state=st.sampled_from(State),
)


@given(query=QUERIES, before=st.sampled_from(["", "17:2:3"]))
def test_an_address_gives_the_filters_that_it_was_made_of(query: LetterQuery, before: str) -> None:
    text = query.query(before=before)
    read = parse(dict(parse_qsl(text.removeprefix("?"), keep_blank_values=True)))
    assert read.query(before=read.before) == text
    assert (read.shop, read.reason, read.path, read.state) == (
        query.shop, query.reason, query.path, query.state,
    )  # fmt: skip


@given(query=QUERIES)
def test_a_filter_is_that_of_the_command(query: LetterQuery) -> None:
    letters = query.letters(5)
    assert (letters.shop or "", letters.reason or "", letters.until_ms) == (
        query.shop, query.reason, 5,
    )  # fmt: skip
    assert letters.path == (None if query.path == ANY_PATH else query.path)


def test_a_field_that_is_empty_is_the_whole_delivery_and_one_that_is_left_out_every_field() -> None:
    assert parse({"path": ""}).letters().path == ""
    assert parse({}).letters().path is None


@pytest.mark.parametrize(
    "given_",
    [{"reason": "nothing"}, {"state": "lost"}, {"before": "x"}, {"shop": "a\x00"},
     {"shop": "x" * 101}, {"path": "a\u202eb"}, {"path": "x" * 501}],
)  # fmt: skip
def test_a_value_that_there_is_not_is_refused(given_: dict[str, str]) -> None:
    with pytest.raises(FilterError):
        parse(given_)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "x", "9" * 15, "9" * 16])
def test_a_form_without_its_time_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_until(text)
