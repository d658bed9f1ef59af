"""The four other pipelines, on deliveries whose answers are computed by hand."""

from decimal import Decimal

import pytest

from tests.answers import compare
from tests.answers.answer import Value
from tests.answers.pipelines import warehouse
from tests.unit.answers.given import (
    HOUR,
    JOHNS,
    REFUND,
    SHOPS,
    T0,
    World,
    amounts,
    answer,
    cart,
    order,
    quiet_world,
)

needs_duckdb = pytest.mark.skipif(
    not warehouse.PYTHON.exists(), reason="DuckDB is not installed: `make truth` installs it"
)
ALL = [
    "plain",
    "faust",
    pytest.param("dbt", marks=needs_duckdb),
    pytest.param("streaming", marks=needs_duckdb),
]
ANN = f"{JOHNS.key}/customer:7"
LATER = "2023-11-14T23:13:20Z"


@pytest.mark.parametrize("name", ALL)
def test_a_paid_order_counts_once_however_often_it_comes(name: str) -> None:
    given = [order("create", 0), order("create", 5), order("create", HOUR)]

    assert amounts(answer(name, given, SHOPS, T0 + HOUR)) == {ANN: (1, Decimal(90))}


@pytest.mark.parametrize("name", ALL)
def test_broken_bodies_tests_unpaid_and_cancelled_orders_are_left_out(name: str) -> None:
    given = [
        order("create", 0, id=1, financial_status="pending"),
        order("create", 1, id=2, test=True),
        order("create", 2, id=3),
        order("cancelled", 3, id=3, cancelled_at=LATER, updated_at=LATER),
    ]
    given.append(type(given[0])(JOHNS.key, "orders/create", T0 + 4, None))

    assert amounts(answer(name, given, SHOPS, T0 + HOUR)) == {}


@pytest.mark.parametrize("name", ALL)
def test_the_money_of_a_refund_comes_off_where_lines_are_not_looked_at(name: str) -> None:
    status = "partially_refunded"
    back = order("updated", 9, financial_status=status, updated_at=LATER, refunds=[REFUND])
    given = [order("create", 0), back, back]

    # 90 of goods, of which 30 went back: 60. Who takes off the money, 36, takes off its tax too.
    right = {"dbt": Decimal(60)}.get(name, Decimal(54))
    assert amounts(answer(name, given, SHOPS, T0 + HOUR)) == {ANN: (1, right)}


@pytest.mark.parametrize("name", ALL)
def test_a_refund_that_only_the_status_shows_takes_all_off(name: str) -> None:
    back = order("updated", 9, financial_status="refunded", updated_at=LATER)

    got = answer(name, [order("create", 0), back], SHOPS, T0 + HOUR)

    assert got.customers[ANN, "GBP"] == Value(1, Decimal(0))


@needs_duckdb
def test_an_older_state_that_comes_late_wins_by_arrival_but_not_by_its_own_time() -> None:
    edited = order("updated", 1, subtotal_price="40.00", total_price="70.00", updated_at=LATER)
    given = [edited, order("create", 2)]

    assert amounts(answer("plain", given, SHOPS, T0 + HOUR)) == {ANN: (1, Decimal(90))}
    assert amounts(answer("dbt", given, SHOPS, T0 + HOUR)) == {ANN: (1, Decimal(40))}


@pytest.mark.parametrize("name", ALL)
def test_silent_carts_are_abandoned_or_recovered_and_others_are_not_listed(name: str) -> None:
    placed = "2023-11-15T00:13:20Z"  # two hours after the carts
    given = [
        cart("left", 0, 1),
        cart("back", 0, 2),
        cart("bought", 2 * HOUR - 60_000_000, 1),
        cart("empty", 0, 1),
        cart("empty", 60_000_000),
        order("create", 2 * HOUR, id=8, cart_token="back", created_at=placed),
        order("create", 2 * HOUR, id=9, cart_token="bought", created_at=placed),
    ]

    got = answer(name, given, SHOPS, T0 + 3 * HOUR)

    prefix = f"{JOHNS.key}/cart"
    assert got.carts == {f"{prefix}:left": "abandoned", f"{prefix}:back": "recovered"}


@pytest.fixture(scope="module")
def quiet() -> World:
    return quiet_world()


@pytest.mark.parametrize("name", ALL)
def test_where_nothing_odd_happens_every_answer_has_every_customer_right(
    name: str, quiet: World
) -> None:
    deliveries, shops, as_of, truth = quiet

    wrong = compare.customers(truth, answer(name, deliveries, shops, as_of))

    assert wrong.of > 50
    assert wrong.all == set()
