"""The pages of dead letters: groups with their list, and one letter."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hookline.dashboard.letters.facets import Facets
from hookline.dashboard.letters.query import LetterQuery
from hookline.dashboard.letters.reading import LetterReader
from hookline.dead_letters.letters import LetterFilter, LetterId, read_letters
from hookline.dead_letters.listing import State, as_dict, group_as_dict, of_state, survey
from hookline.refusals import detail
from hookline.refusals.reasons import explained
from runtime.settings import Settings

Page = dict[str, Any]
LISTED = 50
"""Letters of one part of the list."""
GROUPS = 500
"""Groups that a page shows at most, the largest first."""


def letters(reader: LetterReader, given: LetterQuery) -> Page:
    """Return the groups and a part of the list of the letters that were chosen."""

    async def work(settings: Settings) -> Page:
        at = datetime.now(UTC)
        settled = given.state is not State.OPEN
        every = read_letters(settings, LetterFilter(), settled=settled)
        facets = Facets(given)
        chosen = facets.chosen(of_state(every, given.state))
        found = await survey(chosen, LISTED, given.rank)
        return {
            "at": at,
            "until_ms": max((group.newest_ms for group in found.groups), default=0),
            "total": sum(group.letters for group in found.groups),
            "groups": [
                {**group_as_dict(each), "meaning": explained(each.reason)[0]}
                for each in found.groups[:GROUPS]
            ],
            "groups_left_out": max(0, len(found.groups) - GROUPS),
            "letters": [_listed(as_dict(*each)) for each in found.newest],
            "older": None if found.older is None else ":".join(map(str, found.older)),
            "choices": {
                name: [{"value": value, "letters": count} for value, count in values]
                for name, values in facets.choices().items()
            },
        }

    return reader.read(("letters", given), work)


def open_letters(reader: LetterReader, given: LetterQuery, until_ms: int) -> int:
    """Count the open letters that a form acts on."""

    async def work(settings: Settings) -> int:
        found = read_letters(settings, given.letters(until_ms), settled=False)
        return sum([1 async for _ in found])

    return reader.read(("count", given, until_ms), work)


def letter(reader: LetterReader, letter_id: LetterId) -> Page:
    """Return one letter: its headers, its masked body, and what a replay would give."""

    async def work(settings: Settings) -> Page:
        at = datetime.now(UTC)
        found = await detail.letter_detail(settings, letter_id)
        return {
            "at": at,
            **found.fields,
            "meaning": found.meaning,
            "remedy": found.remedy,
            "headers": found.headers,
            "body": found.body,
            "replay_would_give": found.preview.as_dict() if found.preview else None,
            "note": found.note,
            "lit": asdict(found.lit),
            "broken": asdict(found.broken) if found.broken else None,
        }

    return reader.read(("letter", letter_id), work)


def _listed(fields: dict[str, Any]) -> dict[str, Any]:
    """The last line of a traceback names the error."""
    last_line = fields["detail"].strip().rpartition("\n")[2]
    return detail.masked_fields({**fields, "detail": last_line})
