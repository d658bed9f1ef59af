"""Which state is the newest: by its own time, at most that of its receipt, then by arrival."""

import pytest

from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.truth.versions import APPENDING, in_order, newest, occurred_at
from hookline.simulate.world.facts import DAY, SECOND, Change
from tests.simulation.made import GOOTEN, NOON, SPIFFY, got, order

HOUR = 3600 * SECOND


def at(changed: int, received: float, number: int, change: Change = Change.UPDATED) -> Received:
    return got(order(SPIFFY, changed_at=NOON + changed, change=change), received, number)


def numbers(*states: Received) -> list[int]:
    return [each.number for each in in_order(states)]


def test_the_newer_time_wins_though_it_arrived_first() -> None:
    assert numbers(at(-DAY, 1, 1), at(-2 * DAY, 2, 2)) == [2, 1]


def test_of_one_time_the_later_change_wins_then_the_arrival() -> None:
    deleted, updated = at(-DAY, 1, 1, Change.DELETED), at(-DAY, 2, 2)
    assert numbers(deleted, updated) == [2, 1]
    assert numbers(at(-DAY, 1, 1), at(-DAY, 2, 2)) == [1, 2]


def test_a_clock_that_is_ahead_outlives_nothing() -> None:
    ahead, after = at(HOUR, 1, 1), at(HOUR // 2, 1800 + 120, 2)
    assert numbers(ahead, after) == [1, 2]


def test_what_no_platform_dates_goes_by_arrival() -> None:
    states = [got(order(GOOTEN, changed_at=NOON - n * DAY), n, n) for n in (1, 2, 3)]
    assert newest(states).number == 3


def test_a_decision_that_the_bounds_leave_open_is_refused() -> None:
    ahead = at(APPENDING // 2 + SECOND, 1, 1)
    older = at(APPENDING // 4, 2, 2)
    with pytest.raises(UndecidedError, match="order:1 is the newest"):
        in_order([ahead, older])


def test_a_change_happened_at_the_latest_when_it_was_received() -> None:
    assert occurred_at(at(-HOUR, 1, 1)) == Span.at(NOON - HOUR)
    assert occurred_at(at(HOUR, 1, 1)) == Span.at(NOON + SECOND)
    undated = Received(order(GOOTEN), NOON, NOON + 5, 1)
    assert occurred_at(undated) == Span(NOON, NOON + 5)


def test_the_order_of_arrival_changes_nothing_where_times_are_given() -> None:
    states = [at(-n * DAY, 10 - n, 5 - n) for n in range(1, 5)]
    assert [each.number for each in in_order(states)] == [1, 2, 3, 4]
