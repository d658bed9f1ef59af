"""Topics on a real broker."""

import asyncio
from dataclasses import replace

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.errors import KafkaConnectionError

from runtime.health import Health
from runtime.kafka import cluster_checks, partition_counts, topics_admin
from schemas.topics import ALL, CARTS, MIB, WEBHOOKS
from tests.conftest import LiveStack

pytestmark = pytest.mark.stack


async def test_topics_are_created_once_and_stand_as_declared(stack: LiveStack) -> None:
    settings = stack.settings()
    names = tuple(settings.topic(topic) for topic in ALL)
    assert await topics_admin.create_topics(settings) == topics_admin.Created(
        created=names, unchanged=()
    )
    assert await topics_admin.create_topics(settings) == topics_admin.Created(
        created=(), unchanged=names
    )
    await topics_admin.check_topics(settings)
    found = await topics_admin.find_topics(settings)
    assert {name: topic.partitions for name, topic in found.items()} == {
        settings.topic(topic): 4 if topic.pipeline else 1 for topic in ALL
    }
    assert {name: topic.configs["max.message.bytes"] for name, topic in found.items()} == {
        settings.topic(topic): str(topic.max_message_bytes) for topic in ALL
    }
    assert found[settings.topic(WEBHOOKS)].configs["message.timestamp.type"] == "LogAppendTime"


async def test_two_that_create_at_once_both_find_all(stack: LiveStack) -> None:
    settings = stack.settings()
    done = await asyncio.gather(
        topics_admin.create_topics(settings), topics_admin.create_topics(settings)
    )
    created = [name for one in done for name in one.created]
    assert sorted(created) == sorted(settings.topic(topic) for topic in ALL)


async def test_a_check_refuses_missing_topics_and_creates_none(stack: LiveStack) -> None:
    settings = stack.settings()
    with pytest.raises(topics_admin.TopicsError, match="run `hookline topics create`"):
        await topics_admin.check_topics(settings)
    assert await topics_admin.find_topics(settings) == {}


async def test_a_partition_count_that_no_topic_has_is_refused(stack: LiveStack) -> None:
    settings = stack.settings()
    await topics_admin.create_topics(settings)
    other = replace(settings, partitions=6)
    for act in (topics_admin.check_topics, topics_admin.create_topics):
        with pytest.raises(topics_admin.TopicsError, match="set HOOKLINE_PARTITIONS=4") as refused:
            await act(other)
        assert f"{settings.topic(CARTS)} has 4 partitions, not 6" in str(refused.value)


async def test_partitions_added_to_one_topic_keep_nothing_from_starting(stack: LiveStack) -> None:
    settings = stack.settings()
    await topics_admin.create_topics(settings)
    async with topics_admin.admin_client(settings) as client:
        await client.create_partitions({settings.topic(CARTS): NewPartitions(6)})
    name = settings.topic(CARTS)
    for _ in range(100):  # the broker's answers follow a moment later
        counts = await topics_admin.partition_counts(settings)
        if counts[name] == 6:
            break
        await asyncio.sleep(0.05)
    await topics_admin.check_topics(settings)
    await topics_admin.create_topics(settings)
    assert partition_counts.added(counts, settings).keys() == {name}


async def test_more_replicas_than_brokers_are_refused_with_the_setting_to_change(
    stack: LiveStack,
) -> None:
    settings = stack.settings(replication_factor=3)
    with pytest.raises(topics_admin.TopicsError, match="HOOKLINE_REPLICATION_FACTOR"):
        await topics_admin.create_topics(settings)


async def test_the_cluster_id_outlives_a_restart(stack: LiveStack) -> None:
    settings = stack.settings()
    before = await topics_admin.cluster_id(settings)
    await asyncio.to_thread(stack.kafka.stop)
    await asyncio.to_thread(stack.kafka.start)
    assert await topics_admin.cluster_id(settings) == before


async def test_a_stage_waits_for_a_broker_that_is_away_and_says_so(stack: LiveStack) -> None:
    settings = stack.settings()
    await topics_admin.create_topics(settings)
    await asyncio.to_thread(stack.kafka.stop)
    with pytest.raises(KafkaConnectionError):
        await topics_admin.check_topics(settings)
    health = Health()
    check = asyncio.create_task(topics_admin.check_topics(settings, health))
    while health.is_ready:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.05)
    assert "Kafka does not answer at" in health.unmet["kafka"]
    await asyncio.to_thread(stack.kafka.start)
    await check
    assert health.is_ready


async def test_the_local_broker_keeps_offsets_as_long_as_raw_records(stack: LiveStack) -> None:
    settings = stack.settings()
    await topics_admin.create_topics(settings)
    assert await cluster_checks.advice(settings) == []
    in_production = "\n".join(await cluster_checks.advice(replace(settings, replication_factor=3)))
    assert "min.insync.replicas" in in_production
    assert "offsets.retention.minutes" not in in_production


async def test_records_of_four_mebibytes_go_through(stack: LiveStack) -> None:
    from runtime.kafka.producer import new_producer  # noqa: PLC0415 - only here

    settings = stack.settings()
    await topics_admin.create_topics(settings)
    producer = new_producer(settings)
    await producer.start()
    try:
        sent = await producer.send_and_wait(settings.topic(CARTS), bytes(4 * MIB - 200))
    finally:
        await producer.stop()
    assert sent.offset == 0
