"""What a fault is: what it does, and what may be seen of it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.pipeline import Shape

if TYPE_CHECKING:
    from tests.faults.storm import Storm

WORKERS = Shape(processors=3, sinks=2)
QUEUE_ALERTS = frozenset({"HooklineRowsLate"})
"""What full queues raise at the beginning of a storm."""

Strike = Callable[["Storm"], Awaitable[None]]
Around = Callable[["Storm"], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``recovery``: seconds within which nothing may be behind any more.

    ``around``: what the stages of a storm run in; such a storm is not shared. ``settings``
    replace those of the stages. ``answers``: statuses that a sender must have seen. ``exits``:
    processes that may end by themselves; None: it is not looked at. ``alerts``: those that it
    raises, none where it is too short for any; ``may_alert``: those that it raises in one run and
    not in the next.
    """

    number: int
    name: str
    title: str
    strike: Strike
    recovery: float = 60.0
    shape: Shape = WORKERS
    settings: dict[str, Any] = field(default_factory=dict)
    around: Around | None = None
    answers: frozenset[int] = frozenset()
    window: int | None = None  # the shops' dedupe window, seconds
    exits: int | None = None
    alerts: frozenset[str] = frozenset()
    may_alert: frozenset[str] = QUEUE_ALERTS
    is_outage: bool = False
    """Whether it is for the alerts: long, with empty queues, and each alert has its time."""
    is_lossy: bool = False
    """Whether it takes records away, so that what stands is no matter."""

    @property
    def is_alone(self) -> bool:
        """Whether its stages must be its own."""
        return (
            self.around is not None
            or bool(self.settings or self.window)
            or self.shape is not WORKERS
        )
