"""What a form of dead letters asks for: the letters, what to do with them, how fast."""

from dataclasses import dataclass
from typing import Any

from hookline.console import output
from hookline.console.errors import CommandError
from hookline.dashboard.filters import FilterError
from hookline.dashboard.letters.following import Following
from hookline.dashboard.letters.jobs import Work
from hookline.dashboard.letters.query import LetterQuery, parse, parse_until
from hookline.dead_letters.letters import LetterFilter, parse_letter_id
from hookline.dead_letters.listing import State

SLOWEST, FASTEST = 0.1, 100_000.0
"""Letters a second."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The letters of a form. ``named``: how audit lines and pages name them.

    ``group``: the filter that chooses them, and its time (ms); None for a single letter.
    """

    letters: LetterFilter
    named: dict[str, Any]
    group: tuple[LetterQuery, int] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """What a form asks for. ``options``: its rate, or why."""

    name: str
    chosen: Chosen
    options: dict[str, Any]
    work: Work
    following: Following | None = None


def chosen_letters(form: dict[str, str]) -> Chosen:
    """Return the letters that a form names: one, or those of its filter up to a time."""
    if "letter" in form:
        try:
            letter = parse_letter_id(form["letter"])
        except CommandError as error:
            raise FilterError(str(error)) from error
        return Chosen(LetterFilter(ids=frozenset({letter})), {"letters": [form["letter"]]})
    given = parse(form)
    if given.state is not State.OPEN:
        raise FilterError("state: only open letters can be settled")
    until_ms = parse_until(form.get("until", ""))
    named = {"shop": given.shop or None, "reason": given.reason or None, "path": given.path}
    return Chosen(
        given.letters(until_ms),
        {"filter": named, "until": output.from_unix_ms(until_ms)},
        (given, until_ms),
    )


def rate_of(text: str) -> float | None:
    """Read letters a second; nothing is no limit. Raises FilterError."""
    if not text.strip():
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not SLOWEST <= rate <= FASTEST:
        raise FilterError(f"rate: letters a second, {SLOWEST} to {FASTEST:.0f}, or nothing")
    return rate
