"""The sinks' sessions: their bounds, lost races and commits, processes that were stopped."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import AsyncConnection

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.topics import ORDERS
from sinks.agent import Sinks
from sinks.outbox.relay import Relay
from sinks.postgres.migrate import UnmigratedError, migrate, migrations
from sinks.postgres.session import Database, Leader, NoLongerWantedError
from sinks.store import stored_offsets
from tests.canonical_log import signals
from tests.conftest import LiveStack
from tests.sink_events import (
    CODEC,
    HOUR,
    NOON,
    SECOND,
    Tables,
    batch,
    cart,
    line,
    order,
    record,
    resign,
)

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[3]
_WAITS_INSIDE = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = %s AND xact_start < now() - interval '300 ms'
"""


@asynccontextmanager
async def sessions(
    settings: Settings, *names: str, **session: str
) -> AsyncIterator[list[Database]]:
    made = [Database(settings, Health(), name, **session) for name in names]
    try:
        yield made
    finally:
        for database in made:
            await database.close()


async def test_every_session_has_the_bounds_that_let_a_successor_in(settings: Settings) -> None:
    wanted = {
        "idle_in_transaction_session_timeout": "10s",
        "statement_timeout": "30s",
        "lock_timeout": "15s",
        "synchronous_commit": "on",
        "application_name": "hookline-sinks-it",
        "search_path": settings.sql_schema,
    }
    on_the_wire = {
        "keepalives": "1",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }

    async def look(connection: AsyncConnection[Any]) -> tuple[dict[str, str], dict[str, str]]:
        told = connection.info.get_parameters()
        found = {
            name: (await (await connection.execute(f"SHOW {name}".encode())).fetchone() or [""])[0]
            for name in wanted
        }
        return found, {name: told[name] for name in on_the_wire}

    async with sessions(settings, "hookline-sinks-it") as [database]:
        assert (wanted, on_the_wire) == await database.run(look)
        # And again after the session was lost.
        await database.close()
        assert (wanted, on_the_wire) == await database.run(look)


async def test_a_leaders_lock_goes_when_its_process_stands_still(settings: Settings) -> None:
    leader = Leader(settings, Health(), "sweep")

    async def look(connection: AsyncConnection[Any]) -> Any:
        return await (await connection.execute("SHOW idle_session_timeout")).fetchone()

    assert ("15s",) == await leader.run(look)
    await leader.close()


async def test_transactions_that_lock_each_other_out_are_both_done(settings: Settings) -> None:
    """40P01: the server ends one of them, which begins again."""
    async with sessions(settings, "one", "other", deadlock_timeout="100ms") as [one, other]:
        await one.run(lambda c: _keys(c, "a", "b"))
        met = asyncio.Barrier(2)
        tried = {"one": 0, "other": 0}

        def crossing(name: str, *keys: str) -> Callable[[AsyncConnection[Any]], Any]:
            async def work(connection: AsyncConnection[Any]) -> None:
                tried[name] += 1
                await _keys(connection, keys[0])
                if tried[name] == 1:
                    await met.wait()
                await _keys(connection, keys[1])

            return work

        await asyncio.gather(
            one.run(crossing("one", "a", "b")), other.run(crossing("other", "b", "a"))
        )
    assert sorted(tried.values()) == [1, 2]


async def test_a_transaction_that_cannot_be_serialised_begins_again(settings: Settings) -> None:
    """40001."""
    isolation = {"default_transaction_isolation": "repeatable read"}
    async with sessions(settings, "one", "other", **isolation) as [one, other]:
        await one.run(lambda c: _keys(c, "a"))
        tried = 0

        async def late(connection: AsyncConnection[Any]) -> None:
            nonlocal tried
            tried += 1
            await connection.execute("SELECT FROM link_keys")  # its snapshot
            if tried == 1:
                await other.run(lambda c: _keys(c, "a"))
            await _keys(connection, "a")

        await one.run(late)
    assert tried == 2


async def test_a_lock_waited_for_too_long_is_asked_for_again(settings: Settings) -> None:
    """55P03."""
    async with sessions(settings, "one", "other", lock_timeout="100ms") as [one, other]:
        held, tried = asyncio.Event(), 0

        async def hold(connection: AsyncConnection[Any]) -> None:
            await _keys(connection, "a")
            held.set()
            while tried < 3:  # noqa: ASYNC110 - a count has no event
                await asyncio.sleep(0.05)

        async def wait(connection: AsyncConnection[Any]) -> None:
            nonlocal tried
            tried += 1
            await _keys(connection, "a")

        holding = asyncio.ensure_future(one.run(hold))
        await held.wait()
        await other.run(wait)
        await holding
    assert tried >= 3


async def test_work_that_nobody_wants_any_more_is_given_up(settings: Settings) -> None:
    wanted = True

    async def lost(_: AsyncConnection[Any]) -> None:
        nonlocal wanted
        wanted = False
        raise psycopg.OperationalError("the server is gone")

    async with sessions(settings, "one") as [one]:
        with pytest.raises(NoLongerWantedError):
            await one.run(lost, lambda: wanted)


@pytest.mark.parametrize("when", ["statement", "commit"])
async def test_a_session_whose_server_process_is_stopped_is_cut_off_and_begun_again(
    settings: Settings, when: str
) -> None:
    """Its kernel goes on answering for it, so that no timeout of TCP or of the server fires."""
    stopped: list[int] = []
    async with sessions(settings, "one") as [one]:
        one._bound.seconds = 1.0

        async def work(connection: AsyncConnection[Any]) -> int:
            pid = connection.info.backend_pid
            await _keys(connection, f"{when}{len(stopped)}")
            if not stopped:
                stopped.append(pid)
                os.kill(pid, SIGSTOP)
                if when == "statement":
                    await _keys(connection, "unanswered")
            return pid

        try:
            async with asyncio.timeout(60):
                pid = await one.run(work)
            assert pid not in stopped
            assert "database" not in one._health.unmet
        finally:
            os.kill(stopped[0], SIGCONT)


async def test_a_session_that_gets_answers_is_never_cut_off(settings: Settings) -> None:
    async with sessions(settings, "one") as [one]:
        one._bound.seconds = 0.5
        tried = 0

        async def work(connection: AsyncConnection[Any]) -> int:
            nonlocal tried
            tried += 1
            for _ in range(8):
                await connection.execute("SELECT pg_sleep(0.2)")
            return tried

        assert await one.run(work) == 1


async def test_a_transaction_ended_for_standing_still_begins_again(settings: Settings) -> None:
    """25P03: no OperationalError for psycopg, but the same loss of a session."""
    idle = {"idle_in_transaction_session_timeout": "200ms"}
    async with sessions(settings, "one", **idle) as [one]:
        tried = 0

        async def work(connection: AsyncConnection[Any]) -> int:
            nonlocal tried
            tried += 1
            await _keys(connection, "a")
            if tried == 1:
                await asyncio.sleep(1)
            await _keys(connection, "b")
            return tried

        assert await one.run(work) == 2


@pytest.mark.parametrize("kept", [True, False], ids=["committed", "rolled-back"])
async def test_a_commit_whose_answer_was_lost_is_done_once(settings: Settings, kept: bool) -> None:
    """The fence, moved by the commit or not, says which it was."""
    async with Tables(settings) as tables:
        sold = order("1", NOON)
        place = await tables.place(sold)
        real, cut = AsyncConnection.transaction, [True]

        @asynccontextmanager
        async def transaction(connection: AsyncConnection[Any], **how: Any) -> AsyncIterator[Any]:
            async with real(connection, **how) as inside:
                yield inside
                if cut and not kept:
                    cut.clear()
                    raise psycopg.OperationalError("cut before the commit")
            if cut:
                cut.clear()
                await connection.close()
                raise psycopg.OperationalError("cut after the commit")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(AsyncConnection, "transaction", transaction)
            await tables.sinks.handle(batch(place, 0, [record(place.topic, 0, sold)]))
        assert cut == []
        assert [(1, sold.meta.event_id)] == tables.rows(
            "SELECT next_offset, last_event_id FROM fences"
        )
        assert tables.rows("SELECT count(*) FROM orders") == [(1,)]


async def test_a_sink_stopped_inside_its_transaction_lets_its_successor_in_and_finds_out(
    settings: Settings,
) -> None:
    """SIGSTOP: the successor ends its session; on SIGCONT it finds the fence elsewhere."""
    place = Partition(settings.topic(ORDERS), 0)
    async with (
        stopped_sink(settings, place.topic, end=5, idle="60s") as stopped,
        sessions(settings, "hookline-sinks-successor") as [successor],
    ):
        async with asyncio.timeout(20):  # no bound of the stopped session's ends it by then
            taken = await successor.run(
                lambda c: stored_offsets.take_over(c, [place], successor.name)
            )
        assert {place: stored_offsets.StoredOffset(0)} == taken
        assert await successor.run(
            lambda c: stored_offsets.move(c, [stored_offsets.Move(place, 0, 3)], None)
        )
        stopped.send_signal(SIGCONT)
        said, _ = await asyncio.to_thread(stopped.communicate, timeout=60)
        assert (said.splitlines()[-1], stopped.returncode) == ("3", 0)


async def test_a_sink_stopped_inside_its_transaction_holds_nobody_up_without_a_successor(
    settings: Settings,
) -> None:
    """The server ends the transaction; on SIGCONT it is done again."""
    place = Partition(settings.topic(ORDERS), 0)
    async with (
        stopped_sink(settings, place.topic, end=5, idle="1s") as stopped,
        sessions(settings, "another", lock_timeout="20s") as [another],
    ):
        # Whoever needs the row is let in by the server alone.
        await another.run(_claim_all)
        stopped.send_signal(SIGCONT)
        said, _ = await asyncio.to_thread(stopped.communicate, timeout=60)
        assert (said.splitlines()[-1], stopped.returncode) == ("stored", 0)


async def test_sinks_do_not_start_on_tables_of_another_version(stack: Any) -> None:
    sinks = Sinks(CODEC, in_background=False)
    with pytest.raises(UnmigratedError, match="run `hookline migrate`"):
        await sinks.start(stack.settings(), Health())
    await sinks.stop()


def test_migrations_at_once_are_applied_once(stack: Any) -> None:
    fresh = stack.settings()
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(fresh), range(4)))
    names = [each.name for each in migrations()]
    assert sorted(applied) == [[], [], [], names]


async def test_what_a_killed_relay_sent_and_did_not_mark_is_not_sent_again(
    stack: LiveStack, prepared: Callable[[Settings], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = prepared(stack.settings())
    async with Tables(settings) as tables:
        await tables.put([cart(f"{n}", NOON + n * SECOND, [line("a")]) for n in range(5)])
        await tables.passed(NOON + 2 * HOUR)
        one, other = (Relay(settings, Health(), CODEC) for _ in range(2))

        class KilledError(Exception):
            pass

        async def kills(*_arguments: Any) -> bool:
            raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr("sinks.outbox.relay._mark", kills)
            with pytest.raises(KilledError):
                await one.step()
        assert await other.step() == 0  # the first one still holds the lock
        assert tables.rows("SELECT count(*) FROM sent_signals") == [(0,)]
        await resign(one._leader, settings)
        assert one._producer is not None
        await one._producer.stop()
        assert await other.step() == 0  # all of them stand in Kafka
        assert tables.rows("SELECT count(*) FROM sent_signals") == [(5,)]
        assert tables.rows("SELECT count(*) FROM outbox") == [(0,)]
        await other._leader.close()
        sent = await signals(settings)
        assert len({each.signal_id for each in sent}) == len(sent) == 5


async def test_no_transaction_waits_for_kafka(
    stack: LiveStack, prepared: Callable[[Settings], Settings]
) -> None:
    settings = prepared(stack.settings())
    async with Tables(settings) as tables:
        await tables.put([cart("1", NOON, [line("a")])])
        await tables.passed(NOON + 2 * HOUR)
        relay = Relay(settings, Health(), CODEC)
        await relay._ready_producer()
        stack.pause(stack.kafka)
        try:
            sending = asyncio.ensure_future(relay.step())
            for _ in range(10):
                await asyncio.sleep(0.1)
                assert not sending.done()
                # Idle inside a transaction for a moment is between two statements.
                waits = tables.rows(_WAITS_INSIDE, "hookline-signals")
                assert waits == []
        finally:
            stack.resume(stack.kafka)
        assert await sending == 1
        await relay._leader.close()
        assert relay._producer is not None
        await relay._producer.stop()


async def _keys(connection: AsyncConnection[Any], *keys: str) -> None:
    for key in keys:
        await connection.execute(
            "INSERT INTO link_keys (link_key) VALUES (%s)"
            " ON CONFLICT (link_key) DO UPDATE SET is_cart = false",
            [key],
        )


async def _claim_all(connection: AsyncConnection[Any]) -> None:
    await connection.execute("UPDATE fences SET updated_at = now()")


@asynccontextmanager
async def stopped_sink(
    settings: Settings, topic: str, end: int, idle: str
) -> "AsyncIterator[subprocess.Popen[str]]":
    """A process that has stopped itself inside its transaction."""
    with subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-m", "tests.stopped_sink", topic, str(end), idle],
        env={**os.environ, **settings.environment()},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
                assert process.poll() is None
                await asyncio.sleep(0.05)
            yield process
        finally:
            process.kill()
