"""A pattern's ``*`` stands for any part of a text, however many there are."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hookline.console.patterns import matches

PATTERNS = st.text("ab*\n.", max_size=10)
TEXTS = st.text("ab\n.", max_size=10)


@given(PATTERNS, TEXTS)
def test_a_pattern_is_the_regular_expression_with_anything_for_its_stars(
    pattern: str, text: str
) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, text) is (re.fullmatch(expression, text, re.DOTALL) is not None)


def test_many_stars_that_match_nothing_take_no_time() -> None:
    assert not matches("*a" * 200 + "*b", "a" * 10_000)
