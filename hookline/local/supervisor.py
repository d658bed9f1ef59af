"""Keeps child processes running: restarts with backoff, ordered stop, kill after a grace period."""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hookline.local.process import Child

MIN_BACKOFF, MAX_BACKOFF = 0.5, 30.0
STABLE_AFTER = 30.0
"""Seconds of uptime after which a child's earlier crashes no longer count."""
CRASH_LOOP = 3
"""Consecutive crashes that are a crash loop."""
GRACE = 30.0
"""Seconds from the stop signal to the kill."""


def backoff(crashes: int) -> float:
    """Seconds to wait before the next start, after this many consecutive crashes."""
    return min(MIN_BACKOFF * 2.0 ** min(crashes - 1, 16), MAX_BACKOFF)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a child. ``started_at`` is Unix time in seconds.

    ``last_exit`` is the exit code of its previous process (negative: the signal).
    """

    name: str
    pid: int | None
    is_running: bool
    started_at: float
    restarts: int
    last_exit: int | None
    is_looping: bool
    log: str


class _Supervised:
    """A child and its history of crashes."""

    def __init__(self, child: Child, clock: Callable[[], float]) -> None:
        self.child = child
        self._clock = clock
        self._started = clock()
        self._started_at = time.time()
        self._restart_at: float | None = None
        self._crashes = 0
        self._restarts = 0
        self._last_exit: int | None = None

    def tick(self) -> bool:
        """Restart it if its backoff has passed. True if its state changed."""
        if self.child.is_running:
            return False
        now = self._clock()
        if self._restart_at is None:
            uptime = now - self._started
            self._crashes = 1 if uptime >= STABLE_AFTER else self._crashes + 1
            self._last_exit = self.child.exit_code
            self._restart_at = now + backoff(self._crashes)
            return True
        if now < self._restart_at:
            return False
        self.child.start()
        self._restarts += 1
        self._started, self._started_at, self._restart_at = now, time.time(), None
        return True

    def state(self) -> State:
        is_recent = self._clock() - self._started < STABLE_AFTER
        return State(
            name=self.child.name,
            pid=self.child.pid,
            is_running=self.child.is_running,
            started_at=self._started_at,
            restarts=self._restarts,
            last_exit=self._last_exit,
            is_looping=self._crashes >= CRASH_LOOP and is_recent,
            log=str(self.child.log),
        )


class Supervisor:
    """Keeps tiers of children running. The children of a tier are stopped at the same time.

    ``changed`` is called with all states whenever one of them changes, ``exited`` with that of a
    child that exited and will be restarted.
    """

    def __init__(
        self,
        changed: Callable[[list[State]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        exited: Callable[[State], None] = lambda _: None,
    ) -> None:
        self._changed = changed
        self._exited = exited
        self._clock = clock
        self._tiers: list[list[_Supervised]] = []

    def add(self, children: Iterable[Child]) -> None:
        """Start a tier and supervise it. The tier added last is stopped first."""
        tier: list[_Supervised] = []
        self._tiers.append(tier)
        for child in children:
            child.start()
            tier.append(_Supervised(child, self._clock))

    def states(self) -> list[State]:
        """The states of all children, in the order in which they were added."""
        return [each.state() for tier in self._tiers for each in tier]

    def tick(self) -> None:
        """Check every child once."""
        changed = [each for tier in self._tiers for each in tier if each.tick()]
        if changed:
            self._changed(self.states())
        for each in changed:
            if not each.child.is_running:
                self._exited(each.state())

    def run(self, wait: Callable[[float], bool], every: float = 0.2) -> None:
        """Supervise until ``wait(seconds)`` returns true, as ``threading.Event.wait`` does."""
        was_looping: list[bool] = []
        while not wait(every):
            self.tick()
            # A crash loop ends without an event, once the child has been up long enough.
            is_looping = [state.is_looping for state in self.states()]
            if is_looping != was_looping:
                self._changed(self.states())
                was_looping = is_looping

    def stop(self, grace: float = GRACE) -> None:
        """Stop all children tier by tier; kill those still running after ``grace`` seconds."""
        while self._tiers:
            stop_all([each.child for each in self._tiers[-1]], grace)
            self._tiers.pop()


def stop_all(children: Sequence[Child], grace: float = GRACE) -> None:
    """Ask all children to stop; kill those still running after ``grace`` seconds, or their own."""
    for child in children:
        child.signal(child.stop_signal)
        child.signal(signal.SIGCONT)
    began = time.monotonic()
    for child in sorted(children, key=lambda each: each.grace):
        deadline = began + min(grace, child.grace)
        if not child.exits_within(max(0.0, deadline - time.monotonic())):
            child.kill()
