"""The knobs of a run: what is refused, and how its history is spread over it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.simulate.world import Behaviour, Knobs
from hookline.simulate.world.facts import DAY, SECOND

START = 1_790_000_000_000_000


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"seed": -1}, "seed: write 0 or more"),
        ({"start": 5}, "start: write microseconds since 1970"),
        ({"seconds": 0}, "seconds: write a number above 0"),
        ({"rate": float("inf")}, "rate: write a number above 0"),
        ({"shops": 0}, "shops: write 1 to 100"),
        ({"customers": 0}, "customers: write 1 or more"),
        ({"days": 4000}, "days: write 1 to 3650"),
        ({"speed": -1}, "speed: write a number above 0"),
        ({"live_share": 1.5}, "live_share: write a share from 0 to 1"),
        ({"entering": float("nan")}, "entering: write a share from 0 to 1"),
        ({"clock_skew": 21}, "clock_skew: write 0 to 20 seconds"),
    ],
)
def test_a_knob_that_makes_no_sense_is_refused(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Knobs(**{"seed": 1, "start": START, **knobs})


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"alpha": 0.0}, "alpha: write a number above 0"),
        ({"refunds": 2.0}, "refunds: write a share from 0 to 1"),
        ({"q": 1.0}, "q: write more than 1"),
    ],
)
def test_behaviour_that_makes_no_sense_is_refused(
    behaviour: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Behaviour(**behaviour)


SPEEDS = st.none() | st.floats(1, 1e6)


@given(st.integers(1, 900), st.integers(1, 3650), SPEEDS, st.floats(0, 1))
def test_the_history_is_sent_in_its_own_order_within_the_run(
    seconds: int, days: int, speed: float | None, part: float
) -> None:
    knobs = Knobs(seed=1, start=START, seconds=seconds, days=days, speed=speed)
    assert knobs.history_begins < knobs.history_ends < START
    at = knobs.history_begins + int(part * (knobs.history_ends - knobs.history_begins - 1))
    due = knobs.due_of(at)
    assert 0 <= due <= knobs.history_lasts <= knobs.length
    assert knobs.due_of(min(at + DAY, knobs.history_ends)) >= due
    assert abs(knobs.history_at(due) - at) <= knobs.days * DAY / knobs.length + SECOND


def test_a_speed_sends_so_many_seconds_of_history_a_second() -> None:
    knobs = Knobs(seed=1, start=START, seconds=60, days=365, speed=3600)
    assert knobs.history_ends - knobs.history_begins == 60 * 3600 * SECOND
    assert knobs.due_of(knobs.history_begins + 3600 * SECOND) == SECOND
