"""Which records of a topic to read and to show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.console.errors import CommandError
from hookline.console.patterns import matches, matches_shop

_OURS = "hookline-"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the log to read (broker times in ms), and which records of it to show.

    ``from_start``: from the oldest; else from ``since_ms``, else the new ones. ``until_ms``: up to
    there, exclusive. ``headers``: name -> pattern; ``hookline-`` may be left out of a name.
    """

    from_start: bool = False
    since_ms: int | None = None
    until_ms: int | None = None
    key: str | None = None
    shop: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def is_wanted(self, record: Mapping[str, Any]) -> bool:
        """Whether to show a record, in the form of ``records.tail``."""
        key = record["key"] or ""
        if self.key is not None and not matches(self.key, key):
            return False
        if self.shop is not None and not matches_shop(self.shop, "/".join(key.split("/")[:2])):
            return False
        given = record["headers"]
        return all(
            any(matches(pattern, given[each]) for each in (name, _OURS + name) if given.get(each))
            for name, pattern in self.headers.items()
        )


def parse_headers(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE``. Raises CommandError for another text."""
    headers = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise CommandError(f"--header {text!r}: write NAME=VALUE, such as event=orders/paid")
        headers[name] = value
    return headers
