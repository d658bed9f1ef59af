"""Every reader of the stages: whatever a topic holds, it reads to the end and counts everything."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchResult, PartitionRecords
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.decide import Decider
from processors.index.horizon import ForeignLogError
from processors.index.moved_offsets import first_skipped
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.index.recovery import IndexRecovery
from runtime import contact_key
from runtime.consumer.client.fetched_records import FetchBuffer, skipped_to
from runtime.erasures import LedgerReader
from runtime.health import Health
from runtime.kafka import log_reader, operator_decisions
from runtime.kafka.client.record_batches import TolerantRecords
from runtime.settings import Settings
from runtime.stage import Batch as Fetched
from runtime.stage import Partition, RefusedError
from schemas.codec import Codec
from schemas.events import RECORDS
from schemas.json_records.erasures import Rotation, encode
from schemas.raw_delivery import RawDelivery
from schemas.topics import (
    ALL,
    CANONICAL,
    CART_SIGNALS,
    DECISIONS,
    ERASURES,
    INGRESS,
    OUTCOMES,
    WEBHOOKS,
)
from sinks.dead_letters import letters
from sinks.log import Log, event_id
from sinks.outbox.relay import Relay
from sinks.store.batch_writer import Writer
from tests import toy_platform
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record, read_from
from tests.sink_events import NOON
from tests.strange_records import LETTER, OUTCOME, RAW, logs
from tests.toy_platform import CODEC, SHOPS

SETTINGS = Settings(contact_key="key")
NAMES = [SETTINGS.topic(topic) for topic in ALL]
RAW_TP = TopicPartition(SETTINGS.topic(WEBHOOKS), 0)
OUTCOME_TPS = {topic.name: TopicPartition(SETTINGS.topic(topic), 0) for topic in OUTCOMES}
END = 1000
few = settings(max_examples=25)


def unpacked(batches: Sequence[Batch], make: Any = None) -> tuple[list[Any], int]:
    """The records as a stage's consumer unpacks them, and the offset that it reached."""
    base, stored = 0, b""
    for batch in batches:
        stored += batch.stored(base, NOW_MS)
        base += batch.size
    skips: Any = {}
    buffer = FetchBuffer(None if make is None else lambda _: make, skips)
    original = PartitionRecords(
        RAW_TP, TolerantRecords(stored), [], 0, None, None, True, READ_UNCOMMITTED
    )
    result = FetchResult.__new__(FetchResult)
    result._partition_records = original
    buffer[RAW_TP] = result
    found = list(result._partition_records)
    reached = result._partition_records.next_fetch_offset
    assert reached == base
    last = found[-1].offset + 1 if found else 0
    assert skipped_to(skips.get(RAW_TP, ()), last) == base
    return found, base


def count(batches: Sequence[Batch]) -> int:
    return sum(len(batch.records) for batch in batches)


@few
@given(logs(RAW), st.booleans(), st.booleans())
def test_raw_each_record_gets_its_verdict_and_the_index_takes_it(
    batches: list[Batch], condemned: bool, as_stage: bool
) -> None:
    decider = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key", cloudevents=as_stage)
    make = partial(RawDelivery.of, 0) if as_stage else None
    records, end = unpacked(batches, make)
    index = PartitionIndex()
    verdicts = decider.decide(records, index, SHOPS, is_condemned=condemned)
    assert len(verdicts) == len(records) == count(batches)
    rows = [verdict.index_row for verdict in verdicts if verdict.index_row is not None]
    index.add_decided(rows)
    for verdict in verdicts:
        assert verdict.outcomes
        for outcome in verdict.outcomes:
            read = parse_outcome_headers(outcome.headers)
            if verdict.index_row is None:
                index.add(read)
            as_read = SimpleNamespace(offset=0, timestamp=0, headers=outcome.headers)
            letter = letters.read_letter(as_read)
            assert letter.received_us > 0
    index.settle(end, 0)


def recovery_of(consumer: FakeConsumer) -> Any:
    recovery: Any = IndexRecovery.__new__(IndexRecovery)
    recovery._settings, recovery._health = SETTINGS, Health()
    recovery._reader = consumer
    recovery._retention_ms = dict.fromkeys(OUTCOME_TPS, float("inf"))
    recovery._cache = SimpleNamespace(read=_nothing_saved)
    return recovery


def _nothing_saved(*_: object) -> None:
    raise FileNotFoundError


@few
@given(st.lists(logs(OUTCOME), min_size=1, max_size=len(OUTCOMES)), logs(RAW), st.integers(0, 30))
def test_outcomes_the_index_is_opened_whatever_the_logs_hold(
    drawn: list[list[Batch]], raw: list[Batch], due: int
) -> None:
    consumer = FakeConsumer({RAW_TP: raw, **dict(zip(OUTCOME_TPS.values(), drawn, strict=False))})
    recovery = recovery_of(consumer)
    try:
        index = asyncio.run(recovery._open(0, due, 1000))
    except ForeignLogError:  # a record says that it is the outcome of an offset beyond the raw log
        assert any(_newest(batches) >= sum(map(_size, raw)) for batches in drawn)
        return
    ends = asyncio.run(consumer.end_offsets(OUTCOME_TPS.values()))
    assert index.upto == {name: ends[tp] for name, tp in OUTCOME_TPS.items()}
    assert asyncio.run(recovery._catch_up(0, index)) == 0
    index.settle(due, NOW_MS)


def _size(batch: Batch) -> int:
    return batch.size


def _newest(batches: Sequence[Batch]) -> int:
    newest = -1
    for record in unpacked(batches)[0]:
        try:
            newest = max(newest, parse_outcome_headers(record.headers).raw_offset)
        except (KeyError, ValueError):
            continue
    return newest


@few
@given(logs(OUTCOME), logs(RAW), st.integers(-1, 3), st.integers(0, 12))
def test_outcomes_moved_commits_are_found_whatever_the_logs_hold(
    outcomes: list[Batch], raw: list[Batch], newest: int, due: int
) -> None:
    consumer = FakeConsumer({RAW_TP: raw, next(iter(OUTCOME_TPS.values())): outcomes})
    with read_from(consumer, NAMES):
        found = asyncio.run(first_skipped(SETTINGS, RAW_TP, OUTCOME_TPS, newest, due))
    offsets = [record.offset for record in unpacked(raw)[0]]
    assert found is None or (found in offsets and newest < found < due)


@few
@given(logs(OUTCOME))
def test_decisions_each_record_is_one_or_is_passed_over(batches: list[Batch]) -> None:
    tp = TopicPartition(SETTINGS.topic(DECISIONS), 0)
    with read_from(FakeConsumer({tp: batches}), NAMES):
        read = asyncio.run(operator_decisions.read_all(SETTINGS))
        assert len(read) <= count(batches)
        losses = asyncio.run(operator_decisions.read(SETTINGS))
        operator_decisions.divided(losses, 0, 0, END)
        operator_decisions.accepted_until(losses, 0, 0)
        assert asyncio.run(contact_key.recorded(SETTINGS)) in (None, "")


@few
@given(logs(OUTCOME), logs(OUTCOME))
def test_erasures_each_record_is_an_entry_or_is_passed_over(
    first: list[Batch], then: list[Batch]
) -> None:
    tp = TopicPartition(SETTINGS.topic(ERASURES), 0)
    entry = Rotation(before="1", hashed="2", at=3)
    known = Batch((Record(entry.key, encode(entry)),))

    async def read() -> None:
        reader = LedgerReader(SETTINGS)
        with read_from(FakeConsumer({tp: [*first, known]}), NAMES):
            assert (await reader.read())[-1] == entry
            assert await reader.read() == []
        await reader.close()
        with read_from(FakeConsumer({tp: [*first, known, *then, known]}), NAMES):
            assert (await reader.read())[-1] == entry
        assert reader.ledger.rotations["1"] == "2"

    asyncio.run(read())


def sinks_log(consumer: FakeConsumer) -> Any:
    log = Log(replace(SETTINGS, partitions=1))
    log._consumer = consumer
    consumer.assign([tp for tps in log._topics.values() for tp in tps])
    return log


@few
@given(logs(OUTCOME), st.integers(0, 8))
def test_heartbeats_each_record_is_one_or_an_unhealthy_one(
    batches: list[Batch], first: int
) -> None:
    tp = TopicPartition(SETTINGS.topic(INGRESS), 0)
    beats, following = asyncio.run(sinks_log(FakeConsumer({tp: batches})).heartbeats({0: first}))
    records, end = unpacked(batches)
    assert len(beats) == sum(record.offset >= first for record in records)
    assert following[0] <= max(end, first)


@few
@given(logs(OUTCOME), st.integers(0, 30))
def test_canonical_the_event_id_of_any_offset_can_be_asked_for(
    batches: list[Batch], at: int
) -> None:
    partition = Partition(SETTINGS.topic(CANONICAL[0]), 0)
    tp = TopicPartition(partition.topic, partition.number)
    records, end = unpacked(batches)
    found = asyncio.run(sinks_log(FakeConsumer({tp: batches})).event_id(partition, at % end))
    assert found in {None, *(event_id(record.headers) for record in records)}


@few
@given(logs(OUTCOME), st.sampled_from(CANONICAL))
def test_canonical_each_record_is_stored_or_set_aside(batches: list[Batch], topic: Any) -> None:
    async def learn(schema_id: int, _name: str) -> None:
        raise AssertionError(f"the registry was asked for {schema_id}, by another producer")

    records = [of_topic(record, SETTINGS.topic(topic)) for record in unpacked(batches)[0]]
    codec = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
    writer = Writer(None, codec, lambda: NOON, learn=learn)  # type: ignore[arg-type]
    batch = Fetched(Partition(SETTINGS.topic(topic), 0), records, 0, END, 1, lambda: True)
    try:
        prepared = asyncio.run(writer.prepare([batch]))
    except (RefusedError, AssertionError):
        # Only for what has every header that the processors give, as they give it.
        assert any(is_whole(record.headers) for record in records)
        return
    assert len(prepared.decoded) + len(prepared.refused) == count(batches)
    for reject in prepared.refused:
        assert "\0" not in (reject.event_id or "")


@few
@given(logs(OUTCOME))
def test_signals_each_record_is_one_that_was_sent_or_none_of_ours(batches: list[Batch]) -> None:
    tp = TopicPartition(SETTINGS.topic(CART_SIGNALS), 0)
    relay = Relay.__new__(Relay)
    relay._codec = CODEC
    found: list[str | None] = []

    async def read() -> None:
        log = sinks_log(FakeConsumer({tp: batches}))
        async for fetched in log.read(await log.starts(CART_SIGNALS), await log.ends(CART_SIGNALS)):
            found.extend(relay._signal_id(each) for each in chain(*fetched.values()))

    asyncio.run(read())
    assert len(found) == count(batches)
    assert all(found_id is None or UUID(found_id) for found_id in found)


def of_topic(record: Any, topic: str) -> Any:
    return replace(record, topic=topic)


def is_whole(headers: Any) -> bool:
    try:
        outcome = parse_outcome_headers(headers)
    except (KeyError, ValueError):
        return False
    return outcome.slot in outcome.slots


@few
@given(logs(LETTER))
def test_dead_letters_each_record_is_counted_or_none_of_ours(batches: list[Batch]) -> None:
    records, _ = unpacked(batches)
    read = [letters.read_letter(record) for record in records]
    assert len(read) == count(batches)
    counted = letters.count(read, {})
    ours = [letter for letter in read if letter.group is not None]
    assert sum(each.letters for each in counted.values()) == len(ours)
    for letter in read:
        texts = [letter.delivery_id, *([] if letter.group is None else letter.group[:2])]
        assert not any("\0" in text for text in texts)


@few
@given(st.lists(logs(OUTCOME), min_size=2, max_size=3))
def test_any_log_is_read_to_its_end(drawn: list[list[Batch]]) -> None:
    tps = [TopicPartition(f"t{number}", 0) for number in range(len(drawn))]
    consumer = FakeConsumer(dict(zip(tps, drawn, strict=True)))

    async def read() -> int:
        end = await log_reader.end_offsets(consumer, tps)
        start = dict.fromkeys(tps, 0)
        found = 0
        async for batch in log_reader.batches(consumer, start, end):
            found += sum(map(len, batch.values()))
        return found

    assert asyncio.run(read()) == sum(map(count, drawn))
