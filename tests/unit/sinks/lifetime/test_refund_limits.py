"""Whatever refunds an order has, in whatever order and however often: net stays in its limits."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import MAX_MONEY
from schemas.events import Change, LineItem, Order, OrderStatus, PaymentStatus, Refund
from sinks.lifetime.order_money import OrderMoney, order_money
from sinks.lifetime.order_state import order_state
from sinks.lifetime.payment_refunds import PaymentRefund, payment_refund
from sinks.lifetime.refunds import RefundBasis, refund_effects
from sinks.merge.event_fields import event_fields
from sinks.merge.last_writer import Layers, flatten, merge, version
from tests.sink_events import NOON, SECOND, order

D = Decimal
LIMIT = settings(max_examples=100, deadline=None)
amounts = st.one_of(
    st.none(), st.decimals(0, 200, places=4), st.decimals(0, 200, places=2),
    st.sampled_from([D(0), D("0.0001"), D(100), MAX_MONEY]),
)  # fmt: skip
refunds = st.builds(
    Refund,
    refund_id=st.sampled_from([None, "1", "2", "3"]),
    status=st.sampled_from(PaymentStatus),
    refunded_at=st.none() | st.integers(NOON, NOON + 100 * SECOND),
    amount=amounts,
    goods=amounts,
    tax=amounts,
    shipping=amounts,
)
lines = st.builds(
    LineItem, quantity=st.just(1), line_total=st.decimals(0, 100, places=2),
    is_gift_card=st.booleans(), tax=st.none() | st.decimals(0, 10, places=2),
)  # fmt: skip
fields = st.fixed_dictionaries(
    {
        "status": st.sampled_from(OrderStatus),
        "change": st.sampled_from([Change.CREATED, Change.UPDATED]),
        "items": st.none() | st.lists(lines, max_size=3).map(tuple),
        "items_total": amounts,
        "discount_total": amounts,
        "tax_total": amounts,
        "shipping_total": amounts,
        "total": amounts,
        "refunds": st.none() | st.lists(refunds, max_size=3).map(tuple),
        "refunded_total": amounts,
        "taxes_included": st.sampled_from([None, True, False]),
    }
)
payments = st.lists(
    st.builds(
        PaymentRefund,
        payment_id=st.sampled_from(["a", "b"]),
        refunded=st.none() | st.decimals("0.01", 200, places=2),
        steps=st.lists(
            st.tuples(st.decimals("0.01", 200, places=2), st.just(NOON)), min_size=1, max_size=2
        ).map(sorted).map(tuple),
    ),
    max_size=2,
)  # fmt: skip


def placed(source: str, at: int = NOON, **given_: Any) -> Order:
    change = given_.pop("change", Change.UPDATED)
    return order("1", at, source=source, of_meta={"change": change}, **{"items": None, **given_})


def worth(source: str, events: list[Order], paid: list[PaymentRefund]) -> OrderMoney:
    layers: Layers = ()
    for event in events:
        layers = merge(layers, version(event.meta), event.meta.event_id, event_fields(event))
    state = order_state(f"{source}/main/order:1", source, "main", flatten(layers))
    return order_money(msgspec.structs.replace(state, payments=tuple(paid)))


def check(money: OrderMoney) -> None:
    sold = (money.gross or 0) - (money.discounts or 0)
    effects = money.refund_effects
    if money.net is not None:
        assert 0 <= money.net <= sold
        assert sum(each.net_effect or 0 for each in effects) == (money.refunded or 0)
        assert sold - money.net == (money.refunded or 0)
        assert all(0 <= (each.net_effect or 0) <= sold for each in effects)
    else:
        assert not any(each.is_counted for each in effects)
    if money.pending is not None:
        assert money.pending >= 0


@LIMIT
@given(
    source=st.sampled_from(["spiffy", "shoprocket", "ciklik", "run-free", "gooten"]),
    states=st.lists(fields, min_size=1, max_size=4),
    paid=payments,
    data=st.data(),
)
def test_net_is_never_below_zero_nor_above_what_was_sold_and_refunds_sum_up_to_what_it_lost(
    source: str, states: list[dict[str, Any]], paid: list[PaymentRefund], data: st.DataObject
) -> None:
    events = [
        placed(source, NOON + number * SECOND, **state) for number, state in enumerate(states)
    ]
    money = worth(source, events, paid)
    check(money)
    again = data.draw(st.permutations(events)) + data.draw(st.lists(st.sampled_from(events)))
    assert worth(source, again, paid) == money


@LIMIT
@given(states=st.lists(fields, min_size=1, max_size=3))
def test_a_refund_that_failed_or_is_on_its_way_changes_nothing(states: list[Any]) -> None:
    def of(status: PaymentStatus | None) -> OrderMoney:
        made = []
        for number, state in enumerate(states):
            kept = tuple(
                msgspec.structs.replace(each, status=status, refund_id=f"{number}-{index}")
                for index, each in enumerate(state["refunds"] or ())
            )
            # Without refunds an order of the same status: what failed is no amount either.
            given_ = state | {"refunds": kept if status else ()}
            made.append(placed("spiffy", NOON + number * SECOND, **given_))
        return worth("spiffy", made, [])

    without = of(None)
    for status in (PaymentStatus.FAILED, PaymentStatus.PENDING, PaymentStatus.UNKNOWN):
        assert of(status) == without


@pytest.mark.parametrize("given_", [Refund(refund_id="1", status=PaymentStatus.SUCCEEDED)])
@pytest.mark.parametrize(
    ("status", "net", "reason"),
    [
        (OrderStatus.REFUNDED, D(0), None),
        (OrderStatus.PARTIALLY_REFUNDED, None, "refund-unknown"),
        (OrderStatus.PAID, D(100), None),
    ],
)
def test_a_refund_that_gives_no_amount_is_none_given(
    given_: Refund, status: OrderStatus, net: Decimal | None, reason: str | None
) -> None:
    made = placed("spiffy", status=status, items_total=D(100), total=D(100), refunds=(given_,))
    money = worth("spiffy", [made], [])
    check(money)
    assert (money.net, money.reason) == (net, reason)


def test_goods_worth_nothing_have_a_net_of_zero_whatever_was_refunded() -> None:
    free = placed(
        "spiffy", status=OrderStatus.PARTIALLY_REFUNDED, items_total=D(50),
        discount_total=D(50), total=D(5), shipping_total=D(5),
    )  # fmt: skip
    money = worth("spiffy", [free], [])
    assert (money.net, money.refunded, money.reason) == (0, None, None)


def test_the_oldest_refunds_come_off_first_and_the_rest_finds_nothing_left() -> None:
    given_ = tuple(
        Refund(
            refund_id=str(number), status=PaymentStatus.SUCCEEDED, refunded_at=NOON - number,
            goods=D(70),
        )
        for number in (1, 2)
    )  # fmt: skip
    made = placed("spiffy", status=OrderStatus.PAID, items_total=D(100), refunds=given_)
    effects = worth("spiffy", [made], []).refund_effects
    assert [(each.refund_id, each.net_effect) for each in effects] == [("2", 70), ("1", 30)]
    assert {each.basis for each in effects} == {RefundBasis.ORDER_REFUND}


def test_without_prices_no_effect_is_known() -> None:
    given_ = Refund(refund_id="1", status=PaymentStatus.SUCCEEDED, goods=D(1))
    fields_ = event_fields(placed("spiffy", refunds=(given_,)))
    state = order_state("spiffy/main/order:1", "spiffy", "main", fields_)
    assert [each.net_effect for each in refund_effects(state, None)] == [None]


def test_a_payment_given_back_whole_without_an_amount_takes_off_all() -> None:
    back = payment_refund(
        {"payment_id": "p", "status": "REFUNDED", "first_occurred_at": NOON + SECOND}
    )
    assert back is not None
    sold = placed("ciklik", items_total=D(50), discount_total=D(10), total=D(40))
    money = worth("ciklik", [sold], [back])
    assert (money.gross, money.refunded, money.net) == (50, 40, 0)
    [effect] = money.refund_effects
    assert (effect.basis, effect.refund_id, effect.refunded_at) == (
        RefundBasis.PAYMENT, "p", NOON + SECOND,
    )  # fmt: skip


@LIMIT
@given(
    goods=st.decimals("0.01", 500, places=2),
    beside=st.decimals(0, 80, places=2),
    parts=st.lists(st.decimals("0.01", 50, places=2), max_size=4),
)
def test_all_of_the_money_paid_back_in_any_parts_leaves_a_net_of_exactly_zero(
    goods: Decimal, beside: Decimal, parts: list[Decimal]
) -> None:
    """Shares that are rounded one by one would leave a ten-thousandth, which is a value."""
    total = goods + beside
    steps = [sum(parts[:count], D(0)) for count in range(1, len(parts) + 1)]
    steps = [step for step in steps if step < total] + [total]
    back = PaymentRefund(
        payment_id="a", refunded=total,
        steps=tuple((step, NOON + number) for number, step in enumerate(steps)),
    )  # fmt: skip
    sold = placed("ciklik", items_total=goods, total=total, shipping_total=beside)
    money = worth("ciklik", [sold], [back])
    check(money)
    assert (money.net, money.refunded) == (0, goods)
