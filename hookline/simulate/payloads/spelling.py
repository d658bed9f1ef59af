"""How platforms write times, amounts, names and addresses."""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import md5
from zoneinfo import ZoneInfo

from hookline.simulate.world.facts import SECOND, Customer, Micros, Money, SimulatedShop

_DAY_SECONDS, _HOUR_SECONDS = 86_400, 3600
_STREETS = ("Bag End", "1688 Lake Rd", "35 rue Jean Jaurès", "Bittersweet St. 67, appt.#37")
_CITIES = ("Hobbiton", "Webster", "PARIS", "Bittersweet")


@lru_cache(maxsize=8192)
def _date(day: int) -> str:
    return f"{datetime.fromtimestamp(day * _DAY_SECONDS, UTC):%Y-%m-%d}"


@lru_cache(maxsize=8192)
def _offset(zone: str, hour: int) -> int:
    """Return how far a zone is ahead of UTC in an hour since the epoch, in seconds."""
    at = datetime.fromtimestamp(hour * _HOUR_SECONDS, ZoneInfo(zone))
    offset = at.utcoffset()
    return 0 if offset is None else int(offset.total_seconds())


def _clock(seconds: int, separator: str) -> str:
    day, rest = divmod(seconds, _DAY_SECONDS)
    hour, rest = divmod(rest, _HOUR_SECONDS)
    minute, second = divmod(rest, 60)
    return f"{_date(day)}{separator}{hour:02d}:{minute:02d}:{second:02d}"


def utc(at: Micros) -> str:
    """``2015-02-23T03:02:51Z``."""
    return f"{_clock(at // SECOND, 'T')}Z"


def utc_millis(at: Micros) -> str:
    """``2024-07-30T01:58:08.163Z``."""
    return f"{_clock(at // SECOND, 'T')}.{at // 1000 % 1000:03d}Z"


def utc_micros(at: Micros) -> str:
    """``2021-01-15T09:02:16.000000Z``."""
    return f"{_clock(at // SECOND, 'T')}.{at % SECOND:06d}Z"


def naive(at: Micros) -> str:
    """``2022-05-23 14:37:24``, in UTC."""
    return _clock(at // SECOND, " ")


def zoned(at: Micros, zone: str) -> str:
    """``2015-02-23T04:02:51+01:00``, as clocks in the zone show it."""
    seconds = at // SECOND
    offset = _offset(zone, seconds // _HOUR_SECONDS)
    minutes = abs(offset) // 60
    sign = "-" if offset < 0 else "+"
    return f"{_clock(seconds + offset, 'T')}{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def of_shop(shop: SimulatedShop, at: Micros | None) -> str | None:
    """Write a time as a shop does: one that sends XML by the clocks of its zone."""
    if at is None:
        return None
    return zoned(at, shop.timezone) if shop.format == "xml" else utc(at)


def number(amount: Money) -> float:
    """Return an amount as JavaScript writes it: 130, 8.32."""
    whole = int(amount)
    return whole if whole == amount else float(amount)


def names(customer: Customer) -> tuple[str, str]:
    """Return the first and the last name."""
    first, _, last = customer.name.partition(" ")
    return first, last


def phone(customer: Customer) -> str:
    """Return a telephone number of the customer's own."""
    return f"1555{_private(customer) % 10_000_000:07d}"


def street(customer: Customer) -> str:
    """Return the customer's street."""
    return _STREETS[_private(customer) % len(_STREETS)]


def city(customer: Customer) -> str:
    """Return the customer's city."""
    return _CITIES[_private(customer) % len(_CITIES)]


def address_ip(customer: Customer) -> str:
    """Return an address that the customer's computer had."""
    drawn = _private(customer)
    return f"192.0.2.{drawn % 250 + 1}"


@lru_cache(maxsize=4096)
def _of_email(email: str) -> int:
    return int.from_bytes(md5(email.encode(), usedforsecurity=False).digest()[:6])


def _private(customer: Customer) -> int:
    return _of_email(customer.email)


def token(kind: str, number_: int) -> str:
    """Return 32 hexadecimal digits that belong to a number."""
    return md5(f"{kind} {number_}".encode(), usedforsecurity=False).hexdigest()
