"""The value that made a letter: shown where it can be no personal datum, masked otherwise. Pure.

Beyond what a masked body shows, these are shown at the failing path: numbers in any spelling,
flags, dates, and codes of currencies. A field of a personal name, or below one, is never shown, and
free text never.
"""

import re
from decimal import Decimal
from typing import Any

from hookline.refusals.lit_body import Path, Step, steps
from processors.sources.personal_ids import is_personal_id
from processors.sources.readers.personal_names import is_personal

LONGEST = 80
"""Characters of a value that is shown; of a longer one its mask shows the length."""
_SHORTEST_TELEPHONE, _LONGEST_CARD = 8, 19
"""Whole numbers of so many digits may be a telephone's or a card's."""
_NAME_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_COUNTED = frozenset(
    {
        *("amount", "balance", "cents", "cost", "discount", "fee", "gross", "net", "paid", "price"),
        *("refunded", "revenue", "shipping", "subtotal", "tax", "total", "totals"),
        *("count", "interval", "period", "quantity", "rate", "size", "weight"),
        *("at", "created", "date", "day", "days", "on", "time", "timestamp", "updated"),
        *("id", "ids"),
    }
)
"""Last parts of the names of amounts, counts, times and ids: their numbers are no telephone's."""

_DIGITS = r"(?:[0-9]+|[1-9][0-9]{0,2}(?:[,.'][0-9]{3})+)"
_NUMBER = re.compile(
    rf"[+-]?(?:{_DIGITS}(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:NaN|Infinity|inf|nan)"
)
_CURRENCY = r"(?:[A-Z]{3}|[$€£¥])"
_WITH_CURRENCY = re.compile(rf"{_CURRENCY} ?(?P<after>.+)|(?P<before>.+?) ?{_CURRENCY}")
_FLAG = re.compile(r"true|false|yes|no|on|off|null|none", re.IGNORECASE)
_ZONE = r"(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp][Mm])?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_WEEKDAY = r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
_DATE = re.compile(
    rf"{_WEEKDAY}(?:[0-9]{{4}}[-/.][0-9]{{1,2}}[-/.][0-9]{{1,2}}"
    rf"|[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.](?:[0-9]{{4}}|[0-9]{{2}})"
    rf"|[0-9]{{1,2}} {_MONTH} [0-9]{{4}}|{_MONTH} [0-9]{{1,2}},? [0-9]{{4}})"
    rf"(?:(?:T|,? ){_CLOCK})?{_ZONE}"
)
_CODE = re.compile(r"[A-Za-z]{1,5}")
"""A currency's code, or what was written for one."""


def may_be_shown(value: Any, at: Path) -> bool:
    """Return whether the value at a path is no personal datum: no text but of a known form."""
    names = [step for step in at if isinstance(step, str)]
    if not names or any(map(is_personal, names)):
        return False
    if value is None or isinstance(value, bool):
        return True
    if not isinstance(value, int | float | Decimal | str):
        return False
    text = str(value).strip()
    return len(text) <= LONGEST and not is_personal_id(text) and _is_of_known_form(text, names[-1])


def _is_of_known_form(text: str, name: str) -> bool:
    parts = [part.lower() for part in _NAME_PART.findall(name)]
    if _FLAG.fullmatch(text) or _DATE.fullmatch(text):
        return True
    if "currency" in parts and _CODE.fullmatch(text):
        return True
    amount = _amount(text)
    return amount is not None and (parts[-1] in _COUNTED or not _may_be_a_person(amount))


def _amount(text: str) -> str | None:
    """The number of a text, without the currency before or after it; None where it is none."""
    if _NUMBER.fullmatch(text):
        return text
    found = _WITH_CURRENCY.fullmatch(text)
    number = (found["after"] or found["before"]) if found else ""
    return number if _NUMBER.fullmatch(number) else None


def _may_be_a_person(number: str) -> bool:
    """Whether a number may be a telephone's or a card's: whole, and as long as those are."""
    digits, significant = (sum(map(str.isdigit, text)) for text in (number, number.lstrip("+-0")))
    return (
        digits >= _SHORTEST_TELEPHONE
        and significant <= _LONGEST_CARD
        and re.fullmatch(r"[+-]?[0-9]+[.,]?|[0-9.,']+", number) is not None
    )


def with_failing_value(masked: Any, document: Any, path: str) -> Any:
    """Return a masked document with the value at ``path`` as it was sent, where it may be shown.

    ``document`` is what was masked; what is not in both stays as it is.
    """
    at = steps(path)
    found = document
    for step in at:
        if not _leads(found, step):
            return masked
        found = found[step]
    return _replaced(masked, at, found) if may_be_shown(found, at) else masked


def _replaced(masked: Any, at: Path, value: Any) -> Any:
    if not at:
        return value
    first, *rest = at
    if not _leads(masked, first):  # cut off, or under a name that is not shown
        return masked
    inner = _replaced(masked[first], tuple(rest), value)
    if isinstance(masked, dict):
        return {**masked, first: inner}
    return [inner if index == first else each for index, each in enumerate(masked)]


def _leads(value: Any, step: Step) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)
