"""What the lines of a cart come to: units, value, likeness to other lines."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from schemas.events import LineItem

_SHARE = Decimal("0.0001")
_Identity = tuple[str | None, ...]


def is_empty(items: Sequence[LineItem] | None) -> bool:
    """True where the cart is told to hold nothing; a line of no units is nothing."""
    return items is not None and not _standing(items)


def has_items(items: Sequence[LineItem] | None) -> bool:
    """True where the cart is told to hold at least one item."""
    return items is not None and bool(_standing(items))


def units(items: Sequence[LineItem] | None) -> int | None:
    """Units over all lines; None where a line does not tell its own."""
    if items is None:
        return None
    counts = [line.quantity for line in items]
    return None if None in counts else sum(count for count in counts if count is not None)


def value(
    items: Sequence[LineItem] | None, total: Decimal | None
) -> tuple[Decimal | None, str | None]:
    """(value, where it comes from): the cart's own total, else its lines if all tell a price."""
    if total is not None:
        return total, "CART_TOTAL"
    lines = lines_total(_standing(items)) if items else None
    return (None, None) if lines is None else (lines, "CART_LINES")


def lines_total(items: Iterable[LineItem]) -> Decimal | None:
    """Price of all lines before discounts; None where a line's price cannot be told."""
    amounts = [line_amount(line) for line in items]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def line_amount(line: LineItem) -> Decimal | None:
    """A line's price before discounts."""
    if line.line_total is not None:
        return line.line_total
    if line.unit_price is None or line.quantity is None:
        return None
    return line.unit_price * line.quantity


def is_part(items: Sequence[LineItem] | None, whole: Sequence[LineItem] | None) -> bool:
    """True where ``items`` say nothing, or nothing beyond ``whole``: empty, equal, a subset."""
    if items is None:
        return True
    rest = _counted(_standing(whole or ()))
    return all(rest[line] >= count for line, count in _counted(_standing(items)).items())


def overlap(cart: Sequence[LineItem] | None, order: Sequence[LineItem] | None) -> Decimal | None:
    """Share of the cart's lines whose variant, else product, else SKU is in the order.

    None where the cart names none of them, or the order tells no lines. A kind of name that
    only one side uses says nothing: the next kind decides.
    """
    lines = _standing(cart or ())
    if order is None or not any(any(_names(line)) for line in lines):
        return None
    ordered = [{name for name in kind if name} for kind in zip(*map(_names, order), strict=True)]
    found = 0
    for line in lines:
        comparable = (
            name in names
            for name, names in zip(_names(line), ordered, strict=False)
            if name and names
        )
        found += next(comparable, False)
    return (Decimal(found) / len(lines)).quantize(_SHARE)


def _standing(items: Sequence[LineItem]) -> list[LineItem]:
    return [line for line in items if line.quantity is None or line.quantity > 0]


def _counted(items: Iterable[LineItem]) -> Counter[_Identity]:
    counted: Counter[_Identity] = Counter()
    for line in items:
        ids = (line.line_id, *_names(line))
        counted[ids if any(ids) else (line.name,)] += line.quantity or 1
    return counted


def _names(line: LineItem) -> _Identity:
    return (line.variant_id, line.product_id, line.sku)
