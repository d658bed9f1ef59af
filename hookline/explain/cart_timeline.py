"""Timeline of a cart's rows: its events, orders and silences in order, and what each changed.

The fold itself is run after each moment, so a timeline always ends in the stored rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from schemas.events import Micros
from sinks.carts.fold import fold
from sinks.carts.links import link_method
from sinks.carts.records import (
    SECOND,
    Activity,
    CandidateOrder,
    CartHistory,
    CartStatus,
    Detection,
    Generation,
)

_OMITTED = frozenset(
    {
        *("cart_key", "generation", "source", "shop", "native_cart_id", "abandonments"),
        *("next_due", "source_event_id", "raw_partition", "raw_offset"),
    }
)
"""Fields of a generation that identify it, or repeat what its moment shows already."""
TIMES = frozenset({"first_seen_at", "last_activity_at", "abandoned_at", "closed_at"})
"""Fields of a generation that are instants."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of one generation, before and after."""

    generation: int
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Moment:
    """An event, an order or a silence; ``rule`` explains its effect.

    ``kind``: ``cart event``, ``report``, ``order`` or ``silence``. Event id and raw coordinates
    only for cart events and reports: an order may have several events.
    """

    at: Micros
    kind: str
    rule: str
    changes: tuple[FieldChange, ...]
    event_id: str | None = None
    raw_partition: int | None = None
    raw_offset: int | None = None
    appended_at: Micros | None = None
    order_key: str | None = None


def timeline(
    cart_key: str,
    histories: Sequence[CartHistory],
    orders: Sequence[CandidateOrder],
    watermark: Micros,
) -> list[Moment]:
    """Return all moments of the cart, in order. ``histories`` and ``orders`` are its link group."""
    history = next(each for each in histories if each.cart_key == cart_key)
    final = [row for row in fold(histories, orders, watermark) if row.cart_key == cart_key]
    linked = [order for order in orders if link_method(history, order) is not None]
    # Ids of the cart's events so far, and keys of the orders; other carts' orders always count.
    seen: set[str] = {order.order_key for order in orders} - {each.order_key for each in linked}
    before: list[Generation] = []
    moments = []
    for at, *_, subject in sorted(_subjects(history, linked, final), key=lambda m: m[:4]):
        if isinstance(subject, Activity):
            seen.add(subject.event_id)
        elif isinstance(subject, CandidateOrder):
            seen.add(subject.order_key)
        group_rows = fold(
            [_until(each, at, seen if each is history else None) for each in histories],
            [order for order in orders if order.order_key in seen and order.placed_at <= at],
            min(at, watermark),
        )
        after = [row for row in group_rows if row.cart_key == cart_key]
        previous, current = (rows[-1] if rows else None for rows in (before, after))
        rule = _Rule(history, previous, current, group_rows).explain(subject)
        moments.append(_moment(at, subject, rule, tuple(_changes(before, after))))
        before = after
    return moments


def _subjects(
    history: CartHistory, linked: Iterable[CandidateOrder], rows: Iterable[Generation]
) -> Iterator[tuple[Micros, int, tuple[int, ...], str, Activity | CandidateOrder | Generation]]:
    """Yield (when, rank, version, id, subject): at one instant silences come first."""
    for each in {each.event_id: each for each in history.activities}.values():
        yield _instant(each), 1, each.version, each.event_id, each
    for order in linked:
        yield order.placed_at, 2, (), order.order_key, order
    for row in rows:
        if row.detection is Detection.TIMER:
            for at in row.abandonments:
                yield at, 0, (), "", row
        if row.status is CartStatus.EXPIRED and row.closed_at is not None:
            yield row.closed_at + 1, 0, (), "", row


def _instant(activity: Activity) -> Micros:
    return activity.received_at if activity.abandoned else activity.at


def _until(history: CartHistory, at: Micros, event_ids: set[str] | None) -> CartHistory:
    """Limit a cart's activities to these events, or to those up to an instant."""
    kept = (
        each
        for each in history.activities
        if (_instant(each) <= at if event_ids is None else each.event_id in event_ids)
    )
    return replace(history, activities=tuple(kept))


def _changes(before: Sequence[Generation], after: Sequence[Generation]) -> Iterator[FieldChange]:
    old_rows = {row.generation: row for row in before}
    new_rows = {row.generation: row for row in after}
    for number in sorted({*old_rows, *new_rows}):
        for each in fields(Generation):
            if each.name in _OMITTED:
                continue
            old, new = (getattr(rows.get(number), each.name, None) for rows in (old_rows, new_rows))
            if old != new:
                yield FieldChange(number, each.name, old, new)


def _moment(
    at: Micros,
    subject: Activity | CandidateOrder | Generation,
    rule: str,
    changes: tuple[FieldChange, ...],
) -> Moment:
    if isinstance(subject, Activity):
        return Moment(
            at,
            "report" if subject.abandoned else "cart event",
            rule,
            changes,
            event_id=subject.event_id,
            raw_partition=subject.raw_partition,
            raw_offset=subject.raw_offset,
            appended_at=subject.version[2],
        )
    if isinstance(subject, CandidateOrder):
        return Moment(at, "order", rule, changes, order_key=subject.order_key)
    return Moment(at, "silence", rule, changes)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Explains a moment from the cart's newest row before it and after it.

    ``group_rows``: the rows of all carts of the link group after it.
    """

    history: CartHistory
    previous: Generation | None
    current: Generation | None
    group_rows: Sequence[Generation]

    def explain(self, subject: Activity | CandidateOrder | Generation) -> str:
        if isinstance(subject, CandidateOrder):
            return self._order(subject)
        if isinstance(subject, Generation):
            return self._silence(subject)
        text = self._report(subject) if subject.abandoned else self._activity(subject)
        previous, current = self.previous, self.current
        if current is None or current.order_key is None:
            return text
        if previous and previous.generation == current.generation and previous.order_key:
            return text
        return f"{text}; {current.order_key}, placed up to 5 min before, closes it"

    def _silence(self, row: Generation) -> str:
        latest = self._latest(row)
        if self.current is not None and self.current.status is CartStatus.EXPIRED:
            since = "the report" if row.detection is Detection.PLATFORM else "the last activity"
            return f"no order within {_span(latest.expire_after)} of {since}: expired"
        return f"no activity for {_span(latest.abandon_after)}, and items in it: abandoned"

    def _order(self, order: CandidateOrder) -> str:
        if not order.may_close_cart:
            return "a renewal, a test or a draft: closes no cart"
        closed = next((row for row in self.group_rows if row.order_key == order.order_key), None)
        if closed is None:
            return (
                "closes nothing: none of its carts was open then, or it was placed outside the"
                " time from 5 min before a cart was first seen until expire_after after its end"
            )
        if closed.cart_key != self.history.cart_key:
            return (
                f"one order closes one cart: {closed.cart_key} (generation {closed.generation}),"
                " whose last activity was the later one"
            )
        abandoned = "abandoned before" if closed.abandon_count else "never abandoned"
        text = (
            f"names this cart by {closed.link_method}: closes generation {closed.generation},"
            f" {abandoned}, so {closed.status}"
        )
        return text + ("; cancelled since, so nothing is recovered" if order.cancelled else "")

    def _report(self, report: Activity) -> str:
        if self.previous is None or self.current is None:
            return "its platform reports it abandoned: abandoned from this report on"
        if self.current.generation > self.previous.generation:
            return f"reported again after {self.previous.status}: opens the next generation"
        if self.previous.detection is Detection.TIMER:
            return "its platform reports it abandoned: reports override our timer from now on"
        if self.previous.status is CartStatus.ABANDONED:
            return "reported again while open: its content is the newest, abandoned_at stays"
        return (
            f"within {_span(report.checkout_grace)} of its order: belongs to the closed generation"
        )

    def _activity(self, activity: Activity) -> str:
        previous, current = self.previous, self.current
        if current is None:
            return "empty: an empty state opens no generation"
        if current.detection is Detection.PLATFORM:
            return "changes nothing: the platform's own reports override our timer"
        if previous is None:
            return "the first activity: opens generation 1"
        if current.generation > previous.generation:
            return f"activity after {previous.status}: opens generation {current.generation}"
        return _same_generation(previous, current, _span(activity.checkout_grace))

    def _latest(self, row: Generation) -> Activity:
        return next(e for e in self.history.activities if e.event_id == row.source_event_id)


def _same_generation(previous: Generation, current: Generation, grace: str) -> str:
    """Explain an activity that opens no generation."""
    if current.status is CartStatus.EMPTIED and previous.status is not CartStatus.EMPTIED:
        return (
            f"emptied, which is no activity: for {grace} an order still closes it;"
            " items and value stay those of the last state with items"
        )
    if previous.order_key is not None:
        return f"changes nothing: within {grace} of the order, and no more than it bought"
    if previous.status is CartStatus.EMPTIED:
        if current.status is CartStatus.EMPTIED:
            return f"changes nothing: already empty; for {grace} an order still closes it"
        return f"items again within {grace}: active, as if it had not been emptied"
    if previous.status is CartStatus.ABANDONED:
        return "activity: active again; the time of silence restarts"
    return "activity: the time of silence restarts"


def _span(micros: int) -> str:
    """Format a duration: ``1 h``, ``30 min``, ``30 d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if micros % (length * SECOND) == 0 and micros:
            return f"{micros // (length * SECOND)} {unit}"
    return str(timedelta(microseconds=micros))
