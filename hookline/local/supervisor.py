"""Keeps children running: restarts with back-off, stops in order, kills who does not listen."""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hookline.local.process import Child

SHORTEST, LONGEST = 0.5, 30.0
STEADY = 30.0
"""Seconds of life after which a child's earlier crashes no longer count."""
LOOPING = 3
"""Crashes in a row that are a loop."""
GRACE = 30.0
"""Seconds from the polite signal to the kill."""


def pause_after(crashes: int) -> float:
    """Seconds to wait before the next start, after that many crashes in a row."""
    return min(SHORTEST * 2.0 ** min(crashes - 1, 16), LONGEST)


@dataclass(frozen=True, slots=True)
class State:
    """A child as ``hookline status`` shows it. ``started_at`` is Unix time, seconds.

    ``last_exit`` is how the process before this one ended (negative: the signal).
    """

    name: str
    pid: int | None
    is_running: bool
    started_at: float
    restarts: int
    last_exit: int | None
    is_looping: bool
    log: str

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)


class _Kept:
    """One child and what the supervisor remembers of it."""

    def __init__(self, child: Child, clock: Callable[[], float]) -> None:
        self.child = child
        self._clock = clock
        self._born = clock()
        self._started_at = time.time()
        self._due: float | None = None
        self._crashes = 0
        self._restarts = 0
        self._last_exit: int | None = None

    def tick(self) -> bool:
        """Start it if it is due. True if something changed."""
        if self.child.is_running:
            return False
        now = self._clock()
        if self._due is None:
            lived = now - self._born
            self._crashes = 1 if lived >= STEADY else self._crashes + 1
            self._last_exit = self.child.exit_code
            self._due = now + pause_after(self._crashes)
            return True
        if now < self._due:
            return False
        self.child.start()
        self._restarts += 1
        self._born, self._started_at, self._due = now, time.time(), None
        return True

    def state(self) -> State:
        is_recent = self._clock() - self._born < STEADY
        return State(
            name=self.child.name,
            pid=self.child.pid,
            is_running=self.child.is_running,
            started_at=self._started_at,
            restarts=self._restarts,
            last_exit=self._last_exit,
            is_looping=self._crashes >= LOOPING and is_recent,
            log=str(self.child.log),
        )


class Supervisor:
    """Keeps tiers of children running; a tier is what may be stopped at the same time.

    The children given are running or are started by ``add``. ``changed`` is called with all
    states whenever one of them changed, ``ended`` with that of a child that is to be started
    again.
    """

    def __init__(
        self,
        changed: Callable[[list[State]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        ended: Callable[[State], None] = lambda _: None,
    ) -> None:
        self._changed = changed
        self._ended = ended
        self._clock = clock
        self._tiers: list[list[_Kept]] = []

    def add(self, children: Iterable[Child]) -> None:
        """Start a tier and keep it. The tier added last is stopped first."""
        tier: list[_Kept] = []
        self._tiers.append(tier)
        for child in children:
            child.start()
            tier.append(_Kept(child, self._clock))

    def states(self) -> list[State]:
        """All children, in the order in which they were added."""
        return [kept.state() for tier in self._tiers for kept in tier]

    def tick(self) -> None:
        """Look at every child once."""
        changed = [kept for tier in self._tiers for kept in tier if kept.tick()]
        if changed:
            self._changed(self.states())
        for kept in changed:
            if not kept.child.is_running:
                self._ended(kept.state())

    def run(self, until: Callable[[float], bool], every: float = 0.2) -> None:
        """Keep them until ``until(seconds to wait)`` says so (``threading.Event.wait``)."""
        was_looping: list[bool] = []
        while not until(every):
            self.tick()
            # A child that has been steady for a while is no longer in a loop.
            is_looping = [state.is_looping for state in self.states()]
            if is_looping != was_looping:
                self._changed(self.states())
                was_looping = is_looping

    def stop(self, grace: float = GRACE) -> None:
        """End all, tier by tier; who still runs ``grace`` seconds after being asked is killed."""
        while self._tiers:
            stop_all([kept.child for kept in self._tiers[-1]], grace)
            self._tiers.pop()


def stop_all(children: Sequence[Child], grace: float = GRACE) -> None:
    """Ask all at once, then wait for each; the time runs for all of them together."""
    for child in children:
        child.signal(child.stop_signal)
        child.signal(signal.SIGCONT)
    deadline = time.monotonic() + grace
    for child in children:
        if not child.ends_within(max(0.0, deadline - time.monotonic())):
            child.kill()
