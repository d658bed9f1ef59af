"""Lives of orders drawn at random: the product gives the truth's numbers.

``python -m tests.shoplife --count 20000`` is the long form; ``--seed`` repeats a life.
"""

from pathlib import Path

import pytest

from tests import shoplife
from tests.shoplife import compare

FIRST, COUNT, GROUPS = 1, 600, 6


@pytest.mark.parametrize("group", range(GROUPS))
def test_lives_of_orders_are_worth_what_the_slow_rule_gives(group: int) -> None:
    count = COUNT // GROUPS
    difference = compare.first_difference(FIRST + group * count, count)
    assert difference is None, difference


def test_the_slow_rule_imports_nothing_of_the_product() -> None:
    folder = Path(shoplife.__file__).parent
    for name in ("life.py", "truth.py", "draw.py", "refunding.py"):
        text = (folder / name).read_text()
        for package in ("processors", "sinks", "schemas", "hookline", "runtime"):
            assert f"from {package}" not in text
            assert f"import {package}" not in text
