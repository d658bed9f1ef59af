"""Shoprocket's payloads in both formats, and Ciklik's."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.shoplife.life import Life, Money, State, Transaction
from tests.shoplife.payloads import Body, cents, given, iso
from tests.shoplife.refunding import CREATED

_MINOR = {"JPY": 0, "KWD": 3}


def shoprocket(life: Life, state: State) -> Body:
    """Either format."""
    return _envelope(life, state) if life.format == "envelope" else _older(life, state)


def _naive(at: int | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at / 1e6, UTC):%Y-%m-%d %H:%M:%S}"


def _older(life: Life, state: State) -> Body:
    lines = [line for line in state.lines if not line.is_deleted]
    data: Body = {
        "id": str(life.number),
        "order_id": f"#{life.number}",
        "customer_id": str(life.number + 1),
        "email": "someone@example.com",
        "subtotal": cents(sum((line.total for line in lines), Decimal(0))),
        "shipping_amount": cents(state.shipping),
        **given(tax_amount=state.tax, discount_amount=state.discount_given),
        "total_amount": cents(state.total),
        "currency_paid_in": life.currency,
        "store_environment": "test" if life.is_test else "live",
        "is_draft": "1" if life.is_draft else "0",
        "status_raw": state.status,
        "deleted_at": _naive(state.at) if state.event == "order.deleted" else None,
        **({"cancelled_at": _naive(state.cancelled_at)} if state.gives_cancelled else {}),
        "created_at": _naive(state.created),
        "updated_at": _naive(state.at) if state.event != "order.deleted" else None,
        "order_items": [
            {
                "id": str(line.number),
                "item_id": str(9000 + line.number),
                "unit_price": cents(line.price),
                "quantity": str(line.quantity),
                "discount_amount": None,
                "deleted_at": _naive(state.created) if line.is_deleted else None,
            }
            for line in state.lines
        ],
    }
    return {"data": data, "type": state.event, "webhook_environment": "live"}


def _envelope(life: Life, state: State) -> Body:
    digits = _MINOR.get(life.currency, 2)

    def minor(amount: Money) -> Body:
        return {"amount": int(amount.scaleb(digits)), "currency": life.currency}

    lines = [line for line in state.lines if not line.is_deleted]
    totals: dict[str, Money | None] = {
        "subtotal": sum((line.total for line in lines), Decimal(0)),
        "shipping": state.shipping,
        "tax": state.tax,
        "discount": state.discount_given,
        "total": state.total,
        "refunded": state.refunded_total,
    }
    data: Body = {
        "id": f"ord_{life.number}",
        "orderNumber": str(life.number),
        "currency": life.currency,
        "totals": {name: minor(each) for name, each in totals.items() if each is not None},
        "customer": {"email": "someone@example.com"},
        "items": [
            {
                "id": f"oitm_{line.number}",
                "productId": f"prod_{line.number}",
                "quantity": line.quantity,
                "price": minor(line.price),
                "subtotal": minor(line.total),
                **({"deletedAt": iso(state.created)} if line.is_deleted else {}),
            }
            for line in state.lines
        ],
    }
    if state.status is not None:
        data["status"] = state.status
    if state.gives_cancelled:
        data["cancelledAt"] = iso(state.cancelled_at)
    if state.refund is not None:
        assert state.refund.money is not None
        data["refund"] = {"id": f"ref_{state.refund.refund_id}", **_refund(state, minor)}
    return {
        "id": f"evt_{life.number}_{state.at}_{state.event}",
        "type": state.event,
        "createdAt": iso(state.at),
        "storeId": "s",
        "livemode": not life.is_test,
        "data": data,
    }


def _refund(state: State, minor: Any) -> Body:
    refund = state.refund
    assert refund is not None
    status = {"success": "succeeded", "pending": "pending", "failure": "failed"}[refund.outcome]
    body: Body = {"amount": minor(refund.money), "status": status}
    if refund.goods is not None:
        line: Body = {"id": "oitm_1", "quantity": 1, "subtotal": minor(refund.goods)}
        if refund.tax is not None:
            line["tax"] = minor(refund.tax)
        body["lines"] = [line]
    if refund.shipping:
        body["shipping"] = minor(refund.shipping)
    return body


def ciklik(life: Life, what: State | Transaction) -> Body:
    """An order, or a transaction that names it; amounts in the platform's mixed spellings."""
    if isinstance(what, Transaction):
        return _transaction(life, what)
    body: Body = {
        "order_id": life.number,
        "user_id": life.number + 1,
        "email": "someone@example.com",
        "status": what.status,
        "created": f"{iso(what.created)}".replace("Z", ".000000Z"),
        "items": [
            {
                "id": line.number,
                "price": _mixed(line.price, line.number + life.number),
                "tax": f"{what.rate}.000",
                "quantity": line.quantity,
                "name": "Box",
                "type": "App\\Plan",
                "orderable": {"id": 50},
            }
            for line in what.lines
        ],
        "total_paid": _mixed(what.total, life.number + 1),
        "coupon": [],
        **({"cancelled_at": iso(what.cancelled_at)} if what.gives_cancelled else {}),
    }
    for name, amount in (
        ("total_tax_paid", what.tax),
        ("total_discount_inc", what.discount_given),
        ("total_shipping_paid", what.shipping),
    ):
        if amount is not None:
            body[name] = _mixed(amount, life.number)
    return body


def _transaction(life: Life, what: Transaction) -> Body:
    body: Body = {
        "id": life.number * 10 + what.number,
        "order_id": life.number,
        "user_id": life.number + 1,
        "gateway": "StripeCreditCard",
        "paid": True,
        "amount": f"{what.amount:.2f}",
        "refunded": what.is_refunded,
        "created_at": iso(CREATED),
    }
    if what.is_dated:
        body["updated_at"] = iso(what.at)
    if what.refunded is not None:
        body["amount_refunded"] = f"{what.refunded:.2f}"
    return body


def _mixed(amount: Money | None, chosen: int) -> Any:
    if amount is None:
        return None
    plain = f"{amount:.2f}"
    spellings = (float(amount), plain, plain + "0", f"{amount:,.2f}".replace(",", " "))
    more = (*spellings, f"{amount:,.2f}".replace(",", " ").replace(".", ","))
    return more[chosen % len(more)]
