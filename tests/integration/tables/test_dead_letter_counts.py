"""Dead letters are counted in the tables: each once, through kills, outages and other logs."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError

from hookline.dead_letters import letters, marks
from hookline.dead_letters.letters import LetterFilter
from hookline.dead_letters.replay import replay
from hookline.tables.queries import connected
from runtime.health import Health
from runtime.kafka import topics_admin
from runtime.kafka.producer import new_producer
from runtime.settings import Settings
from runtime.stage import Partition
from schemas import envelopes
from schemas.topics import DEAD_LETTERS
from sinks.dead_letters import count_store
from sinks.dead_letters.count_store import Counted
from sinks.dead_letters.counter import LetterCounter
from sinks.dead_letters.letters import read_letter
from sinks.rebuild.rebuild import Rebuild
from tests import raw, senders
from tests.conftest import LiveStack, run_apart
from tests.pipeline import running
from tests.sink_events import CODEC, NOON, Tables, order, resign

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

Prepare = Callable[[Settings], Settings]
DAY_US = 86_400_000_000
_COUNTS = "SELECT shop, day::text, kind, reason, letters FROM dead_letter_counts"
_SETTLED = "SELECT kind, letters, replayed, discarded FROM dead_letter_counts ORDER BY kind"


def letter(number: int, shop: str = "main", reason: str = "invalid-payload") -> dict[str, Any]:
    """A dead letter, as the processors write it: every third is a cart's, over three days."""
    kind = "cart" if number % 3 == 0 else "order"
    received = NOON + number % 3 * DAY_US
    headers = {
        envelopes.DELIVERY: str(uuid.uuid4()),
        envelopes.SOURCE: "spiffy",
        envelopes.SHOP: shop,
        envelopes.RECEIVED_US: str(received),
        envelopes.RAW_OFFSET: str(number),
        envelopes.RAW_TIME: str(received // 1000),
        envelopes.RAW_PARTITION: str(number % 4),
        envelopes.SLOT: envelopes.DEAD_SLOT,
        envelopes.SLOTS: envelopes.DEAD_SLOT,
        envelopes.ENTITY: f"spiffy/{shop}/{kind}:{number}",
        envelopes.REASON: reason,
    }
    return {
        "partition": number % 4,
        "value": b"{}",
        "headers": [(name, value.encode()) for name, value in headers.items()],
    }


async def append(settings: Settings, made: Iterable[dict[str, Any]]) -> None:
    producer = new_producer(settings, linger_ms=2)
    await producer.start()
    try:
        topic = settings.topic(DEAD_LETTERS)
        await asyncio.gather(*[await producer.send(topic, **each) for each in made])
    finally:
        await producer.stop()


def grouped(numbers: Iterable[int]) -> dict[tuple[Any, ...], int]:
    """The rows of ``_COUNTS`` for these letters, by an obvious rule."""
    return Counter(
        ("main", f"2026-01-0{1 + n % 3}", "order" if n % 3 else "cart", "invalid-payload")
        for n in numbers
    )


def counts(tables: Tables) -> dict[tuple[Any, ...], int]:
    return {row[:-1]: row[-1] for row in tables.rows(_COUNTS)}


async def until(tables: Tables, total: int) -> None:
    async with asyncio.timeout(60):
        while sum(counts(tables).values()) < total:  # noqa: ASYNC110 - another session writes
            await asyncio.sleep(0.1)


async def stop(counter: LetterCounter, settings: Settings) -> None:
    await counter._close_log()
    await resign(counter._leader, settings)


@pytest.fixture
def settings(stack: LiveStack, prepared: Prepare) -> Settings:
    return prepared(stack.settings(sweep_interval=0.2))


async def test_letters_are_counted_by_shop_day_kind_and_reason_and_once(
    settings: Settings, tables: Tables
) -> None:
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 0
    await append(settings, map(letter, range(30)))
    assert await counter.step() == 30
    assert await counter.step() == 0
    await append(settings, map(letter, range(30, 40)))
    await stop(counter, settings)
    other = LetterCounter(settings, Health())
    assert await other.step() == 10
    assert counts(tables) == grouped(range(40))
    assert tables.rows(
        "SELECT shop, dead_letters_open, dead_letters_settled, last_dead_letter_on::text,"
        " orders, first_received_at FROM coverage"
    ) == [("main", 40, 0, "2026-01-03", 0, None)]
    await stop(other, settings)


async def test_a_record_that_is_no_dead_letter_is_passed_over(
    settings: Settings, tables: Tables
) -> None:
    strange = {"partition": 0, "value": b"\0", "headers": [("hookline-reason", b"\0\xff")]}
    unkind = letter(0, "a\0b" + "c" * 3000)
    await append(settings, [strange, {**strange, "headers": []}, unkind, letter(4)])
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 4
    assert await counter.step() == 0
    assert {(shop[:2], len(shop)) for shop, *_ in tables.rows(_COUNTS)} == {
        ("a\ufffd", 200),
        ("ma", 4),
    }
    await stop(counter, settings)


async def test_counters_that_are_cut_off_at_any_point_count_each_letter_once(
    settings: Settings, tables: Tables
) -> None:
    """Cancelled in mid-step, their sessions ended by the server, two of them at a time."""
    rng = random.Random(7)  # noqa: S311 - a seed repeats it
    total = 600

    async def feed() -> None:
        for first in range(0, total, 20):
            await append(settings, map(letter, range(first, first + 20)))

    async def end_sessions() -> None:
        while True:
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            tables.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'hookline-dead-letters'"
            )

    async def restarted() -> None:
        while True:
            counter = LetterCounter(replace(settings, sweep_interval=0.01), Health())
            with suppress(TimeoutError):
                await asyncio.wait_for(counter.run(), rng.uniform(0.05, 2))

    strikes = [asyncio.ensure_future(each) for each in (end_sessions(), restarted(), restarted())]
    await feed()
    await asyncio.sleep(6)
    for strike in strikes:
        strike.cancel()
    await asyncio.gather(*strikes, return_exceptions=True)
    last = LetterCounter(settings, Health())
    while await last.step() is None:  # noqa: ASYNC110 - the server ends the sessions of the others
        await asyncio.sleep(0.1)
    await stop(last, settings)
    assert counts(tables) == grouped(range(total))


@pytest.mark.usefixtures("settings")
async def test_a_commit_that_was_not_answered_counts_once(tables: Tables) -> None:
    partition, found = Partition("letters", 0), []
    for number in range(3):
        made = letter(number)
        found.append(read_letter(type("Record", (), {"offset": number, "timestamp": 0, **made})))
    after = Counted(3, "e", 5)

    async def advance(before: Counted | None) -> bool:
        return await tables.database.run(
            lambda c: count_store.advance(c, partition, before, after, found)
        )

    assert [await advance(None), await advance(None), await advance(Counted(0))] == [
        True,
        False,
        False,
    ]
    assert sum(counts(tables).values()) == 3
    read = await tables.database.run(lambda c: count_store.read(c, "letters"))
    assert read == {partition: after}


async def test_marks_settle_letters_counted_before_or_after_and_once(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, [letter(n) for n in (0, 12, 24, 4, 16, 28)])  # carts and orders, in 0
    counter = LetterCounter(settings, Health())
    tables.execute(  # as an older version marked it
        "INSERT INTO letter_marks (topic, partition, letter_offset, delivery_id, mark, reason)"
        " VALUES (%s, 0, 3, 'another delivery', 'discarded', '')",
        settings.topic(DEAD_LETTERS),
    )

    async def discard(*offsets: int) -> None:
        await letters.discard(settings, LetterFilter(ids=frozenset((0, o) for o in offsets)), "no")

    await discard(0)
    await counter.step()
    assert tables.rows(_SETTLED) == [("cart", 3, 0, 1), ("order", 3, 0, 0)]
    await discard(0, 1, 3)  # the mark of another delivery is none of this letter
    await discard(0, 1, 3)
    await counter.step()
    assert tables.rows(_SETTLED) == [("cart", 3, 0, 2), ("order", 3, 0, 1)]
    found = [each async for each, _ in letters.read_letters(settings, LetterFilter())]
    async with connected(settings, "test") as connection:
        tp = TopicPartition(settings.topic(DEAD_LETTERS), 0)
        await marks.write(connection, tp, found[:3], marks.REPLAYED, "after all")
    assert tables.rows(_SETTLED) == [("cart", 3, 3, 0), ("order", 3, 0, 1)]
    assert tables.rows("SELECT sum(open)::int, sum(settled)::int FROM dead_letters_by_day") == [
        (2, 4)
    ]
    await stop(counter, settings)


async def test_marks_of_older_versions_are_counted_with_their_letters(
    settings: Settings, tables: Tables
) -> None:
    made = [letter(0), letter(12), letter(24)]
    await append(settings, made)
    for offset, kind in ((0, "replayed"), (1, "discarded")):
        tables.execute(
            "INSERT INTO letter_marks (topic, partition, letter_offset, delivery_id, mark, reason)"
            " VALUES (%s, 0, %s, %s, %s, '')",
            settings.topic(DEAD_LETTERS),
            offset,
            dict(made[offset]["headers"])[envelopes.DELIVERY].decode(),
            kind,
        )
    counter = LetterCounter(settings, Health())
    await counter.step()
    assert tables.rows(_SETTLED) == [("cart", 3, 1, 1)]
    await stop(counter, settings)


async def _recreate(settings: Settings) -> None:
    topic = settings.topic(DEAD_LETTERS)
    async with topics_admin.admin_client(settings) as client:
        found = (await topics_admin.find_topics(settings))[topic]
        await client.delete_topics([topic])
        for _ in range(100):
            with suppress(KafkaError):
                config = {"message.timestamp.type": "LogAppendTime"}
                made = await client.create_topics(
                    [NewTopic(topic, found.partitions, 1, topic_configs=config)]
                )
                if not made.topic_errors[0][1]:
                    return
            await asyncio.sleep(0.1)
    raise AssertionError("the topic could not be recreated")


@pytest.mark.parametrize("newer", [4, 40], ids=["shorter", "longer"])
async def test_a_recreated_topic_is_noticed_and_counted_from_its_start(
    settings: Settings, tables: Tables, newer: int
) -> None:
    await append(settings, map(letter, range(20)))
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 20
    await counter._close_log()
    await _recreate(settings)
    await append(settings, map(letter, range(100, 100 + newer)))
    assert await counter.step() == newer
    assert await counter.step() == 0
    assert counts(tables) == grouped([*range(20), *range(100, 100 + newer)])
    await stop(counter, settings)


async def test_a_log_that_was_cut_off_is_not_counted_again(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, map(letter, range(20)))
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 20
    tables.execute("UPDATE dead_letter_offsets SET next_offset = next_offset + 3")
    assert await counter.step() == 0
    await append(settings, map(letter, range(20, 28)))
    assert await counter.step() == 8
    assert counts(tables) == grouped(range(28))
    await stop(counter, settings)


async def test_counts_stay_when_retention_deletes_the_letters(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, map(letter, range(20)))
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 20
    await append(settings, map(letter, range(20, 28)))
    topic = settings.topic(DEAD_LETTERS)
    async with topics_admin.admin_client(settings) as client:
        trimmed = {TopicPartition(topic, n): RecordsToDelete(before_offset=7) for n in range(4)}
        await client.delete_records(trimmed)
    assert await counter.step() == 0
    await append(settings, map(letter, range(28, 32)))
    assert await counter.step() == 4
    assert counts(tables) == grouped([*range(20), *range(28, 32)])
    await stop(counter, settings)


async def test_a_broker_that_is_away_makes_the_counts_late_and_ends_nothing(
    stack: LiveStack, settings: Settings, tables: Tables
) -> None:
    await append(settings, map(letter, range(8)))
    counting = asyncio.ensure_future(LetterCounter(settings, Health()).run())
    try:
        await until(tables, 8)
        stack.kafka.stop()
        await asyncio.sleep(3)
        assert not counting.done()
        stack.kafka.start()
        await append(settings, map(letter, range(8, 20)))
        await until(tables, 20)
    finally:
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
    assert counts(tables) == grouped(range(20))


async def test_a_rebuild_keeps_the_counts_and_the_counter_goes_on_in_the_new_tables(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, map(letter, range(12)))
    counter = LetterCounter(settings, Health())
    assert await counter.step() == 12
    await letters.discard(settings, LetterFilter(ids=frozenset({(0, 0)})), "a test")
    await tables.put([order("1", NOON)])
    shown = "SELECT dead_letters_open, dead_letters_settled FROM coverage WHERE shop = 'main'"
    assert tables.rows(shown) == [(11, 1)]
    for total in (15, 18):
        async with Rebuild(settings, lambda: NOON, codec=CODEC) as work:
            await work.build(accept_log=True)
            await work.swap()
        await append(settings, map(letter, range(total - 3, total)))
        assert await counter.step() == 3  # with the session that it had
        assert tables.rows(shown) == [(total - 1, 1)]
    assert counts(tables) == grouped(range(18))
    await stop(counter, settings)


def _coverage(settings: Settings) -> tuple[int, int]:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            "SELECT dead_letters_open::int, dead_letters_settled::int"  # noqa: S608
            f" FROM {settings.sql_schema}.coverage WHERE shop = %s",
            [senders.SHOP],
        ).fetchone()
    return row or (0, 0)


def _wait(settings: Settings, expected: tuple[int, int], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while (found := _coverage(settings)) != expected:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_refused_delivery_is_in_coverage_at_once_and_settled_after_its_replay(
    stack: LiveStack, prepared: Prepare, tmp_path: Path
) -> None:
    """Through the whole pipeline, whose sinks are killed meanwhile."""
    shops, elsewhere = tmp_path / "shops.toml", senders.SHOPS_TOML.replace(senders.SHOP, "other")
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    now = datetime.now(UTC)
    with running(settings, tmp_path / "logs", sinks=2) as pipeline:
        hook = f"{pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}"

        def post(body: bytes) -> None:
            httpx.post(hook, content=body, trust_env=False).raise_for_status()

        def shop_count(number: int) -> None:
            for name in pipeline.names("process"):
                page = f"http://127.0.0.1:{pipeline.ports[name]}/metrics"
                while f"hookline_shops {number}.0" not in httpx.get(page, trust_env=False).text:
                    time.sleep(0.1)

        wrong = senders.NumberedOrder(1, now).body.replace(b'"taxes": 0', b'"taxes": "a lot"')
        assert wrong != senders.NumberedOrder(1, now).body
        post(wrong)
        _wait(settings, (1, 0))
        # The shop is taken out of the processors' file: what is right is refused, too.
        shops.write_text(elsewhere + elsewhere.replace('"other"', '"third"'))
        shop_count(2)
        for number in range(2, 30):
            run_apart(_raw(settings, senders.NumberedOrder(number, now)))
            if number % 7 == 0:
                pipeline.kill(f"sink-{1 + number % 2}")
        _wait(settings, (29, 0), 60)
        shops.write_text(senders.SHOPS_TOML)
        shop_count(1)
        done = run_apart(replay(settings, LetterFilter()))
        assert len(done.replayed) == 29
        # One was refused again: a letter of its own, open; the others are in the tables.
        _wait(settings, (1, 29), 60)
        deadline = time.monotonic() + 60
        while (found := _orders(settings)) != 28:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        discarded = run_apart(letters.discard(settings, LetterFilter(), "no amount"))
        assert len(discarded) == 1
        _wait(settings, (0, 30))


async def _raw(settings: Settings, sent: senders.NumberedOrder) -> None:
    await raw.append(
        settings, [raw.Raw("run-free", senders.SHOP, f"order:{sent.number}", sent.body)]
    )


def _orders(settings: Settings) -> int:
    with psycopg.connect(settings.database_url) as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {settings.sql_schema}.orders"  # noqa: S608
        ).fetchone()
    return row[0] if row else 0
