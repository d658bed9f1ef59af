"""The pages of dead letters: groups with their list, and one letter."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hookline.dashboard.letters.query import LetterQuery
from hookline.dashboard.letters.reading import LetterReader
from hookline.dead_letters.letters import LetterId, read_letters
from hookline.dead_letters.listing import State, as_dict, group_as_dict, of_state, survey
from hookline.refusals import detail
from hookline.refusals.reasons import explained
from runtime.settings import Settings
from schemas.envelopes import Reason

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
        chosen = read_letters(settings, given.letters(), settled=settled)
        found = await survey(of_state(chosen, given.state), LISTED, given.rank)
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
        }

    return reader.read(("letters", given), work)


def choices(page: Page, given: LetterQuery) -> dict[str, list[str]]:
    """Return the values that the filters offer: those of the groups that are there."""
    return {
        "shops": sorted({each["shop"] for each in page["groups"]} | {given.shop} - {""}),
        "reasons": [each.value for each in Reason],
        "paths": sorted({each["path"] for each in page["groups"]}),
        "states": [each.value for each in State],
    }


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
        }

    return reader.read(("letter", letter_id), work)


def _listed(fields: dict[str, Any]) -> dict[str, Any]:
    """The last line of a traceback names the error."""
    last_line = fields["detail"].strip().rpartition("\n")[2]
    return detail.masked_fields({**fields, "detail": last_line})
