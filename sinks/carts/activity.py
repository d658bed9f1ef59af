"""The activity of a canonical cart event."""

from schemas.events import Cart
from sinks.carts.records import Activity
from sinks.merge.last_writer import version

SECOND = 1_000_000


def activity_of(cart: Cart) -> Activity:
    """Return the activity of a cart event, with the settings stamped on it in microseconds."""
    meta = cart.meta
    return Activity(
        event_id=meta.event_id,
        version=version(meta),
        at=meta.occurred_at,
        received_at=meta.received_at,
        items=cart.items,
        total=cart.total,
        currency=cart.currency or meta.settings.currency,
        abandoned=cart.abandoned,
        created_at=cart.created_at,
        abandon_after=meta.settings.abandon_after_s * SECOND,
        expire_after=meta.settings.expire_after_s * SECOND,
        checkout_grace=meta.settings.checkout_grace_s * SECOND,
        is_test=meta.is_test,
        time_basis=meta.time_basis.value,
        raw_partition=meta.raw_partition,
        raw_offset=meta.raw_offset,
    )
