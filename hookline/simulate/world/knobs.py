"""What a simulated world is made of: how long, how many, how customers behave."""

from dataclasses import dataclass, field, fields
from math import isfinite

from hookline.simulate.world.facts import DAY, SECOND, Micros

MOST_SHOPS = 100
LONGEST_DAYS = 3650
LARGEST_SKEW = 20.0
_POSITIVE = ("r", "alpha", "a", "b", "p", "q", "gamma")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How customers buy, and how often the rest happens.

    ``r``, ``alpha`` (days), ``a``, ``b``: BG/NBD; after the first purchase a customer buys again
    at a rate drawn from Gamma(r, 1/alpha), and leaves after each repeat purchase with a chance
    drawn from Beta(a, b). ``p``, ``q``, ``gamma``: Gamma-Gamma; an order is worth a Gamma(p, 1/v),
    v of the customer drawn from Gamma(q, 1/gamma). The others are shares, 0 to 1.
    """

    r: float = 1.0
    alpha: float = 120.0
    a: float = 0.8
    b: float = 3.0
    p: float = 2.0
    q: float = 5.0
    gamma: float = 60.0

    guests: float = 0.1
    same_person: float = 0.05
    consents: float = 0.5
    updates: float = 0.1
    customer_deletions: float = 0.01
    discounts: float = 0.25
    taxed: float = 0.7
    shipped: float = 0.6
    gift_cards: float = 0.03
    tests: float = 0.01
    pays_later: float = 0.2
    edits: float = 0.06
    cancels: float = 0.06
    reinstates: float = 0.3
    refunds: float = 0.12
    refunds_again: float = 0.3
    fulfils: float = 0.5
    deletions: float = 0.01
    subscribes: float = 0.4

    def __post_init__(self) -> None:
        """Check every number. Raises ValueError."""
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in _POSITIVE:
                _number(each.name, value, above=0.0)
            else:
                _share(each.name, value)
        if self.q <= 1:
            raise ValueError(
                f"q: write more than 1, not {self.q}: the mean spend would be infinite"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The knobs of a run.

    ``start``: when it begins; ``seconds``: how long it lasts; ``rate``: deliveries a second, of
    as many customers as that needs, unless ``customers`` gives their number. ``shops``: of each
    platform. ``days``: how far the history goes back; ``speed``: seconds of history a second,
    by default so many that the whole history is sent. ``live_share``: which share of those who
    come are live visits. ``entering``: in which first part of the history ``customers`` first
    buy. ``clock_skew``: by how many seconds, at most, a shop's clock is wrong.
    """

    seed: int
    start: Micros
    seconds: float = 60.0
    rate: float = 50.0
    shops: int = 2
    customers: int | None = None
    days: int = 365
    speed: float | None = None
    live_share: float = 0.3
    entering: float = 0.75
    clock_skew: float = 0.0
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        """Check every number. Raises ValueError."""
        if self.seed < 0:
            raise ValueError(f"seed: write 0 or more, not {self.seed}")
        if self.start < LONGEST_DAYS * DAY:
            raise ValueError(f"start: write microseconds since 1970, not {self.start}")
        _number("seconds", self.seconds, above=0.0)
        _number("rate", self.rate, above=0.0)
        if not 1 <= self.shops <= MOST_SHOPS:
            raise ValueError(f"shops: write 1 to {MOST_SHOPS} of each platform, not {self.shops}")
        if self.customers is not None and self.customers < 1:
            raise ValueError(f"customers: write 1 or more, not {self.customers}")
        if not 1 <= self.days <= LONGEST_DAYS:
            raise ValueError(f"days: write 1 to {LONGEST_DAYS}, not {self.days}")
        if self.speed is not None:
            _number("speed", self.speed, above=0.0)
        _share("live_share", self.live_share)
        _share("entering", self.entering)
        if not 0 <= self.clock_skew <= LARGEST_SKEW:
            raise ValueError(
                f"clock_skew: write 0 to {LARGEST_SKEW:g} seconds, not {self.clock_skew}"
            )

    @property
    def length(self) -> Micros:
        """The run in microseconds."""
        return int(self.seconds * SECOND)

    @property
    def history_begins(self) -> Micros:
        """When the first customer may buy, as the shops' clocks show it."""
        return self.start - self.days * DAY

    @property
    def history_ends(self) -> Micros:
        """The end of what is sent of the history: an hour before the run, before all carts."""
        whole = self.start - DAY // 24
        if self.speed is None:
            return whole
        return min(whole, self.history_begins + int(self.speed * self.length))

    @property
    def history_lasts(self) -> Micros:
        """How long the history is sent: the whole run, or as long as its speed takes."""
        if self.speed is None:
            return self.length
        return min(self.length, int((self.history_ends - self.history_begins) / self.speed))

    def due_of(self, at: Micros) -> Micros:
        """Return when a change of the history is sent, in microseconds since the run began."""
        since = at - self.history_begins
        if self.speed is not None:
            return int(since / self.speed)
        return since * self.length // (self.history_ends - self.history_begins + 1)

    def history_at(self, due: Micros) -> Micros:
        """Return the time in the history that is sent at ``due``."""
        if self.speed is not None:
            return self.history_begins + int(due * self.speed)
        span = self.history_ends - self.history_begins + 1
        return self.history_begins + due * span // self.length


def _number(name: str, value: float, *, above: float) -> None:
    if not (isfinite(value) and value > above):
        raise ValueError(f"{name}: write a number above {above:g}, not {value}")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: write a share from 0 to 1, not {value}")
