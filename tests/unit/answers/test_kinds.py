"""Wrong rows have causes: those of a whole world of shops, worked out without servers."""

import pytest

from tests.answers import compare, kinds, report
from tests.unit.answers.given import World, answer, wild_world
from tests.unit.answers.test_answers import ALL


@pytest.fixture(scope="module")
def world() -> World:
    return wild_world()


@pytest.mark.parametrize("name", ALL)
def test_every_wrong_row_has_a_cause(name: str, world: World) -> None:
    deliveries, shops, as_of, truth = world
    given = answer(name, deliveries, shops, as_of)

    found = kinds.find(name, given, truth, kinds.log_of(truth, deliveries, shops))

    wrong = {f"{who} {currency}" for who, currency in compare.customers(truth, given).all}
    wrong |= compare.carts(truth, given).all
    assert {row for each in found.values() for row in each.rows} == wrong
    assert not {"other", "other-cart"} & found.keys()
    assert len(found) > 3


def test_an_example_is_an_order_that_the_named_answers_have_wrong(world: World) -> None:
    deliveries, shops, as_of, truth = world
    answers = {name: answer(name, deliveries, shops, as_of) for name in ("plain", "faust")}
    log = kinds.log_of(truth, deliveries, shops)

    rows = report.kind_rows(truth, answers, log)

    assert rows
    for row in rows:
        assert set(row.given) <= set(row.rows) <= set(answers)
        for name in row.given:
            if row.key in truth.orders:
                part = answers[name].parts.get(row.key)
                assert not kinds.is_right(truth.orders[row.key], part)
            else:
                assert answers[name].carts.get(row.key) != truth.carts.get(row.key)
