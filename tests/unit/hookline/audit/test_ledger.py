"""What the ledger knows of a log that retention has trimmed."""

from hypothesis import given
from hypothesis import strategies as st

from hookline.audit.ledger import Entry, Trimmed, merge_adjacent, trimmed
from hookline.audit.tally import Count


def entry(begin: int, end: int) -> Entry:
    return Entry(begin, end, {"spiffy/a": Count(accepted=end - begin, canonical=end - begin)})


def test_a_whole_log_needs_no_ledger() -> None:
    assert trimmed([], 0) == Trimmed(0)
    assert trimmed([entry(0, 10)], 0) == Trimmed(0, audited_to=10)


def test_a_range_that_is_trimmed_in_part_is_counted_from_the_ledger_alone() -> None:
    first, second, third = entry(0, 10), entry(10, 20), entry(20, 30)
    found = trimmed([first, second, third], 15)
    assert found == Trimmed(20, (first, second), (), 30)


def test_what_was_trimmed_before_any_audit_is_named() -> None:
    assert trimmed([], 7) == Trimmed(7, (), ((0, 7),))
    later = entry(20, 30)
    assert trimmed([entry(5, 10), later], 40).unknown == ((0, 5), (10, 20), (30, 40))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(0, 60))
def test_no_delivery_is_counted_twice_or_left_out(sizes: list[int], log_start: int) -> None:
    entries, at = [], 0
    for size in sizes:
        entries.append(entry(at, at + size))
        at += size
    found = trimmed(entries, log_start)
    known = sum(each.shops["spiffy/a"].accepted for each in found.entries)
    unknown = sum(end - begin for begin, end in found.unknown)
    assert known + unknown == found.begin >= log_start


def test_ranges_that_touch_become_one_row() -> None:
    other = Entry(10, 12, {"spiffy/b": Count(accepted=2, duplicates=2)})
    apart = entry(20, 21)
    assert merge_adjacent([entry(0, 4), entry(4, 10), other, apart]) == [
        Entry(
            0,
            12,
            {
                "spiffy/a": Count(accepted=10, canonical=10),
                "spiffy/b": Count(accepted=2, duplicates=2),
            },
        ),
        apart,
    ]
