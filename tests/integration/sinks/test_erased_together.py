"""Entries of one person that the tables get late, together or in another order.

A restored database gets all that the ledger has at once, however often a person was erased and
allowed, and the key rotated: the rows are those of events stored under the whole ledger.
"""

from collections.abc import Iterable, Sequence

import pytest

from schemas.events import Event
from schemas.json_records.erasures import Entry, Erasure, Ledger, Rotation, Span
from tests.histories.everything import WATERMARK, everything
from tests.integration.sinks.test_erased_rows import applied, persons, stored
from tests.sink_events import NOON, Tables

pytestmark = pytest.mark.stack

EVENTS = 700
FIRST, SECOND = "erased-" + "1" * 32, "erased-" + "2" * 32
NEW, NEWER = f"{1:032x}", f"{2:032x}"
END = WATERMARK


def erasure(subject: str, *spans: Span) -> Erasure:
    return Erasure(subject=subject, spans=spans or (Span(FIRST, NOON),))


def rotation(before: str, hashed: str) -> Rotation:
    return Rotation(before=before, hashed=hashed, at=NOON)


def again(entry: Rotation) -> Rotation:
    return Rotation(before=entry.before, hashed=entry.hashed, at=entry.at + 1)


def cases(hashed: str) -> dict[str, list[Entry]]:
    """What may be new at once, in the order of the ledger."""
    twice, allowed = (rotation(hashed, NEW), rotation(NEW, NEWER)), Span(FIRST, NOON, END)
    return {
        "rotated twice": [*twice],
        "rotated twice, in another order": [*reversed(twice)],
        "rotated and back": [rotation(hashed, NEW), rotation(NEW, hashed)],
        "rotated, back, and again": [
            twice[0], rotation(NEW, hashed), again(twice[0]),
        ],
        "erased, then rotated": [erasure(hashed), rotation(hashed, NEW)],
        "rotated, then erased by the old hash": [rotation(hashed, NEW), erasure(hashed)],
        "rotated, then erased by the new hash": [rotation(hashed, NEW), erasure(NEW)],
        "rotated, erased, rotated": [twice[0], erasure(NEW), twice[1]],
        "erased and allowed": [erasure(hashed, allowed)],
        "erased, allowed, erased": [erasure(hashed, allowed, Span(SECOND, END + 1))],
        "rotated, erased and allowed": [twice[0], erasure(NEW, allowed), twice[1]],
    }  # fmt: skip


NAMES = list(cases(""))


@pytest.mark.parametrize("case", NAMES)
async def test_entries_applied_at_once_leave_the_rows_of_events_under_the_whole_ledger(
    tables: Tables, case: str
) -> None:
    events = everything(EVENTS)
    entries = cases(persons(events)[0])[case]
    wanted = await stored(tables, under(events, entries), 1)
    assert await stored(tables, events, 1, entries, at=1_000) == wanted


@pytest.mark.parametrize("case", NAMES)
async def test_entries_applied_one_by_one_leave_the_same_rows(tables: Tables, case: str) -> None:
    events = everything(EVENTS)
    entries = cases(persons(events)[0])[case]
    wanted = await stored(tables, under(events, entries), 1)
    found = await stored(tables, events, 1, at=1_000)
    for entry in entries:
        await applied(tables, [entry])
    found = await tables.digest()
    del found["customer_contacts"]
    assert found == wanted


def under(events: Iterable[Event], entries: Sequence[Entry]) -> list[Event]:
    """Events as the ledger has them."""
    ledger = Ledger(entries)
    return [known for each in events if (known := ledger.applied(each)) is not None]


async def test_records_set_aside_of_a_customer_whose_id_only_begins_alike_stay(
    tables: Tables,
) -> None:
    for offset, native in enumerate(("1", "12", "9" * 100, "9" * 101)):
        key = f"spiffy/main/customer:{native}"
        # In Avro a text's length comes before it, and here a digit after it.
        length = bytes([2 * len(key)]) if len(key) < 64 else b"%c%c" % (
            2 * len(key) & 127 | 128, len(key) >> 6,
        )  # fmt: skip
        tables.execute(
            "INSERT INTO sink_rejects"
            " (topic, partition, record_offset, record_value, reason, detail)"
            " VALUES ('hookline.customers', 0, %s, %s, 'decode', 'odd')",
            offset,
            b"\x01" + length + key.encode() + b"2...",
        )
    for native in ("1", "9" * 100):
        await applied(tables, [erasure(f"spiffy/main/customer:{native}")])
    kept = tables.rows("SELECT record_offset FROM sink_rejects ORDER BY record_offset")
    assert kept == [(1,), (3,)]
