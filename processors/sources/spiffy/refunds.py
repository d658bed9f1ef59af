"""Spiffy Stores: the refunds in an order; the lines and the money of each by one rule."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from processors.sources.readers import money
from processors.sources.readers.fields import flag, identifier, mapping, rows, text, units
from processors.sources.readers.times import micros
from processors.sources.spiffy.statuses import transaction_status
from processors.sources.statuses import folded
from schemas.events import LineItem, Micros, PaymentStatus, Refund
from schemas.shops import Shop

_BY_WEIGHT = (
    PaymentStatus.SUCCEEDED,
    PaymentStatus.PENDING,
    PaymentStatus.UNKNOWN,
    PaymentStatus.FAILED,
)
"""Of the transactions' statuses the first one here is the refund's."""


class _Transaction(NamedTuple):
    status: PaymentStatus
    status_text: str | None
    row: dict[str, Any]
    path: str


class _Lines(NamedTuple):
    """Value and tax of a refund's lines, None where not given; ``cards``: of its gift cards."""

    goods: Decimal | None
    tax: Decimal | None
    cards: Decimal


class _Adjustments(NamedTuple):
    """Shipping that went back, and money beyond lines and shipping; None where not given."""

    shipping: Decimal | None
    extra: Decimal | None


_NO_LINES = _Lines(None, None, money.ZERO)


def refunds(
    data: dict[str, Any], lines: tuple[LineItem, ...] | None, code: str | None, shop: Shop
) -> tuple[Refund, ...] | None:
    """Read the refunds of an order with these ``lines`` and this currency; None: none given."""
    given = rows(data, "refunds")
    if given is None:
        return None
    if not given:
        return ()
    taxes_included = flag(data, "taxes_included")
    if taxes_included is None:
        taxes_included = shop.taxes_included
    by_id = {line.line_id: line for line in lines or () if line.line_id is not None}
    return tuple(
        _refund(refund, f"refunds[{index}].", by_id, code, shop, is_tax_inside=taxes_included)
        for index, refund in enumerate(given)
    )


def _refund(
    refund: dict[str, Any],
    path: str,
    lines: dict[str, LineItem],
    code: str | None,
    shop: Shop,
    *,
    is_tax_inside: bool | None,
) -> Refund:
    paid = _transactions(refund, path)
    status, given_text = _outcome(refund, path, paid)
    returned = _lines(refund, path, lines)
    shipping, extra = _adjustments(refund, path, is_tax_inside=is_tax_inside is True)
    made = [each for each in paid if each.status is PaymentStatus.SUCCEEDED]
    amount = None
    if paid:
        parts = [_money_of(each, code) for each in made]
        amount = _size(money.total(parts, f"{path}transactions"))
        if amount is not None and returned.cards:  # gift cards are not among the goods
            amount = max(money.ZERO, money.less(amount, returned.cards))
        is_part = status is PaymentStatus.SUCCEEDED and len(made) < len(paid)
        if is_part and amount is not None and amount < (returned.goods or 0):
            returned, shipping = _NO_LINES, None  # the money is of some unknown lines only
    elif extra is not None:
        if is_tax_inside is None:  # the order's sums decide: the amount must be right in both
            returned = returned._replace(tax=None)
        tax = None if is_tax_inside else returned.tax
        amount = _sum_of((returned.goods, tax, shipping, extra), path)
    return Refund(
        refund_id=identifier(refund, "id", path),
        status=status,
        status_word=given_text,
        refunded_at=_refunded_at(refund, path, made, shop),
        amount=amount,
        goods=returned.goods,
        tax=returned.tax,
        shipping=shipping,
    )


def _transactions(refund: dict[str, Any], path: str) -> list[_Transaction]:
    """Read the transactions that give money back; others may be listed beside them."""
    result = []
    for index, row in enumerate(rows(refund, "transactions", path) or ()):
        inner = f"{path}transactions[{index}]."
        if folded(text(row, "kind", inner)) not in ("", "refund"):
            continue
        given_text = text(row, "status", inner)
        result.append(_Transaction(transaction_status(given_text), given_text, row, inner))
    return result


def _money_of(transaction: _Transaction, code: str | None) -> Decimal | None:
    """Read a transaction's amount; None where it is not given in the order's currency."""
    _, _, row, path = transaction
    if not money.is_in(row, "currency", path, code):
        return None
    return money.amount(row, "amount", path, signed=True)


def _outcome(
    refund: dict[str, Any], path: str, paid: list[_Transaction]
) -> tuple[PaymentStatus, str | None]:
    """Return the status of a refund and its text; one successful transaction is enough.

    Without transactions the lines count, unless the refund has another status of its own.
    """
    if not paid:
        given_text = text(refund, "status", path)
        return transaction_status(given_text), given_text
    first = min(paid, key=lambda each: _BY_WEIGHT.index(each.status))
    return first.status, first.status_text


def _lines(refund: dict[str, Any], path: str, lines: dict[str, LineItem]) -> _Lines:
    """Sum the lines that went back; an empty list is the same as none."""
    given = rows(refund, "refund_line_items", path)
    if not given:
        return _NO_LINES
    goods: list[Decimal | None] = []
    taxes: list[Decimal | None] = []
    cards: list[Decimal | None] = []
    for index, row in enumerate(given):
        inner = f"{path}refund_line_items[{index}]."
        nested = mapping(row, "line_item", inner) if "line_item" in row else {}
        line_id = identifier(row, "line_item_id", inner)
        line = lines.get(line_id or identifier(nested, "id", f"{inner}line_item.") or "")
        value = money.amount(row, "subtotal", inner, signed=True)
        if value is None and line is not None:
            value = _part_of(line, units(row, "quantity", inner), inner)
        is_card = line is not None and line.is_gift_card
        if is_card or (nested and flag(nested, "gift_card", f"{inner}line_item.")):
            cards.append(value or money.ZERO)
            continue
        goods.append(value)
        taxes.append(money.amount(row, "total_tax", inner, signed=True))
    where = f"{path}refund_line_items"
    return _Lines(
        _size(money.total(goods, where)),
        _size(money.total(taxes, where)),
        _size(money.total(cards, where)) or money.ZERO,
    )


def _part_of(line: LineItem, quantity: int | None, path: str) -> Decimal | None:
    """Return the value of some units of a line; None where it is not an exact amount."""
    if line.line_total is None or not line.quantity or quantity is None:
        return None
    whole = money.less(line.line_total, line.discount or money.ZERO)
    if quantity == line.quantity:
        return whole
    return money.times(money.share(whole, line.quantity), quantity, f"{path}quantity")


def _adjustments(refund: dict[str, Any], path: str, *, is_tax_inside: bool) -> _Adjustments:
    """Read ``order_adjustments``, whose amounts are negative where money went back."""
    shipping: list[Decimal | None] = []
    extra: list[Decimal | None] = []
    for index, row in enumerate(rows(refund, "order_adjustments", path) or ()):
        inner = f"{path}order_adjustments[{index}]."
        kind = folded(text(row, "kind", inner))
        if kind == "shippingrefund":
            shipping.append(money.amount(row, "amount", inner, signed=True))
            if not is_tax_inside:
                tax = money.amount(row, "tax_amount", inner, signed=True)
                shipping.append(tax or money.ZERO)
        elif kind == "refunddiscrepancy":
            extra.append(money.amount(row, "amount", inner, signed=True))
    where = f"{path}order_adjustments"
    beyond = money.total(extra, where) if extra else None
    return _Adjustments(
        _size(money.total(shipping, where)) if shipping else None,
        None if beyond is None else -beyond,
    )


def _sum_of(parts: Iterable[Decimal | None], path: str) -> Decimal | None:
    total = money.total((part or money.ZERO for part in parts), f"{path}order_adjustments")
    return None if total is None else max(money.ZERO, total)


def _size(amount: Decimal | None) -> Decimal | None:
    """Return what went back as a positive amount, whichever sign it is given."""
    return None if amount is None else abs(amount)


def _refunded_at(
    refund: dict[str, Any], path: str, made: list[_Transaction], shop: Shop
) -> Micros | None:
    """Return the time of the refund, else that of its first successful transaction with one."""
    at = _when(refund, path, shop)
    if at is None:
        times = (_when(each.row, each.path, shop) for each in made)
        at = next((time for time in times if time is not None), None)
    return at


def _when(values: dict[str, Any], path: str, shop: Shop) -> Micros | None:
    at = micros(values, "processed_at", path, shop)
    return micros(values, "created_at", path, shop) if at is None else at
