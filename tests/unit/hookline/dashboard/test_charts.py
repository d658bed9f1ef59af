"""Charts hold their values: nothing is drawn outside, and heights are in proportion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.dashboard import charts

COUNTS = st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=4), max_size=40)


@given(COUNTS)
def test_a_column_is_as_high_as_its_sum_and_inside_the_chart(values: list[list[int]]) -> None:
    chart = charts.stacked(values)
    assert len(chart.columns) == len(values)
    for number, (column, segments) in enumerate(zip(values, chart.columns, strict=True)):
        height = sum(segment.height for segment in segments)
        assert height == pytest.approx(charts.HEIGHT * sum(column) / chart.top, abs=0.01)
        for segment in segments:
            assert segment.y >= -0.01
            assert segment.y + segment.height <= charts.HEIGHT + 0.01
            assert number * charts.STEP <= segment.x
            assert segment.x + segment.width <= (number + 1) * charts.STEP
            assert column[segment.series] > 0


def test_the_first_series_is_the_lowest() -> None:
    ((lower, upper),) = charts.stacked([[3, 1]]).columns
    assert (lower.series, upper.series) == (0, 1)
    assert upper.y + upper.height == lower.y
    assert lower.y + lower.height == charts.HEIGHT


@given(st.floats(0, 1e12))
def test_the_upper_edge_is_round_and_less_than_twice_the_largest_value(value: float) -> None:
    top = charts.nice_top(value)
    assert top >= value
    assert top <= max(1, 2 * value)
    assert str(top).rstrip("0") in set("1234568")


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_bar_is_a_share_of_the_longest_and_seen_if_there_is_anything(a: float, b: float) -> None:
    value, most = min(a, b), max(a, b)
    assert 0 <= charts.bar(value, most) <= 100
    assert (charts.bar(value, most) == 0) == (value == 0)
    assert 0 <= charts.shade(value, most) < charts.SHADES
    if most:
        assert charts.bar(most, most) == 100
        assert charts.shade(most, most) == charts.SHADES - 1


def test_what_is_not_known_is_not_drawn() -> None:
    assert charts.bar(None, 5) == charts.bar(3, None) == charts.bar(-1, 5) == 0
    assert charts.shade(None, 5) == charts.shade(-1, 5) == 0
    assert charts.stacked([]).columns == ()
    assert charts.stacked([[-4, 0]]).columns == ((),)
