"""The sinks' transaction: fences, locks, rejects, a database that goes away."""

import asyncio
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from psycopg import sql

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, RefusedError
from schemas.events import CustomerRef
from sinks.agent import now
from sinks.postgres.migrate import UnmigratedError, check_migrated, migrate
from sinks.postgres.session import Database
from sinks.store import apply, entity_locks, stored_offsets
from sinks.store.entity_locks import MoreKeysError
from sinks.store.write_plan import plan_writes
from tests.sink_events import HOUR, NOON, SECOND, Tables, batch, cart, line, order, record

pytestmark = pytest.mark.stack

ANNA = CustomerRef(customer_id="1")


def test_an_unmigrated_database_is_refused_with_what_to_run(stack: Any) -> None:
    fresh = stack.settings()
    with pytest.raises(UnmigratedError, match="run `hookline migrate`"):
        check_migrated(fresh)
    assert migrate(fresh) == [
        "0001_delivery",
        "0002_entities",
        "0003_tables",
        "0004_views",
        "0005_operations",
        "0006_reading",
        "0007_coverage",
        "0008_comments",
        "0009_refunds",
        "0010_carts",
        "0011_analysts",
        "0012_missing",
        "0013_contacts",
        "0014_erasures",
        "0015_history",
        "0016_freshness",
        "0017_generation_numbers",
    ]
    assert migrate(fresh) == []
    check_migrated(fresh)


async def test_a_batch_behind_the_fence_is_given_back_and_changes_nothing(
    tables: Tables,
) -> None:
    first, second = order("1", NOON), order("2", NOON + SECOND)
    await tables.put_batch([first])
    place = await tables.place(first)
    before = await tables.digest()
    with pytest.raises(MovedError) as moved:
        await tables.sinks.handle(
            batch(place, 0, [record(place.topic, 0, first), record(place.topic, 1, second)])
        )
    assert moved.value.offset == 1
    assert before == await tables.digest()


async def test_a_batch_whose_commit_was_not_answered_is_taken_once(tables: Tables) -> None:
    sold = order("1", NOON)
    await tables.put_batch([sold])
    place = await tables.place(sold)
    before = await tables.digest()
    await tables.sinks.handle(batch(place, 0, [record(place.topic, 0, sold)]))
    assert before == await tables.digest()


async def together(tables: Tables, batches: Sequence[Batch]) -> None:
    await tables.sinks.handle_prepared(await tables.sinks.prepare(batches))


async def test_batches_at_once_are_stored_as_one_by_one_would(stack: Any) -> None:
    sold, left = order("1", NOON, customer=ANNA), cart("7", NOON - HOUR, customer=ANNA)
    digests = []
    for at_once in (True, False):
        fresh = stack.settings()
        migrate(fresh)
        async with Tables(fresh) as own:
            both = [
                batch(place, 0, [record(place.topic, 0, event)])
                for event in (sold, left)
                for place in [await own.place(event)]
            ]
            if at_once:
                await together(own, both)
            else:
                for each in both:
                    await own.sinks.handle(each)
            digests.append(await own.digest())
    assert digests[0] == digests[1]


async def test_of_batches_at_once_none_is_stored_where_one_stands_elsewhere(
    tables: Tables,
) -> None:
    sold, left = order("1", NOON), cart("7", NOON)
    await tables.put_batch([sold])
    before = await tables.digest()
    places = await tables.place(sold), await tables.place(left)
    with pytest.raises(MovedError):
        await together(
            tables,
            [
                batch(place, 0, [record(place.topic, 0, event), record(place.topic, 1, event)])
                for place, event in zip(places, (sold, left), strict=True)
            ],
        )
    assert before == await tables.digest()


async def test_batches_at_once_whose_commit_was_not_answered_are_taken_once(
    tables: Tables,
) -> None:
    sold, left = order("1", NOON), cart("7", NOON)
    places = await tables.place(sold), await tables.place(left)
    both = [
        batch(place, 0, [record(place.topic, 0, event)])
        for place, event in zip(places, (sold, left), strict=True)
    ]
    await together(tables, both)
    before = await tables.digest()
    await together(tables, both)
    assert before == await tables.digest()


async def test_a_key_that_somebody_holds_is_not_waited_for_out_of_order(
    tables: Tables, settings: Settings
) -> None:
    other = Database(settings, Health(), "hookline-sinks-other")
    await other.run(lambda connection: entity_locks.take(connection, {"a": False, "b": False}))
    held, done = asyncio.Event(), asyncio.Event()

    async def hold(connection: psycopg.AsyncConnection[Any]) -> None:
        await entity_locks.take(connection, {"b": False})
        held.set()
        await done.wait()

    async def take(connection: psycopg.AsyncConnection[Any]) -> set[str]:
        locked: set[str] = set()
        assert await entity_locks.take_free(connection, ["a"], locked)
        assert not await entity_locks.take_free(connection, ["a"], locked)
        for key in ("b", "c"):  # held, and without a row
            with pytest.raises(entity_locks.MoreKeysError):
                await entity_locks.take_free(connection, ["a", key], locked)
        return locked

    holding = asyncio.ensure_future(other.run(hold))
    await held.wait()
    assert {"a"} == await tables.database.run(take)
    done.set()
    await holding
    await other.close()


async def test_a_stopped_session_that_holds_a_fence_is_ended_by_its_successor(
    tables: Tables, settings: Settings
) -> None:
    place = await tables.place(order("1", NOON))
    stopped = Database(settings, Health(), "hookline-sinks-stopped")
    held = asyncio.Event()

    async def hold(connection: psycopg.AsyncConnection[Any]) -> None:
        await stored_offsets.move(connection, [stored_offsets.Move(place, 0, 1)], None)
        held.set()
        await asyncio.sleep(60)

    await stopped.run(
        lambda connection: stored_offsets.take_over(connection, [place], stopped.name)
    )
    holding = asyncio.ensure_future(stopped.run(hold))
    await held.wait()
    successor = Database(settings, Health(), "hookline-sinks-successor")
    taken = await successor.run(
        lambda connection: stored_offsets.take_over(connection, [place], successor.name)
    )
    assert {place: stored_offsets.StoredOffset(0)} == taken
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    await stopped.close()
    await successor.close()


async def test_a_cart_and_its_order_stored_at_once_end_as_one_after_the_other(
    stack: Any,
) -> None:
    bought = [line("a")]
    told = cart("c", NOON, bought, source="run-free", customer=ANNA)
    sold = order("9", NOON + HOUR // 2, source="run-free", customer=ANNA, items=bought)
    digests = []
    for at_once in (False, True):
        settings = stack.settings()
        migrate(settings)
        async with Tables(settings, "one") as one, Tables(settings, "other") as other:
            await one.place(told)
            await other.place(sold)
            work = (one.put_batch([told]), other.put_batch([sold]))
            if at_once:
                await asyncio.gather(*work)
            else:
                for each in work:
                    await each
            await one.passed(NOON + 3 * HOUR)
            assert one.rows("SELECT status, order_key FROM cart_generations") == [
                ("CONVERTED", "run-free/main/order:9")
            ]
            digests.append(await one.digest())
    assert digests[0] == digests[1]


async def test_an_order_waits_for_the_cart_of_its_customer_that_is_not_committed_yet(
    settings: Settings, tables: Tables
) -> None:
    """Without link locks both would commit, each without having seen the other."""
    told = cart("c", NOON, [line("a")], source="run-free", customer=ANNA)
    sold = order("9", NOON + HOUR // 2, source="run-free", customer=ANNA, items=[line("a")])
    await tables.place(sold)
    written, leave = asyncio.Event(), asyncio.Event()
    other = Database(settings, Health(), "other")

    async def slowly(connection: psycopg.AsyncConnection[Any]) -> None:
        await apply.apply(connection, plan_writes([told]), frozenset(), now)
        written.set()
        await leave.wait()

    slow = asyncio.ensure_future(other.run(slowly))
    await written.wait()
    quick = asyncio.ensure_future(tables.put_batch([sold]))
    await asyncio.sleep(0.5)
    assert not quick.done()
    leave.set()
    await asyncio.gather(slow, quick)
    await other.close()
    assert tables.rows("SELECT status, order_key FROM cart_generations") == [
        ("CONVERTED", "run-free/main/order:9")
    ]


async def test_keys_of_stored_rows_are_locked_before_their_carts_are_folded(
    settings: Settings, tables: Tables
) -> None:
    """An order given to another customer also moves the first customer's rows."""
    await tables.put([order("9", NOON, customer=ANNA)])
    moved = order("9", NOON + SECOND, customer=CustomerRef(customer_id="2"))
    other = Database(settings, Health(), "other")
    with pytest.raises(MoreKeysError) as error:
        await other.run(
            lambda connection: apply.apply(connection, plan_writes([moved]), frozenset(), now)
        )
    await other.close()
    assert {"spiffy/main/customer:1"} == error.value.keys
    await tables.put([moved])
    assert tables.rows("SELECT customer_key FROM customer_lifetime_value") == [
        ("spiffy/main/customer:2",)
    ]


async def test_an_order_that_names_another_cart_now_gives_the_first_one_back(
    tables: Tables,
) -> None:
    """The stored order's links are locked and folded, though no event of the batch names them."""
    states = "SELECT native_cart_id, status, order_key FROM cart_generations ORDER BY 1"
    bought, sold_at = [line("a")], NOON + HOUR // 2
    carts = [cart(name, NOON, bought, token=f"t{name}") for name in "bc"]
    await tables.put([*carts, order("9", sold_at, cart_token="tb", items=bought)])
    sold = "spiffy/main/order:9"
    assert [("b", "CONVERTED", sold), ("c", "ACTIVE", None)] == tables.rows(states)
    await tables.put([order("9", sold_at + SECOND, cart_token="tc", placed_at=sold_at)])
    assert [("b", "ACTIVE", None), ("c", "CONVERTED", sold)] == tables.rows(states)


async def test_a_cart_that_gives_its_token_up_leaves_its_order_to_the_next(
    tables: Tables,
) -> None:
    states = "SELECT native_cart_id, status, order_key FROM cart_generations ORDER BY 1"
    bought, sold = [line("a")], "spiffy/main/order:9"
    both = [cart("b", NOON + SECOND, bought, token="t"), cart("c", NOON, bought, token="t")]
    await tables.put([*both, order("9", NOON + HOUR // 2, cart_token="t", items=bought)])
    assert [("b", "CONVERTED", sold), ("c", "ACTIVE", None)] == tables.rows(states)
    await tables.put([cart("b", NOON + 2 * SECOND, bought, token="u")])
    assert [("b", "ACTIVE", None), ("c", "CONVERTED", sold)] == tables.rows(states)


async def test_what_cannot_be_stored_is_put_aside_and_the_rest_is_stored(
    tables: Tables,
) -> None:
    events = [order(str(number), NOON + number * SECOND, of_meta={}) for number in range(9)]
    events[4] = order("4", NOON, order_number="with a \0 in it")
    place = await tables.place(events[0])
    records = [record(place.topic, number, event) for number, event in enumerate(events)]
    records[7] = record(place.topic, 7, events[7], value=b"no Avro")
    await tables.sinks.handle(batch(place, 0, records))
    stored = [(f"{number}",) for number in range(9) if number not in (4, 7)]
    assert stored == tables.rows("SELECT order_id FROM orders ORDER BY 1")
    rejects = tables.rows("SELECT record_offset, reason, event_id FROM sink_rejects ORDER BY 1")
    assert [at for at, _, _ in rejects] == [4, 7]
    assert rejects[1][1] == "decode"
    assert [events[4].meta.event_id, events[7].meta.event_id] == [each for _, _, each in rejects]
    assert [(9, events[8].meta.event_id)] == tables.rows(
        "SELECT next_offset, last_event_id FROM fences"
    )


async def test_a_schema_that_nobody_told_us_stops_the_partition_and_sets_nothing_aside(
    tables: Tables,
) -> None:
    event = order("1", NOON)
    place = await tables.place(event)
    newer = record(place.topic, 0, event, value=b"\0" + (2**31 - 1).to_bytes(4, "big") + b"new")
    with pytest.raises(RefusedError, match="upgrade the sinks, or restore the registry"):
        await tables.sinks.handle(batch(place, 0, [newer]))
    assert tables.rows("SELECT next_offset FROM fences WHERE next_offset > 0") == []
    assert tables.rows("SELECT 1 FROM sink_rejects") == []


async def test_a_database_that_ends_every_session_is_waited_out(
    settings: Settings, tables: Tables
) -> None:
    await tables.put([order("0", NOON)])
    for number in range(1, 6):
        with psycopg.connect(settings.database_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name LIKE 'hookline-sinks-%'"
                )
            )
        await tables.put([order(str(number), NOON + number * SECOND)])
    assert tables.rows("SELECT count(*) FROM orders") == [(6,)]
    assert tables.health.is_ready
