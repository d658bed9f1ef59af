"""What a dead letter is counted as, and the counting rule. Pure.

A group is a shop, a day, a kind of entity and a reason. The sinks add every letter to its group
once; whoever settles a letter adds that once, too. Both only ever add, in any order.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from schemas import envelopes

REPLAYED, DISCARDED = "replayed", "discarded"
"""How an operator settles a letter."""
NO_KIND = "other"

_KIND = re.compile(r"[a-z][a-z_]{0,31}")
_LONGEST_NAME = 200
"""Characters: a row of an index in PostgreSQL takes 2,704 bytes."""
_LAST_US = 253_402_300_799_999_999
"""9999-12-31, microseconds."""


class Group(NamedTuple):
    """The key of a count. ``day`` is the day of receipt in UTC."""

    source: str
    shop: str
    day: date
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What the counts need of one dead letter.

    ``group`` is None for a record without source, shop or reason: it is not counted.
    ``received_us``: microseconds since 1970.
    """

    offset: int
    delivery_id: str
    group: Group | None
    received_us: int


@dataclass(slots=True)
class Count:
    """Letters of one group, and how many of them were settled. Times in microseconds."""

    first_us: int
    last_us: int
    letters: int = 0
    replayed: int = 0
    discarded: int = 0

    def settle(self, mark: str, number: int = 1) -> None:
        """Add ``number`` letters with this mark; -1 takes one back."""
        if mark == REPLAYED:
            self.replayed += number
        else:
            self.discarded += number


Counts = dict[Group, Count]


def read_letter(record: Any) -> Letter:
    """Read a record of the dead-letter topic.

    Never raises: a single record must not stop the counting.
    """
    headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
    received = received_us(headers, record.timestamp)
    group = group_of(
        headers.get(envelopes.SOURCE, ""),
        headers.get(envelopes.SHOP, ""),
        headers.get(envelopes.ENTITY, ""),
        headers.get(envelopes.REASON, ""),
        received,
    )
    return Letter(record.offset, text(headers.get(envelopes.DELIVERY, "")), group, received)


def received_us(headers: Mapping[str, str], appended_ms: int) -> int:
    """Return when the ingress received a delivery; else when it, or its letter, was appended."""
    for name, unit in ((envelopes.RECEIVED_US, 1), (envelopes.RAW_TIME, 1000)):
        given = headers.get(name, "")
        if given.isascii() and given.isdigit() and 0 < (at := int(given[:20]) * unit) <= _LAST_US:
            return at
    return min(max(appended_ms, 0) * 1000, _LAST_US)


def group_of(source: str, shop: str, entity: str, reason: str, received: int) -> Group | None:
    """Return the group of a letter; None where source, shop or reason is not given."""
    if not (source and shop and reason):
        return None
    kind = entity.removeprefix(f"{source}/{shop}/").partition(":")[0]
    return Group(
        text(source),
        text(shop),
        datetime.fromtimestamp(received // 1_000_000, UTC).date(),
        kind if _KIND.fullmatch(kind) else NO_KIND,
        text(reason),
    )


def count(letters: Iterable[Letter], marks: Mapping[int, str]) -> Counts:
    """Return what to add for new letters. ``marks``: offset -> mark that is not counted yet."""
    counts: Counts = {}
    for letter in letters:
        if letter.group is None:
            continue
        held = _held(counts, letter.group, letter.received_us)
        held.letters += 1
        if (mark := marks.get(letter.offset)) is not None:
            held.settle(mark)
    return counts


def settle(letters: Iterable[Letter], counted: Mapping[int, str], mark: str) -> Counts:
    """Return what to add where letters are given a mark.

    ``counted``: offset -> earlier mark of the same letter that is in the counts; it is taken back.
    """
    counts: Counts = {}
    for letter in letters:
        if letter.group is None or (earlier := counted.get(letter.offset)) == mark:
            continue
        held = _held(counts, letter.group, letter.received_us)
        held.settle(mark)
        if earlier is not None:
            held.settle(earlier, -1)
    return counts


def _held(counts: Counts, group: Group, at: int) -> Count:
    held = counts.setdefault(group, Count(at, at))
    held.first_us, held.last_us = min(held.first_us, at), max(held.last_us, at)
    return held


def text(value: str) -> str:
    """Return a text that PostgreSQL can store, in an index too."""
    return value[:_LONGEST_NAME].replace("\0", "\ufffd")
