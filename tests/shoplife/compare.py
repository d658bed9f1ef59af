"""Compares the two rows of a life, and prints a difference so that it can be read."""

import json
import traceback
from decimal import Decimal

from tests.shoplife import draw, payloads, product, truth
from tests.shoplife.life import Life, Row

TOLERANCE = Decimal("0.0005")
"""Each share is rounded to four decimals; an order sums up a few of them."""
_FIELDS = ("gross", "discounts", "refunded", "net", "pending")
Difference = dict[str, tuple[object, object]]
"""Field -> (expected, actual)."""


def differences(life: Life) -> Difference:
    """The fields in which the product differs from the truth."""
    expected = truth.row(life)
    try:
        actual = product.row(life)
    except product.RejectedError as error:
        return {"delivery": ("accepted", str(error))}
    except Exception:  # noqa: BLE001 - a bug is a difference
        return {"delivery": ("accepted", traceback.format_exc())}
    if expected.revenue_status != actual.revenue_status:
        return {"revenue_status": (expected.revenue_status, actual.revenue_status)}
    found: Difference = {}
    for name in _compared(expected):
        wanted, given = getattr(expected, name), getattr(actual, name)
        if name in ("discounts", "refunded"):  # none given is none taken off
            wanted, given = wanted or Decimal(0), given or Decimal(0)
        if (wanted is None) != (given is None) or (
            wanted is not None and abs(wanted - given) > TOLERANCE
        ):
            found[name] = (wanted, given)
    if expected.revenue_status in ("COUNTED", "PENDING") and expected.reason != actual.reason:
        found["reason"] = (expected.reason, actual.reason)
    if actual.tax_basis is not None and expected.tax_basis not in (None, str(actual.tax_basis)):
        found["tax_basis"] = (expected.tax_basis, actual.tax_basis)
    return found


def _compared(expected: Row) -> tuple[str, ...]:
    if expected.revenue_status in ("COUNTED", "PENDING") and expected.reason in (
        "tax-unknown",
        "refund-unknown",
        "items-unknown",
    ):
        return ("net", "pending")
    return _FIELDS if expected.revenue_status == "COUNTED" else ("gross", "net", "pending")


def report(life: Life, found: Difference) -> str:
    """A history with its payloads, what was expected and what came."""
    lines = [
        f"seed {life.seed}: {life.source} {life.format} {life.currency}",
        f"shop: taxes_included={life.taxes_included} counts_as_sale={life.counts_as_sale}",
        f"(python -m tests.shoplife --count 1 --seed {life.seed})",
    ]
    for number, sent in enumerate(life.sent, start=1):
        appended = payloads.iso(sent.appended * 1000)
        lines.append(f"\n{number}. {product.event_name(life, sent)} appended {appended}")
        lines.append(json.dumps(product.body(life, sent)))
    lines += ["", f"{'field':<16}{'expected':<28}actual"]
    lines += [f"{name:<16}{wanted!s:<28}{given}" for name, (wanted, given) in found.items()]
    return "\n".join(lines)


def first_difference(first: int, count: int) -> str | None:
    """The report of the first life that differs, of ``count`` seeds from ``first`` on."""
    for seed in range(first, first + count):
        life = draw.life(seed)
        if found := differences(life):
            return report(life, found)
    return None
