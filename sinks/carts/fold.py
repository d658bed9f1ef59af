"""The cart state machine: folds the activities and orders of a link group in event time.

Silence counts only up to the watermark. What silence beyond it would change is not applied;
its time becomes the generation's ``next_due``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Final

from schemas.events import Micros
from sinks.carts.generation import GenerationState
from sinks.carts.imported import without_repeats
from sinks.carts.lines import has_items, is_empty
from sinks.carts.links import link_method
from sinks.carts.records import Activity, CandidateOrder, CartHistory, CartStatus, Generation

EARLY_ORDER = 5 * 60 * 1_000_000
"""How long before a cart is first seen its order may be placed: the checkout can be faster."""

_END_OF_TIME: Final = 1 << 63
_Step = tuple[Micros, int, str, int, Callable[[], None]]
"""(time, activities before orders, key, number within the cart, the change to apply)."""


def fold(
    carts: Iterable[CartHistory], orders: Iterable[CandidateOrder], watermark: Micros
) -> list[Generation]:
    """Return all generations of one link group's carts, ordered by cart key and generation.

    The group must be complete: every cart and order that shares a fold key with one of these
    is among them, since one order closes one generation only.
    """
    histories = sorted(carts, key=attrgetter("cart_key"))
    group = _LinkGroup(watermark, [_Cart(history) for history in histories])
    steps = [*group.activity_steps(), *group.order_steps(orders)]
    for *_, apply in sorted(steps, key=lambda step: step[:4]):
        apply()
    for cart in group.carts:
        for generation in cart.generations:
            group.apply_silence(generation, _END_OF_TIME)
        cart.number()
    return [generation.row(cart.history) for cart in group.carts for generation in cart.generations]


@dataclass(slots=True)
class _Cart:
    history: CartHistory
    generations: list[GenerationState] = field(default_factory=list)

    @property
    def current(self) -> GenerationState | None:
        return self.generations[-1] if self.generations else None

    def number(self) -> None:
        """Number the generations from 1, the first live one where there are any.

        Those that only an import shows come before it, with 0 and less: signals of the live ones
        are out, with their numbers, when the past is imported.
        """
        live = [index for index, each in enumerate(self.generations) if each.is_live]
        for index, each in enumerate(self.generations):
            each.number = index + 1 - (live[0] if live else 0)


@dataclass(slots=True)
class _LinkGroup:
    """Carts, by key, and the orders that have closed none of them so far."""

    watermark: Micros
    carts: list[_Cart]
    unmatched: list[CandidateOrder] = field(default_factory=list)

    def activity_steps(self) -> Iterator[_Step]:
        for cart in self.carts:
            for number, (at, apply) in enumerate(self._changes(cart)):
                yield at, 0, cart.history.cart_key, number, apply

    def order_steps(self, orders: Iterable[CandidateOrder]) -> Iterator[_Step]:
        for order in orders:
            if order.may_close_cart:
                yield order.placed_at, 1, order.order_key, 0, partial(self.apply_order, order)

    def _changes(self, cart: _Cart) -> Iterator[tuple[Micros, Callable[[], None]]]:
        """Yield when each activity of a cart counts, and the change that it makes."""
        activities = without_repeats(cart.history.activities)
        reports = sorted(
            (each for each in activities if each.abandoned),
            key=attrgetter("received_at", "version", "event_id"),
        )
        if not reports:
            for each in sorted(activities, key=attrgetter("at", "version", "event_id")):
                yield each.at, partial(self.apply_activity, cart, each)
            return
        # The platform's own reports override our timer. The first one counts from the cart's
        # creation, so that an order between creation and report closes the cart.
        for number, report in enumerate(reports):
            at = report.received_at if number else _created_at(report)
            yield at, partial(self.apply_report, cart, report)

    def apply_activity(self, cart: _Cart, activity: Activity) -> None:
        generation = cart.current
        if generation is not None:
            self.apply_silence(generation, activity.at)
        if generation is None or not generation.includes(activity):
            if not is_empty(activity.items):
                self.open(cart, GenerationState(activity.at, activity, activity, reported=False))
        elif not generation.is_open:  # an echo of the order that closed it
            generation.is_live |= not (activity.imported or is_empty(activity.items))
        elif is_empty(activity.items):
            generation.empty(activity)
        elif generation.emptied_at is None or has_items(activity.items):
            generation.reactivate(activity)

    def apply_report(self, cart: _Cart, report: Activity) -> None:
        generation = cart.current
        if generation is not None:
            self.apply_silence(generation, report.received_at)
        if generation is None or not generation.includes(report):
            first_seen_at = _created_at(report)
            if generation is not None and first_seen_at <= (generation.closed_at or generation.end):
                # The creation belongs to the generation before this one.
                first_seen_at = report.received_at
            generation = GenerationState(first_seen_at, report, report, reported=True)
            generation.abandon(report.received_at)
            self.open(cart, generation)
        elif generation.is_open:
            generation.add(report)

    def open(self, cart: _Cart, generation: GenerationState) -> None:
        """Add a generation; an order placed shortly before it may close it at once."""
        generation.is_test = generation.latest.is_test
        generation.is_live = not generation.latest.imported
        cart.generations.append(generation)
        if not generation.reported:
            # Steps are in order of time: whatever opens later is too late for older orders.
            # A report's generation starts at the cart's creation, so it proves no such thing.
            earliest = generation.first_seen_at - EARLY_ORDER
            self.unmatched = [order for order in self.unmatched if order.placed_at >= earliest]
        for order in self.unmatched:
            link = link_method(cart.history, order)
            if link is not None and generation.first_seen_at <= order.placed_at + EARLY_ORDER:
                self.unmatched.remove(order)
                generation.close(order, link)
                return

    def apply_order(self, order: CandidateOrder) -> None:
        """Close the cart with the latest activity among those that the order names."""
        best: tuple[Micros, GenerationState, str] | None = None
        for cart in self.carts:  # in order of key: of equal activity the first cart wins
            generation, link = cart.current, link_method(cart.history, order)
            if generation is None or link is None:
                continue
            self.apply_silence(generation, order.placed_at)
            seen_at = generation.first_seen_at if generation.reported else generation.latest.at
            if generation.accepts_order(order.placed_at) and (best is None or seen_at > best[0]):
                best = seen_at, generation, link
        if best is None:
            self.unmatched.append(order)
        else:
            _, generation, link = best
            generation.close(order, link)

    def apply_silence(self, generation: GenerationState, until: Micros) -> None:
        """Abandon and expire a generation that nothing changed until then, up to the watermark."""
        if generation.status is CartStatus.ACTIVE and has_items(generation.content.items):
            abandoned_at = generation.latest.at + generation.latest.abandon_after
            if abandoned_at <= until and self._reached(generation, abandoned_at):
                generation.abandon(abandoned_at)
        if generation.status is CartStatus.ABANDONED:
            expires_at = max(generation.last_order_at, generation.abandonments[-1])
            # At that instant an order may still come: it is expired one microsecond later.
            if expires_at < until and self._reached(generation, expires_at + 1):
                generation.expire(expires_at)

    def _reached(self, generation: GenerationState, at: Micros) -> bool:
        """Return whether the watermark is at ``at``; note the time as due where it is not."""
        if at > self.watermark:
            generation.due.append(at)
        return at <= self.watermark


def _created_at(report: Activity) -> Micros:
    if report.created_at is None:
        return report.received_at
    return min(report.created_at, report.received_at)
