"""How a cart's rows came to be: its events, orders and silences in order, and what each moved.

Nothing is explained from memory of the rules: the fold itself is asked what it says after each
moment, so a story cannot differ from the rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from schemas.events import Micros
from sinks.carts.activity import (
    SECOND,
    Activity,
    CandidateOrder,
    CartHistory,
    Detection,
    Generation,
    Status,
    fold,
)
from sinks.carts.links import link_method

_UNTOLD = frozenset(
    {
        *("cart_key", "generation", "source", "shop", "native_cart_id", "abandonments"),
        *("next_due", "source_event_id", "raw_partition", "raw_offset"),
    }
)
"""Fields of a generation that name it, or only say what a moment says of itself."""
TIMES = frozenset({"first_seen_at", "last_activity_at", "abandoned_at", "closed_at"})
"""Fields of a generation that are instants."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A field of one generation, before and after."""

    generation: int
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened, or silence; ``rule`` says in words what follows from it.

    ``kind``: ``cart event``, ``report``, ``order`` or ``silence``. Raw coordinates and event id
    where one event stands behind it; an order's events are told apart.
    """

    at: Micros
    kind: str
    rule: str
    moved: tuple[Moved, ...]
    event_id: str | None = None
    raw_partition: int | None = None
    raw_offset: int | None = None
    appended_at: Micros | None = None
    order_key: str | None = None


def story(
    cart_key: str,
    histories: Sequence[CartHistory],
    orders: Sequence[CandidateOrder],
    watermark: Micros,
) -> list[Moment]:
    """Every moment of the cart, in order. ``histories`` and ``orders`` are its whole group."""
    history = next(each for each in histories if each.cart_key == cart_key)
    at_the_end = [row for row in fold(histories, orders, watermark) if row.cart_key == cart_key]
    linked = [order for order in orders if link_method(history, order) is not None]
    told: set[str] = {order.order_key for order in orders} - {each.order_key for each in linked}
    before: list[Generation] = []
    found = []
    for at, *_, subject in sorted(_moments(history, linked, at_the_end), key=lambda m: m[:4]):
        if isinstance(subject, Activity):
            told.add(subject.event_id)
        elif isinstance(subject, CandidateOrder):
            told.add(subject.order_key)
        everything = fold(
            [_until(each, at, told if each is history else None) for each in histories],
            [order for order in orders if order.order_key in told and order.placed_at <= at],
            min(at, watermark),
        )
        after = [row for row in everything if row.cart_key == cart_key]
        rule = _Rule(history, before, after, everything)
        found.append(_moment(at, subject, rule.words(subject), tuple(_moved(before, after))))
        before = after
    return found


def _moments(
    history: CartHistory, linked: Iterable[CandidateOrder], rows: Iterable[Generation]
) -> Iterator[tuple[Micros, int, tuple[int, ...], str, Activity | CandidateOrder | Generation]]:
    """(when, rank, version, id, subject): a silence ends before what ends it counts."""
    for each in {each.event_id: each for each in history.activities}.values():
        yield _seen(each), 1, each.version, each.event_id, each
    for order in linked:
        yield order.placed_at, 2, (), order.order_key, order
    for row in rows:
        if row.detection is Detection.TIMER:
            for at in row.abandonments:
                yield at, 0, (), "", row
        if row.status is Status.EXPIRED and row.closed_at is not None:
            yield row.closed_at + 1, 0, (), "", row


def _seen(activity: Activity) -> Micros:
    return activity.received_at if activity.abandoned else activity.at


def _until(history: CartHistory, at: Micros, told: set[str] | None) -> CartHistory:
    """What was known of a cart: up to an instant, or up to this very event."""
    kept = (
        each
        for each in history.activities
        if (_seen(each) <= at if told is None else each.event_id in told)
    )
    return replace(history, activities=tuple(kept))


def _moved(before: Sequence[Generation], after: Sequence[Generation]) -> Iterator[Moved]:
    was = {row.generation: row for row in before}
    now = {row.generation: row for row in after}
    for number in sorted({*was, *now}):
        for each in fields(Generation):
            if each.name in _UNTOLD:
                continue
            old, new = (getattr(rows.get(number), each.name, None) for rows in (was, now))
            if old != new:
                yield Moved(number, each.name, old, new)


def _moment(
    at: Micros,
    subject: Activity | CandidateOrder | Generation,
    rule: str,
    moved: tuple[Moved, ...],
) -> Moment:
    if isinstance(subject, Activity):
        return Moment(
            at,
            "report" if subject.abandoned else "cart event",
            rule,
            moved,
            event_id=subject.event_id,
            raw_partition=subject.raw_partition,
            raw_offset=subject.raw_offset,
            appended_at=subject.version[2],
        )
    if isinstance(subject, CandidateOrder):
        return Moment(at, "order", rule, moved, order_key=subject.order_key)
    return Moment(at, "silence", rule, moved)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which rule speaks at a moment, given the cart's rows before and after it."""

    history: CartHistory
    before: Sequence[Generation]
    after: Sequence[Generation]
    everything: Sequence[Generation]

    @property
    def was(self) -> Generation | None:
        return self.before[-1] if self.before else None

    @property
    def now(self) -> Generation | None:
        return self.after[-1] if self.after else None

    def words(self, subject: Activity | CandidateOrder | Generation) -> str:
        if isinstance(subject, CandidateOrder):
            return self._order(subject)
        if isinstance(subject, Generation):
            return self._silence(subject)
        said = self._report(subject) if subject.abandoned else self._activity(subject)
        if self.now is not None and self.now.order_key is not None:
            had = self.was is not None and self.was.generation == self.now.generation
            if not had or (self.was is not None and self.was.order_key is None):
                said += f"; {self.now.order_key}, placed up to 5 min before, closes it"
        return said

    def _silence(self, row: Generation) -> str:
        latest = self._latest(row)
        if self.now is not None and self.now.status is Status.EXPIRED:
            since = "the report" if row.detection is Detection.PLATFORM else "the last activity"
            return f"no order within {_span(latest.expire_after)} of {since}: expired"
        return f"no activity for {_span(latest.abandon_after)}, and items in it: abandoned"

    def _order(self, order: CandidateOrder) -> str:
        if not order.closes:
            return "a renewal, a test or a draft: closes no cart"
        closed = next((row for row in self.everything if row.order_key == order.order_key), None)
        if closed is None:
            return (
                "closes nothing: none of its carts was open then, or it was placed outside the"
                " time from 5 min before a cart was first seen until expire_after behind its end"
            )
        if closed.cart_key != self.history.cart_key:
            return (
                f"one order closes one cart: {closed.cart_key} (generation {closed.generation}),"
                " whose last activity was the later one"
            )
        abandoned = "abandoned before" if closed.abandon_count else "never abandoned"
        said = (
            f"names this cart by {closed.link_method}: closes generation {closed.generation},"
            f" {abandoned}, so {closed.status}"
        )
        return said + ("; cancelled since, so nothing is recovered" if order.cancelled else "")

    def _report(self, report: Activity) -> str:
        if self.was is None or self.now is None:
            return "its platform reports it abandoned: abandoned as told, from this report on"
        if self.now.generation > self.was.generation:
            return f"reported again after {self.was.status}: opens the next generation"
        if self.was.detection is Detection.TIMER:
            return "its platform reports it abandoned: its word stands over our timer from now on"
        if self.was.status is Status.ABANDONED:
            return "reported again while open: its content is the newest, abandoned_at stays"
        return f"within {_span(report.checkout_grace)} of its order: belongs to what was closed"

    def _activity(self, activity: Activity) -> str:
        was, now = self.was, self.now
        if now is None:
            said = "empty: an empty state opens no generation"
        elif now.detection is Detection.PLATFORM:
            said = "moves nothing: the platform's own reports stand over our timer"
        elif was is None:
            said = "the first activity: opens generation 1"
        elif now.generation > was.generation:
            said = f"activity after {was.status}: opens generation {now.generation}"
        else:
            said = _within(was, now, _span(activity.checkout_grace))
        return said

    def _latest(self, row: Generation) -> Activity:
        return next(e for e in self.history.activities if e.event_id == row.source_event_id)


def _within(was: Generation, now: Generation, grace: str) -> str:
    """Of an activity that opens nothing."""
    if now.status is Status.EMPTIED and was.status is not Status.EMPTIED:
        return (
            f"emptied, which is no activity: for {grace} an order still closes it;"
            " items and value stay those of the last state with items"
        )
    if was.order_key is not None:
        return f"moves nothing: within {grace} of the order, and nothing beyond what it bought"
    if was.status is Status.EMPTIED:
        if now.status is Status.EMPTIED:
            return f"moves nothing: empty already, for {grace} an order still closes it"
        return f"items again within {grace}: active, as if it had not been emptied"
    if was.status is Status.ABANDONED:
        return "activity: back again, so active; the time of silence starts anew"
    return "activity: the time of silence starts anew"


def _span(micros: int) -> str:
    """A duration in words: ``1 h``, ``30 min``, ``30 d``."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if micros % (length * SECOND) == 0 and micros:
            return f"{micros // (length * SECOND)} {unit}"
    return str(timedelta(microseconds=micros))
