"""The filters of a page, as its URL gives them."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

DAYS = (7, 30, 90, 365)
STATUSES = ("ABANDONED", "RECOVERED", "EXPIRED", "VOIDED")
MEASURES = ("share", "value")

_SHOP = re.compile(r"[a-z-]{1,30}/[a-z0-9][a-z0-9._-]{0,62}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_LONGEST_KEY = 500


class FilterError(ValueError):
    """A filter of the URL has no such value; the message names those that it has."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Values of the filters; empty or the default where the URL names none.

    ``shop``: source/shop. ``days``: length of the period up to now. ``before``, ``before_key``: the
    last row of the page before, of lists that are read page by page.
    """

    shop: str = ""
    days: int = 30
    currency: str = ""
    status: str = ""
    measure: str = "share"
    before: str = ""
    before_key: str = ""

    @property
    def source(self) -> str:
        """The platform of ``shop``."""
        return self.shop.partition("/")[0]

    @property
    def shop_id(self) -> str:
        """The shop's own id."""
        return self.shop.partition("/")[2]

    def query(self, **changed: object) -> str:
        """Return these filters, some changed, as the query of a URL; defaults are left out."""
        defaults = asdict(Filters())
        values = {**asdict(self), **changed}
        kept = {name: value for name, value in values.items() if value != defaults[name]}
        return f"?{urlencode(kept)}" if kept else "?"


def parse(query: Mapping[str, str]) -> Filters:
    """Read the filters of a URL. Raises FilterError for a value that there is not."""
    given = {name: value for name, value in query.items() if value}
    if "shop" in given and not _SHOP.fullmatch(given["shop"]):
        raise FilterError("shop: write source/shop, for example spiffy/johns")
    if "currency" in given and not _CURRENCY.fullmatch(given["currency"]):
        raise FilterError("currency: write an ISO 4217 code, for example EUR")
    if given.get("days", "30") not in map(str, DAYS):
        raise FilterError(f"days: one of {', '.join(map(str, DAYS))}")
    _choice(given, "status", STATUSES)
    _choice(given, "measure", MEASURES)
    if len(given.get("before_key", "")) > _LONGEST_KEY or "\0" in given.get("before_key", ""):
        raise FilterError("before_key: not a key of a cart")
    return Filters(
        shop=given.get("shop", ""),
        days=int(given.get("days", "30")),
        currency=given.get("currency", ""),
        status=given.get("status", ""),
        measure=given.get("measure", "share"),
        before=_time(given["before"]) if "before" in given else "",
        before_key=given.get("before_key", ""),
    )


def _choice(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> None:
    if name in given and given[name] not in choices:
        raise FilterError(f"{name}: one of {', '.join(choices)}")


def _time(text: str) -> str:
    """Return a time in the one form, and with the one offset, that PostgreSQL reads for certain.

    Python also reads weeks, any character before the hour, and offsets of nearly a day.
    """
    try:
        moment = datetime.fromisoformat(text)
        in_utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FilterError("before: not a time") from None
    if moment.tzinfo is None:
        raise FilterError("before: a time with its offset")
    return in_utc.isoformat()
