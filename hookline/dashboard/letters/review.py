"""What settling many letters would do: how many of which groups, and what a replay would give."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from hookline.console import output
from hookline.dashboard.letters.query import LetterQuery
from hookline.dashboard.letters.reading import LetterReader
from hookline.dead_letters.letters import read_letters
from hookline.dead_letters.listing import group_as_dict
from hookline.refusals.reasons import explained
from hookline.refusals.sample import GroupSample, sampled
from runtime.settings import Settings

Page = dict[str, Any]
SHOWN = 50
"""Groups that are listed, the largest first."""
RATE = 200
"""Letters a second that a replay is offered with."""
_AGAIN = 5
"""Refusals that are listed, the most frequent first."""


def review(reader: LetterReader, given: LetterQuery, until_ms: int) -> Page:
    """Return what the forms of these letters would do, and a dry run of some of them."""

    async def work(settings: Settings) -> Page:
        at = datetime.now(UTC)
        found = read_letters(settings, given.letters(until_ms), settled=False)
        sample = await sampled(settings, found)
        groups = sample.groups
        total = sum(each.group.letters for each in groups)
        tried = sum(each.tried for each in groups)
        events = sum(each.events for each in groups)
        again: Counter[tuple[str, str]] = sum((each.refused for each in groups), Counter())
        return {
            "at": at,
            "until": output.from_unix_ms(until_ms),
            "until_ms": until_ms,
            "total": total,
            "groups": [_shown(each) for each in groups[:SHOWN]],
            "groups_left_out": max(0, len(groups) - SHOWN),
            "tried": tried,
            "would_be_events": events,
            "would_be_refused": tried - events,
            "refused_as": [
                {"reason": reason, "path": path, "letters": count}
                for (reason, path), count in again.most_common(_AGAIN)
            ],
            "note": sample.note,
            "rate": RATE,
            "takes": timedelta(seconds=-(-total // RATE)),
        }

    return reader.read(("review", given, until_ms), work)


def _shown(sample: GroupSample) -> Page:
    return {
        **group_as_dict(sample.group),
        "meaning": explained(sample.group.reason)[0],
        "tried": sample.tried,
        "would_be_events": sample.events,
    }
