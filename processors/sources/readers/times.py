"""Read payload times as microseconds since the epoch (UTC).

A value that is no time counts as not given, and a note keeps it.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from processors.sources.notes import unread
from schemas.events import Micros, TimeBasis
from schemas.shops import Shop

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (1900, 2200)
_SHORTEST, _LONGEST = 10, 40  # "2024-07-30" and a generous fraction
_DAY = 86_400_000_000
_MILLISECONDS_FROM = 10**11  # read as seconds, this is the year 5138
_NEVER = "0000-00-00"
"""What SQL databases print for "never"."""

_EPOCH_DIGITS = (10, 13)  # seconds or milliseconds, from 2001 to 2286
_SPACED_ZONE = re.compile(
    r"(\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)?)"
    r"(?: ?([zZ]|(?i:utc|gmt)|[+-]\d\d:?(?:\d\d)?))?",
    re.ASCII,
)
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
    time: Moment | None = None
    if kind is str:
        if value.startswith(_NEVER):
            return None
        time = _iso(value, shop)
        if time is None:
            time = _spelled_otherwise(value.strip(), shop)
    elif kind is int or kind is Decimal:
        time = _epoch(value)
    if time is None:
        unread(path + key, value)
    return time


def micros(values: dict[str, Any], key: str, path: str, shop: Shop) -> Micros | None:
    """Read a time like ``moment``, without its basis."""
    time = moment(values, key, path, shop)
    return time.at if time else None


def _iso(value: str, shop: Shop) -> Moment | None:
    if not _SHORTEST <= len(value) <= _LONGEST or value[4] != "-" or value[7] != "-":
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    if not _YEARS[0] <= read.year < _YEARS[1]:
        return None
    basis = _BY_PAYLOAD
    if read.tzinfo is None:
        read = read.replace(tzinfo=ZoneInfo(shop.naive_times_in), fold=0)
        basis = _BY_SHOP
    since = read - _EPOCH
    return Moment(since.days * _DAY + since.seconds * 1_000_000 + since.microseconds, basis)


def _spelled_otherwise(value: str, shop: Shop) -> Moment | None:
    """Read an epoch number as text, or a time with its zone spelled `` UTC`` or `` +0000``."""
    if value.isascii() and value.isdigit():
        return _epoch(int(value)) if len(value) in _EPOCH_DIGITS else None
    parts = _SPACED_ZONE.fullmatch(value)
    if parts is None:
        return None
    time, zone = parts.groups()
    if zone is not None and zone[0] not in "+-":
        zone = "+00:00"
    return _iso(time + (zone or ""), shop)


def _epoch(value: int | Decimal) -> Moment | None:
    """Read seconds since the epoch, or milliseconds where seconds would be absurd."""
    if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > 15):  # noqa: PLR2004 - bound before arithmetic
        return None
    if not 0 <= value < _LAST_SECOND * 1000:
        return None
    unit = 1000 if value >= _MILLISECONDS_FROM else 1_000_000
    return Moment(int(value * unit), _BY_PAYLOAD)
