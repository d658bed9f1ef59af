"""Which dead letters a page shows, as its URL or a form gives it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlencode

from hookline.dashboard.filters import FilterError
from hookline.dead_letters.letters import LetterFilter
from hookline.dead_letters.listing import Rank, State
from schemas.envelopes import Reason

ANY_PATH = "*"
"""The value of ``path`` for letters of every path; nothing is that of letters without one."""
_BEFORE = re.compile(r"(\d{1,15}):(\d{1,9}):(\d{1,18})")
_LONGEST_SHOP, _LONGEST_PATH = 100, 500
_MILLISECONDS = re.compile(r"\d{1,15}")
_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999, after which no time can be written."""


@dataclass(frozen=True, slots=True)
class LetterQuery:
    """The filters of a page of dead letters. ``before``: where a part of the list begins."""

    shop: str = ""
    reason: str = ""
    path: str = ANY_PATH
    state: State = State.OPEN
    before: str = ""

    @property
    def rank(self) -> Rank | None:
        """The rank in the list that ``before`` names."""
        found = _BEFORE.fullmatch(self.before)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None

    @property
    def is_one_group(self) -> bool:
        """Whether shop, reason and path are all chosen."""
        return bool(self.shop and self.reason) and self.path != ANY_PATH

    def letters(self, until_ms: int | None = None) -> LetterFilter:
        """Return the filter of commands for these; ``until_ms``: none that came later."""
        return LetterFilter(
            shop=self.shop or None,
            reason=self.reason or None,
            path=None if self.path == ANY_PATH else self.path,
            until_ms=until_ms,
        )

    def query(self, **changed: str) -> str:
        """Return the query of a URL for these filters, some changed; defaults are left out.

        A changed filter begins the list anew. ``changed`` may have what is no filter, as ``until``.
        """
        defaults = asdict(LetterQuery())
        values = {**asdict(replace(self, before="")), **changed}
        kept = {name: str(value) for name, value in values.items() if value != defaults.get(name)}
        return f"?{urlencode(kept)}" if kept else "?"


def parse(given: Mapping[str, str]) -> LetterQuery:
    """Read the filters. Raises FilterError for a value that there is not."""
    shop, path = given.get("shop", ""), given.get("path", ANY_PATH)
    if len(shop) > _LONGEST_SHOP or not shop.isprintable():
        raise FilterError("shop: write source/shop, for example spiffy/johns")
    if len(path) > _LONGEST_PATH or not path.isprintable():
        raise FilterError("path: write a field's path, for example items[].price")
    reason, state = given.get("reason", ""), given.get("state") or State.OPEN
    if reason and reason not in list(Reason):
        raise FilterError(f"reason: one of {', '.join(Reason)}")
    if state not in list(State):
        raise FilterError(f"state: one of {', '.join(State)}")
    before = given.get("before", "")
    if before and not _BEFORE.fullmatch(before):
        raise FilterError("before: where a part of the list begins, as the link Older has it")
    return LetterQuery(shop, reason, path, State(state), before)


def parse_until(text: str) -> int:
    """Read the time up to which a form acts, in milliseconds. Raises FilterError."""
    if not _MILLISECONDS.fullmatch(text) or int(text) > _LATEST_MS:
        raise FilterError("until: a time in milliseconds, as the form has it")
    return int(text)
