"""The batch consumer's rules, with Kafka's thread and the stage replaced by fakes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiokafka.errors import OffsetOutOfRangeError, UnsupportedCodecError
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from runtime import worker
from runtime.consumer import assignment, batch_consumer, crash_marks
from runtime.consumer.batch_consumer import BatchConsumer
from runtime.consumer.client import thread
from runtime.consumer.client.fetched_records import skipped_to
from runtime.consumer.client.thread import Bounds
from runtime.consumer.crash_marks import CommitMetadata
from runtime.consumer.in_flight import Delivered, Fetched, append_contiguous
from runtime.consumer.positions import Commit, Position
from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, MovedError, Partition, RefusedError
from runtime.worker import Worker
from schemas.topics import ORDERS, WEBHOOKS, Group, Topic

RAW = TP("hookline.webhooks", 0)
OTHER = TP("hookline.webhooks", 1)
GENERATION = 7


@dataclass(frozen=True, slots=True)
class Record:
    offset: int
    timestamp: int = 1000
    timestamp_type: int = 1


def records(first: int, end: int) -> list[Record]:
    return [Record(offset) for offset in range(first, end)]


@dataclass
class Thread:
    """Kafka's side: its logs, and the commits and seeks it received."""

    logs: dict[TP, Bounds] = field(default_factory=dict)
    commits: list[Mapping[TP, Commit]] = field(default_factory=list)
    seeks: list[Mapping[TP, int]] = field(default_factory=list)
    takes_commits: bool = True
    last_heartbeat: float = 0.0
    skips: dict[TP, Any] = field(default_factory=dict)

    def skipped_to(self, tp: TP, offset: int) -> int:
        return skipped_to(self.skips.get(tp, ()), offset)

    async def call_thread(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        return await work(*args)

    async def bounds(self, tps: list[TP]) -> dict[TP, Bounds]:
        return {tp: self.logs[tp] for tp in tps}

    async def commit_offsets(self, commits: Mapping[TP, Commit]) -> bool:
        self.commits.append(dict(commits))
        return self.takes_commits

    async def seek_wait(self, offsets: Mapping[TP, int]) -> None:
        self.seeks.append(dict(offsets))

    def committed(self, tp: TP) -> tuple[int, CommitMetadata]:
        offset, metadata = next(each[tp] for each in reversed(self.commits) if tp in each)
        return offset, crash_marks.decode(metadata)


class Stage:
    """A stage that does with each batch what a test wants."""

    topics: tuple[Topic, ...] = (WEBHOOKS,)
    used: Mapping[Topic, str] = {WEBHOOKS: "Read"}
    group = Group.PROCESSORS

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.opened: list[int] = []
        self.act: Callable[[Batch], Awaitable[None]] | None = None
        self.refuses: frozenset[int] = frozenset()
        self.refusal: type[RefusedError] = RefusedError
        self.moves: dict[int, int] = {}
        self.may_open = asyncio.Event()
        self.may_open.set()

    async def start(self, settings: Settings, health: Health) -> None: ...

    async def assigned(self, _partitions: frozenset[Partition]) -> Mapping[Partition, int]:
        return {}

    async def open(self, partition: Partition, _next_offset: int) -> None:
        await self.may_open.wait() if self.opened else None
        if partition.number in self.refuses:
            raise self.refusal(f"partition {partition.number} cannot be trusted")
        if (moved := self.moves.pop(partition.number, None)) is not None:
            raise MovedError(moved)
        self.opened.append(partition.number)

    async def revoked(self, partitions: frozenset[Partition]) -> None: ...

    async def handle(self, batch: Batch) -> None:
        self.batches.append(batch)
        if self.act is not None:
            await self.act(batch)

    async def stop(self) -> None: ...


class Together(Stage):
    """A stage that handles batches at once, or ``fails`` with an error."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[list[Batch]] = []
        self.at_once: list[list[Batch]] = []
        self.fails: Exception | None = None
        self.may_handle = asyncio.Event()
        self.may_handle.set()

    async def prepare(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        self.prepared.append(list(batches))
        return batches

    async def handle_prepared(self, prepared: Sequence[Batch]) -> None:
        await self.may_handle.wait()
        self.at_once.append(list(prepared))
        if self.fails is not None:
            raise self.fails


@dataclass
class House:
    consumer: BatchConsumer
    stage: Stage
    thread: Thread
    health: Health

    def holds(self, tp: TP, *, next_offset: int = 0, **metadata: Any) -> Position:
        position = Position(next_offset, next_offset, CommitMetadata(is_open=True, **metadata))
        self.consumer.positions[tp] = position
        return position

    def logs(self, end: int, committed: int | None = 0, start: int = 0, left: str = "") -> None:
        for tp in (RAW, OTHER):
            self.thread.logs[tp] = Bounds(start, end, committed, left)

    def delivered(
        self, tp: TP, first: int, end: int, epoch: int = 0, generation: int = 7
    ) -> Delivered:
        made = records(first, end)
        message = self.consumer._to_message.__globals__["ConsumerMessage"](
            tp.topic, tp.partition, end - 1, 1.0, 1, (), b"", None, None, 0, 0, tp,
            generation_id=generation,
        )  # fmt: skip
        return message, Fetched(made, first, end, epoch)

    async def take(self, *batch: Any, **options: int) -> None:
        await self.take_all(self.delivered(*batch, **options))

    def together(self) -> "Together":
        """Let the stage be one that handles batches at once."""
        self.consumer.stage = self.stage = Together()
        return self.stage

    async def take_all(self, *delivered: Delivered) -> None:
        """Take them, and wait until they have been handled."""
        await self.consumer.take(delivered)
        await self.consumer._dispatcher.emptied()

    async def open(self) -> None:
        self.consumer.resume_flow()
        await asyncio.sleep(0.02)


@pytest.fixture
async def house(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    stage, health, thread = Stage(), Health(), Thread()
    app = Worker(Settings(contact_key="k"), stage, health)
    consumer: BatchConsumer = app.consumer
    app.consumer_generation_id = GENERATION
    consumer._thread.thread_loop.close()
    monkeypatch.setattr(consumer, "_thread", thread)
    monkeypatch.setattr(consumer, "assignment", lambda: {RAW, OTHER})
    yield House(consumer, stage, thread, health)
    consumer.stop_assignment()


# Acknowledging: outcome first, offset second.


async def test_an_offset_is_committed_only_after_its_batch_is_safe(house: House) -> None:
    position = house.holds(RAW)
    committed_inside: list[int] = []

    async def act(_batch: Batch) -> None:
        await house.consumer.commit()
        committed_inside.append(house.thread.committed(RAW)[0])

    house.stage.act = act
    await house.take(RAW, 0, 10)
    await house.consumer.commit()
    assert [0] == committed_inside
    assert (10, 10) == (position.acknowledged, house.thread.committed(RAW)[0])


async def test_a_batch_of_another_generation_or_from_before_a_seek_is_not_taken(
    house: House,
) -> None:
    house.holds(RAW).epoch = 1
    await house.take(RAW, 0, 10, epoch=0)
    await house.take(RAW, 0, 10, epoch=1, generation=GENERATION - 1)
    assert [] == house.stage.batches


async def test_a_batch_whose_generation_ended_in_flight_is_not_acknowledged(house: House) -> None:
    position = house.holds(RAW)

    async def act(_batch: Batch) -> None:
        house.consumer.app.consumer_generation_id = GENERATION + 1

    house.stage.act = act
    await house.take(RAW, 0, 10)
    assert 0 == position.acknowledged
    assert not house.stage.batches[0].is_current()


async def test_a_stage_that_moves_is_given_the_other_offset_and_nothing_stale(
    house: House,
) -> None:
    position = house.holds(RAW)

    async def act(_batch: Batch) -> None:
        raise MovedError(4)

    house.stage.act = act
    await house.take(RAW, 0, 10)
    assert (4, 4, 1) == (position.next_offset, position.acknowledged, position.epoch)
    assert [{RAW: 4}] == house.thread.seeks


# Batches of several partitions at once.


async def test_batches_of_several_partitions_are_acknowledged_once_all_are_safe(
    house: House,
) -> None:
    stage = house.together()
    positions = house.holds(RAW), house.holds(OTHER)
    await house.take_all(house.delivered(RAW, 0, 10), house.delivered(OTHER, 0, 4))
    assert [[10, 4]] == [[batch.end for batch in batches] for batches in stage.at_once]
    assert [] == stage.batches
    assert [10, 4] == [position.acknowledged for position in positions]


async def test_batches_of_one_partition_are_handled_one_after_the_other(house: House) -> None:
    stage = house.together()
    position, _ = house.holds(RAW), house.holds(OTHER)
    await house.take_all(
        house.delivered(RAW, 0, 10), house.delivered(RAW, 10, 15), house.delivered(OTHER, 0, 4)
    )
    assert [[10, 4], [15]] == [[batch.end for batch in batches] for batches in stage.at_once]
    assert 15 == position.acknowledged


@pytest.mark.parametrize("error", [MovedError(4), RefusedError("not this one")])
async def test_where_not_all_can_be_handled_at_once_each_is_by_itself(
    house: House, error: Exception
) -> None:
    stage = house.together()
    stage.fails = error
    raw, other = house.holds(RAW), house.holds(OTHER)

    async def act(batch: Batch) -> None:
        if batch.partition.number == RAW.partition:
            raise MovedError(4)

    stage.act = act
    await house.take_all(house.delivered(RAW, 0, 10), house.delivered(OTHER, 0, 4))
    assert (4, 4) == (raw.acknowledged, other.acknowledged)
    assert [{RAW: 4}] == house.thread.seeks


async def test_what_became_stale_while_all_were_tried_is_not_handled(house: House) -> None:
    stage = house.together()
    raw, _ = house.holds(RAW), house.holds(OTHER)

    async def at_once(_batches: Sequence[Batch]) -> None:
        raw.epoch += 1
        raise MovedError(0)

    stage.handle_prepared = at_once  # type: ignore[method-assign]
    await house.take_all(house.delivered(RAW, 0, 10), house.delivered(OTHER, 0, 4))
    assert [OTHER.partition] == [batch.partition.number for batch in stage.batches]


async def test_what_comes_next_is_prepared_while_what_was_before_is_handled(
    house: House,
) -> None:
    stage = house.together()
    raw, other = house.holds(RAW), house.holds(OTHER)
    stage.may_handle.clear()
    await house.consumer.take([house.delivered(RAW, 0, 10)])
    following = asyncio.ensure_future(house.consumer.take([house.delivered(OTHER, 0, 4)]))
    await asyncio.sleep(0.02)
    assert (2, 0, {RAW}) == (
        len(stage.prepared),
        len(stage.at_once),
        house.consumer._dispatcher.in_flight.tps,
    )
    stage.may_handle.set()
    await following
    await house.consumer._dispatcher.emptied()
    assert (10, 4) == (raw.acknowledged, other.acknowledged)


async def test_what_was_prepared_for_a_generation_that_ended_is_not_handled(
    house: House,
) -> None:
    stage = house.together()
    raw, other = house.holds(RAW), house.holds(OTHER)
    stage.may_handle.clear()
    await house.consumer.take([house.delivered(RAW, 0, 10)])
    following = asyncio.ensure_future(house.consumer.take([house.delivered(OTHER, 0, 4)]))
    await asyncio.sleep(0.02)
    house.consumer._closed_generation = GENERATION
    stage.may_handle.set()
    await following
    await house.consumer._dispatcher.emptied()
    assert [[10]] == [[batch.end for batch in batches] for batches in stage.at_once]
    assert (0, 0, []) == (raw.acknowledged, other.acknowledged, stage.batches)


async def test_an_error_in_handling_all_at_once_ends_the_process_and_acknowledges_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", codes.append)
    monkeypatch.setattr(worker.logging, "shutdown", lambda: None)
    stage = house.together()
    stage.fails = ValueError("a bug")
    raw, other = house.holds(RAW), house.holds(OTHER)
    with pytest.raises(ValueError, match="a bug"):
        await house.take_all(house.delivered(RAW, 0, 10), house.delivered(OTHER, 0, 4))
    await asyncio.sleep(0)
    assert ([worker.EXIT_CRASHED], 0, 0) == (codes, raw.acknowledged, other.acknowledged)


async def test_a_refused_commit_is_tried_again(house: House) -> None:
    house.holds(RAW)
    house.thread.takes_commits = False
    assert not await house.consumer.commit()
    house.thread.takes_commits = True
    assert await house.consumer.commit()
    assert not await house.consumer.commit()  # nothing new


async def test_an_error_that_a_stage_does_not_settle_ends_the_process(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(worker.os, "_exit", codes.append)
    monkeypatch.setattr(worker.logging, "shutdown", lambda: None)
    await house.consumer.app._on_agent_error(None, ValueError("a bug"))
    assert [worker.EXIT_CRASHED] == codes


# Letting go.


async def test_a_revoke_releases_partitions_without_a_batch_in_flight_and_no_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_consumer, "REVOKE_TIMEOUT", 0.01)
    house.holds(RAW)
    house.holds(OTHER)
    house.consumer._dispatcher.in_flight.tps.add(OTHER)
    await house.consumer.wait_empty()
    assert not house.thread.committed(RAW)[1].is_open
    assert house.thread.committed(OTHER)[1].is_open
    assert not house.consumer.is_current(GENERATION)


# Marks.


async def test_a_mark_is_stored_while_a_chunk_is_built_and_removed_before_anything_is_sent(
    house: House,
) -> None:
    house.holds(RAW, cautious_until=100)
    seen: list[tuple[int, int] | None] = []

    async def act(batch: Batch) -> None:
        for chunk in batch.chunks():
            async with batch.building(chunk):
                seen.append(house.thread.committed(RAW)[1].mark)
            seen.append(house.thread.committed(RAW)[1].mark)

    house.stage.act = act
    await house.take(RAW, 0, 300)
    assert [(0, 100), None] == seen[:2]
    assert 2 == len(house.thread.commits)  # what is beyond the caution costs none


async def test_nothing_is_built_until_its_mark_is_known_to_the_group(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_consumer, "COMMIT_RETRY", 0.001)
    house.holds(RAW, cautious_until=100)
    house.thread.takes_commits = False
    built: list[bool] = []

    async def act(batch: Batch) -> None:
        for chunk in batch.chunks():
            async with batch.building(chunk):
                built.append(house.thread.takes_commits)

    house.stage.act = act
    taking = asyncio.create_task(house.take(RAW, 0, 10))
    await asyncio.sleep(0.02)
    assert ([], "commit" in house.health.unmet) == (built, True)
    house.thread.takes_commits = True
    await taking
    assert ([True], True) == (built, house.health.is_ready)


# Assignment.


async def test_a_partition_starts_at_its_commit_which_then_names_an_owner(
    house: House,
) -> None:
    house.logs(end=50, committed=20)
    await house.open()
    assert {RAW: 20, OTHER: 20} == {tp: c.next_offset for tp, c in house.consumer.positions.items()}
    assert (20, CommitMetadata(is_open=True)) == house.thread.committed(RAW)
    assert house.health.is_ready


async def test_a_partition_that_was_never_committed_starts_where_its_log_does(
    house: House,
) -> None:
    house.logs(end=50, committed=None, start=5)
    await house.open()
    assert 5 == house.consumer.positions[RAW].next_offset


async def test_a_partition_is_delivered_while_others_are_still_being_opened(
    house: House,
) -> None:
    house.logs(end=50)
    house.stage.may_open.clear()
    await house.open()
    assert [RAW] == list(house.consumer.positions)
    assert "1 of 2 partitions are open" == house.health.unmet["partitions"]
    house.stage.may_open.set()
    await asyncio.sleep(0.02)
    assert {RAW, OTHER} == set(house.consumer.positions)
    assert house.health.is_ready


async def test_a_partition_that_its_stage_refuses_stops_alone_with_its_reason(
    house: House,
) -> None:
    house.logs(end=50)
    house.stage.refuses = frozenset({0})
    await house.open()
    assert [OTHER] == list(house.consumer.positions)
    assert {"refused hookline.webhooks/0": "partition 0 cannot be trusted"} == house.health.stopped


async def test_a_commit_that_was_moved_over_deliveries_is_warned_of_and_moved_back(
    house: House,
) -> None:
    house.logs(end=50)
    house.stage.moves = {RAW.partition: 2}
    await house.open()
    assert house.consumer.positions[RAW].next_offset == 2
    assert house.health.is_ready
    [warning] = house.health.warnings.values()
    assert "moved forward" in warning
    assert warning.endswith("they are processed now, from 2 on")


async def test_a_partition_whose_batch_is_refused_stops_and_blames_no_record(
    house: House,
) -> None:
    house.logs(end=50)
    await house.open()

    async def act(_batch: Batch) -> None:
        raise RefusedError("another delivery was here")

    house.stage.act = act
    await house.take(RAW, 0, 10)
    await asyncio.sleep(0.01)
    assert [OTHER] == list(house.consumer.positions)
    assert "another delivery was here" in house.health.stopped.values()
    assert (0, False) == (house.thread.committed(RAW)[0], house.thread.committed(RAW)[1].is_open)


async def test_a_log_that_ends_before_what_was_processed_is_refused(house: House) -> None:
    house.logs(end=10, committed=20)
    await house.open()
    assert {} == house.consumer.positions
    assert "recreated" in house.health.stopped["recreated hookline.webhooks/0"]


async def test_a_partition_that_somebody_added_is_left_alone_and_the_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = TP(RAW.topic, house.consumer.app.settings.partitions)
    monkeypatch.setattr(house.consumer, "assignment", lambda: {RAW, OTHER, added})
    house.logs(end=10)
    await house.open()
    assert {RAW, OTHER} == house.consumer.positions.keys()
    assert (house.health.unmet, house.health.stopped) == ({}, {})


class AcceptableError(RefusedError):
    """A refusal that any decision settles."""

    awaits_decision = True

    def is_settled_by(self, decisions: Sequence[Any]) -> bool:
        return bool(decisions)


@pytest.mark.parametrize("made", [[], ["accepted"]])
async def test_a_refused_partition_goes_on_once_a_decision_settles_its_refusal(
    house: House, monkeypatch: pytest.MonkeyPatch, made: list[str]
) -> None:
    async def read_all(_settings: Settings) -> list[str]:
        house.stage.refuses = frozenset()
        return made

    monkeypatch.setattr(assignment, "DECISION_POLL", 0.0)
    monkeypatch.setattr(assignment.operator_decisions, "read_all", read_all)
    house.logs(end=10)
    house.stage.refuses, house.stage.refusal = frozenset({0}), AcceptableError
    await house.open()
    assert (RAW in house.consumer.positions, not house.health.stopped) == (bool(made),) * 2
    assert OTHER in house.consumer.positions


# Gaps.


async def test_a_raw_log_trimmed_beyond_what_was_processed_stops_and_names_the_loss(
    house: House,
) -> None:
    house.logs(end=50, committed=20, start=30)
    await house.open()
    reason = house.health.stopped["gap hookline.webhooks/0"]
    assert {} == house.consumer.positions
    assert "offsets 20 to 29" in reason
    assert "hookline accept-loss 0 --until 30" in reason


async def test_a_gap_in_raw_is_fetched_again_and_then_stops_the_partition(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered: list[int] = []

    async def callback(message: Any) -> None:
        delivered.append(message.offset)

    monkeypatch.setattr(house.consumer, "callback", callback)
    house.logs(end=50)
    await house.open()
    house.consumer.flow_active = True
    house.thread.seeks.clear()
    await house.consumer._delivery.deliver(RAW, records(5, 10), GENERATION)
    assert ([], [{RAW: 0}]) == (delivered, house.thread.seeks)
    await house.consumer._delivery.deliver(RAW, records(5, 10), GENERATION)
    assert [] == delivered
    assert "offsets 0 to 4" in house.health.stopped["gap hookline.webhooks/0"]


async def test_transaction_markers_in_raw_are_no_gap(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered: list[tuple[int, int, int]] = []

    async def callback(message: Any) -> None:
        fetched = message.value
        delivered.append((fetched.offset, len(fetched.records), fetched.end))

    monkeypatch.setattr(house.consumer, "callback", callback)
    house.logs(end=50)
    await house.open()
    house.consumer.flow_active = True
    house.thread.skips[RAW] = ((0, 5), (10, 12))
    await house.consumer._delivery.deliver(RAW, records(5, 10), GENERATION)
    await house.consumer._delivery.deliver_skipped(RAW, GENERATION)
    await house.consumer._delivery.deliver_skipped(RAW, GENERATION)
    assert delivered == [(0, 5, 10), (10, 0, 12)]
    assert not house.health.stopped


async def test_a_batch_of_markers_alone_is_acknowledged_and_keeps_the_age_of_the_lag(
    house: House,
) -> None:
    position = house.holds(RAW)
    await house.take(RAW, 0, 5)
    await house.consumer._dispatcher.emptied()
    before = position.acknowledged_ms
    message, fetched = house.delivered(RAW, 5, 7)
    await house.take_all((message, replace(fetched, records=[])))
    await house.consumer._dispatcher.emptied()
    assert (position.acknowledged, position.acknowledged_ms) == (7, before)


async def test_a_fetch_that_kafka_refuses_is_repeated_and_ends_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(**_: Any) -> Any:
        raise UnsupportedCodecError("Libraries for zstd compression codec not found")

    async def at_once(_seconds: float) -> None: ...

    monkeypatch.setattr(house.consumer, "_getmany", fetch)
    monkeypatch.setattr(house.consumer, "sleep", at_once)
    assert {} == await house.consumer._fetch({RAW}, 0.1)
    assert "zstd" in house.health.unmet["fetch"]


async def test_a_gap_in_another_topic_is_the_brokers_affair(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered: list[int] = []

    async def callback(message: Any) -> None:
        delivered.append(message.offset)

    monkeypatch.setattr(house.consumer, "callback", callback)
    orders = TP(ORDERS.name, 0)
    house.logs(end=50)
    await house.open()
    house.consumer.flow_active = True
    house.holds(orders)
    await house.consumer._delivery.deliver(orders, records(5, 10), GENERATION)
    await house.consumer._delivery.deliver(orders, records(5, 10), GENERATION)
    assert [9] == delivered
    assert 10 == house.consumer.positions[orders].next_offset


async def test_a_log_trimmed_under_a_running_worker_stops_only_that_partition(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.logs(end=50)
    await house.open()

    async def fetch(**_: Any) -> Any:
        raise OffsetOutOfRangeError({RAW: 0})

    monkeypatch.setattr(house.consumer, "_getmany", fetch)
    house.thread.logs[RAW] = Bounds(30, 50, 0, "")
    assert {} == await house.consumer._fetch({RAW}, 0.1)
    assert [OTHER] == list(house.consumer.positions)
    assert "gap hookline.webhooks/0" in house.health.stopped


async def test_what_is_fetched_again_is_not_delivered_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered: list[list[int]] = []

    async def callback(message: Any) -> None:
        delivered.append([record.offset for record in message.value.records])

    monkeypatch.setattr(house.consumer, "callback", callback)
    house.holds(RAW, next_offset=5)
    house.consumer.flow_active = True
    await house.consumer._delivery.deliver(RAW, records(0, 5), GENERATION)
    await house.consumer._delivery.deliver(RAW, records(3, 8), GENERATION)
    assert [[5, 6, 7]] == delivered


def test_a_member_that_fetches_nothing_for_long_does_not_leave_its_group() -> None:
    app = Worker(Settings(contact_key="k"), Stage(), Health())
    assert app.conf.broker_max_poll_interval > 30 * 86400


def test_records_of_two_fetches_are_one_batch_if_the_offsets_are_contiguous() -> None:
    fetched = {RAW: records(0, 3), OTHER: records(5, 6)}
    append_contiguous(fetched, {RAW: records(3, 9)})
    assert fetched == {RAW: records(0, 9), OTHER: records(5, 6)}


@pytest.mark.parametrize("first", [0, 2, 4])
def test_records_that_are_not_contiguous_replace_the_earlier_ones(
    first: int,
) -> None:
    fetched = {RAW: records(0, 3)}
    append_contiguous(fetched, {RAW: records(first, 9), OTHER: records(1, 2)})
    assert fetched == {RAW: records(first, 9), OTHER: records(1, 2)}


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.booleans())
def test_the_pause_grows_with_a_small_batch_and_a_large_one_has_none(
    one: int, other: int, is_together: bool
) -> None:
    fewer, more = (
        thread.batch_pause(count, is_together=is_together) for count in sorted((one, other))
    )
    if 0 < min(one, other) and max(one, other) < thread.SMALL_BATCH:
        assert 0 < fewer <= more <= thread.LONGEST_PAUSE
    if max(one, other) >= thread.SMALL_BATCH:
        assert more == 0
