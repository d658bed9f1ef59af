"""Ciklik: prices without tax, rates, a discount with tax, amounts in any spelling, times."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources.ciklik import taxes
from processors.sources.contract import Rule
from schemas.envelopes import Reject
from schemas.events import Order
from tests.unit.processors.sources.deliveries import delivery, outcome, run

CENT = Decimal("0.01")


def order(lines: list[dict[str, Any]], **values: Any) -> Order:
    body = {"order_id": 1, "status": "completed", "items": lines, **values}
    made = run("ciklik", "created_checkoutorder", body)["order"]
    assert isinstance(made, Order)
    return made


def line(price: Any, tax: Any = None, quantity: Any = 1) -> dict[str, Any]:
    return {"id": 1, "price": price, "tax": tax, "quantity": quantity, "name": "Box"}


def net(made: Order) -> Decimal:
    assert made.items_total is not None
    return made.items_total - (made.discount_total or Decimal(0))


def at(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) * 1_000_000


def test_the_published_shape_has_33_33_without_tax() -> None:
    made = order(
        [line(Decimal("41.6667").__float__(), "20.000")],
        total_tax_paid="6.67",
        total_discount_inc="10.000",
        total_paid="40.00",
        total_shipping_paid="0.000",
    )
    assert net(made) == Decimal("33.33")
    assert made.discount_total == Decimal("8.3367")
    assert made.attributes["total_discount_inc"] == "10.0000"
    assert (made.items or ())[0].tax == Decimal("8.3333")
    assert made.taxes_included is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # 2 x 50.00 at 20 %, 12.00 off with tax, shipping 5.00
        (
            {
                "total_tax_paid": "18.00",
                "total_discount_inc": "12.00",
                "total_paid": "113.00",
                "total_shipping_paid": "5.00",
            },
            "90",
        ),
        # the same where nothing else is given
        ({"total_discount_inc": "12.00"}, "90"),
        ({"total_discount_inc": 12, "total_tax_paid": "0.00", "total_paid": "0.00"}, "90"),
        # the tax of the shipping is in the tax paid, so the sums do not decide
        (
            {
                "total_tax_paid": "19.00",
                "total_discount_inc": "12.00",
                "total_paid": "114.00",
                "total_shipping_paid": "6.00",
            },
            "90",
        ),
        # everything is off
        ({"total_discount_inc": "120.00", "total_tax_paid": "0", "total_paid": "0"}, "0"),
        ({"total_discount_inc": "0", "total_tax_paid": "20", "total_paid": "120"}, "100"),
        ({"total_discount_inc": None, "total_tax_paid": "20"}, "100"),
    ],
)
def test_a_discount_with_tax_takes_its_share_without_tax_off(
    values: dict[str, Any], expected: str
) -> None:
    assert net(order([line("50.00", "20.000", 2)], **values)) == Decimal(expected)


def test_lines_of_several_rates_share_the_discount_by_their_taxes() -> None:
    lines = [line("100", "20"), line("100", "5.5"), line("100", "0")]
    made = order(lines, total_discount_inc="32.55")
    assert [each.tax for each in made.items or ()] == [20, Decimal("5.5"), None]
    assert made.discount_total == Decimal("30.0000")


@pytest.mark.parametrize("rate", ["0", "0.000", 0, None, "20 %", "-5", "1200", {"rate": 20}, []])
def test_a_rate_that_is_none_gives_no_tax_and_refuses_nothing(rate: Any) -> None:
    made = order([line(60, rate)], total_discount_inc="6")
    assert (made.items or ())[0].tax is None
    assert made.discount_total == 6


@pytest.mark.parametrize(
    ("discount", "paid"), [("0", "60.00"), ("12.00", "48.00"), ("12", "48.01")]
)
@pytest.mark.parametrize("rate", ["0", "20.000"])
def test_prices_that_hold_the_tax_are_proved_by_the_sums(
    discount: str, paid: str, rate: str
) -> None:
    made = order(
        [line(60, rate)], total_tax_paid="10.00", total_discount_inc=discount, total_paid=paid
    )
    assert made.discount_total == Decimal(discount)
    assert (made.items or ())[0].tax is None
    assert (made.taxes_included, made.tax_total) == (None, 10)


def test_without_rates_what_was_paid_decides_if_it_agrees_with_itself() -> None:
    values = {"total_discount_inc": "10", "total_tax_paid": "6.67", "total_paid": "40.00"}
    assert net(order([line("41.67")], **values)) == Decimal("33.33")
    unexplained = values | {"total_paid": "43.00"}
    assert order([line("41.67")], **unexplained).discount_total == 10


@settings(max_examples=300, deadline=None)
@given(
    prices=st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
    rate=st.sampled_from([5, 10, 20, 25]),
    percent=st.integers(0, 100),
    shipping=st.sampled_from([0, 500, 990]),
)
def test_the_discount_is_what_was_taken_off_the_goods(
    prices: list[int], rate: int, percent: int, shipping: int
) -> None:
    lines = [CENT * price for price in prices]
    goods = sum(lines, Decimal(0))
    off = (goods * percent / 100).quantize(CENT)
    tax = ((goods - off) * rate / 100).quantize(CENT)
    made = order(
        [line(str(price), f"{rate}.000") for price in lines],
        total_tax_paid=str(tax),
        total_discount_inc=str(off * (100 + rate) / 100),
        total_shipping_paid=str(CENT * shipping),
        total_paid=str(goods - off + tax + CENT * shipping),
    )
    assert made.discount_total is not None
    assert abs(made.discount_total - off) <= Decimal("0.0005")


def test_a_line_tax_is_rounded_half_even_to_four_places() -> None:
    assert taxes.line_tax(Decimal("0.0005"), Decimal(10)) == 0
    assert taxes.line_tax(Decimal("0.0015"), Decimal(10)) == Decimal("0.0002")
    assert taxes.line_tax(None, Decimal(10)) is None


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [("1 234,50", "1234.50"), ("1,234.50", "1234.50"), ("1234.5000", "1234.5"), (50, "50")],
)
def test_amounts_hold_spaces_and_commas(spelled: Any, expected: str) -> None:
    made = order([line(spelled)], total_paid=spelled)
    assert made.items_total == made.paid_total == Decimal(expected)


def test_a_negative_line_is_an_adjustment() -> None:
    made = order([line(50), line("-5.00"), line(10, quantity=-1)])
    assert [each.line_total for each in made.items or ()] == [50, -5, -10]
    assert made.items_total == 35


@pytest.mark.parametrize(
    ("event", "is_dated"),
    [
        ("updated_checkoutorder", True),
        ("updated_checkouttransaction", True),
        ("updated_shippingbox", True),
        ("updated_user", True),
        ("updated_optin", True),
        ("updated_address", False),
        ("deleted_shippingbox", False),
    ],
)
def test_an_update_is_dated_by_updated_at_where_it_is_given(event: str, is_dated: bool) -> None:
    body = {"id": 1, "order_id": 1, "updated_at": "2021-01-20T10:00:00.000000Z"}
    made = outcome(delivery("ciklik", event, body))
    assert not isinstance(made, Reject)
    parsed, slots = made
    (record,) = slots.values()
    assert parsed.rule is (Rule.CONTENT if is_dated else Rule.STATE)
    appended = record.meta.raw_appended_at
    expected = at("2021-01-20T10:00:00Z") if is_dated else appended
    assert record.meta.version_at == expected


def test_the_state_of_a_creation_is_as_old_as_its_updated_at() -> None:
    body = {
        "order_id": 1,
        "created": "2021-01-15T10:00:00Z",
        "updated_at": "2021-01-15T10:00:05Z",
    }
    meta = run("ciklik", "created_checkoutorder", body)["order"].meta
    assert meta.occurred_at == at("2021-01-15T10:00:00Z")
    assert meta.version_at == at("2021-01-15T10:00:05Z")
    ahead = body | {"updated_at": "2040-01-01T00:00:00Z"}
    meta = run("ciklik", "created_checkoutorder", ahead)["order"].meta
    assert meta.version_at == meta.raw_appended_at
