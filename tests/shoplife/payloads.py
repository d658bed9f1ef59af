"""Spiffy's, Run Free's and Gooten's payloads of a state."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.shoplife.life import Life, Line, Money, Refund, State

Body = dict[str, Any]


def iso(at: int | None) -> str | None:
    """Microseconds as ISO 8601."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cents(amount: Money | None) -> str | None:
    """An amount as a text with two decimals."""
    return None if amount is None else f"{amount:.2f}"


def given(**amounts: Money | None) -> Body:
    """The amounts that are given; the others have no key at all."""
    return {name: cents(amount) for name, amount in amounts.items() if amount is not None}


def spiffy(life: Life, state: State) -> Body:
    """``orders/*``: everything as texts, refunds as objects."""
    if not state.is_whole:
        return {"id": life.number, **({"deleted_at": iso(state.at)} if state.at else {})}
    body: Body = {
        "id": life.number,
        "order_number": life.number,
        "email": None,
        "created_at": iso(state.created),
        "updated_at": iso(state.at),
        "financial_status": state.status,
        "currency": life.currency,
        **given(total_line_items_price=_listed(life, state), total_tax=state.tax),
        "total_price": cents(state.total),
        "test": life.is_test,
        "line_items": [_spiffy_line(line, state) for line in state.lines],
        "shipping_lines": [{"title": "Std", "price": cents(state.shipping)}],
        "customer": {"id": life.number + 1, "email": "someone@example.com"},
    }
    if life.discounts_lines and state.discount_given is not None:
        body["line_items"][0]["total_discount"] = cents(state.discount_given)
    else:
        body |= given(total_discounts=state.discount_given)
    if state.inside is not None:
        body["taxes_included"] = state.inside
    if state.gives_cancelled:
        body["cancelled_at"] = iso(state.cancelled_at)
    if state.refunds is not None:
        body["refunds"] = [_spiffy_refund(refund) for refund in state.refunds]
    return body


def _listed(life: Life, state: State) -> Money | None:
    """The sum of the lines that are left; some shops leave it to the reader."""
    left = [line.total for line in state.lines if not line.is_deleted]
    return sum(left, Decimal(0)) if life.seed % 3 else None


def _spiffy_line(line: Line, state: State) -> Body:
    body: Body = {
        "id": line.number,
        "product_id": 9000 + line.number,
        "title": "P",
        "quantity": line.quantity,
        "price": cents(line.price),
        "gift_card": line.is_gift_card,
    }
    if line.tax is not None:
        body["tax_lines"] = [{"title": "T", "price": cents(line.tax)}]
    if line.is_deleted:
        removed: list[Body] = [
            {"deleted_at": iso(state.at)}, {"removed": True},
            {"quantity": 0, "fulfillable_quantity": 0, "current_quantity": 0},
        ]  # fmt: skip
        body |= removed[line.quantity % 3]
    return body


def _spiffy_refund(refund: Refund) -> Body:
    body: Body = {"refund_line_items": [], "order_adjustments": []}
    if refund.refund_id is not None:
        body["id"] = int(refund.refund_id)
    if refund.goods is not None:
        line = {"id": 1, "line_item_id": 1, "quantity": 1, "subtotal": cents(refund.goods)}
        if refund.tax is not None:
            line["total_tax"] = cents(refund.tax)
        body["refund_line_items"] = [line]
    if refund.units:
        body["refund_line_items"] = [{"id": 1, "line_item_id": 1, "quantity": refund.units}]
    if refund.cards:
        card = {"line_item": {"id": 99, "gift_card": True}, "subtotal": cents(refund.cards)}
        body["refund_line_items"].append(card)
    if refund.shipping:
        body["order_adjustments"] = [
            {"kind": "shipping_refund", "amount": f"-{cents(refund.shipping)}"}
        ]
    if refund.extra:
        extra = {"kind": "refund_discrepancy", "amount": f"-{cents(refund.extra)}"}
        body["order_adjustments"].append(extra)
    body["transactions"] = []
    if refund.money is not None:
        money = cents(refund.money + refund.cards)
        body["transactions"] = [{"kind": "refund", "status": refund.outcome, "amount": money}]
    if refund.failed:
        failed = {"kind": "refund", "status": "failure", "amount": cents(refund.failed)}
        sale = {"kind": "sale", "status": "success", "amount": cents(refund.failed)}
        body["transactions"] += [failed, sale]
    return body


def run_free(life: Life, state: State) -> Body:
    """``order/created``: numbers with JavaScript's own sums as amounts."""
    goods = [line for line in state.lines if not line.is_gift_card]
    listed = state.lines if life.format == "with-cards" else goods
    data: Body = {
        "id": life.number,
        "customer": {"id": life.number + 1, "email": "someone@example.com"},
        "ordered": iso(state.at),
        "subtotal": _float_sum([line.total for line in listed]),
        "discount": _number(state.discount_given),
        "giftCard": 0,
        "items": [_run_free_line(line) for line in state.lines],
    }
    if state.tax is not None:
        data["taxes"] = _float_sum([state.tax / 4] * 4)
    return {"type": "order", "action": "created", "data": data}


def _run_free_line(line: Line) -> Body:
    body: Body = {
        "id": line.number,
        "productId": 9000 + line.number,
        "name": "P",
        "type": "giftCard" if line.is_gift_card else "product",
        "quantity": line.quantity,
        "cost": _number(line.price),
    }
    if line.tax is not None:
        body["taxes"] = _number(line.tax)
    return body


def _number(amount: Money | None) -> float | None:
    return None if amount is None else float(amount)


def _float_sum(amounts: list[Money]) -> float:
    """The sum as JavaScript adds it up: 0.1 + 0.2 is 0.30000000000000004."""
    total = 0.0
    for amount in amounts:
        total += float(amount)
    return total


def gooten(life: Life, state: State) -> Body:
    """One POST with the whole order; neither event nor time."""

    def price(amount: Money | None) -> Body:
        return {"Price": float(amount or 0), "CurrencyCode": life.currency}

    items = [
        {
            "Sku": f"S{line.number}",
            "ProductId": 58,
            "Quantity": line.quantity,
            "Status": line.status,
            "Price": price(line.price),
            "DiscountAmount": price(state.discount_given if line is state.lines[0] else None),
        }
        for line in state.lines
    ]
    return {
        "Id": f"7-{life.number}",
        "NiceId": f"M-{life.number}",
        "Items": items,
        "Total": price(state.total),
        "ShippingTotal": price(state.shipping),
        "BillingAddress": {"Email": "someone@example.com"},
    }
