"""A filter of the URL has one of its values, or the page is refused."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.dashboard import filters
from hookline.dashboard.filters import FilterError, Filters

GOOD = st.builds(
    Filters,
    shop=st.sampled_from(["", "spiffy/johns", "run-free/a.b_c-1"]),
    days=st.sampled_from(filters.DAYS),
    currency=st.sampled_from(["", "EUR"]),
    status=st.sampled_from(["", *filters.STATUSES]),
    measure=st.sampled_from(filters.MEASURES),
    before=st.sampled_from(["", "2026-01-02T03:04:05.000006+00:00"]),
    before_key=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)


@given(GOOD)
def test_filters_are_the_same_after_a_way_through_a_url(given_filters: Filters) -> None:
    query = dict(parse_qsl(given_filters.query().removeprefix("?")))
    assert filters.parse(query) == given_filters


def test_defaults_are_not_in_a_url() -> None:
    assert Filters().query() == "?"
    assert Filters(days=7).query(shop="spiffy/johns") == "?shop=spiffy%2Fjohns&days=7"
    assert Filters(days=7).query(days=30) == "?"


def test_a_filter_that_is_empty_is_none() -> None:
    assert filters.parse({"shop": "", "days": "", "status": "", "other": "x"}) == Filters()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shop", "johns"),
        ("shop", "spiffy/johns/x"),
        ("shop", "spiffy/'; DROP TABLE orders"),
        ("shop", "spiffy/\N{CYRILLIC SMALL LETTER A}"),
        ("days", "31"),
        ("days", "-7"),
        ("days", "7 "),
        ("currency", "eur"),
        ("currency", "<b>"),
        ("status", "abandoned"),
        ("measure", "sum"),
        ("before", "yesterday"),
        ("before", "2026-01-02T03:04:05"),
        ("before", "0001-01-01T00:00:00+23:59"),
        ("before", "9999-12-31T23:59:59-01:00"),
        ("before_key", "a\0b"),
        ("before_key", "a" * 501),
    ],
)
def test_a_value_that_there_is_not_is_refused_by_the_filters_name(name: str, value: str) -> None:
    with pytest.raises(FilterError, match=f"^{name}: "):
        filters.parse({name: value})


@pytest.mark.parametrize(
    "text",
    ["2026-W01-4T03:00+00:00", "2026-01-01\x0003:00:00+00:00", "20260101T030000Z",
     "2026-01-02T02:59+23:59"],
)  # fmt: skip
def test_a_time_goes_to_the_database_in_the_form_that_it_reads(text: str) -> None:
    assert filters.parse({"before": text}).before == "2026-01-01T03:00:00+00:00"
