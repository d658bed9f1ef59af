"""Days of shops and what is missing by shop."""

from datetime import date

from hookline.simulate.world.facts import DAY, SECOND, Change, Paid
from tests.simulation.made import (
    NOON,
    RUN_FREE,
    D,
    amount,
    amounts,
    customer,
    got,
    order,
    refund,
    shop,
    state,
    truth,
)

FIRST, SECOND_DAY = date(2026, 3, 1), date(2026, 3, 2)


def test_orders_count_when_placed_and_refunds_when_made() -> None:
    back = refund(money=D(5), at=NOON + DAY)
    later = order(
        refunds=(back,), paid=Paid.PARTLY_REFUNDED, change=Change.UPDATED, changed_at=NOON + DAY
    )
    days = truth([got(order()), got(later, 2, 2)]).tables["shop_days"]
    by_day = {key[2]: dict(row) for key, row in days.items()}
    assert amounts(by_day[FIRST], "net_before_refunds", "refunded", "net", "net_of_orders") == (
        D(20), D(0), D(20), D(15),
    )  # fmt: skip
    assert (by_day[SECOND_DAY]["refunds"], amount(by_day[SECOND_DAY]["net"])) == (1, D(-5))
    [(key, row)] = truth([got(later)]).tables["refunds_by_day"].items()
    assert (key[2], key[4], amount(row["net_effect"])) == (SECOND_DAY, "ORDER_REFUND", D(5))


def test_a_platform_that_reports_no_refunds_has_none_not_nothing() -> None:
    [row] = truth([got(order(RUN_FREE))]).tables["shop_days"].values()
    assert (row["refunds"], row["refunded"], row["carts_abandoned"]) == (None, None, None)


def test_new_is_who_is_known_to_have_bought_for_the_first_time() -> None:
    old, new = customer(number=1), customer(number=2)
    facts = [
        got(state(customer=new), -1),
        got(order(number=1, customer=new), 1),
        got(order(number=2, customer=old), 2),
        got(order(number=3, customer=old, placed_at=NOON + DAY), 3),
    ]
    days = truth(facts).tables["shop_days"]
    counts = {
        key[2]: tuple(row[name] for name in (
            "customers", "new_customers", "returning_customers", "customers_of_unknown_history",
        ))
        for key, row in days.items()
    }  # fmt: skip
    assert counts == {FIRST: (2, 1, 0, 1), SECOND_DAY: (1, 0, 1, 0)}


def test_coverage_counts_what_is_missing() -> None:
    older = shop("shoprocket", "older")
    facts = [
        got(order(older)),
        got(order(older, number=2, paid=Paid.PARTLY_REFUNDED), 2),
        got(order(older, number=3, is_test=True, placed_at=NOON + SECOND), 3),
    ]
    [row] = truth(facts).tables["coverage"].values()
    assert (row["orders"], row["orders_without_net"], row["test_orders"]) == (3, 1, 1)
