"""Every reader of the commands: whatever a topic holds, it reads to the end and counts it all."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from hookline.audit import ledger, losses, reader
from hookline.audit.reader import Plan
from hookline.audit.repair import _Repairer
from hookline.audit.tally import AuditResult
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.dead_letters import letters, replay, replay_record
from hookline.dead_letters.letters import LetterFilter
from hookline.dead_letters.replay_fates import Fate, ReplayFates
from hookline.explain import source_events
from hookline.explain.source_events import EventLocation
from hookline.groups import groups
from hookline.history import outcomes
from hookline.journey import deliveries as journey
from hookline.journey.deliveries import Limits
from hookline.journey.logs import Logs
from hookline.journey.trace import Tracer
from hookline.listen import listening
from hookline.listen.board import Board
from hookline.local.doctor import index_size, registry_ids, strangers
from hookline.people import deliveries, export, topic_scan
from hookline.people.person import Person
from hookline.people.search import Search
from hookline.refusals import detail, preview, sample
from hookline.shops import payload_drift, traffic
from hookline.topics import records as topics
from hookline.topics.selection import Selection
from runtime.erasures import LedgerReader
from runtime.kafka import log_reader
from runtime.settings import Settings
from schemas import envelopes
from schemas.json_records import erasures
from schemas.json_records.erasures import Erasure
from schemas.topics import ALL, CANONICAL, DEAD_LETTERS, ERASURES, INGRESS, WEBHOOKS
from tests import ROOT
from tests.fake_log import NOW_MS, Batch, FakeConsumer, Record, read_from
from tests.sink_events import CODEC
from tests.strange_records import LETTER, OUTCOME, RAW, logs
from tests.toy_platform import SHOPS
from tests.unit.readers.test_stages import count, few, unpacked

T = TypeVar("T")
SETTINGS = Settings(contact_key="key")
NAMES = [SETTINGS.topic(topic) for topic in ALL]
RAW_TP = TopicPartition(SETTINGS.topic(WEBHOOKS), 0)
LETTERS_TP = TopicPartition(SETTINGS.topic(DEAD_LETTERS), 0)
OUTCOME_TP = TopicPartition(SETTINGS.topic(CANONICAL[0]), 0)
INGRESS_TP = TopicPartition(SETTINGS.topic(INGRESS), 0)


def run(consumer: FakeConsumer, work: Awaitable[T]) -> T:
    async def done() -> T:
        return await work

    with read_from(consumer, NAMES):
        return asyncio.run(done())


def silent(*_: object) -> None:
    """Report progress to nobody."""


class NoMarks:
    """A session of a database that holds no marks, and refuses what PostgreSQL refuses."""

    async def execute(self, _query: str, _values: Any = ()) -> AsyncIterator[Any]:
        return _nothing()


async def _nothing() -> AsyncIterator[Any]:
    for row in list[Any]():
        yield row


@few
@given(logs(RAW), logs(OUTCOME), logs(LETTER), st.integers(0, 20))
def test_audit_each_raw_record_is_counted_once(
    raw: list[Batch], outcomes: list[Batch], dead: list[Batch], committed: int
) -> None:
    consumer = FakeConsumer({RAW_TP: raw, OUTCOME_TP: outcomes, LETTERS_TP: dead})
    end = asyncio.run(consumer.end_offsets([RAW_TP, OUTCOME_TP, LETTERS_TP]))
    barrier = end.pop(RAW_TP)
    plan = Plan(RAW_TP, 0, barrier, committed, dict.fromkeys(end, 0), end)
    segments = run(consumer, reader.read(consumer, plan))
    results = [segment.result for segment in segments]
    total = sum((result.total.accepted for result in results), 0)
    total += sum(result.total.replays + result.total.foreign for result in results)
    assert total == count(raw)
    assert all(is_storable(result) for result in results)
    assert sum(result.foreign_outcomes for result in results) <= count(outcomes) + count(dead)


def is_storable(result: AuditResult) -> bool:
    ledger.merge_adjacent([ledger.Entry(0, 1, result.shops), ledger.Entry(1, 2, result.shops)])
    return not any("\0" in shop for shop in result.shops)


@few
@given(logs(OUTCOME), logs(RAW), st.sets(st.integers(0, 9), min_size=1))
def test_repair_the_index_is_read_back_from_any_outcomes(
    outcomes: list[Batch], raw: list[Batch], missing: set[int]
) -> None:
    consumer = FakeConsumer({RAW_TP: raw, OUTCOME_TP: outcomes})
    partitions = {topic: [TopicPartition(SETTINGS.topic(topic), 0)] for topic in ALL}
    shops: Any = type("Book", (), {"shops": SHOPS})
    work = _Repairer(consumer, partitions, None, None, shops, None)  # type: ignore[arg-type]
    index = run(consumer, work._index(0, sorted(missing)))
    assert index.newest <= max(missing)


@few
@given(logs(RAW), st.integers(0, 30))
def test_losses_a_marker_at_the_commit_is_no_loss_of_a_record(raw: list[Batch], at: int) -> None:
    consumer = FakeConsumer({RAW_TP: raw})
    offsets = [record.offset for record in unpacked(raw)[0]]
    first = run(consumer, log_reader.first_record(consumer, RAW_TP, at))
    assert (None if first is None else first.offset) == next((o for o in offsets if o >= at), None)
    assert run(consumer, log_reader.appended_at(consumer, RAW_TP, at)) > 0
    assert losses.LostRange("t", 0, 0, 1).count == 1


@few
@given(logs(LETTER))
def test_dead_each_letter_is_listed_and_can_be_replayed(dead: list[Batch]) -> None:
    consumer = FakeConsumer({LETTERS_TP: dead})

    async def listed() -> list[Any]:
        found = letters.matching(consumer, NoMarks(), [LETTERS_TP], LetterFilter())  # type: ignore[arg-type]
        return [letter async for letter, _ in found]

    found = run(consumer, listed())
    records = {record.offset: record for record in unpacked(dead)[0]}
    assert len(found) == sum(letters.parse_letter(each) is not None for each in records.values())
    for letter in found:
        assert "\0" not in letter.delivery_id
        kept = replay_record.replay_headers(records[letter.offset].headers, letter.name)
        assert all(value is not None for _, value in kept)
        replay_record.replay_key(records[letter.offset])


@few
@given(logs(LETTER))
def test_dead_one_letter_is_shown_whoever_wrote_its_record(dead: list[Batch]) -> None:
    for record in unpacked(dead)[0]:
        if (letter := letters.parse_letter(record)) is None:
            continue
        shown = detail.described(SETTINGS, letter, None, record)
        assert shown.fields["letter"] == letter.name
        assert shown.note is not None  # there is no shops file here
        would = preview.preview(record, SHOPS, SETTINGS.contact_key)
        assert bool(would.events) != (would.reason is not None)
        json.dumps([shown.headers, shown.body, would.as_dict()])


@few
@given(logs(LETTER))
def test_dead_a_sample_tries_letters_whoever_wrote_them(dead: list[Batch]) -> None:
    parsed = [letters.parse_letter(record) for record in unpacked(dead)[0]]
    settings = replace(SETTINGS, shops_file=str(ROOT / "shops.example.toml"))

    async def found() -> AsyncIterator[Any]:
        for letter in parsed:
            if letter is not None:
                yield letter, None

    made = run(FakeConsumer({LETTERS_TP: dead}), sample.sampled(settings, found()))
    assert made.note is None
    for group in made.groups:
        assert group.tried == group.events + sum(group.refused.values())
        assert group.tried >= 1


@few
@given(logs(LETTER), logs(OUTCOME))
def test_dead_what_became_of_replays_is_found_in_any_logs(
    dead: list[Batch], outcomes: list[Batch]
) -> None:
    consumer = FakeConsumer({LETTERS_TP: dead, OUTCOME_TP: outcomes})
    headers = [dict(each.headers) for log in (dead, outcomes) for each in unpacked(log)[0]]
    named = {(each.get(envelopes.REPLAY_OF) or b"").decode(errors="replace") for each in headers}
    names = {name for name in named if name.partition(":")[0] == "0"} | {"0:0"}
    fates = ReplayFates(names, NOW_MS)
    run(consumer, fates.look(SETTINGS))
    seen = asyncio.run(fates.as_dict())
    assert sum(seen[fate.value] for fate in Fate) == seen["followed"] == len(names)
    json.dumps(seen, default=str)
    run(consumer, fates.look(SETTINGS))
    assert asyncio.run(fates.as_dict()) == seen


@few
@given(logs(LETTER), logs(RAW), logs(OUTCOME))
def test_dead_what_is_settled_is_found_in_any_logs(
    dead: list[Batch], raw: list[Batch], outcomes: list[Batch]
) -> None:
    consumer = FakeConsumer({LETTERS_TP: dead, RAW_TP: raw, OUTCOME_TP: outcomes})
    parsed = [letters.parse_letter(record) for record in unpacked(dead)[0]]
    by_offset = {letter.offset: letter for letter in parsed if letter is not None}
    partitions = {topic: [TopicPartition(SETTINGS.topic(topic), 0)] for topic in ALL}
    if by_offset:
        work = replay._settled(consumer, partitions, 0, by_offset, silent)
        assert run(consumer, work).keys() <= by_offset.keys()


@few
@given(st.sampled_from(ALL), logs(OUTCOME))
def test_topics_each_record_is_shown_and_counted(topic: Any, batches: list[Batch]) -> None:
    tp = TopicPartition(SETTINGS.topic(topic), 0)
    consumer = FakeConsumer({tp: batches})

    async def codec(_: Any) -> Any:
        return CODEC

    async def shown() -> list[Any]:
        read = topics.tail(SETTINGS, topic, Selection(from_start=True), follow=False)
        return [record async for record in read]

    original, topics.load_codec = topics.load_codec, codec  # type: ignore[assignment, attr-defined]
    try:
        found = run(consumer, shown())
    finally:
        topics.load_codec = original  # type: ignore[attr-defined]
    assert len(found) == count(batches)
    counted = run(consumer, topics.count_records(SETTINGS))
    assert sum(each["records"] for each in counted) == sum(batch.size for batch in batches)
    offsets = {record["offset"] for record in found}

    async def some() -> list[Any]:
        every = topics.at_offsets(consumer, tp, offsets | {0}, 2, 10)
        return [record.offset async for part in every for record in part]

    assert run(consumer, some()) == sorted(offsets)


@few
@given(logs(RAW))
def test_the_ledger_is_read_to_its_end_whatever_is_on_it(batches: list[Batch]) -> None:
    entry = Erasure(subject="a/b/customer:1", spans=())
    ours = Batch((Record(key=entry.key, value=erasures.encode(entry)),))
    consumer = FakeConsumer({TopicPartition(SETTINGS.topic(ERASURES), 0): [*batches, ours]})

    async def read() -> Any:
        reader = LedgerReader(SETTINGS)
        assert entry in await reader.read()
        assert await reader.read() == []
        await reader.close()
        return reader.ledger

    assert run(consumer, read()).erasures == {entry.subject: entry}


@few
@given(st.sampled_from(ALL), logs({**LETTER}))
def test_people_each_record_is_looked_through(topic: Any, batches: list[Batch]) -> None:
    person = Person(
        addresses=frozenset({"anna@example.com"}), customers=frozenset({"spiffy/s/customer:1"})
    )
    search = Search(person)

    async def codec(_: Any) -> Any:
        return CODEC

    async def looked() -> int:
        number = 0
        async for seen in topic_scan.read_topics(SETTINGS, [topic], "", silent):
            assert search.in_texts(seen.texts) == set()
            deliveries.holds(seen, person, search)
            made = export.Export()
            if not export.is_own(seen, person, set()):
                made.add(seen)
            output.to_json(made.as_dict(person))
            number += 1
        return number

    original, topic_scan.load_codec = topic_scan.load_codec, codec  # type: ignore[assignment, attr-defined]
    try:
        consumer = FakeConsumer({TopicPartition(SETTINGS.topic(topic), 0): batches})
        assert run(consumer, looked()) == count(batches)
    finally:
        topic_scan.load_codec = original  # type: ignore[attr-defined]


@few
@given(logs(OUTCOME))
def test_why_events_are_looked_for_in_any_log(batches: list[Batch]) -> None:
    async def codec(_: Any) -> Any:
        return CODEC

    original, source_events.load_codec = source_events.load_codec, codec  # type: ignore[assignment, attr-defined]
    wanted = {"no such event": EventLocation(0, NOW_MS * 1000)}
    try:
        found = run(FakeConsumer({OUTCOME_TP: batches}), source_events.records(SETTINGS, wanted))
    finally:
        source_events.load_codec = original  # type: ignore[attr-defined]
    assert found == {}


@few
@given(logs(RAW), logs(OUTCOME), logs(LETTER))
def test_journey_every_raw_record_has_one_in_any_logs(
    raw: list[Batch], outcomes: list[Batch], dead: list[Batch]
) -> None:
    consumer: Any = FakeConsumer({RAW_TP: raw, OUTCOME_TP: outcomes, LETTERS_TP: dead})
    tps = {topic: [TopicPartition(SETTINGS.topic(topic), 0)] for topic in ALL}
    held = Logs(SETTINGS, consumer, tps, CODEC)
    records = unpacked(raw)[0]
    keys = {(record.key or b"").decode(errors="replace") for record in records}

    async def committed(*_: Any) -> Any:
        return {RAW_TP: 2}

    async def followed() -> None:
        consumer.assign([tp for each in tps.values() for tp in each])
        for record in records:
            found = await journey.at(held, 0, record.offset)
            assert found is not None
            way = await Tracer(held, with_body=True).follow(found)
            assert "\x1b" not in output.to_json(way.as_dict())
            again = await journey.by_id(held, found.delivery_id, NOW_MS)
            assert again is None or again.delivery_id == found.delivery_id
        limits = Limits(1000, NOW_MS + 100_000)
        listed = await journey.newest(held, keys, limits)
        assert {each.offset for each in listed.deliveries} <= {each.offset for each in records}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_reader, "committed", committed)
        run(consumer, followed())


@few
@given(logs(RAW), st.integers(0, 5))
def test_status_the_lag_of_any_log_is_counted(raw: list[Batch], done: int) -> None:
    consumer: Any = FakeConsumer({RAW_TP: raw})
    end = sum(batch.size for batch in raw)
    work = groups.topic_lag(consumer, [RAW_TP], {RAW_TP: done}, set(), lambda: NOW_MS / 1000 + 999)
    lag = run(consumer, work)
    assert lag.records == max(end - done, 0)
    assert (lag.seconds is None) == (lag.records == 0)


@few
@given(logs(RAW), logs(OUTCOME), logs(LETTER))
def test_listen_every_raw_record_is_heard_in_any_logs(
    raw: list[Batch], outcomes: list[Batch], dead: list[Batch]
) -> None:
    consumer: Any = FakeConsumer({RAW_TP: raw, OUTCOME_TP: outcomes, LETTERS_TP: dead})
    tps = {topic: [TopicPartition(SETTINGS.topic(topic), 0)] for topic in ALL}
    held = Logs(SETTINGS, consumer, tps, CODEC)
    board = Board({0: 0}, CODEC, Tracer(held).received)
    read = [RAW_TP, OUTCOME_TP, LETTERS_TP]

    async def heard() -> None:
        ends = await log_reader.end_offsets(consumer, read)
        await listening.read(held, dict.fromkeys(read, 0), ends, board, lambda: 0.0)

    run(consumer, heard())
    decided = board.take_decided()
    for each in decided:
        assert "\x1b" not in output.to_json(each.as_dict())
    assert len(decided) + board.waiting == len(unpacked(raw)[0])


@few
@given(logs(OUTCOME), logs(LETTER))
def test_import_what_became_of_its_deliveries_is_counted_in_any_logs(
    events: list[Batch], dead: list[Batch]
) -> None:
    consumer = FakeConsumer({OUTCOME_TP: events, LETTERS_TP: dead})
    patience, outcomes.PATIENCE = outcomes.PATIENCE, 0.0
    try:
        work = outcomes.await_outcomes(SETTINGS, {0: [[0, 99]]}, NOW_MS, silent)
        found = run(consumer, work)
    finally:
        outcomes.PATIENCE = patience
    assert 0 <= found.open <= 100
    assert found.canonical <= found.events <= count(events) + count(dead)
    assert found.dead_letters == found.reasons.total()


@few
@given(logs(RAW), logs(OUTCOME))
def test_shops_traffic_is_counted_in_any_logs(raw: list[Batch], beats: list[Batch]) -> None:
    consumer = FakeConsumer({RAW_TP: raw, INGRESS_TP: beats})
    by_shop = run(consumer, traffic.read_traffic(SETTINGS, NOW_MS, silent))
    assert all(each.deliveries >= 0 for each in by_shop.values())


@few
@given(logs(RAW))
def test_shops_drift_compares_any_log(raw: list[Batch]) -> None:
    consumer = FakeConsumer({RAW_TP: raw})
    now = NOW_MS + 100_000
    work = payload_drift.compare(SETTINGS, None, NOW_MS + 2000, NOW_MS, now, silent)
    drift = run(consumer, work)
    read = sum(s.before.documents + s.after.documents for s in drift.events.values())
    assert read + drift.unread <= count(raw)
    try:
        run(consumer, payload_drift.compare(SETTINGS, None, None, None, now, silent))
    except CommandError as error:
        assert "before" in str(error)  # noqa: PT017 - all of the log is of one moment


@few
@given(logs(RAW))
def test_doctor_the_size_of_the_index_needs_no_record(raw: list[Batch]) -> None:
    size = run(FakeConsumer({RAW_TP: raw}), index_size._measure(SETTINGS, 3600))
    assert size.rate * 3600 <= sum(batch.size for batch in raw)


@few
@given(logs(LETTER), logs(RAW), logs(OUTCOME))
def test_doctor_what_others_did_is_found_in_any_logs(
    dead: list[Batch], raw: list[Batch], outcomes: list[Batch]
) -> None:
    consumer = FakeConsumer({LETTERS_TP: dead, RAW_TP: raw, OUTCOME_TP: outcomes})
    assert run(consumer, strangers.check_letters(SETTINGS))
    assert run(consumer, strangers.check_shops(SETTINGS))
    newest = run(consumer, strangers._newest_outcomes(consumer, [OUTCOME_TP]))
    assert all(offset >= 0 for offset, _ in newest.values())
    run(consumer, registry_ids._in_use(SETTINGS))
