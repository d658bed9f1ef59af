"""Read payload times as microseconds since the epoch (UTC)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from processors.sources.readers.refusals import invalid, out_of_range
from schemas.events import Micros, TimeBasis
from schemas.shops import Shop

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (1900, 2200)
_SHORTEST, _LONGEST = 10, 40  # "2024-07-30" and a generous fraction
_DAY = 86_400_000_000
_MILLISECONDS_FROM = 10**11  # read as seconds, this is the year 5138
_BY_PAYLOAD, _BY_SHOP = TimeBasis.PAYLOAD, TimeBasis.SHOP_ZONE
_LAST_SECOND = 7_258_118_400  # 2200-01-01


class Moment(NamedTuple):
    """A time, and whether the payload or the shop's settings gave its zone."""

    at: Micros
    basis: TimeBasis


def moment(values: dict[str, Any], key: str, path: str, shop: Shop) -> Moment | None:
    """Read the ISO 8601 time or epoch number of a field; None where it is not given.

    A naive time is in the zone ``shop.naive_times_in``: the first reading where an hour repeats
    (autumn), the offset before the gap where one is skipped (spring).
    """
    value = values.get(key)
    if value is None or value == "":
        return None
    kind = type(value)
    if kind is str:
        return _iso(value, path + key, shop)
    if kind is int or kind is Decimal:
        return _epoch(value, path + key)
    return invalid(path + key, "not a time")


def micros(values: dict[str, Any], key: str, path: str, shop: Shop) -> Micros | None:
    """Read a time like ``moment``, without its basis."""
    time = moment(values, key, path, shop)
    return time.at if time else None


def _iso(value: str, path: str, shop: Shop) -> Moment | None:
    if value.startswith("0000-00-00"):  # what SQL databases print for "never"
        return None
    if not _SHORTEST <= len(value) <= _LONGEST or value[4] != "-" or value[7] != "-":
        invalid(path, "not an ISO 8601 time")
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        invalid(path, "not an ISO 8601 time")
    if not _YEARS[0] <= read.year < _YEARS[1]:
        out_of_range(path, f"a year outside {_YEARS[0]} to {_YEARS[1] - 1}")
    basis = _BY_PAYLOAD
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(shop.naive_times_in), fold=0)
        basis = _BY_SHOP
    since = read - _EPOCH
    return Moment(since.days * _DAY + since.seconds * 1_000_000 + since.microseconds, basis)


def _epoch(value: int | Decimal, path: str) -> Moment:
    """Read seconds since the epoch, or milliseconds where seconds would be absurd."""
    if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > 15):  # noqa: PLR2004 - bound before arithmetic
        out_of_range(path, "not a time since the epoch")
    if not 0 <= value < _LAST_SECOND * 1000:
        out_of_range(path, "not a time since the epoch")
    unit = 1000 if value >= _MILLISECONDS_FROM else 1_000_000
    return Moment(int(value * unit), _BY_PAYLOAD)
