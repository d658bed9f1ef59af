"""Means and orders of what customers' rows are made of."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from sinks.lifetime.amounts import FOUR_PLACES
from sinks.lifetime.reported_totals import ReportedTotal

_T = TypeVar("_T")


def mean(total: Decimal | None, count: int) -> Decimal | None:
    """Divide a total by a count, rounded to four places; None for an unknown total or no items."""
    return None if total is None or not count else (total / count).quantize(FOUR_PLACES)


def oldest_first(totals: Iterable[ReportedTotal]) -> list[ReportedTotal]:
    """Sort totals by version."""
    return sorted(totals, key=lambda total: (total.version, total.event_id))


def newest_given(oldest_first: Sequence[_T | None]) -> _T | None:
    """Return the last value that is given, None where none is."""
    return next((value for value in reversed(oldest_first) if value is not None), None)
