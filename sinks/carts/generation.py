"""One generation of a cart while its activities, orders and silences are applied in order."""

from dataclasses import dataclass, field
from decimal import Decimal

from schemas.events import Micros
from sinks.carts.lines import is_part, overlap, units, value
from sinks.carts.records import (
    Activity,
    CandidateOrder,
    CartHistory,
    CartStatus,
    Detection,
    Generation,
)

_OPEN = (CartStatus.ACTIVE, CartStatus.ABANDONED, CartStatus.EMPTIED)


@dataclass(slots=True)
class GenerationState:
    """A generation so far. ``reported``: the platform reports it abandoned, our timer does not.

    ``content`` is the last activity whose items are given and not empty; ``latest`` the last
    activity, the settings of which apply. ``due`` are times beyond the watermark at which
    silence will change it. ``is_live``: activity with items shows it that was not imported.
    """

    first_seen_at: Micros
    content: Activity
    latest: Activity
    reported: bool
    number: int = 0
    status: CartStatus = CartStatus.ACTIVE
    is_test: bool = False
    is_live: bool = False
    abandonments: list[Micros] = field(default_factory=list)
    silent: list[Micros] = field(default_factory=list)
    emptied_at: Micros | None = None
    grace_ends: Micros = 0  # counts only while emptied_at is set
    closed_at: Micros | None = None
    order: CandidateOrder | None = None
    link: str | None = None
    due: list[Micros] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether an order or an activity may still change it."""
        return self.status in _OPEN

    @property
    def end(self) -> Micros:
        """The instant from which ``expire_after`` runs."""
        return self.abandonments[0] if self.reported else self.latest.at

    @property
    def last_order_at(self) -> Micros:
        """The last instant at which an order may close it."""
        return self.end + self.latest.expire_after

    def accepts_order(self, placed_at: Micros) -> bool:
        """Return whether an order placed then may close it, if it names the cart."""
        if not self.is_open or placed_at > self.last_order_at:
            return False
        return self.emptied_at is None or placed_at <= self.grace_ends

    def includes(self, activity: Activity) -> bool:
        """Return whether an activity belongs to it, rather than to the next generation."""
        at = activity.received_at if self.reported else activity.at
        if self.status is CartStatus.EXPIRED:
            return False
        if self.order is not None:  # an echo of the checkout shows nothing beyond what it bought
            grace_ends = self.order.placed_at + self.latest.checkout_grace
            ordered = self.order.items or ()
            return at <= grace_ends and is_part(activity.items, self.content.items, ordered)
        return self.emptied_at is None or at <= self.grace_ends

    def add(self, activity: Activity) -> None:
        """Take an activity as the latest, and its items as the content where they are given."""
        self.latest = activity
        if activity.items is not None:
            self.content = activity
        self.is_test |= activity.is_test
        self.is_live |= not activity.imported

    def reactivate(self, activity: Activity) -> None:
        """Apply an activity that leaves items in the cart."""
        self.status = CartStatus.ACTIVE
        self.emptied_at = self.closed_at = None
        self.add(activity)

    def empty(self, activity: Activity) -> None:
        """Apply an activity that empties the cart. Its content stays, and starts no new silence."""
        if self.emptied_at is None:  # a second emptying does not extend the grace
            self.status = CartStatus.EMPTIED
            self.emptied_at = self.closed_at = activity.at
            self.grace_ends = activity.at + activity.checkout_grace

    def abandon(self, at: Micros) -> None:
        """Mark it abandoned, once more if it was before."""
        self.status = CartStatus.ABANDONED
        self.abandonments.append(at)
        if self.latest.imported:
            self.silent.append(at)

    def expire(self, at: Micros) -> None:
        """Close it because no order came in time."""
        self.status = CartStatus.EXPIRED
        self.closed_at = at

    def close(self, order: CandidateOrder, link: str) -> None:
        """Close it by an order: recovered if it was ever abandoned, else converted."""
        self.status = CartStatus.RECOVERED if self.abandonments else CartStatus.CONVERTED
        self.closed_at = max(order.placed_at, self.first_seen_at)
        self.emptied_at = None
        self.order, self.link = order, link

    def row(self, history: CartHistory) -> Generation:
        """Return its row."""
        content, order = self.content, self.order
        cart_value, value_source = value(content.items, content.total)
        currency = content.currency or self.latest.currency
        abandoned_at = self.abandonments[-1] if self.abandonments else None
        time_to_recover = recovered_value = None
        if order is not None and abandoned_at is not None:
            if order.placed_at >= abandoned_at:
                time_to_recover = order.placed_at - abandoned_at
            if currency is not None and currency == order.currency:
                recovered_value = Decimal(0) if order.cancelled else order.value
        return Generation(
            cart_key=history.cart_key,
            generation=self.number,
            source=history.source,
            shop=history.shop,
            native_cart_id=history.native_cart_id,
            customer_key=history.customer_key,
            person_key=history.person_key,
            is_contactable=history.is_contactable,
            status=self.status,
            detection=Detection.PLATFORM if self.reported else Detection.TIMER,
            time_basis=self.latest.time_basis,
            first_seen_at=self.first_seen_at,
            last_activity_at=None if self.reported else self.latest.at,
            abandoned_at=abandoned_at,
            closed_at=self.closed_at,
            abandon_count=len(self.abandonments),
            item_count=units(content.items),
            items=content.items,
            cart_value=cart_value,
            value_source=value_source,
            currency=currency,
            order_key=order.order_key if order else None,
            link_method=self.link,
            time_to_recover=time_to_recover,
            recovered_value=recovered_value,
            item_overlap=overlap(content.items, order.items) if order else None,
            is_test=self.is_test,
            source_event_id=self.latest.event_id,
            raw_partition=self.latest.raw_partition,
            raw_offset=self.latest.raw_offset,
            abandonments=tuple(self.abandonments),
            next_due=min(self.due, default=None),
            order_standing=order.standing if order else None,
            silent=tuple(self.silent),
        )
