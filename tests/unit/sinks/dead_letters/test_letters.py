"""Dead letters are counted once, whenever they are read and settled."""

from collections import Counter
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import envelopes
from sinks.dead_letters.letters import (
    DISCARDED,
    REPLAYED,
    Counts,
    Group,
    Letter,
    count,
    group_of,
    read_letter,
    settle,
)

DAY = date(2026, 1, 1)
NOON_US = 1_767_268_800_000_000
HEADERS = (
    (envelopes.DELIVERY, b"d-1"),
    (envelopes.SOURCE, b"spiffy"),
    (envelopes.SHOP, b"johns"),
    (envelopes.RECEIVED_US, b"%d" % NOON_US),
    (envelopes.RAW_TIME, b"1767355200000"),
    (envelopes.ENTITY, b"spiffy/johns/order:1"),
    (envelopes.REASON, b"invalid-payload"),
)


def record(headers: Any = HEADERS, timestamp: int = 0) -> Any:
    return SimpleNamespace(offset=17, timestamp=timestamp, headers=headers)


def without(*names: str) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in HEADERS if name not in names]


def test_a_letter_counts_for_its_shop_day_kind_and_reason() -> None:
    group = Group("spiffy", "johns", DAY, "order", "invalid-payload")
    assert read_letter(record()) == Letter(17, "d-1", group, NOON_US)


@pytest.mark.parametrize("name", [envelopes.SOURCE, envelopes.SHOP, envelopes.REASON])
def test_a_record_without_shop_or_reason_is_no_dead_letter(name: str) -> None:
    assert read_letter(record(without(name))).group is None


@pytest.mark.parametrize(
    ("missing", "timestamp", "expected"),
    [
        ((), 0, DAY),
        ((envelopes.RECEIVED_US,), 0, date(2026, 1, 2)),  # when the delivery was appended
        ((envelopes.RECEIVED_US, envelopes.RAW_TIME), 1_767_441_600_000, date(2026, 1, 3)),
        ((envelopes.RECEIVED_US, envelopes.RAW_TIME), -1, date(1970, 1, 1)),
    ],
)
def test_the_day_is_that_of_receipt_else_of_the_append(
    missing: tuple[str, ...], timestamp: int, expected: date
) -> None:
    group = read_letter(record(without(*missing), timestamp)).group
    assert group is not None
    assert group.day == expected


@pytest.mark.parametrize(
    ("entity", "kind"),
    [
        ("spiffy/johns/cart:7", "cart"),
        ("spiffy/johns/body:0011", "body"),
        ("spiffy/johns/Ordner:7", "other"),
        ("spiffy/others/cart:7", "other"),
        ("", "other"),
    ],
)
def test_the_kind_is_that_of_the_raw_key(entity: str, kind: str) -> None:
    group = group_of("spiffy", "johns", entity, "too-large", NOON_US)
    assert group == Group("spiffy", "johns", DAY, kind, "too-large")


_NAMES = [name for name, _ in HEADERS]


@given(
    st.lists(st.tuples(st.sampled_from(_NAMES), st.none() | st.binary(max_size=700))),
    st.integers(-(2**63), 2**63 - 1),
)
def test_no_record_stops_the_counting_or_makes_a_row_that_cannot_be_stored(
    headers: list[tuple[str, bytes | None]], timestamp: int
) -> None:
    letter = read_letter(record([*HEADERS, *headers], timestamp))
    assert "\0" not in letter.delivery_id
    if letter.group is not None:
        texts = [value for value in letter.group if isinstance(value, str)]
        assert all(0 < len(text) <= 200 and "\0" not in text for text in texts)
        assert date(1970, 1, 1) <= letter.group.day <= date(9999, 12, 31)
        assert letter.group.day == datetime.fromtimestamp(letter.received_us // 10**6, UTC).date()


def _letter(offset: int) -> Letter:
    """A log of letters in four groups; every seventh record is foreign."""
    kind = ("order", "cart")[offset % 2]
    group = Group("spiffy", "johns", DAY, kind, ("too-large", "unknown-event")[offset // 2 % 2])
    return Letter(offset, f"d-{offset}", None if offset % 7 == 6 else group, NOON_US + offset)


class Tables:
    """The two tables as the statements of ``count_store`` change them."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.marks: dict[int, tuple[str, bool]] = {}  # offset -> mark, is it counted
        self.totals: Counter[tuple[Group, str]] = Counter()

    def add(self, counts: Counts) -> None:
        for group, added in counts.items():
            for name in ("letters", REPLAYED, DISCARDED):
                self.totals[group, name] += getattr(added, name)

    def read(self, number: int) -> None:
        letters = [_letter(self.next_offset + n) for n in range(number)]
        fresh = {
            letter.offset: self.marks[letter.offset][0]
            for letter in letters
            if letter.offset in self.marks and not self.marks[letter.offset][1]
        }
        self.marks |= {offset: (mark, True) for offset, mark in fresh.items()}
        self.add(count(letters, fresh))
        self.next_offset += number

    def mark(self, offsets: set[int], mark: str) -> None:
        counted = {o: self.marks[o][0] for o in offsets if self.marks.get(o, ("", False))[1]}
        self.marks |= dict.fromkeys(offsets, (mark, True))
        self.add(settle(map(_letter, sorted(offsets)), counted, mark))

    def mark_as_before(self, offsets: set[int], mark: str) -> None:
        """Mark as versions did that kept no counts: only letters that are not read yet."""
        for offset in offsets:
            if offset >= self.next_offset and offset not in self.marks:
                self.marks[offset] = (mark, False)


_MARKS = st.tuples(st.sets(st.integers(0, 60), max_size=8), st.sampled_from([REPLAYED, DISCARDED]))


@given(st.lists(st.tuples(st.sampled_from(["read", "mark", "before"]), st.integers(0, 9), _MARKS)))
def test_the_counts_are_those_of_all_letters_and_marks_in_whatever_order_they_came(
    steps: list[tuple[str, int, tuple[set[int], str]]],
) -> None:
    tables = Tables()
    for what, number, (offsets, mark) in steps:
        if what == "read":
            tables.read(number)
        elif what == "mark":
            tables.mark(offsets, mark)
        else:
            tables.mark_as_before(offsets, mark)
    tables.read(max(61 - tables.next_offset, 0))
    expected: Counter[tuple[Group, str]] = Counter()
    for offset in range(tables.next_offset):
        if (group := _letter(offset).group) is not None:
            expected[group, "letters"] += 1
            if offset in tables.marks:
                expected[group, tables.marks[offset][0]] += 1
    assert +tables.totals == expected
    assert min(tables.totals.values()) >= 0
