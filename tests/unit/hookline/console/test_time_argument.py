"""A time that somebody typed is one that Kafka can be asked for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.console.time_argument import milliseconds

NOW = 1_800_000_000.0


@given(st.datetimes(timezones=st.timezones() | st.none()))
def test_a_written_time_is_its_milliseconds_and_one_before_1970_is_0(moment: datetime) -> None:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    found = milliseconds(moment.isoformat())
    assert found == max(0, int(aware.timestamp() * 1000))


@given(st.integers(1, 3650), st.floats(0, NOW))
def test_days_ago_are_counted_from_now_and_end_at_1970(days: int, now: float) -> None:
    assert milliseconds(f"{days}d", lambda: now) == max(0, int((now - days * 86_400) * 1000))


@given(st.text(max_size=12))
def test_any_text_is_a_time_or_an_error_that_says_what_to_write(text: str) -> None:
    try:
        found = milliseconds(text, lambda: NOW)
    except CommandError as error:
        found, message = 0, str(error)
    else:
        message = ""
    assert found >= 0
    assert not message or "is not a time: write" in message


@pytest.mark.parametrize("text", ["", "now", "-1h", "1h30", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="is not a time"):
        milliseconds(text)
