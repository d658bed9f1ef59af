"""Erased persons and rotated hashes: the rows are those of events without the hash."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest

from runtime import erasures
from runtime.health import Health
from runtime.settings import Settings
from schemas.events import Contact, Customer, CustomerContact, CustomerRef, Event
from schemas.json_records.erasures import Entry, Erasure, Ledger, Rotation, Span
from sinks.erasure.apply_entries import apply_all
from sinks.erasure.follower import ErasureFollower
from sinks.rebuild.rebuild import Rebuild
from sinks.rebuild.shadow_tables import ShadowTables
from tests.canonical_log import Worker, append, story
from tests.conftest import LiveStack
from tests.histories.everything import WATERMARK, everything
from tests.histories.running import by_topic, shuffled
from tests.histories.stored import empty
from tests.sink_events import CODEC, DAY, NOON, Tables, meta, order

pytestmark = pytest.mark.stack

EVENTS = 700
NAME = "erased-0123456789abcdef0123456789abcdef"
SPANS = (Span(NAME, NOON),)


@pytest.fixture
def settings(stack: LiveStack, prepared: Callable[[Settings], Settings]) -> Settings:
    return prepared(stack.settings())


def hash_of(event: Event) -> str | None:
    holder = event if isinstance(event, Customer) else getattr(event, "customer", None)
    return getattr(holder, "email_hash", None)


def persons(events: Iterable[Event]) -> list[str]:
    """Hashes, those with most events first."""
    found = Counter(hash_of(event) for event in events)
    return [each for each, _ in found.most_common() if each is not None]


def erasures_of(tables: Tables, hashed: str) -> list[Entry]:
    """The entries for a person: the hash, and every customer that has it at last."""
    keys = tables.rows(
        "SELECT customer_key FROM customers WHERE person_key = %s AND customer_id IS NOT NULL",
        hashed,
    )
    subjects = [hashed, *(key for (key,) in keys)]
    return [Erasure(subject=subject, spans=SPANS) for subject in subjects]


async def applied(tables: Tables, entries: Sequence[Entry]) -> None:
    async def given(_: object) -> Sequence[Entry]:
        return entries

    await apply_all(tables.database, given, lambda: tables.now)


async def stored(
    tables: Tables, events: Sequence[Event], seed: int, entries: Sequence[Entry] = (), at: int = 0
) -> dict[str, str]:
    """Digests after the events in some order, the entries applied after ``at`` of the batches."""
    empty(tables)
    tables.execute("DELETE FROM erasures")
    batches = list(by_topic(shuffled(events, seed, again=0.1), 200))
    random.Random(seed).shuffle(batches)  # noqa: S311 - a seed repeats it
    middle = WATERMARK - 10 * DAY
    for number, batch in enumerate(batches):
        if number == at and entries:
            await applied(tables, entries)
        if number == len(batches) // 2:
            await tables.passed(middle)
        await tables.put_batch(batch)
    if entries:
        await applied(tables, entries)
    await tables.passed(WATERMARK)
    digests = await tables.digest()
    del digests["customer_contacts"]  # goes by customer, not by hash
    return digests


@pytest.mark.parametrize("at", [0, 3, 1_000], ids=["before", "between", "after"])
async def test_an_erased_hash_leaves_the_rows_of_events_that_never_had_it(
    tables: Tables, at: int
) -> None:
    events = everything(EVENTS)
    for seed, hashed in enumerate(persons(events)[:2]):
        entries = [Erasure(subject=hashed, spans=SPANS)]
        ledger = Ledger(entries)
        never = [known for each in events if (known := ledger.applied(each)) is not None]
        wanted = await stored(tables, never, seed)
        assert await stored(tables, events, seed, entries, at) == wanted, hashed
        assert_gone(tables, hashed)


async def test_an_erased_customer_has_no_hash_and_no_contact_and_others_keep_their_rows(
    tables: Tables,
) -> None:
    events = everything(EVENTS)
    for seed, hashed in enumerate(persons(events)[3:5]):
        await stored(tables, events, seed)
        entries = erasures_of(tables, hashed)
        keys = [each.subject for each in entries if isinstance(each, Erasure)]
        before = rows_of_others(tables, hashed, keys)
        await applied(tables, entries)
        assert_gone(tables, hashed)
        assert rows_of_others(tables, hashed, keys) == before
        for table, column in (
            ("customers", "email_hash"),
            ("customers", "person_key"),
            ("orders", "email_hash"),
            ("carts", "email_hash"),
            ("cart_generations", "person_key"),
            ("customer_lifetime_value", "person_key"),
            ("customer_contacts", "customer_key"),
        ):
            query = f"SELECT count({column}) FROM {table} WHERE customer_key = ANY(%s)"  # noqa: S608 - names of ours
            assert tables.rows(query, keys) == [(0,)], table


def rows_of_others(tables: Tables, hashed: str, keys: list[str]) -> dict[str, set[str]]:
    """Rows of customers who are not the person, nor have a hash or link of theirs."""
    found = {}
    for table in ("customers", "orders", "carts", "customer_lifetime_value", "customer_contacts"):
        query = f"SELECT to_jsonb(each)::text FROM {table} AS each WHERE customer_key <> ALL(%s)"  # noqa: S608 - a table of ours
        texts = [row for (row,) in tables.rows(query, keys)]
        found[table] = {text for text in texts if hashed not in text and NAME not in text}
    return found


def assert_gone(tables: Tables, hashed: str) -> None:
    """The hash is in no column of any table but ``erasures``."""
    for (table,) in tables.rows(
        "SELECT table_name::text FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
        " AND table_schema = current_schema() AND table_name <> 'erasures'"
    ):
        query = f"SELECT count(*) FROM {table} AS each WHERE to_jsonb(each)::text LIKE %s"  # noqa: S608 - a table of ours
        assert tables.rows(query, f"%{hashed}%") == [(0,)], table


@pytest.mark.parametrize("at", [3, 1_000], ids=["between", "after"])
async def test_a_rotated_key_gives_the_rows_of_events_with_the_new_hashes(
    tables: Tables, at: int
) -> None:
    events = everything(EVENTS)
    entries = [
        Rotation(before=hashed, hashed=f"{number:032x}", at=NOON)
        for number, hashed in enumerate(persons(events))
    ]
    ledger = Ledger(entries)
    never = [known for each in events if (known := ledger.applied(each)) is not None]
    wanted = await stored(tables, never, 1)
    assert await stored(tables, events, 1, entries, at) == wanted


async def test_a_rebuild_and_a_restored_database_bring_nobody_back(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(300))
    async with Worker(settings) as worker:
        await worker.store()
        await tables.passed(NOON + 2 * DAY)
        hashed = f"{3:064x}"
        await erasures.record(settings, erasures_of(tables, hashed))
        await followed(settings)
        digests = await tables.digest()
        assert_gone(tables, hashed)

        async with rebuilding(settings) as work:
            await work.build()
            assert await work.differing() == []
            await work.swap()
        assert await tables.digest() == digests

        tables.execute("UPDATE fences SET next_offset = 0, last_event_id = NULL")
        empty(tables)
        tables.execute("DELETE FROM erasures")  # as in a dump from before the erasure
        worker.at = dict.fromkeys(worker.at, 0)
        await worker.store()
        await tables.passed(NOON + 2 * DAY)
        assert tables.rows("SELECT count(*) > 0 FROM orders WHERE email_hash = %s", hashed)[0][0]
        await followed(settings)
        assert await tables.digest() == digests
        assert_gone(tables, hashed)


async def followed(settings: Settings) -> None:
    """Apply the ledger as a sink does at its start."""
    follower = ErasureFollower(settings, Health(), lambda: NOON)
    try:
        await follower.catch_up()
    finally:
        await follower.close()


def rebuilding(settings: Settings) -> Rebuild:
    return Rebuild(settings, lambda: NOON, codec=CODEC)


async def test_a_database_restored_under_a_running_sink_gets_the_entries_again(
    settings: Settings, tables: Tables
) -> None:
    who = CustomerRef(email_hash=f"{3:064x}")
    await erasures.record(settings, [Erasure(subject=f"{3:064x}", spans=SPANS)])
    follower = ErasureFollower(settings, Health(), lambda: NOON)
    try:
        await follower.catch_up()
        tables.execute("DELETE FROM erasures")
        await tables.put([order("1", NOON, customer=who)])
        assert tables.rows("SELECT email_hash FROM orders") == [(f"{3:064x}",)]
        await follower.catch_up()
    finally:
        await follower.close()
    assert_gone(tables, f"{3:064x}")


async def test_a_swap_does_not_wait_for_a_sink_that_waits_to_apply_an_entry(
    settings: Settings, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(settings, story(100))
    take_over, erasing = ShadowTables.take_over_erasures, list[asyncio.Task[None]]()
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND application_name = 'hookline-erasures'"
    )
    took = list[float]()

    async def with_a_sink(shadow: ShadowTables, *given: Sequence[Entry]) -> None:
        if given:  # the swap has locked the tables
            erasing.append(asyncio.ensure_future(followed(settings)))
            for _ in range(200):
                if tables.rows(waiting) != [(0,)]:
                    break
                await asyncio.sleep(0.05)
            else:
                pytest.fail("no sink waits")
        began = time.monotonic()
        await take_over(shadow, *given)
        took.append(time.monotonic() - began)

    async with Worker(settings) as worker, rebuilding(settings) as work:
        await worker.store()
        await work.build()
        await erasures.record(settings, erasures_of(tables, f"{3:064x}"))
        monkeypatch.setattr(ShadowTables, "take_over_erasures", with_a_sink)
        await work.swap()
    await asyncio.gather(*erasing)
    assert len(erasing) == 1
    assert max(took) < 5
    assert_gone(tables, f"{3:064x}")


def contact_of(native: str, hashed: str) -> CustomerContact:
    about = meta("spiffy", "customer", native, NOON, slot="contact")
    return CustomerContact(
        meta=about, customer_id=native, contact=Contact(email="a@b.example"), email_hash=hashed
    )


@pytest.mark.parametrize("is_first", [False, True], ids=["after-it", "before-it"])
async def test_contact_data_of_a_customer_that_the_entry_does_not_name_goes_by_its_hash(
    tables: Tables, is_first: bool
) -> None:
    """The customer is not in the tables yet: the sinks lag, or a rebuild reads the log."""
    erased, other = f"{1:032x}", f"{2:032x}"
    entry = Erasure(subject=erased, spans=(Span(NAME, NOON + DAY),))
    if is_first:
        await tables.put([contact_of("9", erased)])
    await applied(tables, [entry])
    if not is_first:
        await tables.put([contact_of("9", erased)])
    await tables.put([contact_of("10", other)])
    about = meta("spiffy", "customer", "9", NOON)
    await tables.put([Customer(meta=about, customer_id="9", email_hash=erased, created_at=NOON)])
    assert tables.rows("SELECT customer_key FROM customer_contacts") == [
        ("spiffy/main/customer:10",)
    ]
    assert tables.rows("SELECT is_erased FROM customers") == [(True,)]


async def test_a_rotation_names_the_hash_of_contact_data_too(tables: Tables) -> None:
    old, new = f"{1:032x}", f"{2:032x}"
    await tables.put([contact_of("9", old)])
    await applied(tables, [Rotation(before=old, hashed=new, at=NOON)])
    await applied(tables, [Erasure(subject=new, spans=(Span(NAME, NOON + DAY),))])
    assert tables.rows("SELECT customer_key FROM customer_contacts") == []
