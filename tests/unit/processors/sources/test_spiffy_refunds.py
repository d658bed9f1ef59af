"""Spiffy: refunds of an order, lines and money by one rule, in JSON and XML alike."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Order, PaymentStatus, Refund
from tests.rails_xml import to_xml
from tests.unit.processors.sources.deliveries import refused, run

LINE = {"id": 1, "quantity": 4, "price": "25.00", "total_discount": "10.00"}
CARD = {"id": 2, "quantity": 1, "price": "50.00", "gift_card": True}


def order(refunds: Any, **more: Any) -> Order:
    """The order of a payload, which must be the same in JSON and XML."""
    body = {"id": 7, "financial_status": "paid", "line_items": [LINE, CARD], "refunds": refunds}
    made = run("spiffy", "orders/updated", body | more)["order"]
    assert run("spiffy", "orders/updated", to_xml(body | more, "order"))["order"] == made
    assert isinstance(made, Order)
    assert (made.refunded_total, made.refunded_goods) == (None, None)
    return made


def refund(given: dict[str, Any], **more: Any) -> Refund:
    (made,) = order([{"id": 3, **given}], **more).refunds or ()
    return made


def paid(amount: Any, status: Any = "success", kind: Any = "refund") -> dict[str, Any]:
    return {"kind": kind, "status": status, "amount": amount}


def returned(subtotal: Any, tax: Any = None, quantity: int = 1, line: int = 1) -> dict[str, Any]:
    row = {"line_item_id": line, "quantity": quantity, "subtotal": subtotal, "total_tax": tax}
    return {key: value for key, value in row.items() if value is not None}


def parts(made: Refund) -> tuple[Any, ...]:
    """(status, amount, goods, tax, shipping)."""
    numbers = (made.amount, made.goods, made.tax, made.shipping)
    return (made.status.value, *[None if n is None else f"{n:.2f}" for n in numbers])


def test_money_without_lines_is_an_amount_and_no_goods() -> None:
    goodwill = {
        "refund_line_items": [],
        "order_adjustments": [{"amount": "-20.00", "kind": "refund_discrepancy"}],
        "transactions": [paid("20.00")],
    }
    assert parts(refund(goodwill)) == ("SUCCEEDED", "20.00", None, None, None)
    del goodwill["refund_line_items"]
    assert parts(refund(goodwill)) == ("SUCCEEDED", "20.00", None, None, None)


@pytest.mark.parametrize("transactions", [{}, {"transactions": []}, {"transactions": None}])
def test_lines_without_transactions_count_alone(transactions: dict[str, Any]) -> None:
    made = refund({"refund_line_items": [returned("30.00", "3.00"), returned("5")]} | transactions)
    assert parts(made) == ("SUCCEEDED", None, "35.00", None, None)
    assert made.status_word is None


def test_lines_tax_and_shipping_are_apart_from_the_money() -> None:
    made = refund(
        {
            "refund_line_items": [returned("30.00", "3.00"), returned("5.00", "0.50")],
            "order_adjustments": [
                {"kind": "shipping_refund", "amount": "-4.00", "tax_amount": "-0.40"}
            ],
            "transactions": [paid("40.00"), paid("2.90")],
        }
    )
    assert parts(made) == ("SUCCEEDED", "42.90", "35.00", "3.50", "4.40")


def test_shipping_that_includes_its_tax_counts_once() -> None:
    shipping = [{"kind": "shipping_refund", "amount": "-4.40", "tax_amount": "-0.40"}]
    given_ = {"order_adjustments": shipping, "transactions": [paid("4.40")]}
    assert refund(given_, taxes_included=True).shipping == Decimal("4.40")
    assert refund(given_, taxes_included=False).shipping == Decimal("4.80")


@pytest.mark.parametrize(
    ("statuses", "status", "word", "amount"),
    [
        (["failure"], "FAILED", "failure", 0),
        (["error"], "FAILED", "error", 0),
        (["pending"], "PENDING", "pending", 0),
        (["Failure", "PENDING"], "PENDING", "PENDING", 0),
        (["bartered"], "UNKNOWN", "bartered", 0),
        (["failure", "bartered"], "UNKNOWN", "bartered", 0),
        (["failure", "success"], "SUCCEEDED", "success", 100),
        ([" SUCCESS "], "SUCCEEDED", " SUCCESS ", 100),
        ([None], "SUCCEEDED", None, 100),
    ],
)
def test_a_refund_succeeds_by_a_transaction_that_did(
    statuses: list[str], status: str, word: str | None, amount: int
) -> None:
    given_ = {
        "refund_line_items": [returned("100.00", "0.00")],
        "transactions": [paid("100.00", each) for each in statuses],
    }
    made = refund(given_)
    assert parts(made) == (status, f"{amount}.00", "100.00", "0.00", None)
    assert made.status_word == word


def test_a_part_that_is_still_pending_takes_no_lines_with_it() -> None:
    both = {
        "refund_line_items": [returned("100.00", "0.00")],
        "transactions": [paid("30.00"), paid("70.00", "pending")],
    }
    assert parts(refund(both)) == ("SUCCEEDED", "30.00", None, None, None)


@pytest.mark.parametrize("kind", ["sale", "capture", "void", "authorization"])
def test_other_transactions_give_nothing_back(kind: str) -> None:
    made = refund({"transactions": [paid("99.00", kind=kind), paid("20.00", kind="Refund")]})
    assert parts(made) == ("SUCCEEDED", "20.00", None, None, None)
    alone = refund({"transactions": [paid("99", kind=kind)], "refund_line_items": [returned("5")]})
    assert parts(alone) == ("SUCCEEDED", None, "5.00", None, None)


@pytest.mark.parametrize("status", ["pending", "failure", "bartered"])
def test_without_transactions_a_status_of_its_own_counts(status: str) -> None:
    made = refund({"refund_line_items": [returned("5.00")], "status": status})
    assert made.status is not PaymentStatus.SUCCEEDED
    assert made.status_word == status


@pytest.mark.parametrize("sign", ["", "-"])
def test_what_went_back_is_positive_whichever_sign_it_has(sign: str) -> None:
    made = refund(
        {
            "refund_line_items": [returned(f"{sign}30.00", f"{sign}3.00")],
            "order_adjustments": [{"kind": "shipping_refund", "amount": f"{sign}4.00"}],
            "transactions": [paid(f"{sign}37.00")],
        }
    )
    assert parts(made) == ("SUCCEEDED", "37.00", "30.00", "3.00", "4.00")


@pytest.mark.parametrize(
    ("lines", "goods"),
    [
        ([returned(None, quantity=4)], "90.00"),
        ([returned(None, quantity=2)], "45.00"),
        ([returned(None, quantity=1), returned("7.50")], "30.00"),
        ([{"quantity": 2, "line_item": {"id": 1}}], "45.00"),
        ([returned(None, line=99)], None),
        ([returned("5.00"), {"line_item_id": 1}], None),
    ],
)
def test_a_line_without_a_value_is_worth_its_units_of_the_order(
    lines: list[dict[str, Any]], goods: str | None
) -> None:
    assert parts(refund({"refund_line_items": lines})) == ("SUCCEEDED", None, goods, None, None)


def test_a_share_that_is_no_exact_amount_is_not_given() -> None:
    line = {"id": 1, "quantity": 3, "price": "10.00", "total_discount": "1.00"}
    made = refund({"refund_line_items": [returned(None)]}, line_items=[line])
    assert made.goods is None


def test_gift_cards_are_neither_among_the_goods_nor_in_the_money() -> None:
    made = refund(
        {
            "refund_line_items": [returned("50.00", "0", line=2), returned("22.50", "0")],
            "transactions": [paid("80.00")],
        }
    )
    assert parts(made) == ("SUCCEEDED", "30.00", "22.50", "0.00", None)
    card = {"line_item": {"id": 99, "gift_card": True}, "subtotal": "50.00", "quantity": 1}
    alone = refund({"refund_line_items": [card], "transactions": [paid("50.00")]})
    assert parts(alone) == ("SUCCEEDED", "0.00", "0.00", "0.00", None)


@pytest.mark.parametrize(
    ("inside", "amount", "tax"),
    [
        (True, "57.00", "3.00"),
        (False, "60.00", "3.00"),
        (None, "57.00", None),  # right whether the order's sums show tax inside or outside
    ],
)
def test_adjustments_without_transactions_make_the_amount(
    inside: Any, amount: str, tax: str | None
) -> None:
    given_ = {
        "refund_line_items": [returned("30.00", "3.00")],
        "order_adjustments": [
            {"kind": "shipping_refund", "amount": "-7.00"},
            {"kind": "refund_discrepancy", "amount": "-20.00"},
        ],
    }
    made = refund(given_, taxes_included=inside)
    assert parts(made) == ("SUCCEEDED", amount, "30.00", tax, "7.00")


def test_an_amount_that_nothing_needs_refuses_nothing() -> None:
    transactions = [paid("n/a", "failure"), paid("n/a", kind="sale"), paid("20.00")]
    adjustments = [{"kind": "tip", "amount": "none"}]
    made = refund({"transactions": transactions, "order_adjustments": adjustments})
    assert parts(made) == ("SUCCEEDED", "20.00", None, None, None)
    body = {"id": 7, "refunds": [{"transactions": [paid("20.00"), paid("twenty")]}]}
    assert refused("spiffy", "orders/updated", body) == (
        "invalid-payload", "refunds[0].transactions[1].amount",
    )  # fmt: skip


def test_an_empty_refund_gives_nothing() -> None:
    assert parts(refund({})) == ("SUCCEEDED", None, None, None, None)


def test_refunds_not_given_and_none_given_differ() -> None:
    assert order(None).refunds is None
    assert order([]).refunds == ()
    assert order("").refunds is None


def test_each_refund_has_its_id_and_its_own_time() -> None:
    day = "2026-02-0{}T10:00:00Z"
    made = order(
        [
            {"id": 1, "created_at": day.format(1), "processed_at": day.format(2)},
            {"id": "b", "created_at": day.format(3), "transactions": [paid("1")]},
            {"transactions": [paid("1", "failure"), {**paid("1"), "created_at": day.format(4)}]},
            {"transactions": [{**paid("1", "pending"), "created_at": day.format(5)}]},
        ]
    ).refunds
    assert made is not None
    first = 1_769_940_000_000_000  # 2026-02-01T10:00:00Z
    assert [(each.refund_id, each.refunded_at) for each in made] == [
        ("1", first + 86_400_000_000),
        ("b", first + 2 * 86_400_000_000),
        (None, first + 3 * 86_400_000_000),
        (None, None),
    ]


AMOUNTS = st.integers(0, 10**7).map(lambda cents: f"{cents / 100:.2f}")


@given(
    lines=st.lists(AMOUNTS, max_size=4),
    money=st.lists(
        st.tuples(AMOUNTS, st.sampled_from(["success", "failure", "pending", "error", "new"])),
        max_size=4,
    ),
)
def test_only_a_success_makes_lines_and_money_count(
    lines: list[str], money: list[tuple[str, str]]
) -> None:
    made = refund(
        {
            "refund_line_items": [returned(value) for value in lines],
            "transactions": [paid(amount, status) for amount, status in money],
        }
    )
    success = [Decimal(amount) for amount, status in money if status == "success"]
    assert (made.status is PaymentStatus.SUCCEEDED) == bool(success or not money)
    assert made.amount == (sum(success) if money else None)
    goods = sum(map(Decimal, lines)) if lines else None
    is_part = 0 < len(success) < len(money) and goods is not None and sum(success) < goods
    assert made.goods == (None if is_part else goods)


def test_money_in_another_currency_is_no_amount_of_the_order() -> None:
    yen = paid("2000") | {"currency": "JPY"}
    alone = {"transactions": [yen]}
    assert parts(refund(alone, currency="GBP")) == ("SUCCEEDED", None, None, None, None)
    with_lines = {"refund_line_items": [returned("30.00")], "transactions": [yen]}
    assert parts(refund(with_lines, currency="GBP"))[:3] == ("SUCCEEDED", None, "30.00")
    made = order([{"id": 3, **alone}], currency="GBP")
    assert made.attributes["unread:refunds[0].transactions[0].currency"] == "JPY"


@pytest.mark.parametrize("named", ["GBP", "gbp", " GBP ", "", None])
def test_money_in_the_orders_currency_is_its_amount(named: Any) -> None:
    back = {"transactions": [paid("20.00") | {"currency": named}]}
    assert parts(refund(back, currency="GBP"))[1] == "20.00"
