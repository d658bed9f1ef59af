"""Raw deliveries by id, by position, and those of some keys from the newest back."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.journey import deliveries
from hookline.journey.deliveries import Limits, Newest
from hookline.journey.logs import Logs
from ingest.ids import uuid7
from ingest.partitioner import partition_of
from processors.sources.personal_ids import hashed_key
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import ALL, WEBHOOKS
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record
from tests.sink_events import CODEC
from tests.strange_records import RAW

SETTINGS = Settings(contact_key="key")
PARTITIONS = 4
TPS = [TopicPartition(SETTINGS.topic(WEBHOOKS), number) for number in range(PARTITIONS)]
ANNA = b"spiffy/main/customer:anna@example.com"
LATER_MS = NOW_MS + 100_000


def delivery_of(number: int) -> bytes:
    return uuid7((NOW_MS + number) * 1_000_000, number)


def record(key: bytes, number: int, replay_of: bytes | None = None) -> Batch:
    headers = {**RAW, envelopes.DELIVERY: delivery_of(number)}
    if replay_of is not None:
        headers[envelopes.REPLAY_OF] = replay_of
    return Batch((Record(key, b"{}", tuple((n.encode(), v) for n, v in headers.items())),))


def logs_of(records: Sequence[tuple[bytes, Batch]]) -> Logs:
    """Each record in the partition of its key."""
    by_partition: dict[TopicPartition, list[Batch]] = {tp: [] for tp in TPS}
    for key, batch in records:
        by_partition[TPS[partition_of(key, PARTITIONS)]].append(batch)
    consumer: Any = FakeConsumer(by_partition)
    consumer.assign(TPS)
    return Logs(SETTINGS, consumer, dict.fromkeys(ALL, TPS), CODEC)


def newest(logs: Logs, keys: Sequence[bytes], limits: Limits) -> Newest:
    return asyncio.run(deliveries.newest(logs, [key.decode() for key in keys], limits))


KEYS = [b"spiffy/main/order:%d" % number for number in range(6)]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(KEYS), max_size=20),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=3, unique=True),
    st.integers(1, 8),
)
def test_the_newest_deliveries_of_the_keys_are_returned_and_no_others(
    written: list[bytes], wanted: list[bytes], maximum: int
) -> None:
    logs = logs_of([(key, record(key, number)) for number, key in enumerate(written)])
    found = newest(logs, wanted, Limits(maximum, LATER_MS))
    own = [key for key in written if key in wanted]
    assert len(found.deliveries) == min(len(own), maximum)
    assert {raw.key for raw in found.deliveries} <= set(wanted)
    times = [raw.appended_ms for raw in found.deliveries]
    assert times == sorted(times, reverse=True)
    if len(own) < maximum:
        assert found.back_to_ms is None
    if len(own) > maximum:
        assert found.back_to_ms == times[-1]


def test_nothing_before_since_is_read() -> None:
    logs = logs_of([(KEYS[0], record(KEYS[0], number)) for number in range(5)])
    found = newest(logs, KEYS[:1], Limits(20, LATER_MS, NOW_MS + 3000))
    assert [raw.offset for raw in found.deliveries] == [4, 3]
    assert found.back_to_ms == NOW_MS + 3000


def test_a_customer_whose_id_is_an_address_is_found_by_the_hashed_key() -> None:
    logs = logs_of([(ANNA, record(ANNA, 1)), (KEYS[0], record(KEYS[0], 2))])
    found = newest(logs, [hashed_key(ANNA, b"key")], Limits(20, LATER_MS))
    assert [raw.key for raw in found.deliveries] == [ANNA]


def test_the_first_record_of_an_id_is_found_and_its_replay_by_the_letter() -> None:
    logs = logs_of([(KEYS[0], record(KEYS[0], 1, b"2:7")), (KEYS[0], record(KEYS[0], 1))])
    number = partition_of(KEYS[0], PARTITIONS)
    first = asyncio.run(deliveries.by_id(logs, delivery_of(1).decode(), NOW_MS))
    assert first is not None
    assert (first.offset, first.replay_of) == (1, None)
    replay = asyncio.run(deliveries.replay_of(logs, number, "2:7", NOW_MS))
    assert replay is not None
    assert (replay.offset, replay.replay_of) == (0, "2:7")
    assert asyncio.run(deliveries.by_id(logs, delivery_of(9).decode(), NOW_MS)) is None


def test_a_position_without_record_has_no_delivery() -> None:
    key = KEYS[0]
    logs = logs_of([(key, record(key, 1)), (key, Batch(())), (key, record(key, 2))])
    number = partition_of(key, PARTITIONS)
    offsets = [asyncio.run(deliveries.at(logs, number, offset)) for offset in range(4)]
    assert [None if raw is None else raw.offset for raw in offsets] == [0, None, 2, None]
