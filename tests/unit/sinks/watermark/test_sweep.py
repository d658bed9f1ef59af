"""Hours of a shop on a given clock: outages of every stage, and no cart called abandoned wrongly.

Senders hold back what an ingress that is away does not take; processors stop and pile up a
backlog; one partition stays empty. What the sweep says is compared with what really happened.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from runtime.stage import Partition
from schemas.events import Micros
from sinks.carts.activity import Activity, CandidateOrder, CartHistory, activity, fold
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
"""A heartbeat tells the time, the next look finds everything passed."""

RAW, IDLE_RAW = Partition("raw", 0), Partition("raw", 1)
CARTS, IDLE = Partition("carts", 0), Partition("orders", 0)


@dataclass(frozen=True, slots=True)
class Told:
    """What happened to a cart at a second, and when it reached the log."""

    cart: int
    arrives_s: int
    what: Activity | CandidateOrder


@dataclass
class World:
    """Everything between the senders and the tables, on one clock (seconds)."""

    arrivals: list[Told]
    grace_s: int = GRACE_S
    raw: list[Told] = field(default_factory=list)
    processed: int = 0
    stored: int = 0
    mark: Watermark = field(default_factory=Watermark)
    carts: defaultdict[int, list[Told]] = field(default_factory=lambda: defaultdict(list))
    due: dict[int, Micros] = field(default_factory=dict)
    standing: dict[int, tuple[Micros, ...]] = field(default_factory=dict)
    said: dict[tuple[int, Micros], int] = field(default_factory=dict)
    longest_backlog: int = 0
    caught_up_s: int = 0

    def run(self) -> None:
        """Live through it."""
        waiting = sorted(self.arrivals, key=lambda told: told.arrives_s, reverse=True)
        for now in range(0, END_S, STEP_S):
            while waiting and waiting[-1].arrives_s < now:
                self.raw.append(waiting.pop())
            if now not in STOPPED:
                self.processed = min(len(self.raw), self.processed + RATE)
            self.longest_backlog = max(self.longest_backlog, len(self.raw) - self.processed)
            touched = self._store(min(self.processed, self.stored + RATE))
            if now >= STOPPED.stop and not self.caught_up_s and self.stored == len(self.raw):
                self.caught_up_s = now
            self._look(now)
            self._sweep(now, touched)

    def _store(self, end: int) -> set[int]:
        touched = {told.cart for told in self.raw[self.stored : end]}
        for told in self.raw[self.stored : end]:
            self.carts[told.cart].append(told)
        self.stored = end
        return touched

    def _look(self, now: int) -> None:
        beats = [] if now in AWAY else [(_ms(now), True)]
        mark = self.mark.heard(beats, self.grace_s * 1000)
        mark = mark.started({RAW: len(self.raw), IDLE_RAW: 0})
        mark = mark.processed({RAW: self.processed}, {}, {CARTS: self.processed, IDLE: 0})
        self.mark = mark.stored({CARTS: self.stored}, {})

    def _sweep(self, now: int, touched: set[int]) -> None:
        watermark = (self.mark.at or 0) * 1000
        for number in touched | {each for each, at in self.due.items() if at <= watermark}:
            rows = fold(*_histories(number, self.carts[number]), watermark)
            self.standing[number] = tuple(at for row in rows for at in row.abandonments)
            dues = [row.next_due for row in rows if row.next_due is not None]
            self.due.pop(number, None)
            if dues:
                self.due[number] = min(dues)
            for at in self.standing[number]:
                self.said.setdefault((number, at), now)


def _ms(second: int) -> int:
    return NOON // 1000 + second * 1000


def _histories(number: int, told: list[Told]) -> tuple[list[CartHistory], list[CandidateOrder]]:
    activities = tuple(each.what for each in told if isinstance(each.what, Activity))
    orders = [each.what for each in told if isinstance(each.what, CandidateOrder)]
    history = CartHistory(
        cart_key=f"run-free/main/cart:{number}",
        source="run-free",
        shop="main",
        native_cart_id=f"{number}",
        customer_id=f"{number}",
        activities=activities,
    )
    return [history], orders


def _happenings(seed: int, carts: int, busy: int) -> list[Told]:
    """Carts that are used, left, come back to, or bought, and a crowd while processors stand."""
    chance = random.Random(seed)  # noqa: S311 - a seed repeats it
    told: list[Told] = []
    for number in range(carts):
        at = chance.randrange(END_S - 3 * HOUR_S)
        for _ in range(chance.randrange(1, 5)):
            told.append(_held(number, at, _activity(at), chance))
            at += chance.choice((60, 600, 3000, 3590, 3610, 5000))
        if chance.random() < 0.5:
            told.append(_held(number, at, _order(number, at), chance))
    crowd = range(carts, carts + max(1, busy // 10))
    for _ in range(busy):
        at = chance.choice(STOPPED)
        told.append(Told(chance.choice(crowd), at, _activity(at)))
    return told


def _held(number: int, at: int, what: Activity | CandidateOrder, chance: random.Random) -> Told:
    arrives = at
    if at in AWAY:  # the sender comes again, within its time
        arrives = AWAY.stop + chance.randrange(GRACE_S - 60)
    return Told(number, arrives, what)


_ACTIVITY = activity(cart("1", NOON, [line("a")], source="run-free"))


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
        closes=True,
        value=Decimal(50),
        currency="USD",
        cancelled=False,
        items=None,
        customer_id=f"{number}",
    )


def _true(arrivals: list[Told], watermark: Micros) -> set[tuple[int, Micros]]:
    """What was abandoned up to the watermark, by all that ever arrived."""
    carts: defaultdict[int, list[Told]] = defaultdict(list)
    for told in arrivals:
        carts[told.cart].append(told)
    return {
        (number, at)
        for number, each in carts.items()
        for row in fold(*_histories(number, each), watermark)
        for at in row.abandonments
    }


@pytest.fixture(scope="module")
def lived() -> World:
    world = World(_happenings(seed=1, carts=3000, busy=BACKLOG))
    world.run()
    return world


def test_no_cart_is_ever_called_abandoned_that_was_not(lived: World) -> None:
    assert lived.longest_backlog >= BACKLOG
    assert set() == set(lived.said) - _true(lived.arrivals, NOON + END_S * SECOND)


def test_none_is_missing_in_the_end(lived: World) -> None:
    watermark = (lived.mark.at or 0) * 1000
    assert (END_S - STEP_S) * 1000 - MARGIN_MS == (lived.mark.at or 0) - NOON // 1000
    found = {(number, at) for number, each in lived.standing.items() for at in each}
    assert len(found) > 5000
    assert _true(lived.arrivals, watermark) == found


def test_none_is_found_late_once_everything_has_caught_up(lived: World) -> None:
    """Each as soon as the watermark may pass it: what holds it is known, and ends."""
    holds = (
        (AWAY.start, AWAY.stop + GRACE_S),
        (STOPPED.start, lived.caught_up_s),
    )
    late = {}
    for (number, at), said in lived.said.items():
        allowed = (at - NOON) // SECOND + FOUND_WITHIN_S
        for start, end in holds:
            if start <= allowed < end + FOUND_WITHIN_S:
                allowed = end + FOUND_WITHIN_S
        if said > allowed:
            late[number, at] = said - allowed
    assert {} == late
    assert STOPPED.stop < lived.caught_up_s < STOPPED.stop + HOUR_S


def test_without_the_time_for_senders_carts_would_be_wronged() -> None:
    """These histories do hold what the hold is for."""
    world = World(_happenings(seed=2, carts=1500, busy=0), grace_s=0)
    world.run()
    assert len(set(world.said) - _true(world.arrivals, NOON + END_S * SECOND)) > 20


def test_without_the_barrier_carts_would_be_wronged() -> None:
    class Hasty(World):
        def _look(self, now: int) -> None:
            self.mark = Watermark(at=_ms(now) - MARGIN_MS)

    world = Hasty(_happenings(seed=3, carts=1500, busy=0))
    world.run()
    wrong = set(world.said) - _true(world.arrivals, NOON + END_S * SECOND)
    assert any(world.said[each] in STOPPED for each in wrong)
