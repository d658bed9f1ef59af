"""The product's pure rules against the truth: no difference, and each planted mistake is named."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import product
from tests.simulation.__main__ import named, planted
from tests.simulation.planted import MISTAKES, SQL_MISTAKES, Mistake

ROOT = Path(__file__).parents[5]
BY_DEFAULT = ("refund-twice",)


def test_every_row_is_the_truth_though_deliveries_are_late_and_clocks_are_wrong() -> None:
    knobs = replace(product.ROUGH, seed=3, rate=10, clock_skew=12)
    found, comparison = product.differences(
        product.run(knobs), knobs.start + knobs.length + product.AFTERWARDS
    )
    assert found == []
    assert comparison.truth.undecided.why == {}
    assert comparison.compared == comparison.truth.rows > 500


def test_the_line_of_each_mistake_is_in_its_file_once() -> None:
    for mistake in MISTAKES + SQL_MISTAKES:
        if mistake.path.endswith(".py"):
            assert (ROOT / mistake.path).read_text().count(mistake.line) == 1, mistake.name


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_in_the_product_is_named_by_row_and_field(mistake: Mistake) -> None:
    if mistake.name not in BY_DEFAULT and "LONG" not in os.environ:
        pytest.skip("a process for each mistake, two minutes in all: LONG=1 make test")
    found = planted(mistake)
    assert named(mistake, found), [(each["table"], each["column"]) for each in found]
