"""Values as the pages write them. What a template prints passes ``shown``, then Jinja's escape."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup, escape

from hookline.console import output
from hookline.console.counts import counted
from hookline.journey.model import wait_text
from runtime.escaping import json_text, one_line

NONE = "\N{EN DASH}"
"""What is not known; never 0."""
_FINE = (
    (timedelta(days=2), timedelta(days=1)),
    (timedelta(days=1), timedelta(hours=1)),
    (timedelta(minutes=1), timedelta(minutes=1)),
)
"""How long ago -> the unit that is the finest to be written."""
_COMMAND = re.compile(r"`([^`]+)`")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def shown(value: Any) -> Any:
    """Escape in a text what steers a terminal or turns the direction of writing.

    So a name that a sender wrote cannot swap the texts beside it; HTML is Jinja's affair.
    """
    if isinstance(value, Markup):
        return value
    return one_line(value) if isinstance(value, str) else value


def number(value: float | Decimal | None) -> str:
    """A count, or a number that is not one with a decimal: 12,345 or 1.5."""
    if value is None:
        return NONE
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}"


def count(given: float | Decimal | None, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 letter, 2 letters; what is not known has the plural."""
    if given is None or given != int(given):
        return f"{number(given)} {plural or f'{noun}s'}"
    return counted(int(given), noun, plural)


def money(value: float | Decimal | None, currency: str | None = "") -> str:
    """An amount with its currency: 1,234.50 EUR."""
    if value is None:
        return NONE
    return f"{value:,.2f} {currency}".strip() if currency else f"{value:,.2f}"


def percent(share: float | Decimal | None) -> str:
    """A share of 1: 12.3%; whole from 10% on a table's cell would be too coarse."""
    return NONE if share is None else f"{100 * share:.1f}%"


def span(length: timedelta | None) -> str:
    """A length of time in its two largest units: 2 d 3 h, 45 s."""
    if length is None:
        return NONE
    seconds = round(length.total_seconds())
    if seconds < 0:
        return f"-{span(timedelta(seconds=-seconds))}"
    parts: list[tuple[int, str]] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, without what is too fine to matter; a moment ahead of us is now."""
    if moment is None:
        return "never"
    length = now - moment
    if length < timedelta(seconds=1):
        return "just now"
    least = next((fine for long, fine in _FINE if length >= long), timedelta(seconds=1))
    return f"{span(length // least * least)} ago"


def utc(moment: datetime | None) -> str:
    """A time to the second, in UTC."""
    return NONE if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(moment: datetime) -> str:
    """Hours and minutes, in UTC."""
    return f"{moment.astimezone(UTC):%H:%M}"


def day(value: date | None) -> str:
    """A day: 2026-01-31."""
    return NONE if value is None else f"{value:%Y-%m-%d}"


def month(value: date) -> str:
    """A month: Jan 2026."""
    return f"{value:%b %Y}"


def sentence(slug: str | None) -> str:
    """A reason of ours as a reader sees it: invalid-payload becomes invalid payload."""
    return NONE if slug is None else slug.replace("-", " ").replace("_", " ")


def capital(text: str) -> str:
    """A rule as a sentence: only its first letter changes."""
    return f"{text[:1].upper()}{text[1:]}"


def short(text: str | None, length: int = 14) -> str:
    """The beginning of a long id."""
    if text is None:
        return NONE
    return text if len(text) <= length else f"{text[: length - 1]}…"


def millis(moment: datetime | None) -> str:
    """A time of a day to the millisecond, in UTC: 12:34:56.789."""
    if moment is None:
        return NONE
    at = moment.astimezone(UTC)
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03}"


def rate(per_second: float | None) -> str:
    """A rate: 12.3/s, 0.05/s; not known before the second look."""
    if per_second is None:
        return NONE
    digits = 0 if per_second >= 100 or not per_second else 1 if per_second >= 1 else 2  # noqa: PLR2004
    return f"{per_second:,.{digits}f}/s"


def duration(seconds: float | None) -> str:
    """A short length of time: 250 ms, 2.5 s."""
    return (
        NONE if seconds is None else f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
    )


def value(given: Any) -> str:
    """A field's value of a row, as `hookline journey` shows it; null where there is none."""
    return "null" if given is None else output.display_text(given)


def as_json(given: Any) -> Markup:
    """A document, indented; its line breaks stay."""
    text = json.dumps(given, indent=2, ensure_ascii=False, default=str)
    return Markup(escape(json_text(text)))  # noqa: S704 - escaped


def commands(text: str) -> Markup:
    """A text whose parts between backticks are set as code."""
    return Markup(_COMMAND.sub(r"<code>\1</code>", str(escape(shown(text)))))  # noqa: S704 - escaped


FILTERS: dict[str, Callable[..., Any]] = {
    "wait": wait_text,
    "counted": count,
    **{
        each.__name__: each
        for each in (
            number,
            money,
            percent,
            span,
            ago,
            utc,
            clock,
            day,
            month,
            sentence,
            capital,
            short,
            commands,
            millis,
            rate,
            duration,
            value,
            as_json,
        )
    },
}
"""Filters of the templates, by name."""
