"""Rows of refunds: what each takes off, and when."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.truth.spans import Span
from hookline.simulate.world.facts import DAY, Change, OrderState, Paid
from tests.simulation.made import (
    ENVELOPE,
    NOON,
    OLDER,
    D,
    amount,
    amounts,
    in_turn,
    order,
    refund,
    row_of,
    truth,
)

_PART = Paid.PARTLY_REFUNDED


def rows(*states: OrderState) -> list[dict[str, Any]]:
    return [dict(row) for row in truth(in_turn(*states)).tables["refunds"].values()]


def test_lines_take_off_their_goods_and_money_beyond_them_its_share() -> None:
    back = refund(units={1: 1}, goods=D(10), tax=D(2), shipping=D(1), money=D(18))
    [row] = rows(order(tax=D(4), shipping=D(1), refunds=(back,), paid=_PART))
    assert amounts(row, "goods", "tax", "shipping", "goodwill") == (D(10), D(2), D(1), D(5))
    assert amount(row["net_effect"]) == D(14)  # 10 + 5 x 20 / 25


def test_what_failed_or_waits_is_no_refund() -> None:
    failed, waits = (refund(n, outcome=o, money=D(5)) for n, o in ((1, "failure"), (2, "pending")))
    assert rows(order(refunds=(failed, waits))) == []


def test_a_refund_that_succeeds_later_counts_once() -> None:
    waits, made = refund(outcome="pending", money=D(5)), refund(money=D(5))
    later = order(refunds=(made,), paid=_PART, change=Change.UPDATED, changed_at=NOON + DAY)
    assert [amount(row["net_effect"]) for row in rows(order(refunds=(waits,)), later)] == [D(5)]


def test_the_running_total_wins_over_the_refunds_money() -> None:
    one, two = refund(1, money=D(5)), refund(2, money=D(3), at=NOON + 2 * DAY)
    first = order(ENVELOPE, refunds=(one,), paid=_PART, changed_at=NOON + DAY)
    second = order(
        ENVELOPE, refunds=(one, two), paid=_PART, change=Change.UPDATED, changed_at=NOON + 2 * DAY
    )
    found = rows(first, second)
    assert sum(amount(row["net_effect"]) or 0 for row in found) == D(8)
    grown = [row for row in found if row["basis"] == "RUNNING_TOTAL"]
    assert [amount(row["goodwill"]) for row in grown] == [D(5), D(3)]


def test_a_refund_by_the_status_alone_has_the_time_of_the_state() -> None:
    gone = order(OLDER, paid=Paid.REFUNDED, change=Change.UPDATED, changed_at=NOON)
    [row] = rows(order(OLDER), gone)
    assert (row["basis"], row["refunded_at"]) == ("STATUS", Span.at(NOON))


def test_refunds_of_an_order_that_does_not_count_take_nothing_off() -> None:
    back = refund(money=D(5))
    gone = order(refunds=(back,), paid=Paid.CANCELLED, change=Change.UPDATED, changed_at=NOON + DAY)
    [row] = rows(order(refunds=(back,), paid=_PART), gone)
    assert (amount(row["net_effect"]), row["is_counted"]) == (D(0), False)


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=5), st.integers(0, 1500))
def test_refunds_take_off_no_more_than_the_goods(cents: list[int], discount: int) -> None:
    backs = tuple(refund(n, money=D(each) / 100) for n, each in enumerate(cents, start=1))
    state = order(discount=D(discount) / 100, refunds=backs, paid=_PART)
    row = row_of(in_turn(state), "orders")
    parts = [row["gross"], row["discounts"], row["refunded"], row["net"]]
    gross, discounts, refunded, net = (each.value for each in parts)
    assert gross - discounts - refunded == net >= 0
    assert refunded == sum(each["net_effect"].value for each in rows(state))
