"""Input and output of the cart rules. Times and durations are microseconds, instants UTC."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from schemas.events import Cart, LineItem, Micros, SignalKind
from sinks.merge.last_writer import Version, version

SECOND = 1_000_000
SOLD = ("COUNTED", "PENDING")
"""Standings of orders that still count as sales, or may yet."""


class CartStatus(StrEnum):
    """State of a cart generation."""

    ACTIVE = "ACTIVE"
    ABANDONED = "ABANDONED"
    RECOVERED = "RECOVERED"
    EXPIRED = "EXPIRED"
    CONVERTED = "CONVERTED"
    EMPTIED = "EMPTIED"


class Detection(StrEnum):
    """Who detected that the cart was abandoned: our timer or its platform."""

    TIMER = "TIMER"
    PLATFORM = "PLATFORM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One cart event: a row of ``cart_activity``.

    ``at`` is occurred_at. ``items``: None is not given, () is given as empty. ``currency`` is
    the payload's, else the shop's. ``abandoned``: the platform reports the cart abandoned.
    Durations come from the settings stamped on the event. ``imported``: an import brought it; it
    dates itself, so its ``received_at`` is ``at``. Stored as JSON under these names.
    """

    event_id: str
    version: Version
    at: Micros
    received_at: Micros
    items: tuple[LineItem, ...] | None
    total: Decimal | None
    currency: str | None
    abandoned: bool
    created_at: Micros | None
    abandon_after: int
    expire_after: int
    checkout_grace: int
    is_test: bool
    time_basis: str
    raw_partition: int
    raw_offset: int
    imported: bool = False


def activity_of(cart: Cart) -> Activity:
    """Return the activity of a cart event, with the settings stamped on it in microseconds."""
    meta = cart.meta
    imported = meta.import_id is not None
    return Activity(
        event_id=meta.event_id,
        version=version(meta),
        at=meta.occurred_at,
        received_at=meta.occurred_at if imported else meta.received_at,
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
        imported=imported,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CartHistory:
    """A cart with all its kept activities (any order, repeats allowed) and its links.

    ``customer_id``, ``email_hash`` and ``cart_token`` are the newest given;
    ``person_key`` and ``is_contactable`` are the customer's, and pass through to the rows.
    """

    cart_key: str
    source: str
    shop: str
    native_cart_id: str
    customer_id: str | None = None
    email_hash: str | None = None
    cart_token: str | None = None
    customer_key: str | None = None
    person_key: str | None = None
    is_contactable: bool | None = None
    activities: tuple[Activity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateOrder:
    """An order that may close a cart, in its newest state.

    ``may_close_cart`` is false for renewals, tests and drafts. ``standing`` is the column of
    ``orders``. ``value`` is the net, of a pending order what its net would be, 0 once
    cancelled; None where unknown.
    """

    order_key: str
    source: str
    shop: str
    placed_at: Micros
    may_close_cart: bool
    value: Decimal | None
    currency: str | None
    standing: str
    items: tuple[LineItem, ...] | None
    customer_id: str | None = None
    email_hash: str | None = None
    cart_token: str | None = None
    cart_id: str | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled or deleted."""
        return self.standing == "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One generation of a cart: a row of ``cart_generations``, stored as JSON under these names.

    The columns of ``abandoned_carts`` without ``detected_at``, which the store adds. Also
    ``abandonments``, every abandoned_at of the generation (ascending; the last is
    ``abandoned_at``), ``silent``, those of them that only an import shows, of which no signal is
    sent, and ``next_due``, the earliest watermark that changes the row without
    any new event, None if none does. ``recovered_value`` is the net of the whole order, not
    only of the cart's items; ``order_standing`` is the order's standing. ``source_event_id``
    and its raw partition and offset are those of the latest activity. ``time_to_recover`` is in
    microseconds, ``item_overlap`` a share from 0 to 1 with four places.
    """

    cart_key: str
    generation: int
    source: str
    shop: str
    native_cart_id: str
    customer_key: str | None
    person_key: str | None
    is_contactable: bool | None
    status: CartStatus
    detection: Detection
    time_basis: str
    first_seen_at: Micros
    last_activity_at: Micros | None
    abandoned_at: Micros | None
    closed_at: Micros | None
    abandon_count: int
    item_count: int | None
    items: tuple[LineItem, ...] | None
    cart_value: Decimal | None
    value_source: str | None
    currency: str | None
    order_key: str | None
    link_method: str | None
    time_to_recover: int | None
    recovered_value: Decimal | None
    item_overlap: Decimal | None
    is_test: bool
    source_event_id: str
    raw_partition: int
    raw_offset: int
    abandonments: tuple[Micros, ...]
    next_due: Micros | None
    order_standing: str | None = None
    silent: tuple[Micros, ...] = ()

    @property
    def was_abandoned(self) -> bool:
        """Whether it has a row in ``abandoned_carts``: it is or was abandoned."""
        return self.abandon_count > 0

    @property
    def came_back(self) -> bool:
        """Whether it was recovered by an order that still counts or is pending."""
        return self.status is CartStatus.RECOVERED and self.order_standing in SOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A change of a cart to publish. ``row`` is the generation; of a retraction, its old row.

    ``signal_id`` is UUIDv5(cart key, generation, kind, abandoned_at).
    """

    signal_id: str
    kind: SignalKind
    abandoned_at: Micros
    occurred_at: Micros
    row: Generation
