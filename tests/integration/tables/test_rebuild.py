"""The tables made anew from the log beside the live ones, and swapped with them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from psycopg import sql

from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.settings import Settings
from runtime.stage import MovedError, Partition
from schemas.topics import CARTS, ORDERS
from sinks.outbox.relay import Relay
from sinks.rebuild.rebuild import Rebuild, RebuildError, Rebuilt
from sinks.rebuild.shadow_tables import Progress
from sinks.rebuild.swap import SwapError
from sinks.store import stored_offsets
from sinks.store.log_identity import LogMismatchError
from tests.canonical_log import Worker, append, signals, story
from tests.pipeline import Shape
from tests.pipeline import prepared as prepared_pipeline
from tests.sink_events import (
    CODEC,
    DAY,
    HOUR,
    NOON,
    Tables,
    batch,
    cart,
    line,
    order,
    record,
    resign,
)

pytestmark = pytest.mark.stack

Prepare = Callable[[Settings], Settings]
LATER = NOON + HOUR
_RELATIONS = """
    SELECT relname, relkind::text, relacl::text, obj_description(oid, 'pg_class') FROM pg_class
    WHERE relnamespace = to_regnamespace(%s) ORDER BY 1
"""
_COLUMNS = """
    SELECT relname, attname, col_description(attrelid, attnum) FROM pg_attribute
    JOIN pg_class c ON c.oid = attrelid
    WHERE attnum > 0 AND relnamespace = to_regnamespace(%s) ORDER BY 1, 2
"""
_SCHEMA = "SELECT nspacl::text FROM pg_namespace WHERE oid = to_regnamespace(%s)"
_THERE = "SELECT to_regnamespace(%s) IS NOT NULL"
_SHAPE = (_RELATIONS, _COLUMNS, _SCHEMA)


@pytest.fixture
def settings(stack: Any, prepared: Prepare) -> Settings:
    return prepared(stack.settings())


async def rebuilt(settings: Settings, **how: bool) -> Rebuilt:
    async with rebuilding(settings) as work:
        await work.build(**how)
        return await work.swap()


async def differing(settings: Settings) -> list[str]:
    """Tables that are not what the log gives."""
    async with rebuilding(settings) as work:
        await work.build()
        return await work.differing()


def rebuilding(
    settings: Settings, progress: Callable[[Progress], None] = lambda _: None
) -> Rebuild:
    return Rebuild(settings, lambda: LATER, progress, CODEC)


@asynccontextmanager
async def relaying(settings: Settings) -> AsyncIterator[Relay]:
    relay = Relay(settings, Health(), CODEC)
    try:
        yield relay
    finally:
        await resign(relay._leader, settings)
        if relay._producer is not None:
            await relay._producer.stop()


async def send_all(relay: Relay) -> int:
    sent = 0
    while some := await relay.step():
        sent += some
    return sent


async def test_a_rebuild_gives_the_rows_that_stand_and_keeps_all_that_hangs_on_them(
    settings: Settings, tables: Tables
) -> None:
    schema = settings.sql_schema
    await append(settings, story(400))
    async with Worker(settings) as worker:
        await worker.store()
    await tables.passed(NOON + 2 * DAY)
    role = f"{settings.prefix}analyst"
    tables.execute(f"CREATE ROLE {role}")
    tables.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    tables.execute(f"GRANT SELECT ON orders, coverage TO {role}")
    tables.execute("UPDATE customer_lifetime_value SET probability_alive = 0.5")

    def shape() -> list[Any]:
        return [tables.rows(query, schema) for query in _SHAPE]

    whole = "SELECT detected_at, cart_key, generation FROM abandoned_carts ORDER BY 2, 3"
    predicted = "SELECT count(*) FROM customer_lifetime_value WHERE probability_alive = 0.5"
    before, digests, detected = shape(), await tables.digest(), tables.rows(whole)
    outbox = tables.rows("SELECT position, signal_id FROM outbox ORDER BY 1")
    customers = tables.rows(predicted)
    assert len(detected) > 20
    assert len(outbox) > 20
    ended = await rebuilt(settings)
    assert Rebuilt(400, 0, "") == ended
    assert digests == await tables.digest()
    assert before == shape()
    assert detected == tables.rows(whole)
    assert customers == tables.rows(predicted)
    assert outbox == tables.rows("SELECT position, signal_id FROM outbox ORDER BY 1")
    assert (
        tables.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s", f"{schema}_%") == []
    )
    tables.execute(f"DROP OWNED BY {role}")
    tables.execute(f"DROP ROLE {role}")


async def test_the_tables_are_swapped_under_a_worker_and_a_relay_that_go_on(
    settings: Settings, tables: Tables
) -> None:
    """Nothing is lost or told twice; the worker's session and its prepared statements go on."""
    appended = await append(settings, story(300))
    async with Worker(settings) as worker, relaying(settings) as relay:
        await worker.store()
        await tables.passed(NOON + 2 * DAY)

        async def feed() -> int:
            count = 0
            for number in range(12):
                count += await append(settings, story(60, seed=100 + number, shop=f"s{number}"))
                await tables.passed(NOON + 2 * DAY + number * HOUR)
                await relay.step()
            return count

        async with worker.at_work():
            feeding = asyncio.ensure_future(feed())
            ended = [await rebuilt(settings), await rebuilt(settings)]
            appended += await feeding
        await worker.store()
        await send_all(relay)
        assert all(each.left == "" for each in ended)
        assert [] == await differing(settings)
        # The worker goes on in the tables that are live now, with the session that it had.
        appended += await append(settings, story(50, seed=7, shop="after"))
        await worker.store()
        await tables.passed(NOON + 4 * DAY)
        await send_all(relay)
    assert [] == await differing(settings)
    assert [(appended,)] == tables.rows("SELECT sum(next_offset)::int FROM fences")
    told = [signal.signal_id for signal in await signals(settings)]
    assert len(set(told)) == len(told) > 100
    # Whatever stands abandoned now was told, and nothing waits.
    stands = tables.rows(
        "SELECT count(*) FROM abandoned_carts WHERE detection = 'TIMER' AND abandon_count > 0"
    )
    abandoned = {s.cart_key for s in await signals(settings) if s.kind.value == "ABANDONED"}
    assert stands[0][0] > 50
    assert {key for (key,) in tables.rows("SELECT cart_key FROM abandoned_carts")} <= abandoned
    assert tables.rows("SELECT count(*) FROM outbox") == [(0,)]


async def test_a_worker_behind_the_rebuilt_tables_fails_its_fence_and_seeks(
    settings: Settings, tables: Tables
) -> None:
    """What the rebuild took before it leaves no gap: its signals are told by the swap."""
    told = [cart(f"{n}", NOON, [line("a")], source="run-free") for n in range(3)]
    await append(settings, told[:1])
    async with Worker(settings) as worker:
        await worker.store()
        behind = dict(worker.at)
        await tables.passed(NOON + 2 * HOUR)
        await append(settings, told[1:])
        ended = await rebuilt(settings)
        assert (ended.records, ended.changed_carts) == (3, 2)
        place = Partition(settings.topic(CARTS), 0)
        place = next(p for p in behind if p.topic == place.topic and tables_at(tables, p) > 0)
        stale = batch(place, behind[place], [record(place.topic, behind[place], told[1])] * 9)
        with pytest.raises(MovedError) as moved:
            await worker.sinks.handle(stale)
        assert tables_at(tables, place) == moved.value.offset
    kinds = tables.rows("SELECT cart_key, record->>'kind' FROM outbox ORDER BY position")
    assert {(f"run-free/main/cart:{n}", "ABANDONED") for n in range(3)} == set(kinds)
    assert len(kinds) == 3


def tables_at(tables: Tables, place: Partition) -> int:
    found = tables.rows(
        "SELECT next_offset FROM fences WHERE topic = %s AND partition = %s",
        place.topic,
        place.number,
    )
    return int(found[0][0]) if found else 0


async def test_a_rebuild_that_was_killed_goes_on_where_it_stood(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(1500))
    async with Worker(settings) as worker:
        await worker.store()
    await tables.passed(NOON + 2 * DAY)
    digests = await tables.digest()

    class KilledError(Exception):
        pass

    def kill(said: Progress) -> None:
        if said.stored > 500:
            raise KilledError

    with pytest.raises(KilledError):
        async with rebuilding(settings, kill) as work:
            await work.build()
    assert digests == await tables.digest()
    seen: list[Progress] = []
    async with rebuilding(settings, seen.append) as work:
        await work.build(resume=True)
        await tables.passed(NOON + 4 * DAY)  # time goes on meanwhile
        digests = await tables.digest()
        assert Rebuilt(1500, 0, "") == await work.swap()
    assert seen[0].stored > 500
    assert (seen[-1].stored, seen[-1].total) == (1500, 1500)
    assert digests == await tables.digest()


async def test_signals_sent_before_the_database_was_lost_are_not_sent_again(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(300))
    async with Worker(settings) as worker:
        await worker.store()
    await tables.passed(NOON + 2 * DAY)
    async with relaying(settings) as relay:
        sent = await relay.step()
    unsent = tables.rows("SELECT count(*) FROM outbox")
    assert (sent > 50, unsent) == (True, [(0,)])
    emptied = [
        name
        for (name,) in tables.rows(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> ALL(%s)"
            " AND relnamespace = to_regnamespace(%s)",
            ["schema_migrations", "watermark"],
            settings.sql_schema,
        )
    ]
    tables.execute(f"TRUNCATE {', '.join(emptied)}")
    await rebuilt(settings)
    assert tables.rows("SELECT count(*) FROM abandoned_carts")[0][0] > 20
    async with relaying(settings) as relay:
        assert await relay.step() == 0
    assert len(await signals(settings)) == sent


async def test_a_log_that_does_not_start_at_0_is_refused(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(40))
    async with Worker(settings) as worker:
        await worker.store()
    digests = await tables.digest()
    topic, number = tables.rows(
        "SELECT topic, partition FROM fences WHERE topic LIKE '%%orders' AND next_offset > 0"
    )[0]
    async with topics_admin.admin_client(settings) as client:
        await client.delete_records({TopicPartition(topic, number): RecordsToDelete(1)})
    with pytest.raises(RebuildError, match=r"hookline\.orders-\d starts at 1"):
        await rebuilt(settings)
    assert digests == await tables.digest()


async def test_what_others_made_on_the_tables_is_named_and_not_dropped(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(20))
    async with Worker(settings) as worker:
        await worker.store()
    outside = f"{settings.prefix}bi"
    tables.execute(f"CREATE SCHEMA {outside}")
    tables.execute(f"CREATE VIEW {outside}.revenue AS SELECT sum(net) FROM orders")  # noqa: S608
    with pytest.raises(SwapError, match=rf"{outside}\.revenue: not made by"):
        await rebuilt(settings)
    tables.execute(f"DROP SCHEMA {outside} CASCADE")
    tables.execute("CREATE INDEX mine ON orders (order_number)")
    with pytest.raises(SwapError, match=r"hookline\.mine: not made by"):
        await rebuilt(settings)
    tables.execute("DROP INDEX mine")
    assert (await rebuilt(settings)).records == 20


async def test_a_query_that_reads_on_is_not_waited_for(settings: Settings, tables: Tables) -> None:
    """Readers of the replaced tables finish; only the dropping of those tables waits."""
    await append(settings, story(50))
    async with Worker(settings) as worker:
        await worker.store()
    digests = await tables.digest()
    with psycopg.connect(settings.database_url) as reader:
        reader.execute(f"SET search_path TO {settings.sql_schema}")
        reader.commit()
        counted = reader.execute("SELECT count(*) FROM orders").fetchall()
        async with rebuilding(settings) as work:
            await work.build()
            swapping = asyncio.ensure_future(work.swap())
            while tables.rows(_THERE, f'"{work.names.replaced}"') == [(False,)]:
                assert not swapping.done()
                await asyncio.sleep(0.05)
            assert digests == await tables.digest()
            assert not swapping.done()
            reader.rollback()
            assert (await swapping).left == ""
        assert counted == reader.execute("SELECT count(*) FROM orders").fetchall()


async def test_the_swap_waits_for_a_transaction_that_is_under_way(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(30))
    begun, leave = asyncio.Event(), asyncio.Event()
    async with Worker(settings) as worker:
        await worker.store()
        place = max(worker.at, key=lambda each: worker.at[each])

        async def slowly(connection: psycopg.AsyncConnection[Any]) -> None:
            at = worker.at[place]
            assert await stored_offsets.move(connection, [stored_offsets.Move(place, at, at)], None)
            begun.set()
            await leave.wait()

        holding = asyncio.ensure_future(tables.database.run(slowly))
        await begun.wait()
        async with rebuilding(settings) as work:
            await work.build()
            swapping = asyncio.ensure_future(work.swap())
            await asyncio.sleep(1)
            assert tables.rows(_THERE, f'"{work.names.replaced}"') == [(False,)]
            leave.set()
            await holding
            assert (await swapping).records == 30


async def test_one_rebuild_runs_at_a_time(settings: Settings) -> None:
    async with rebuilding(settings):
        with pytest.raises(RebuildError, match="another `hookline rebuild`"):
            async with rebuilding(settings):
                pass


async def test_rows_that_the_log_does_not_give_are_found_and_put_right(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, story(100))
    async with Worker(settings) as worker:
        await worker.store()
    await tables.passed(NOON + 2 * DAY)
    digests = await tables.digest()
    assert [] == await differing(settings)
    tables.execute(
        "UPDATE orders SET net = net + 1 WHERE order_key = (SELECT min(order_key) FROM orders)"
    )
    tables.execute("DELETE FROM order_items")
    assert ["order_items", "orders"] == await differing(settings)
    await rebuilt(settings)
    assert digests == await tables.digest()


async def test_a_recreated_topic_is_taken_only_when_told(
    settings: Settings, tables: Tables, prepared: Prepare
) -> None:
    await append(settings, story(40))
    async with Worker(settings) as worker:
        await worker.store()
    async with topics_admin.admin_client(settings) as client:
        await client.delete_topics([settings.topic(ORDERS)])
    while settings.topic(ORDERS) in await topics_admin.find_topics(settings):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    prepared(settings)
    await append(settings, [order("new", NOON)])
    with pytest.raises(LogMismatchError, match="hookline rebuild --accept-log"):
        await rebuilt(settings)
    await rebuilt(settings, accept_log=True)
    assert [("new",)] == tables.rows("SELECT order_id FROM orders")
    async with Worker(settings) as worker:
        assert await worker.store() == 0


async def test_real_sinks_go_on_under_rebuilds_one_of_which_is_killed(
    settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    """Processes, kill -9, and every signal once."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with prepared_pipeline(settings, logs, Shape(sinks=2)) as pipeline:
        pipeline.start("sink")
        appended = await append(settings, story(2000))
        feeding = asyncio.ensure_future(_feed(settings, tables, rounds=25))
        killed = _command(settings, "rebuild", "--json")
        while tables_rows(settings, f"{settings.sql_schema}_rebuild", "orders") < 200:
            await asyncio.sleep(0.05)
            assert killed.poll() is None
        killed.kill()
        killed.communicate()
        said = await asyncio.to_thread(_said, settings, "rebuild", "--resume", "--json")
        assert said["left"] == ""
        again = await asyncio.to_thread(_said, settings, "rebuild", "--json")
        assert again["records"] >= said["records"]
        appended += await feeding
        async with asyncio.timeout(60):
            while tables.rows("SELECT sum(next_offset)::int FROM fences") != [(appended,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        await tables.passed(NOON + 5 * DAY)
        async with asyncio.timeout(60):
            while tables.rows("SELECT count(*) FROM outbox") != [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        checked = await asyncio.to_thread(_said, settings, "rebuild", "--check", "--json")
        assert checked["differing"] == []
        assert set(pipeline.restarts_of().values()) == {0}
    sent = await signals(settings)
    assert len({each.signal_id for each in sent}) == len(sent)
    told = {each.cart_key for each in sent if each.kind.value == "ABANDONED"}
    stand = {key for (key,) in tables.rows("SELECT cart_key FROM abandoned_carts")}
    assert len(stand) > 100
    assert stand <= told


async def _feed(settings: Settings, tables: Tables, rounds: int) -> int:
    count = 0
    for number in range(rounds):
        count += await append(settings, story(60, seed=200 + number, shop=f"s{number}"))
        await tables.passed(NOON + 2 * DAY + number * HOUR)
    return count


def tables_rows(settings: Settings, schema: str, table: str) -> int:
    """Rows of a table, 0 where there is none yet."""
    with psycopg.connect(settings.database_url) as connection:
        try:
            count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))
            found = connection.execute(count).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return 0
    return 0 if found is None else int(found[0])


def _command(settings: Settings, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hookline", *words],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        text=True,
    )


def _said(settings: Settings, *words: str) -> dict[str, Any]:
    process = _command(settings, *words)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0, said
    answer: dict[str, Any] = json.loads(said)
    return answer
