"""When a shop is silent: only where every week before had something in the same hours."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.notify.conditions.silence import WEEK, WEEKS, missing

NOW = 500_000
"""An hour since 1970."""
BACK = WEEKS * WEEK + 60

Counts = dict[int, int]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Counts, int]:
    """Counts up to the hour of the newest delivery, and that hour."""
    last = NOW - draw(st.integers(0, 400))
    hours = st.integers(last - BACK, last)
    counts = draw(st.dictionaries(hours, st.integers(1, 50), max_size=60))
    density = draw(st.integers(0, 5))
    if density:
        counts |= dict.fromkeys(range(last - BACK, last + 1), density)
    return {**counts, last: 1}, last


@given(histories())
def test_a_shop_with_less_than_four_weeks_of_history_is_never_silent(
    drawn: tuple[Counts, int],
) -> None:
    counts, last = drawn
    for weeks in range(WEEKS):
        young = {hour: n for hour, n in counts.items() if hour > last - weeks * WEEK - 1}
        for now in range(last, min(NOW, last + WEEK - 1) + 1, 7):
            assert missing(young, last, now) == 0


@given(histories())
def test_a_silence_that_lasts_does_not_end_by_lasting(drawn: tuple[Counts, int]) -> None:
    counts, last = drawn
    found = [missing(counts, last, now) for now in range(last, NOW + 1)]
    assert found == sorted(found)


@given(histories(), st.integers(NOW - 2000, NOW), st.integers(10_000, 10**9))
def test_how_large_one_burst_is_does_not_matter(
    drawn: tuple[Counts, int], hour: int, more: int
) -> None:
    """An import puts years into one hour."""
    counts, last = drawn
    hour = min(hour, last)
    usual = {**counts, hour: 51}
    assert missing({**counts, hour: more}, last, NOW) == missing(usual, last, NOW)


@given(histories())
def test_more_history_never_makes_less_silence(drawn: tuple[Counts, int]) -> None:
    counts, last = drawn
    more = {hour: counts.get(hour, 0) + 1 for hour in range(last - BACK, last + 1)}
    assert missing(more, last, NOW) >= missing(counts, last, NOW)


@given(histories(), st.integers(1, 52))
def test_only_hours_of_the_week_count_not_the_date(drawn: tuple[Counts, int], weeks: int) -> None:
    counts, last = drawn
    moved = {hour + weeks * WEEK: n for hour, n in counts.items()}
    assert missing(moved, last + weeks * WEEK, NOW + weeks * WEEK) == missing(counts, last, NOW)


def daily(last: int, open_hours: range, each: int) -> Counts:
    """A shop that sends in some hours of the day."""
    return {h: each for h in range(last - BACK, last + 1) if h % 24 in open_hours}


def test_a_shop_that_sleeps_at_night_is_not_silent_at_night() -> None:
    midnight = NOW - NOW % 24
    last = midnight + 21
    counts = daily(last, range(9, 22), 20)
    assert [missing(counts, last, midnight + hour) for hour in (22, 24, 30, 33)] == [0, 0, 0, 0]
    # Its first hour is not missed either: a clock change may have moved it.
    assert missing(counts, last, midnight + 24 + 10) == 0
    assert missing(counts, last, midnight + 24 + 12) == 40


def test_one_pause_like_this_in_four_weeks_is_not_unusual() -> None:
    last = NOW - 6
    counts = dict.fromkeys(range(last - BACK, last + 1), 30)
    assert missing(counts, last, NOW) == 150
    for hour in range(last, NOW + 2):
        counts[hour - 2 * WEEK] = 0
    assert missing(counts, last, NOW) == 0


def test_the_hour_of_the_newest_delivery_and_the_present_one_are_not_missed() -> None:
    counts = dict.fromkeys(range(NOW - BACK, NOW + 1), 30)
    assert missing(counts, NOW, NOW) == 0
    assert missing(counts, NOW - 1, NOW) == 0
    assert missing(counts, NOW - 2, NOW) == 30
