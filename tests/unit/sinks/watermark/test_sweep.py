"""Hours of a shop on a given clock: outages of every stage, and no cart called abandoned wrongly.

Senders hold back what an ingress that is away does not take; processors stop and pile up a
backlog; one partition stays empty. What the sweep detects is compared with what really happened.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from runtime.stage import Partition
from schemas.events import Micros
from sinks.carts.fold import fold
from sinks.carts.records import Activity, CandidateOrder, CartHistory, activity_of
from sinks.watermark.watermark import MARGIN_MS, Watermark
from tests.sink_events import NOON, SECOND, cart, line

HOUR_S = 3600
STEP_S = 5
"""Of the clock: a heartbeat, a sweep and some work of each stage."""
END_S = 6 * HOUR_S
AWAY = range(HOUR_S, HOUR_S + 20 * 60)
"""When no ingress was there."""
GRACE_S = 3600
STOPPED = range(3 * HOUR_S, 3 * HOUR_S + 30 * 60)
"""When no processor ran."""
BACKLOG = 50_000
RATE = 60 * STEP_S
"""Records that processors, and sinks, take in a step at most."""
FOUND_WITHIN_S = MARGIN_MS // 1000 + 2 * STEP_S
"""A heartbeat gives the time, the next step finds everything passed."""

RAW, IDLE_RAW = Partition("raw", 0), Partition("raw", 1)
CARTS, IDLE = Partition("carts", 0), Partition("orders", 0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What happened to a cart at a second, and when it reached the log."""

    cart: int
    arrives_s: int
    what: Activity | CandidateOrder


@dataclass
class World:
    """Everything between the senders and the tables, on one clock (seconds)."""

    arrivals: list[Arrival]
    grace_s: int = GRACE_S
    raw: list[Arrival] = field(default_factory=list)
    processed: int = 0
    stored: int = 0
    mark: Watermark = field(default_factory=Watermark)
    carts: defaultdict[int, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    due: dict[int, Micros] = field(default_factory=dict)
    abandonments: dict[int, tuple[Micros, ...]] = field(default_factory=dict)
    detected: dict[tuple[int, Micros], int] = field(default_factory=dict)
    longest_backlog: int = 0
    caught_up_s: int = 0

    def run(self) -> None:
        """Live through it."""
        waiting = sorted(self.arrivals, key=lambda arrival: arrival.arrives_s, reverse=True)
        for now in range(0, END_S, STEP_S):
            while waiting and waiting[-1].arrives_s < now:
                self.raw.append(waiting.pop())
            if now not in STOPPED:
                self.processed = min(len(self.raw), self.processed + RATE)
            self.longest_backlog = max(self.longest_backlog, len(self.raw) - self.processed)
            touched = self._store(min(self.processed, self.stored + RATE))
            if now >= STOPPED.stop and not self.caught_up_s and self.stored == len(self.raw):
                self.caught_up_s = now
            self._move_watermark(now)
            self._sweep(now, touched)

    def _store(self, end: int) -> set[int]:
        touched = {arrival.cart for arrival in self.raw[self.stored : end]}
        for arrival in self.raw[self.stored : end]:
            self.carts[arrival.cart].append(arrival)
        self.stored = end
        return touched

    def _move_watermark(self, now: int) -> None:
        beats = [] if now in AWAY else [(_ms(now), True)]
        mark = self.mark.with_heartbeats(beats, self.grace_s * 1000)
        mark = mark.with_barrier({RAW: len(self.raw), IDLE_RAW: 0})
        mark = mark.after_processors({RAW: self.processed}, {}, {CARTS: self.processed, IDLE: 0})
        self.mark = mark.after_sinks({CARTS: self.stored}, {})

    def _sweep(self, now: int, touched: set[int]) -> None:
        watermark = (self.mark.at or 0) * 1000
        for number in touched | {each for each, at in self.due.items() if at <= watermark}:
            rows = fold(*_histories(number, self.carts[number]), watermark)
            self.abandonments[number] = tuple(at for row in rows for at in row.abandonments)
            dues = [row.next_due for row in rows if row.next_due is not None]
            self.due.pop(number, None)
            if dues:
                self.due[number] = min(dues)
            for at in self.abandonments[number]:
                self.detected.setdefault((number, at), now)


def _ms(second: int) -> int:
    return NOON // 1000 + second * 1000


def _histories(
    number: int, arrivals: list[Arrival]
) -> tuple[list[CartHistory], list[CandidateOrder]]:
    activities = tuple(each.what for each in arrivals if isinstance(each.what, Activity))
    orders = [each.what for each in arrivals if isinstance(each.what, CandidateOrder)]
    history = CartHistory(
        cart_key=f"run-free/main/cart:{number}",
        source="run-free",
        shop="main",
        native_cart_id=f"{number}",
        customer_id=f"{number}",
        activities=activities,
    )
    return [history], orders


def _arrivals(seed: int, carts: int, busy: int) -> list[Arrival]:
    """Carts that are used, left, come back to, or bought, and a crowd while no processor runs."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    arrivals: list[Arrival] = []
    for number in range(carts):
        at = chance.randrange(END_S - 3 * HOUR_S)
        for _ in range(chance.randrange(1, 5)):
            arrivals.append(_held(number, at, _activity(at), chance))
            at += chance.choice((60, 600, 3000, 3590, 3610, 5000))
        if chance.random() < 0.5:
            arrivals.append(_held(number, at, _order(number, at), chance))
    crowd = range(carts, carts + max(1, busy // 10))
    for _ in range(busy):
        at = chance.choice(STOPPED)
        arrivals.append(Arrival(chance.choice(crowd), at, _activity(at)))
    return arrivals


def _held(number: int, at: int, what: Activity | CandidateOrder, chance: random.Random) -> Arrival:
    arrives = at
    if at in AWAY:  # the sender comes again, within its time
        arrives = AWAY.stop + chance.randrange(GRACE_S - 60)
    return Arrival(number, arrives, what)


_ACTIVITY = activity_of(cart("1", NOON, [line("a")], source="run-free"))


def _activity(second: int) -> Activity:
    at = NOON + second * SECOND
    return replace(
        _ACTIVITY, event_id=f"{second}", at=at, received_at=at, version=(at, 2, at, 0, second)
    )


def _order(number: int, second: int) -> CandidateOrder:
    return CandidateOrder(
        order_key=f"run-free/main/order:{number}",
        source="run-free",
        shop="main",
        placed_at=NOON + second * SECOND,
        may_close_cart=True,
        value=Decimal(50),
        currency="USD",
        standing="COUNTED",
        items=None,
        customer_id=f"{number}",
    )


def _true(arrivals: list[Arrival], watermark: Micros) -> set[tuple[int, Micros]]:
    """What was abandoned up to the watermark, by all that ever arrived."""
    carts: defaultdict[int, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        carts[arrival.cart].append(arrival)
    return {
        (number, at)
        for number, each in carts.items()
        for row in fold(*_histories(number, each), watermark)
        for at in row.abandonments
    }


@pytest.fixture(scope="module")
def lived() -> World:
    world = World(_arrivals(seed=1, carts=3000, busy=BACKLOG))
    world.run()
    return world


def test_no_cart_is_ever_called_abandoned_that_was_not(lived: World) -> None:
    assert lived.longest_backlog >= BACKLOG
    assert set() == set(lived.detected) - _true(lived.arrivals, NOON + END_S * SECOND)


def test_none_is_missing_in_the_end(lived: World) -> None:
    watermark = (lived.mark.at or 0) * 1000
    assert (END_S - STEP_S) * 1000 - MARGIN_MS == (lived.mark.at or 0) - NOON // 1000
    found = {(number, at) for number, each in lived.abandonments.items() for at in each}
    assert len(found) > 5000
    assert _true(lived.arrivals, watermark) == found


def test_none_is_found_late_once_everything_has_caught_up(lived: World) -> None:
    """Each as soon as the watermark may pass it: what holds it is known, and ends."""
    holds = (
        (AWAY.start, AWAY.stop + GRACE_S),
        (STOPPED.start, lived.caught_up_s),
    )
    late = {}
    for (number, at), detected in lived.detected.items():
        allowed = (at - NOON) // SECOND + FOUND_WITHIN_S
        for start, end in holds:
            if start <= allowed < end + FOUND_WITHIN_S:
                allowed = end + FOUND_WITHIN_S
        if detected > allowed:
            late[number, at] = detected - allowed
    assert {} == late
    assert STOPPED.stop < lived.caught_up_s < STOPPED.stop + HOUR_S


def test_without_the_time_for_senders_carts_would_be_wronged() -> None:
    """These histories do hold what the hold is for."""
    world = World(_arrivals(seed=2, carts=1500, busy=0), grace_s=0)
    world.run()
    assert len(set(world.detected) - _true(world.arrivals, NOON + END_S * SECOND)) > 20


def test_without_the_barrier_carts_would_be_wronged() -> None:
    class Hasty(World):
        def _move_watermark(self, now: int) -> None:
            self.mark = Watermark(at=_ms(now) - MARGIN_MS)

    world = Hasty(_arrivals(seed=3, carts=1500, busy=0))
    world.run()
    wrong = set(world.detected) - _true(world.arrivals, NOON + END_S * SECOND)
    assert any(world.detected[each] in STOPPED for each in wrong)
