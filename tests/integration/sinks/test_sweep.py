"""The sweep and the relay beside real Kafka: what the watermark shows, and signals sent once."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.events import CustomerRef
from schemas.json_records import heartbeats
from schemas.json_records.heartbeats import Heartbeat
from schemas.topics import CARTS, INGRESS, WEBHOOKS, Group
from sinks.agent import Sinks
from sinks.outbox.relay import Relay
from sinks.postgres.session import Leader
from sinks.store.log_identity import LogMismatchError
from sinks.watermark.sweep import Sweep
from sinks.watermark.watermark import MARGIN_MS
from tests.canonical_log import signals
from tests.sink_events import CODEC, HOUR, NOON, SECOND, Tables, cart, line, order, record, resign

pytestmark = pytest.mark.stack

Prepare = Callable[[Settings], Settings]
ANNA = CustomerRef(customer_id="1")


async def _append(settings: Settings, topic: str, value: bytes, **more: Any) -> Any:
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    try:
        return await producer.send_and_wait(topic, value, partition=0, **more)
    finally:
        await producer.stop()


async def _beat(settings: Settings) -> int:
    beat = Heartbeat(ingress=str(uuid.uuid4()), started=0, at=0, healthy=True)
    sent = await _append(settings, settings.topic(INGRESS), heartbeats.encode(beat))
    return int(sent.timestamp)


async def _commit(settings: Settings, offset: int) -> None:
    consumer = AIOKafkaConsumer(
        **settings.kafka(),
        group_id=f"{settings.prefix}{Group.PROCESSORS}",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        place = TopicPartition(settings.topic(WEBHOOKS), 0)
        consumer.assign([place])
        await consumer.commit({place: OffsetAndMetadata(offset, "")})
    finally:
        await consumer.stop()


async def test_the_watermark_follows_raw_processors_and_fences(
    stack: Any, prepared: Prepare
) -> None:
    settings = prepared(stack.settings())
    health = Health()
    await _commit(settings, 0)
    told = cart("c", NOON, [line("a")], source="run-free", customer=ANNA)
    sweep = Sweep(settings, health, lambda: NOON)
    async with Tables(settings) as tables:
        try:
            mark = await sweep.step()
            assert (mark and mark.at, mark and mark.barrier) == (None, None)
            await _append(settings, settings.topic(WEBHOOKS), b"a delivery")
            at = await _beat(settings)
            mark = await sweep.step()
            assert (mark and mark.at, mark and mark.holder.split(":")[0]) == (None, "processors")
            stored = record(settings.topic(CARTS), 0, told)
            await _append(
                settings, settings.topic(CARTS), stored.value, headers=list(stored.headers)
            )
            await _commit(settings, 1)
            mark = await sweep.step()
            assert (mark and mark.at, mark and mark.holder.split(":")[0]) == (None, "sinks")
            await tables.put_batch([told])
            mark = await sweep.step()
            assert (at - MARGIN_MS, "") == (mark and mark.at, mark and mark.holder)
        finally:
            await sweep._close_log()
            await resign(sweep._leader, settings)
        # The cart went silent long before this watermark: the same step closed it.
        assert tables.rows("SELECT status FROM abandoned_carts") == [("EXPIRED",)]
        other = Sweep(settings, health, lambda: NOON)
        again = await other.step()
        assert at - MARGIN_MS == (again and again.at)
        await other._close_log()
        await other._leader.close()


async def test_a_log_that_is_not_the_stored_one_is_refused(stack: Any, prepared: Prepare) -> None:
    settings = prepared(stack.settings())
    told = cart("c", NOON, [line("a")])
    place = Partition(settings.topic(CARTS), 0)
    async with Tables(settings) as tables:
        sinks = Sinks(CODEC, in_background=False)
        await sinks.start(settings, Health())
        assert {place: 0} == await sinks.assigned(frozenset([place]))
        await tables.put_batch([told])

        async def opened() -> None:
            await sinks.open(place, (await sinks.assigned(frozenset([place])))[place])

        with pytest.raises(LogMismatchError, match="the log ends at 0"):
            await opened()
        other = record(place.topic, 0, cart("another", NOON, [line("a")]))
        await _append(settings, place.topic, other.value, headers=list(other.headers))
        with pytest.raises(LogMismatchError, match="was stored from offset 0"):
            await opened()
        tables.execute("UPDATE fences SET last_event_id = NULL, cluster_id = 'another'")
        with pytest.raises(LogMismatchError, match="cluster another"):
            await opened()
        tables.execute("UPDATE fences SET cluster_id = NULL, next_offset = 1")
        await opened()
        await sinks.stop()


async def test_signals_are_sent_once_though_the_relay_dies_between_answer_and_mark(
    stack: Any, prepared: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = prepared(stack.settings())
    async with Tables(settings) as tables:
        told = [cart(str(n), NOON, [line("a")], token=f"t{n}") for n in range(3)]
        await tables.put(told)
        await tables.passed(NOON + HOUR)
        await tables.put([order("9", NOON + 2 * HOUR, cart_token="t0")])
        first = Relay(settings, Health(), CODEC)

        class KilledError(Exception):
            pass

        async def killed(*_: object) -> bool:
            raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr("sinks.outbox.relay._mark", killed)
            with pytest.raises(KilledError):
                await first.step()
        await _stop(first)
        second = Relay(settings, Health(), CODEC)
        # It reads back what the first one sent and could not mark.
        assert await second.step() == 0
        await tables.put([order("8", NOON + 2 * HOUR, cart_token="t1")])
        assert await second.step() == 1
        await _stop(second)
        sent = await signals(settings)
        assert len({signal.signal_id for signal in sent}) == len(sent) == 5
        by_cart = {
            number: [each.kind.value for each in sent if each.cart_key.endswith(f":{number}")]
            for number in range(3)
        }
        told = ["ABANDONED", "RECOVERED"]
        assert {0: told, 1: told, 2: ["ABANDONED"]} == by_cart
        assert tables.rows(
            "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM sent_signals)"
        ) == [(0, 5)]


async def test_a_signal_found_again_after_it_was_sent_is_not_sent_again(
    stack: Any, prepared: Prepare
) -> None:
    settings = prepared(stack.settings())
    async with Tables(settings) as tables:
        await tables.put([cart("1", NOON, [line("a")])])
        await tables.passed(NOON + HOUR)
        relay = Relay(settings, Health(), CODEC)
        assert await relay.step() == 1
        tables.execute("DELETE FROM cart_generations")
        await tables.put_batch([cart("1", NOON - SECOND, [line("a")])])
        assert await relay.step() == 0
        await _stop(relay)
        assert len(await signals(settings)) == 1


async def test_one_process_leads_until_its_session_ends(stack: Any, prepared: Prepare) -> None:
    settings = prepared(stack.settings())
    one, other = (Leader(settings, Health(), "sweep") for _ in range(2))

    async def work(_: object) -> str:
        return "done"

    assert (await one.run(work), await other.run(work)) == ("done", None)
    await one.close()
    said = None
    while said is None:
        await asyncio.sleep(0.05)
        said = await other.run(work)
    assert said == "done"
    await other.close()


async def test_a_late_activity_takes_an_abandonment_back(stack: Any, prepared: Prepare) -> None:
    settings = prepared(stack.settings())
    async with Tables(settings) as tables:
        await tables.put([cart("1", NOON, [line("a")])])
        assert await tables.passed(NOON + HOUR) == 1
        await tables.put([cart("1", NOON + HOUR // 2, [line("a"), line("b")])])
        assert tables.rows("SELECT 1 FROM abandoned_carts") == []
        assert tables.rows("SELECT record->>'kind' FROM outbox ORDER BY position") == [
            ("ABANDONED",),
            ("RETRACTED",),
        ]
        assert await tables.passed(NOON + 3 * HOUR // 2) == 1
        assert tables.rows("SELECT status, item_count FROM abandoned_carts") == [("ABANDONED", 2)]


async def _stop(relay: Relay) -> None:
    await resign(relay._leader, relay._settings)
    if relay._producer is not None:
        await relay._producer.stop()
