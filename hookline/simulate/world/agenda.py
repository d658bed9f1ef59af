"""The world of a run: who comes when, and all that follows, in the order of sending."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from random import Random

from hookline.simulate.world.customers import Buyer
from hookline.simulate.world.facts import SECOND, Customer, Fact, Micros, Step
from hookline.simulate.world.knobs import Knobs
from hookline.simulate.world.orders import OrderLives
from hookline.simulate.world.people import People, ShopNumbers
from hookline.simulate.world.shop_list import shops
from hookline.simulate.world.visits import visit

Wake = Callable[[Micros], None]
_SLICE: Micros = SECOND // 4
_AT_ONCE = 2
"""Deliveries that one who comes causes at about that time."""


def steps(knobs: Knobs) -> Iterator[Step]:
    """Yield the steps of a run in the order of ``due``, the same for the same knobs.

    Whatever is due after the run's end is left out: it has not happened yet.
    """
    return World(knobs).steps()


class World:
    """All that is yet to happen: facts to be sent, and those who will do something.

    ``chance`` decides everything; whoever lives in the world draws from it, and calls ``push``
    with what is due, or ``report`` with facts of the history. ``known``: by shop a customer of
    its history who may come to visit.
    """

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.chance = Random(f"world {knobs.seed}")  # noqa: S311 - a seed repeats it
        self.people = People(knobs, self.chance)
        self.known: dict[str, Customer] = {}
        self._lives = [
            OrderLives(self.chance, knobs.behaviour, ShopNumbers(shop)) for shop in shops(knobs)
        ]
        self._heap: list[tuple[Micros, int, Fact | Wake]] = []
        self._scheduled: defaultdict[int, int] = defaultdict(int)
        self._pushed = self._sent = self._came = 0
        self._now: Micros = 0

    def push(self, due: Micros, what: Fact | Wake) -> None:
        """Send a fact at ``due``, or call ``what`` then; never earlier than now."""
        due = max(due, self._now)
        if due < self.knobs.length:
            self._pushed += 1
            heappush(self._heap, (due, self._pushed, what))
            self._scheduled[due // _SLICE] += 1

    def report(self, facts: Iterable[Fact]) -> None:
        """Send facts of the history in time; those after its end have not happened yet."""
        for fact in facts:
            if fact.changed_at < self.knobs.history_ends:
                self.push(self.knobs.due_of(fact.changed_at), fact)

    def steps(self) -> Iterator[Step]:
        """Yield what is due, slice by slice, and let more come as they are needed."""
        heap = self._heap
        for begins in range(0, self.knobs.length, _SLICE):
            ends = min(begins + _SLICE, self.knobs.length)
            self._admit(begins, ends)
            while heap and heap[0][0] < ends:
                self._now, _, what = heappop(heap)
                if callable(what):
                    what(self._now)
                else:
                    self._sent += 1
                    yield Step(self._now, what)
            self._now = ends
            self._scheduled.pop(begins // _SLICE, None)

    def _admit(self, begins: Micros, ends: Micros) -> None:
        """Let so many come that the slice is full, or those whose turn it is, evenly spread."""
        count = self._needed(begins, ends)
        for number in range(count):
            due = begins + (ends - begins) * number // count
            self.push(due, self._enter)
        self._came += count

    def _needed(self, begins: Micros, ends: Micros) -> int:
        knobs = self.knobs
        if knobs.customers is None:
            expected = self._sent + self._scheduled[begins // _SLICE]
            return max(0, round((knobs.rate * ends / SECOND - expected) / _AT_ONCE))
        entering = max(1, int(knobs.history_lasts * knobs.entering))
        due_by_now = -(-knobs.customers * min(ends, entering) // entering)
        return due_by_now - self._came

    def _enter(self, due: Micros) -> None:
        """Let a customer of the history or a live visit begin."""
        lives = self.chance.choice(self._lives)
        if self.chance.random() < self.knobs.live_share:
            visit(self, lives, due)
        elif due < self.knobs.history_lasts:
            Buyer(self, lives, due)
