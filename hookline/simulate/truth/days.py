"""Days and months of a shop's zone. Raises UndecidedError where the bounds hold a midnight."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.world.facts import SECOND, Micros


def day_of(at: Span, zone: str, what: str) -> date:
    """Return the day of an instant in a zone."""
    first, last = (_day(instant, zone) for instant in (at.first, at.last))
    if first != last:
        raise UndecidedError(f"the day of {what}")
    return first


def _day(instant: Micros, zone: str) -> date:
    return datetime.fromtimestamp(instant // SECOND, UTC).astimezone(ZoneInfo(zone)).date()


def midnight_before(instant: Micros) -> Micros:
    """Return the beginning of the instant's day in UTC."""
    return instant - instant % (86_400 * SECOND)


def month_of(day: date) -> date:
    """Return the first day of the month."""
    return day.replace(day=1)


def months_between(first: date, second: date) -> int:
    """Return how many months the second is after the first."""
    return (second.year - first.year) * 12 + second.month - first.month
