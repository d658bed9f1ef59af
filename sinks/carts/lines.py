"""Cart and order lines: units, value, and what two sets of lines have in common."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from schemas.events import LineItem

_FOUR_PLACES = Decimal("0.0001")
_Identity = tuple[str | None, ...]


def is_empty(items: Sequence[LineItem] | None) -> bool:
    """Return whether the lines are given and hold nothing; a line of zero units holds nothing."""
    return items is not None and not _non_empty(items)


def has_items(items: Sequence[LineItem] | None) -> bool:
    """Return whether the lines are given and hold at least one item."""
    return items is not None and bool(_non_empty(items))


def units(items: Sequence[LineItem] | None) -> int | None:
    """Add up the units; None where a line does not give its own."""
    if items is None:
        return None
    counts = [line.quantity for line in items]
    return None if None in counts else sum(count for count in counts if count is not None)


def value(
    items: Sequence[LineItem] | None, total: Decimal | None
) -> tuple[Decimal | None, str | None]:
    """Return (value, its source): the cart's own total, else its lines if all give a price."""
    if total is not None:
        return total, "CART_TOTAL"
    of_lines = lines_total(_non_empty(items)) if items else None
    return (None, None) if of_lines is None else (of_lines, "CART_LINES")


def lines_total(items: Iterable[LineItem]) -> Decimal | None:
    """Add up the lines before discounts; None where a line gives no price."""
    amounts = [line_amount(line) for line in items]
    given = [amount for amount in amounts if amount is not None]
    return sum(given, Decimal(0)) if len(given) == len(amounts) else None


def line_amount(line: LineItem) -> Decimal | None:
    """Price a line before discounts; None where it gives no price."""
    if line.line_total is not None:
        return line.line_total
    if line.unit_price is None or line.quantity is None:
        return None
    return line.unit_price * line.quantity


def is_part(
    items: Sequence[LineItem] | None,
    whole: Sequence[LineItem] | None,
    ordered: Sequence[LineItem] = (),
) -> bool:
    """Return whether ``items`` are not given, or hold nothing beyond ``whole`` or ``ordered``.

    Lines of a cart, ``whole``, are compared by their own identity; lines of an order,
    ``ordered``, have other identities and are compared by variant, else product, else SKU.
    """
    if items is None:
        return True
    available = _units_by_identity(_non_empty(whole or ()))
    lines = _non_empty(items)
    wanted = _units_by_identity(lines)
    beyond = {identity for identity, count in wanted.items() if available[identity] < count}
    if not beyond:
        return True
    in_order = _units_by_goods(_non_empty(ordered))
    goods: Counter[tuple[int, str] | None] = Counter()
    for line in lines:
        goods[_goods(line, in_order)] += line.quantity or 1
    return all(
        goods[key] <= (0 if key is None else in_order[key[0]][key[1]])
        for key in {_goods(line, in_order) for line in lines if _identity(line) in beyond}
    )


def overlap(cart: Sequence[LineItem] | None, order: Sequence[LineItem] | None) -> Decimal | None:
    """Return the share of cart lines in the order, by variant, else product, else SKU.

    From 0 to 1 with four places. None where the cart gives no identifier at all, or the order
    no lines. An identifier that only one side uses is skipped: the next one decides.
    """
    lines = _non_empty(cart or ())
    if order is None or not any(any(_identifiers(line)) for line in lines):
        return None
    # One set for each kind of identifier that the order uses.
    ordered = [set(filter(None, kind)) for kind in zip(*map(_identifiers, order), strict=True)]
    in_order = sum(_is_ordered(line, ordered) for line in lines)
    return (Decimal(in_order) / len(lines)).quantize(_FOUR_PLACES)


def _is_ordered(line: LineItem, ordered: Sequence[set[str | None]]) -> bool:
    # Not strict: an order of no lines uses no kind of identifier.
    for identifier, identifiers in zip(_identifiers(line), ordered, strict=False):
        if identifier and identifiers:
            return identifier in identifiers
    return False


def _non_empty(items: Sequence[LineItem]) -> list[LineItem]:
    """Leave out lines of zero units; a line that gives no units counts."""
    return [line for line in items if line.quantity is None or line.quantity > 0]


def _units_by_identity(items: Iterable[LineItem]) -> Counter[_Identity]:
    counted: Counter[_Identity] = Counter()
    for line in items:
        counted[_identity(line)] += line.quantity or 1
    return counted


def _identity(line: LineItem) -> _Identity:
    ids = (line.line_id, *_identifiers(line))
    return ids if any(ids) else (line.name,)


def _units_by_goods(items: Iterable[LineItem]) -> list[Counter[str]]:
    """Count units by variant, by product and by SKU: one counter for each."""
    counters: list[Counter[str]] = [Counter(), Counter(), Counter()]
    for line in items:
        for counter, identifier in zip(counters, _identifiers(line), strict=True):
            if identifier:
                counter[identifier] += line.quantity or 1
    return counters


def _goods(line: LineItem, in_order: Sequence[Counter[str]]) -> tuple[int, str] | None:
    """Return (kind, identifier) of a line, by the first kind that the order uses too."""
    for kind, identifier in enumerate(_identifiers(line)):
        if identifier and in_order[kind]:
            return kind, identifier
    return None


def _identifiers(line: LineItem) -> _Identity:
    return (line.variant_id, line.product_id, line.sku)
