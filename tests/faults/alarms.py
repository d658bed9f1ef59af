"""Which alerts a storm raised, when, and whether these are the ones that its fault names.

Times are counted from the moment the fault took effect, and from the recovery: nothing is behind
and every stage is ready.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.prometheus import EVERY, Alerts, Prometheus

if TYPE_CHECKING:
    from tests.faults.fault import Fault

LIMIT = 60.0
"""Seconds within which an alert must be raised, and within which it must end after recovery."""
DUE = {"HooklineNoSweep": 75.0, "HooklineLagging": 105.0, "HooklineTablesBehind": 165.0}
"""Seconds within which those are raised that say "for more than a minute or two" by themselves."""
AFTERWARDS = frozenset({"HooklineRecordsGivenUp", "HooklineRowsLate"})
"""Alerts that are counted from the end of a fault: about what comes late, as nothing comes before,
and about what an operator does to end it."""
_SETTLE = 4 * EVERY
"""Seconds until the last thing that a fault did has been scraped and evaluated."""
_GIVE_UP = LIMIT + 60.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alert that fired: from its first moment to its last, by whatever labels; epoch seconds.

    ``cleared`` is None where it fired to the end of the watch.
    """

    name: str
    raised: float
    cleared: float | None


@dataclass(frozen=True, slots=True)
class Alarms:
    """All alarms of a storm, and the moments of its fault; epoch seconds.

    ``effect``: what the fault did had begun. ``ended``: it did no more. ``recovered``: nothing was
    behind any more and all stages were ready.
    """

    fired: tuple[Alarm, ...]
    effect: float
    ended: float
    recovered: float

    def rows(self) -> list[dict[str, str | float | None]]:
        """Return each alarm with its times as they are kept."""
        return [
            {
                "alert": each.name,
                "raised_s": round(each.raised - self.effect, 1),
                "raised_after_end_s": round(each.raised - self.ended, 1),
                "cleared_s": None
                if each.cleared is None
                else round(each.cleared - self.recovered, 1),
            }
            for each in self.fired
        ]


def alarms_of(seen: Alerts, left: Collection[str]) -> tuple[Alarm, ...]:
    """Return one alarm for each name, by the time it was raised; ``left``: those that go on."""
    names: dict[str, list[float]] = {}
    for name, times in seen:
        names.setdefault(name, []).extend(times)
    found = [
        Alarm(name, min(times), None if name in left else max(times) + 1.0)
        for name, times in names.items()
        if times
    ]
    return tuple(sorted(found, key=_raised))


def _raised(alarm: Alarm) -> float:
    return alarm.raised


def judge(fault: "Fault", alarms: Alarms) -> list[str]:
    """Return what is wrong with the alarms, in words."""
    said = [f"{name} was not raised" for name in sorted(fault.alerts - _names(alarms.fired))]
    for each in alarms.fired:
        if each.name not in fault.alerts | fault.may_alert:
            said.append(f"{each.name} was raised")
        elif fault.is_outage and each.name in fault.alerts:
            said += _too_late(each, alarms)
        if each.cleared is None:
            said.append(f"{each.name} did not end")
        elif each.cleared - alarms.recovered > LIMIT:
            took = each.cleared - alarms.recovered
            said.append(f"{each.name} ended {took:.0f} s after the recovery")
    return said


def _too_late(alarm: Alarm, alarms: Alarms) -> Sequence[str]:
    since, word = alarms.effect, "effect"
    if alarm.name in AFTERWARDS:
        since, word = alarms.ended, "end"
    took = alarm.raised - since
    if took <= DUE.get(alarm.name, LIMIT):
        return ()
    return (f"{alarm.name} was raised {took:.0f} s after the {word} of the fault",)


def _names(alarms: Iterable[Alarm]) -> set[str]:
    return {each.name for each in alarms}


async def watch_out(
    prometheus: Prometheus, began: float, effect: float, ended: float, recovered: float
) -> Alarms:
    """Wait until no alert is raised or about to be, for two minutes at most; return all since."""
    deadline = recovered + _GIVE_UP
    await asyncio.sleep(max(0.0, recovered + _SETTLE - time.time()))
    while left := await asyncio.to_thread(prometheus.active):
        if time.time() > deadline:
            break
        await asyncio.sleep(1.0)
    seen = await asyncio.to_thread(prometheus.fired, began)
    return Alarms(alarms_of(seen, left), effect, ended, recovered)
