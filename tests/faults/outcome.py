"""What a storm gave: its figures, and what is wrong with them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.alarms import Alarms, judge
from tests.faults.verify import Found

if TYPE_CHECKING:
    from tests.faults.fault import Fault

SILENT = 15.0
"""Seconds beyond those of a plain client in which no new row may become visible."""


@dataclass(slots=True)
class Outcome:
    """A run's figures; times in seconds.

    ``recovered``: from the end of the fault to no lag. ``ready``: from there until every stage
    was ready. ``silence``: the longest time without a new row. ``exits``: processes that ended by
    themselves.
    """

    fault: "Fault"
    seed: int
    found: Found
    recovered: float
    ready: float
    silence: float
    exits: int
    answers: dict[str, int]
    seconds: float
    dead: int
    plain: float | None = None  # the longest time in which a plain client could not work
    alarms: Alarms | None = None  # None: nobody watched

    @property
    def is_slow(self) -> bool:
        """Whether it took longer to recover than it may."""
        return self.recovered > self.fault.recovery

    @property
    def alert_problems(self) -> list[str]:
        """What is wrong with the alerts, in words; empty where nobody watched them."""
        return [] if self.alarms is None else judge(self.fault, self.alarms)

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty: nothing was lost and nothing counted twice."""
        said = self.found.problems(self.dead)
        said += [f"never answered {s}" for s in self.fault.answers if str(s) not in self.answers]
        if self.fault.exits is not None and self.exits > self.fault.exits:
            said.append(f"{self.exits} processes ended by themselves")
        if self.plain is not None and self.silence > self.plain + SILENT:
            said.append(f"silent for {self.silence:.0f} s, a plain client for {self.plain:.0f} s")
        return said
