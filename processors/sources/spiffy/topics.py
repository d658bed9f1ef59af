"""Spiffy Stores: whether a body itself shows its topic, which no signature covers."""

from typing import Any

from processors.sources.contract import Parsed

_STATES = frozenset({"create", "created", "update", "updated"})
"""Verbs that name no change but a new state of the entity."""
_FINANCIAL = {
    "paid": "paid",
    "partially_paid": "partially_paid",
    "partially_refunded": "partially_refunded",
    "refunded": "refunded",
    "voided": "voided",
}
_FULFILMENT = {"fulfilled": "fulfilled", "partially_fulfilled": "partial"}
_CUSTOMER = {"enable": "enabled", "disable": "disabled"}


def body_shows_event(parsed: Parsed) -> bool:
    """Whether the body alone implies the topic: a cancelled order has the time of it.

    No verb that is not listed is implied by any body.
    """
    noun, _, verb = parsed.event.partition("/")
    body: dict[str, Any] = parsed.payload
    if verb in _STATES:
        return True
    if verb in ("delete", "deleted", "destroy"):
        return bool(body.get("deleted_at"))
    if noun == "customers":
        return verb in _CUSTOMER and body.get("state") == _CUSTOMER[verb]
    if verb == "cancelled":
        return bool(body.get("cancelled_at"))
    if verb in _FINANCIAL:
        return body.get("financial_status") == _FINANCIAL[verb]
    return verb in _FULFILMENT and body.get("fulfillment_status") == _FULFILMENT[verb]
