"""What an order is worth: the money rules, one sentence a case."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import MAX_MONEY
from schemas.events import LineItem, OrderStatus
from sinks.lifetime.order_money import OrderMoney, candidate_order, order_money
from sinks.lifetime.order_state import OrderState, order_state, renewals
from sinks.lifetime.revenue_status import RevenueStatus
from sinks.lifetime.taxes import TaxBasis

D = Decimal
GOODS = LineItem(variant_id="1", quantity=2, unit_price=D("50.00"), is_gift_card=False)
CARD = LineItem(variant_id="2", quantity=1, unit_price=D("25.00"), is_gift_card=True)


def line(**fields: Any) -> LineItem:
    return LineItem(quantity=1, line_total=D(100), **fields)


def order(**changes: Any) -> OrderState:
    """A paid Spiffy order: goods 100, discount 10, tax 7.20, shipping 5, total 102.20."""
    state = OrderState(
        order_key="spiffy/johns/order:1",
        source="spiffy",
        shop="johns",
        placed_at=1,
        status=OrderStatus.PAID,
        currency="USD",
        items=(GOODS,),
        items_total=D("100.00"),
        discount_total=D("10.00"),
        tax_total=D("7.20"),
        shipping_total=D("5.00"),
        total=D("102.20"),
    )
    return msgspec.structs.replace(state, **changes)


def sample(source: str, status: OrderStatus, **changes: Any) -> OrderState:
    """An order that gives only ``changes``."""
    return OrderState(
        order_key=f"{source}/x/order:1",
        source=source,
        shop="x",
        placed_at=1,
        status=status,
        **changes,
    )


PUBLISHED = {
    "Run Free 448725": (
        sample(
            "run-free",
            OrderStatus.PLACED,
            items_total=D(130),
            discount_total=D(26),
            tax_total=D("8.32"),
            items=(LineItem(quantity=1, line_total=D(130)),),
        ),
        (RevenueStatus.COUNTED, D(130), D(26), D("8.32"), None, D(104), None),
    ),
    "Ciklik 230129": (
        sample("ciklik", OrderStatus.COMPLETED, items_total=D(50), discount_total=D(0)),
        (RevenueStatus.COUNTED, D(50), D(0), None, None, D(50), None),
    ),
    "Ciklik 230102": (
        sample("ciklik", OrderStatus.COMPLETED, items_total=D(20), discount_total=D(20)),
        (RevenueStatus.COUNTED, D(20), D(20), None, None, D(0), None),
    ),
    "Shoprocket 716, a test": (
        sample("shoprocket", OrderStatus.PENDING, items_total=D(12), is_test=True),
        (RevenueStatus.TEST, None, None, None, None, None, None),
    ),
    "Shoprocket 717, pending": (
        sample(
            "shoprocket",
            OrderStatus.PENDING,
            items_total=D("12.00"),
            discount_total=D("0.00"),
            shipping_total=D("9.95"),
            total=D("21.95"),
        ),
        (RevenueStatus.PENDING, None, None, None, None, None, D("12.00")),
    ),
    "Shoprocket 718, paid": (
        sample(
            "shoprocket",
            OrderStatus.PAID,
            items_total=D("12.00"),
            discount_total=D("0.00"),
            shipping_total=D("9.95"),
            total=D("21.95"),
        ),
        (RevenueStatus.COUNTED, D("12.00"), D("0.00"), None, D("9.95"), D("12.00"), None),
    ),
    "Gooten 108.91": (
        sample(
            "gooten",
            OrderStatus.UNKNOWN,
            items_total=D("93.30"),
            shipping_total=D("15.61"),
            total=D("108.91"),
            counts_as_sale=False,
        ),
        (RevenueStatus.NOT_A_SALE, None, None, None, None, None, None),
    ),
}


@pytest.mark.parametrize(("state", "expected"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_figures(state: OrderState, expected: object) -> None:
    money = order_money(state)
    assert expected == (
        money.revenue_status,
        money.gross,
        money.discounts,
        money.taxes,
        money.shipping,
        money.net,
        money.pending,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": OrderStatus.PLACED}, RevenueStatus.COUNTED),
        ({"status": OrderStatus.PAID}, RevenueStatus.COUNTED),
        ({"status": OrderStatus.COMPLETED}, RevenueStatus.COUNTED),
        ({"status": OrderStatus.PARTIALLY_REFUNDED}, RevenueStatus.COUNTED),
        ({"status": OrderStatus.REFUNDED}, RevenueStatus.COUNTED),
        ({"status": OrderStatus.PENDING}, RevenueStatus.PENDING),
        ({"status": OrderStatus.UNKNOWN}, RevenueStatus.PENDING),
        ({"status": OrderStatus.CANCELLED}, RevenueStatus.CANCELLED),
        ({"status": OrderStatus.DELETED}, RevenueStatus.CANCELLED),
        ({"cancelled_at": 5}, RevenueStatus.CANCELLED),
        ({"deleted": True}, RevenueStatus.CANCELLED),
        ({"is_test": True, "is_draft": True, "deleted": True}, RevenueStatus.TEST),
        ({"is_draft": True, "deleted": True}, RevenueStatus.DRAFT),
        ({"counts_as_sale": False, "deleted": True}, RevenueStatus.NOT_A_SALE),
        ({"source": "gooten", "status": OrderStatus.UNKNOWN}, RevenueStatus.COUNTED),
        ({"source": "gooten", "status": OrderStatus.PENDING}, RevenueStatus.COUNTED),
        ({"source": "gooten", "status": OrderStatus.CANCELLED}, RevenueStatus.CANCELLED),
    ],
)
def test_status_becomes_money(changes: dict[str, Any], expected: RevenueStatus) -> None:
    assert expected is order_money(order(**changes)).revenue_status


def test_every_status_has_a_revenue_status() -> None:
    assert len(OrderStatus) == len([order_money(order(status=status)) for status in OrderStatus])


def test_a_cancelled_order_contributes_nothing_and_stays() -> None:
    expected = OrderMoney(
        revenue_status=RevenueStatus.CANCELLED, gross=D(0), net=D(0), tax_basis=TaxBasis.SUMS
    )
    assert expected == order_money(order(status=OrderStatus.CANCELLED))


MONEY = {
    "net is gross less discounts": ({}, (D(100), D(10), None, D(90), None)),
    "a discount not given counts as nothing and stays null": (
        {"discount_total": None},
        (D(100), None, None, D(100), None),
    ),
    "lines give the discount where the order does not": (
        {"discount_total": None, "items": (line(discount=D(4)),)},
        (D(100), D(4), None, D(96), None),
    ),
    "lines give the goods where the order does not": (
        {"items_total": None},
        (D(100), D(10), None, D(90), None),
    ),
    "goods that are not given leave net null": (
        {"items_total": None, "items": (LineItem(quantity=1),)},
        (None, None, None, None, "items-unknown"),
    ),
    "tax included in the prices is taken out of both": (
        {"taxes_included": True, "tax_total": D(15)},
        (D("83.3333"), D("8.3333"), None, D(75), None),
    ),
    "tax included in the prices and not given leaves net null": (
        {"taxes_included": True, "tax_total": None},
        (None, None, None, None, "tax-unknown"),
    ),
    "more tax than goods is no tax of the goods": (
        {"taxes_included": True, "tax_total": D(91)},
        (None, None, None, None, "tax-unknown"),
    ),
    "the lines' own tax is the goods', the order's may be the shipping's too": (
        {"taxes_included": True, "tax_total": D(16), "items": (line(tax=D(15)),)},
        (D("83.3333"), D("8.3333"), None, D(75), None),
    ),
    "goods given away have no tax to take out": (
        {"taxes_included": True, "tax_total": D(1), "discount_total": D(100)},
        (D(100), D(100), None, D(0), None),
    ),
    "a refund counts with its goods part": (
        {"refunded_total": D(50), "refunded_goods": D(40)},
        (D(100), D(10), D(40), D(50), None),
    ),
    "a refund without it counts by the share of goods in the total": (
        {"refunded_total": D("51.10")},
        (D(100), D(10), D(45), D(45), None),
    ),
    "a refund of an order of total 0 counts 0": (
        {"refunded_total": D(5), "total": D(0)},
        (D(100), D(10), D(0), D(90), None),
    ),
    "a refunded order without an amount comes off in whole": (
        {"status": OrderStatus.REFUNDED},
        (D(100), D(10), D(90), D(0), None),
    ),
    "a part refunded without an amount leaves net null": (
        {"status": OrderStatus.PARTIALLY_REFUNDED},
        (None, None, None, None, "refund-unknown"),
    ),
    "a refund of goods with tax within loses its tax too": (
        {"taxes_included": True, "tax_total": D(15), "refunded_goods": D(90)},
        (D("83.3333"), D("8.3333"), D(75), D(0), None),
    ),
    "a gift card sold is no goods": (
        {"items": (GOODS, CARD), "items_total": D(125)},
        (D(100), D(10), None, D(90), None),
    ),
    "nor where the total leaves it out already": (
        {"items": (GOODS, CARD)},
        (D(100), D(10), None, D(90), None),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), MONEY.values(), ids=MONEY.keys())
def test_money(changes: dict[str, Any], expected: object) -> None:
    money = order_money(order(**changes))
    assert expected == (money.gross, money.discounts, money.refunded, money.net, money.reason)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((GOODS, CARD), D("25.00")),
        ((GOODS,), D(0)),
        ((LineItem(quantity=1, line_total=D(5)),), None),
        (None, None),
    ],
)
def test_gift_cards_sold_are_null_where_lines_do_not_show(
    items: tuple[LineItem, ...] | None, expected: Decimal | None
) -> None:
    assert expected == order_money(order(items=items)).gift_cards_sold


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"source": "shoprocket"}, True),
        ({"source": "run-free"}, False),
        ({"source": "ciklik"}, True),
        ({"status": OrderStatus.PARTIALLY_REFUNDED}, False),
        ({"status": OrderStatus.PARTIALLY_REFUNDED, "refunded_goods": D(1)}, True),
    ],
)
def test_refunds_are_observable_where_the_platform_provides_them(
    changes: dict[str, Any], expected: bool
) -> None:
    assert expected is order_money(order(**changes)).refunds_observable


def _named(key: str, placed_at: int, **changes: Any) -> OrderState:
    return order(order_key=key, placed_at=placed_at, **({"subscription_id": "s"} | changes))


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([_named("a", 1)], set()),
        ([_named("b", 2), _named("a", 1), _named("c", 3)], {"b", "c"}),
        ([_named("a", 1), _named("b", 1)], {"b"}),
        ([_named("a", 1, created_successful_transactions=1)], set()),
        ([_named("a", 1, created_successful_transactions=2)], {"a"}),
        ([_named("a", 1, subscription_id="other"), _named("b", 2)], set()),
        ([_named("a", 1, is_test=True), _named("b", 2)], set()),
        ([_named("a", 1, is_draft=True), _named("b", 2)], set()),
        ([_named("a", 1, shop="other"), _named("b", 2)], set()),
        ([_named("a", 1, subscription_id=None, created_successful_transactions=3)], set()),
    ],
)
def test_renewals(orders: list[OrderState], expected: set[str]) -> None:
    assert expected == renewals(orders)


@pytest.mark.parametrize(
    ("changes", "is_renewal", "expected"),
    [
        ({}, False, (True, D(90), False)),
        ({}, True, (False, D(90), False)),
        ({"is_test": True}, False, (False, None, False)),
        ({"is_draft": True}, False, (False, None, False)),
        ({"status": OrderStatus.PENDING}, False, (True, D(90), False)),
        ({"status": OrderStatus.CANCELLED}, False, (True, D(0), True)),
    ],
)
def test_an_order_as_a_candidate_for_carts(
    changes: dict[str, Any], is_renewal: bool, expected: object
) -> None:
    state = order(**changes)
    found = candidate_order(state, order_money(state), is_renewal)
    assert expected == (found.may_close_cart, found.value, found.cancelled)


SETTINGS = {"counts_as_sale": True, "timezone": "Europe/Paris", "currency": "EUR"}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"placed_at": 3, "created_at": 2, "first_occurred_at": 1}, 3),
        ({"created_at": 2, "first_occurred_at": 1}, 2),
        ({"first_occurred_at": 1, "occurred_at": 9}, 1),
    ],
)
def test_an_order_is_placed_when_given_else_created_else_first_seen(
    times: dict[str, int], expected: int
) -> None:
    state = order_state("k", "ciklik", "x", times | {"settings": SETTINGS})
    assert expected == state.placed_at


def test_state_takes_what_the_payload_does_not_give_from_the_settings() -> None:
    fields = {
        "settings": SETTINGS | {"taxes_included": True},
        "placed_at": 1,
        "status": "PAID",
        "total": "21.95",
        "items": [{"sku": "s", "quantity": 2, "unit_price": "1.50"}],
        "attributes": {"not": "needed"},
    }
    state = order_state("k", "ciklik", "x", fields)
    assert ("EUR", True, "Europe/Paris", OrderStatus.PAID, D("21.95"), D("1.50")) == (
        state.currency,
        state.shop_taxes_included,
        state.timezone,
        state.status,
        state.total,
        state.items[0].unit_price if state.items else None,
    )


def test_the_payloads_own_currency_and_tax_override_the_settings() -> None:
    fields = {"currency": "USD", "taxes_included": False, "placed_at": 1}
    fields["settings"] = SETTINGS | {"taxes_included": True}
    state = order_state("k", "spiffy", "x", fields)
    assert (state.currency, state.taxes_included) == ("USD", False)


amounts = st.one_of(
    st.none(), st.decimals(0, 10_000, places=4), st.sampled_from([D("0.0001"), MAX_MONEY])
)


@given(
    st.builds(
        order,
        status=st.sampled_from(OrderStatus),
        items_total=amounts,
        items=st.sampled_from([None, (), (GOODS,), (GOODS, CARD), (CARD,)]),
        discount_total=amounts,
        tax_total=amounts,
        shipping_total=amounts,
        total=amounts,
        refunded_total=amounts,
        refunded_goods=amounts,
        taxes_included=st.sampled_from([None, True, False]),
    )
)
def test_net_and_discounts_and_refunded_are_gross_where_net_is_known(state: OrderState) -> None:
    money = order_money(state)
    if money.net is not None:
        assert money.gross == money.net + (money.discounts or 0) + (money.refunded or 0)
    for each in (money.gross, money.discounts, money.refunded, money.net, money.pending):
        assert each is None or (type(each) is Decimal and each == each.quantize(D("0.0001")))
