"""Which alerts a fault must raise, and how what Prometheus saw is judged."""

from dataclasses import replace

import pytest

from tests.alerts import ALERTS
from tests.faults import alert_table
from tests.faults.alarms import AFTERWARDS, DUE, Alarm, Alarms, alarms_of, judge
from tests.faults.catalogue import FAULTS
from tests.faults.fault import Fault
from tests.faults.outages import OUTAGES

NAMES = {alert.name for alert in ALERTS}
NOT_SHOWN = {"HooklineProofsFail", "HooklineRetentionNear", "HooklineSignalsWait"}
"""They wait for more than an outage of minutes; docs/alerts/README.md says so."""
OUTAGE = replace(
    OUTAGES["no-sinks"],
    alerts=frozenset({"HooklineStageAbsent", "HooklineRowsLate"}),
    may_alert=frozenset({"HooklineNotReady"}),
)
ABSENT = Alarm("HooklineStageAbsent", 1035.0, 1093.0)
LATE = Alarm("HooklineRowsLate", 1125.0, 1140.0)


def judged(*fired: Alarm, fault: Fault = OUTAGE) -> list[str]:
    """Of an outage from 1000 to 1090, recovered at 1095."""
    return judge(fault, Alarms(fired, effect=1000.0, ended=1090.0, recovered=1095.0))


@pytest.mark.parametrize("fault", [*FAULTS.values(), *OUTAGES.values()], ids=lambda f: f.name)
def test_a_fault_names_alerts_that_exist(fault: Fault) -> None:
    assert fault.alerts | fault.may_alert <= NAMES
    assert not fault.alerts & fault.may_alert


def test_the_limits_are_of_alerts_that_exist() -> None:
    assert DUE.keys() | AFTERWARDS <= NAMES


def test_each_alert_has_an_outage_that_raises_it_or_a_reason_for_none() -> None:
    shown = {name for fault in OUTAGES.values() for name in fault.alerts}
    assert shown == NAMES - NOT_SHOWN
    text = alert_table.PAGE.read_text()
    assert all(f"`{name}`" in text for name in NOT_SHOWN)


def test_names_and_numbers_are_of_one_fault_each() -> None:
    every = [*FAULTS.values(), *OUTAGES.values()]
    assert len({fault.name for fault in every}) == len({fault.number for fault in every})
    assert len({fault.name for fault in every}) == len(every)


def test_the_alerts_of_an_outage_in_time_are_as_they_should_be() -> None:
    assert judged(ABSENT, LATE) == []


def test_an_alert_that_is_missing_is_named() -> None:
    assert judged(LATE) == ["HooklineStageAbsent was not raised"]


def test_another_alert_is_named_unless_the_fault_allows_it() -> None:
    other = Alarm("HooklineLagging", 1100.0, 1110.0)
    assert judged(ABSENT, LATE, other) == ["HooklineLagging was raised"]
    assert judged(ABSENT, LATE, replace(other, name="HooklineNotReady")) == []


def test_an_alert_that_comes_late_is_named_by_the_moment_that_it_is_counted_from() -> None:
    assert judged(replace(ABSENT, raised=1061.0), LATE) == [
        "HooklineStageAbsent was raised 61 s after the effect of the fault"
    ]
    assert judged(ABSENT, replace(LATE, raised=1151.0, cleared=1152.0)) == [
        "HooklineRowsLate was raised 61 s after the end of the fault"
    ]


def test_an_alert_that_waits_for_minutes_has_the_time_that_it_says() -> None:
    fault = replace(OUTAGE, alerts=frozenset({"HooklineTablesBehind"}))
    behind = Alarm("HooklineTablesBehind", 1160.0, 1120.0)
    assert judged(behind, fault=fault) == []


def test_an_alert_that_ends_late_or_never_is_named() -> None:
    assert judged(replace(ABSENT, cleared=1156.0), replace(LATE, cleared=None)) == [
        "HooklineStageAbsent ended 61 s after the recovery",
        "HooklineRowsLate did not end",
    ]


def test_series_of_one_alert_are_one_alarm_from_the_first_moment_to_the_last() -> None:
    seen = [("a", [5.0, 6.0]), ("b", [1.0]), ("a", [20.0]), ("c", [98.0])]
    assert alarms_of(seen, left={"c"}) == (
        Alarm("b", 1.0, 2.0), Alarm("a", 5.0, 21.0), Alarm("c", 98.0, None),
    )  # fmt: skip


def test_the_page_has_what_is_kept() -> None:
    """`make alerts ARGS=--write` writes it."""
    assert alert_table.shown(alert_table.known()) in alert_table.PAGE.read_text()
