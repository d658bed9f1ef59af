"""Refunds that payments give, where a platform's orders give none."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from schemas.events import Micros
from schemas.platforms import PLATFORMS
from sinks.merge.event_fields import FIRST_REFUNDED, FIRST_STATUS_REFUNDED

REFUNDS_FROM_PAYMENTS = frozenset(
    name for name, row in PLATFORMS.items() if row.refunds_from == "payments"
)
"""Platforms whose payments are the one authority for refunds."""

RefundedStep = tuple[Decimal, Micros]
"""A running total of refunded money, and when an event first gave it."""

_NO_MONEY = ("INVOICE", "CREDIT")
"""Kinds of payment that move no money of a customer: an invoice repeats its transaction."""


class PaymentRefund(msgspec.Struct, frozen=True, gc=False):
    """What one payment gave back in all, newest state, with the steps that led there.

    ``refunded`` is None where the payment was given back whole and no event gives its amount.
    """

    payment_id: str
    refunded: Decimal | None
    steps: tuple[RefundedStep, ...] = ()


def refunded_steps(fields: Mapping[str, Any], prefix: str) -> tuple[RefundedStep, ...]:
    """Return the running totals of flattened fields, ordered by amount."""
    return tuple(
        sorted(
            (Decimal(name.removeprefix(prefix)), at)
            for name, at in fields.items()
            if name.startswith(prefix)
        )
    )


def payment_refund(fields: Mapping[str, Any]) -> PaymentRefund | None:
    """Return what a payment gave back, from its flattened fields; None where nothing.

    Its own refunded amount, else all of its amount where its status is REFUNDED.
    """
    if fields.get("is_test") or fields.get("kind") in _NO_MONEY:
        return None
    refunded = fields.get("refunded_amount")
    steps = refunded_steps(fields, FIRST_REFUNDED)
    if refunded is None and fields.get("status") == "REFUNDED":
        refunded = fields.get("amount")
        at = fields.get(FIRST_STATUS_REFUNDED, fields["first_occurred_at"])
        steps = ((Decimal(refunded or 0), at),)
        if refunded is None:
            return PaymentRefund(fields["payment_id"], None, steps)
    if refunded is None or Decimal(refunded) <= 0:
        return None
    return PaymentRefund(fields["payment_id"], Decimal(refunded), steps)
