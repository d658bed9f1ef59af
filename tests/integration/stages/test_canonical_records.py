"""A row's events are found again in their topics."""

import time
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from hookline.explain.source_events import EventLocation, records
from runtime.registry.schema_ids import load_codec
from schemas.topics import BY_RECORD
from tests.conftest import prepare
from tests.sink_events import NOON, cart, order, record

pytestmark = pytest.mark.stack


async def test_the_first_copy_of_an_event_is_found_by_what_its_row_keeps(stack: Any) -> None:
    settings = prepare(stack.settings())
    codec = await load_codec(settings)
    before = int(time.time() * 1_000_000)
    other, wanted, left = order("1", NOON), order("2", NOON + 1_000_000), cart("3", NOON)
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    try:
        for name, event in (
            ("orders", other),
            ("orders", wanted),
            ("orders", wanted),
            ("carts", left),
        ):
            topic = settings.topic(BY_RECORD[name])
            made = record(topic, 0, event, codec.encode(event))
            told = {"key": made.key, "partition": 0, "headers": list(made.headers)}
            await producer.send_and_wait(topic, made.value, **told)
    finally:
        await producer.stop()

    asked = {
        key: EventLocation(0, before) for key in (wanted.meta.event_id, left.meta.event_id, "none")
    }
    found = await records(settings, asked)
    assert found.keys() == asked.keys() - {"none"}
    first = found[wanted.meta.event_id]
    assert (first["topic"], first["partition"], first["offset"]) == (
        settings.topic(BY_RECORD["orders"]),
        0,
        1,
    )
    assert first["value"]["order_id"] == "2"
    assert found[left.meta.event_id]["value"]["cart_id"] == "3"
