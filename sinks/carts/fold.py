"""The cart state machine: activities and orders of one link group, folded in event time.

Silence counts only up to the watermark: what would follow from silence beyond it is noted
as ``next_due`` and not yet said.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import Final

from schemas.events import Micros
from sinks.carts.lines import has_items, is_empty, is_part, overlap, units, value
from sinks.carts.links import link_method
from sinks.carts.records import Activity, CandidateOrder, CartHistory, Detection, Generation, Status

EARLY = 5 * 60 * 1_000_000
"""How long before a cart is first seen its order may be placed."""

NOTHING: Final = Decimal(0)
FOREVER: Final = 1 << 63

_OPEN = (Status.ACTIVE, Status.ABANDONED, Status.EMPTIED)
_Step = tuple[Micros, int, str, int, Callable[[], None]]
"""(when, activities before orders, key, number within the cart, what happens)."""


def fold(
    carts: Iterable[CartHistory], orders: Iterable[CandidateOrder], watermark: Micros
) -> list[Generation]:
    """All generations of the carts of one link group, ordered by cart key and generation.

    ``carts`` and ``orders`` must be closed under their ``fold_keys``: every cart and order
    that shares one with them is there, since one order closes one generation only.
    """
    histories = sorted(carts, key=attrgetter("cart_key"))
    group = _Group(watermark, [_Cart(history) for history in histories])
    steps: list[_Step] = []
    for cart in group.carts:
        for number, (at, happening) in enumerate(group.happenings(cart)):
            steps.append((at, 0, cart.history.cart_key, number, happening))
    for order in orders:
        if order.closes:
            placed = partial(group.placed, order)
            steps.append((order.placed_at, 1, order.order_key, 0, placed))
    for *_, step in sorted(steps, key=lambda step: step[:4]):
        step()
    for cart in group.carts:
        for run in cart.runs:
            group.silence(run, FOREVER)
    return [_row(cart.history, run) for cart in group.carts for run in cart.runs]


@dataclass(slots=True)
class _Run:
    """A generation while it is folded."""

    number: int
    first_seen_at: Micros
    content: Activity  # its items are those of the last non-empty state
    latest: Activity  # its settings count
    platform: bool
    status: Status = Status.ACTIVE
    is_test: bool = False
    abandonments: list[Micros] = field(default_factory=list)
    emptied_at: Micros | None = None
    grace_ends: Micros = 0  # of being emptied
    closed_at: Micros | None = None
    order: CandidateOrder | None = None
    link: str | None = None
    due: list[Micros] = field(default_factory=list)

    @property
    def end(self) -> Micros:
        return self.abandonments[0] if self.platform else self.latest.at

    @property
    def expires_at(self) -> Micros:
        """The last instant at which an order may close it."""
        return self.end + self.latest.expire_after

    def takes(self, placed_at: Micros) -> bool:
        """Whether an order placed then may close it, links apart."""
        if self.status not in _OPEN or placed_at > self.expires_at:
            return False
        return self.emptied_at is None or placed_at <= self.grace_ends

    def add(self, activity: Activity) -> None:
        self.latest = activity
        if activity.items is not None:
            self.content = activity
        self.is_test |= activity.is_test


@dataclass(slots=True)
class _Cart:
    history: CartHistory
    runs: list[_Run] = field(default_factory=list)

    @property
    def current(self) -> _Run | None:
        return self.runs[-1] if self.runs else None


@dataclass(slots=True)
class _Group:
    watermark: Micros
    carts: list[_Cart]
    waiting: list[CandidateOrder] = field(default_factory=list)

    def happenings(self, cart: _Cart) -> Iterator[tuple[Micros, Callable[[], None]]]:
        """When each of the cart's activities counts, and what it does."""
        activities = {each.event_id: each for each in cart.history.activities}.values()
        reports = sorted(
            (each for each in activities if each.abandoned),
            key=attrgetter("received_at", "version", "event_id"),
        )
        if not reports:
            for each in sorted(activities, key=attrgetter("at", "version", "event_id")):
                yield each.at, partial(self.active, cart, each)
            return
        # The platform's own word stands over our timer. Its first report speaks of a cart
        # that stood since its creation, so that an order between the two closes it.
        for number, report in enumerate(reports):
            at = report.received_at if number else _created(report)
            yield at, partial(self.reported, cart, report)

    def active(self, cart: _Cart, activity: Activity) -> None:
        run = cart.current
        if run is not None:
            self.silence(run, activity.at)
        if run is None or not _continues(run, activity):
            if not is_empty(activity.items):
                self.open(cart, _Run(len(cart.runs) + 1, activity.at, activity, activity, False))
        elif run.status not in _OPEN:
            return  # the echo of its order
        elif is_empty(activity.items):
            if run.emptied_at is None:
                run.status = Status.EMPTIED
                run.emptied_at = run.closed_at = activity.at
                run.grace_ends = activity.at + activity.checkout_grace
        elif run.emptied_at is None or has_items(activity.items):
            run.status = Status.ACTIVE
            run.emptied_at = run.closed_at = None
            run.add(activity)

    def reported(self, cart: _Cart, report: Activity) -> None:
        run = cart.current
        if run is not None:
            self.silence(run, report.received_at)
        if run is None or not _continues(run, report):
            first_seen_at = _created(report)
            if run is not None and first_seen_at <= (run.closed_at or run.end):
                first_seen_at = report.received_at  # the earlier life was seen first then
            run = _Run(len(cart.runs) + 1, first_seen_at, report, report, True)
            run.status = Status.ABANDONED
            run.abandonments.append(report.received_at)
            self.open(cart, run)
        elif run.status in _OPEN:
            run.add(report)

    def open(self, cart: _Cart, run: _Run) -> None:
        run.is_test = run.latest.is_test
        cart.runs.append(run)
        if not run.platform:  # time has come as far as this run's start
            earliest = run.first_seen_at - EARLY
            self.waiting = [order for order in self.waiting if order.placed_at >= earliest]
        for order in self.waiting:
            link = link_method(cart.history, order)
            if link is not None and run.first_seen_at <= order.placed_at + EARLY:
                self.waiting.remove(order)
                _close(run, order, link)
                return

    def placed(self, order: CandidateOrder) -> None:
        found: tuple[Micros, _Run, str] | None = None
        for cart in self.carts:  # by cart key: the first of equals stays
            run, link = cart.current, link_method(cart.history, order)
            if run is None or link is None:
                continue
            self.silence(run, order.placed_at)
            seen_at = run.first_seen_at if run.platform else run.latest.at
            if run.takes(order.placed_at) and (found is None or seen_at > found[0]):
                found = (seen_at, run, link)
        if found is None:
            self.waiting.append(order)
        else:
            _close(found[1], order, found[2])

    def silence(self, run: _Run, until: Micros) -> None:
        """What silence up to ``until`` does to a run, as far as the watermark vouches for it."""
        if run.status is Status.ACTIVE and has_items(run.content.items):
            abandoned_at = run.latest.at + run.latest.abandon_after
            if abandoned_at <= until and self.vouches(run, abandoned_at):
                run.status = Status.ABANDONED
                run.abandonments.append(abandoned_at)
        if run.status is Status.ABANDONED:
            expires_at = max(run.expires_at, run.abandonments[-1])
            if expires_at < until and self.vouches(run, expires_at + 1):
                run.status = Status.EXPIRED
                run.closed_at = expires_at

    def vouches(self, run: _Run, at: Micros) -> bool:
        if at > self.watermark:
            run.due.append(at)
        return at <= self.watermark


def _created(report: Activity) -> Micros:
    if report.created_at is None:
        return report.received_at
    return min(report.created_at, report.received_at)


def _continues(run: _Run, activity: Activity) -> bool:
    """Whether an activity belongs to this generation: it is open, or closed by this very buy."""
    at = activity.received_at if run.platform else activity.at
    if run.status is Status.EXPIRED:
        return False
    if run.order is not None:
        ends = run.order.placed_at + run.latest.checkout_grace
        return at <= ends and is_part(activity.items, run.content.items)
    return run.emptied_at is None or at <= run.grace_ends


def _close(run: _Run, order: CandidateOrder, link: str) -> None:
    run.status = Status.RECOVERED if run.abandonments else Status.CONVERTED
    run.closed_at = max(order.placed_at, run.first_seen_at)
    run.emptied_at = None
    run.order, run.link = order, link


def _row(history: CartHistory, run: _Run) -> Generation:
    content, order = run.content, run.order
    cart_value, value_source = value(content.items, content.total)
    currency = content.currency or run.latest.currency
    abandoned_at = run.abandonments[-1] if run.abandonments else None
    to_recover = recovered = None
    if order is not None and abandoned_at is not None:
        to_recover = order.placed_at - abandoned_at
        if currency is not None and currency == order.currency:
            recovered = NOTHING if order.cancelled else order.value
    return Generation(
        cart_key=history.cart_key,
        generation=run.number,
        source=history.source,
        shop=history.shop,
        native_cart_id=history.native_cart_id,
        customer_key=history.customer_key,
        person_key=history.person_key,
        is_contactable=history.is_contactable,
        status=run.status,
        detection=Detection.PLATFORM if run.platform else Detection.TIMER,
        time_basis=run.latest.time_basis,
        first_seen_at=run.first_seen_at,
        last_activity_at=None if run.platform else run.latest.at,
        abandoned_at=abandoned_at,
        closed_at=run.closed_at,
        abandon_count=len(run.abandonments),
        item_count=units(content.items),
        items=content.items,
        cart_value=cart_value,
        value_source=value_source,
        currency=currency,
        order_key=order.order_key if order else None,
        link_method=run.link,
        time_to_recover=to_recover if to_recover is not None and to_recover >= 0 else None,
        recovered_value=recovered,
        item_overlap=overlap(content.items, order.items) if order else None,
        is_test=run.is_test,
        source_event_id=run.latest.event_id,
        raw_partition=run.latest.raw_partition,
        raw_offset=run.latest.raw_offset,
        abandonments=tuple(run.abandonments),
        next_due=min(run.due, default=None),
    )
