"""The order in which a processor makes its verdicts safe; Kafka is replaced by what it holds."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from processors import unknown_shops
from processors.agent import Processors
from processors.decide import Decider
from processors.erasures import ProcessorErasures
from processors.index import disk_cache
from processors.index.disk_cache import IndexCache
from processors.index.horizon import HorizonError, check_horizon
from processors.index.open_index import OpenIndex
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.parse import raw_of
from processors.unknown_shops import ShopWait
from runtime import metrics
from runtime.health import Health
from runtime.kafka.producer import Appended
from runtime.settings import Settings
from runtime.stage import Batch, HasRecordFactory, MovedError, Partition, RefusedError
from schemas.envelopes import Outcome
from schemas.topics import CARTS, OUTCOMES, WEBHOOKS
from tests import toy_platform
from tests.toy_platform import record

PARTITION = Partition(WEBHOOKS.name, 0)
HOUR = 3_600_000


@dataclass
class Log:
    """The outcome logs of one partition. ``foreign``: what somebody else appends next.

    ``after`` is called when something was appended, before its sender hears of it.
    """

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    foreign: list[Outcome] = field(default_factory=list)
    reads: int = 0
    opened: list[int] = field(default_factory=list)
    is_trimmed: bool = False
    skip: int | None = None
    after: Callable[[], None] = lambda: None

    def append(self, outcome: Outcome) -> int:
        log = self.outcomes.setdefault(outcome.topic, [])
        log.append(outcome)
        return len(log) - 1

    def build_batches(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        return list(outcomes)

    async def send(
        self, partition: int, outcomes: Iterable[Outcome], is_current: Callable[[], bool]
    ) -> list[Appended]:
        assert partition == 0
        if not is_current():
            return []
        for outcome in self.foreign:
            self.append(outcome)
        self.foreign = []
        by_topic: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            by_topic.setdefault(outcome.topic, []).append(outcome)
        appended = []
        for topic, group in by_topic.items():
            base, *_ = [self.append(outcome) for outcome in group]
            appended.append(Appended(topic, base, len(group), group[-1]))
        self.after()
        return appended

    async def skipped(self, _partition: int, _due: int, _index: PartitionIndex) -> int | None:
        return self.skip

    async def open(self, partition: int, due: int, _window_ms: int) -> PartitionIndex:
        self.opened.append(partition)
        index = PartitionIndex(due)
        index.upto = dict.fromkeys((topic.name for topic in OUTCOMES), 0)
        await self.catch_up(partition, index)
        self.reads -= 1
        return index

    async def reaches(self, _partition: int, _index: PartitionIndex) -> bool:
        return not self.is_trimmed

    async def catch_up(self, _partition: int, index: PartitionIndex) -> int:
        self.reads += 1
        found = 0
        for topic, log in self.outcomes.items():
            for outcome in log[index.upto[topic] :]:
                index.add(parse_outcome_headers(outcome.headers))
                found += 1
            index.upto[topic] = len(log)
        return found


@dataclass
class House:
    stage: Processors
    log: Log
    health: Health
    age: float = 0.0
    is_current: bool = True

    def batch(self, first: int, *bodies: bytes) -> Batch:
        records = [
            record(first + number, body, entity=f"cart:{body.decode()}")
            for number, body in enumerate(bodies)
        ]
        return Batch(
            PARTITION, records, first, first + len(records), 1,
            lambda: self.is_current, lambda: self.age,
        )  # fmt: skip

    def canonical(self) -> int:
        return sum(
            len(log) for topic, log in self.log.outcomes.items() if topic == "hookline.carts"
        )


@pytest.fixture
async def house(tmp_path: Path) -> House:
    stage, log, health = Processors(), Log(), Health()
    stage._settings = Settings(
        session_timeout=10.0, heartbeat_interval=0.01, state_dir=str(tmp_path)
    )
    stage._cache = IndexCache(stage._settings, "cluster")
    stage._health = health
    stage._erasures = ProcessorErasures(stage._settings, health)
    stage._shops = SimpleNamespace(shops=toy_platform.SHOPS)  # type: ignore[assignment]
    stage._budget = SimpleNamespace(enforced=nullcontext, renew=lambda: None)  # type: ignore[assignment]
    stage._decider = Decider(toy_platform.CODEC, {"spiffy": toy_platform.adapter()}, b"key")
    stage._shop_wait = ShopWait(0.0, stage._shops, health)
    stage._sender = log  # type: ignore[assignment]
    stage._recovery = log  # type: ignore[assignment]
    await stage.open(PARTITION, 0)
    return House(stage, log, health)


def test_a_record_is_read_in_the_same_way_as_it_is_fetched_and_by_who_reads_the_log() -> None:
    assert isinstance(Processors(), HasRecordFactory)
    fetched = record(7, b"a", entity="cart:a")
    make = Processors().record_factory(PARTITION)
    made = make(fetched.offset, fetched.timestamp, fetched.key, fetched.value, fetched.headers)
    assert made == raw_of(fetched)


async def test_a_batch_is_settled_when_all_its_outcomes_are_written(house: House) -> None:
    await house.stage.handle(house.batch(0, b"content 1", b"content 2 two", b"?"))
    assert {"hookline.carts": 2, "hookline.consents": 1, "hookline.dead-letters": 1} == {
        topic: len(log) for topic, log in house.log.outcomes.items()
    }


async def test_the_metric_of_the_index_follows_every_batch_and_every_assignment(
    house: House,
) -> None:
    def shown() -> float:
        [family] = metrics.INDEX_ENTRIES.collect()
        return family.samples[0].value

    assert shown() == 0
    await house.stage.handle(house.batch(0, b"content 1", b"content 2"))
    assert shown() == len(house.stage._open[0].index) == 2
    await house.stage.handle(house.batch(2, b"content 3"))
    assert shown() == 3
    await house.stage.assigned(frozenset())
    assert shown() == 0


async def test_nothing_is_sent_while_the_group_has_not_heard_of_us(house: House) -> None:
    house.age = 0.81 * 10
    handling = asyncio.create_task(house.stage.handle(house.batch(0, b"content 1")))
    await asyncio.sleep(0.05)
    assert ({}, True) == (house.log.outcomes, "group" in house.health.unmet)
    house.age = 0.0
    await handling
    assert (1, True) == (house.canonical(), house.health.is_ready)


async def test_after_a_silence_the_logs_are_read_before_anything_is_sent(house: House) -> None:
    twin = Log()
    stage = house.stage
    stage._sender = twin  # type: ignore[assignment]
    await stage.handle(house.batch(0, b"content 1"))
    stage._sender = house.log  # type: ignore[assignment]
    stage._open[0] = OpenIndex(await house.log.open(0, 0, 0), stage._window_ms())
    house.age = 9.0
    handling = asyncio.create_task(stage.handle(house.batch(0, b"content 1")))
    await asyncio.sleep(0.03)
    house.log.outcomes = {topic: list(log) for topic, log in twin.outcomes.items()}  # our successor
    house.age = 0.0
    await handling
    assert 1 == house.canonical()


async def test_nothing_is_sent_once_the_partition_may_be_somebody_elses(house: House) -> None:
    house.is_current = False
    await house.stage.handle(house.batch(0, b"content 1"))
    assert {} == house.log.outcomes


async def test_what_was_acknowledged_as_its_generation_ended_is_read_back_and_not_written_again(
    house: House,
) -> None:
    stage = house.stage

    def ends() -> None:
        house.is_current = False

    house.log.after = ends
    await stage.handle(house.batch(0, b"content 1", b"?"))
    assert 1 == house.canonical()
    house.log.after, house.is_current = Log().after, True
    await stage.open(PARTITION, 0)  # the same partition again, and nothing of it was committed
    await stage.handle(house.batch(0, b"content 1", b"?", b"content 1"))
    assert {"hookline.carts": 1, "hookline.dead-letters": 1, "hookline.duplicates": 1} == {
        topic: len(log) for topic, log in house.log.outcomes.items()
    }
    assert [0] == house.log.opened  # its index was continued


async def test_what_somebody_else_wrote_between_is_read_before_the_next_batch(
    house: House,
) -> None:
    other = Log()
    await other.open(0, 0, 0)
    stage = house.stage
    stage._sender = other  # type: ignore[assignment]
    await stage.handle(house.batch(5, b"content 1"))
    stage._sender = house.log  # type: ignore[assignment]
    stage._open[0] = OpenIndex(await house.log.open(0, 0, 0), stage._window_ms())
    house.log.foreign = other.outcomes["hookline.carts"]
    await stage.handle(house.batch(0, b"content 2"))
    reads = house.log.reads
    await stage.handle(house.batch(5, b"content 1"))
    assert reads + 1 == house.log.reads
    assert 2 == house.canonical()


async def test_a_commit_that_was_moved_over_deliveries_is_moved_back(house: House) -> None:
    house.log.skip = 3
    with pytest.raises(MovedError) as moved:
        await house.stage.open(PARTITION, 9)
    assert moved.value.offset == 3
    house.log.skip = None
    await house.stage.open(PARTITION, 3)
    assert house.stage._open[0].index.committed == 3


async def test_a_delivery_that_waits_for_its_shop_lets_other_partitions_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unknown_shops, "POLL", 0.0)
    book = SimpleNamespace(shops={}, path="shops.toml", refresh=lambda: False)
    house.stage._shops = book  # type: ignore[assignment]
    house.stage._shop_wait = ShopWait(60.0, book, house.health)  # type: ignore[arg-type]
    with pytest.raises(MovedError) as moved:
        await house.stage.handle(house.batch(0, b"content 1"))
    assert (moved.value.offset, house.log.outcomes) == (0, {})
    assert "spiffy/s" in house.health.unmet["shops"]
    book.shops = toy_platform.SHOPS
    await house.stage.handle(house.batch(0, b"content 1"))
    assert (house.canonical(), house.health.is_ready) == (1, True)


async def test_an_index_that_is_still_valid_is_continued_and_not_read_again(
    house: House,
) -> None:
    await house.stage.handle(house.batch(0, b"content 1"))
    index = house.stage._open[0].index
    await house.stage.revoked(frozenset({PARTITION}))
    await house.stage.assigned(frozenset({PARTITION}))
    await house.stage.open(PARTITION, 1)
    assert index is house.stage._open[0].index
    assert [0] == house.log.opened


@pytest.mark.parametrize("reason", ["commit failed", "log trimmed", "window widened", "in flight"])
async def test_an_index_that_may_lack_something_is_read_again(house: House, reason: str) -> None:
    stage = house.stage
    await stage.handle(house.batch(0, b"content 1"))
    index, due = stage._open[0].index, 1
    if reason == "commit failed":
        due = 0  # it has forgotten the outcomes of 0
    elif reason == "log trimmed":
        house.log.is_trimmed = True
    elif reason == "window widened":
        stage._open[0].window_ms -= 1
    else:
        stage._busy.add(0)
    await stage.revoked(frozenset({PARTITION}))
    await stage.assigned(frozenset({PARTITION}))
    await stage.open(PARTITION, due)
    assert index is not stage._open[0].index
    await stage.handle(house.batch(due, b"content 1"))
    assert 1 == house.canonical()


async def test_indexes_of_partitions_that_went_elsewhere_are_dropped(house: House) -> None:
    await house.stage.assigned(frozenset({Partition(WEBHOOKS.name, 3)}))
    assert {} == house.stage._open


async def test_a_window_widened_under_way_is_looked_back_over(house: House) -> None:
    house.stage._open[0].window_ms -= 1
    await house.stage.handle(house.batch(0, b"content 1"))
    assert [0, 0] == house.log.opened


async def test_a_raw_offset_known_with_another_delivery_is_refused(house: House) -> None:
    await house.stage.handle(house.batch(0, b"content 1"))
    house.stage._open[0].index = await house.log.open(0, 0, 0)
    again = house.batch(0, b"content 1")
    stranger = record(0, b"content 1", delivery_id="somebody-else")
    with pytest.raises(RefusedError, match="recreated"):
        await house.stage.handle(
            Batch(PARTITION, [stranger], 0, 1, 1, again.is_current, again.heartbeat_age)
        )


async def test_an_index_that_is_given_up_is_saved_as_the_logs_hold_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "MIN_OUTCOMES", 1)
    stage = house.stage
    await stage.handle(house.batch(0, b"content 1", b"content 2", b"content 1", b"?"))
    await stage._cache.flush()
    await stage.handle(house.batch(4, b"content 3"))
    await stage.revoked(frozenset({PARTITION}))
    await stage._cache.flush()
    kept = stage._cache.read(0, 5, stage._window_ms())
    outcomes = {topic: len(log) for topic, log in house.log.outcomes.items()}
    assert dict.fromkeys((topic.name for topic in OUTCOMES), 0) | outcomes == kept.upto
    assert {
        topic: parse_outcome_headers(log[-1].headers).record_id
        for topic, log in house.log.outcomes.items()
    } == kept.last
    digest = parse_outcome_headers(house.log.outcomes[CARTS.name][-1].headers).digest
    assert kept.lookup([b""], [digest]).same_digest(0, 5) is not None


async def test_an_index_that_a_batch_still_writes_to_is_not_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.stage.handle(house.batch(0, b"content 1"))
    monkeypatch.setattr(disk_cache, "MIN_OUTCOMES", 1)
    house.stage._busy.add(0)
    house.stage._save([0])
    await house.stage._cache.flush()
    assert not house.stage._cache.path(0).exists()


@pytest.mark.parametrize(
    ("start", "kept", "is_refused"),
    [
        (0, float("inf"), False),
        (5, float("inf"), True),  # kept for ever, yet something is gone
        (5, 100.0 * HOUR, False),  # trimmed by age alone
        (5, 79.0 * HOUR, True),  # what was trimmed reaches into the horizon
        (0, 79.0 * HOUR, False),  # nothing was trimmed yet
    ],
)
def test_an_outcome_log_must_reach_back_over_the_horizon(
    start: int, kept: float, is_refused: bool
) -> None:
    now, horizon = 1000 * HOUR, 920 * HOUR
    with pytest.raises(HorizonError) if is_refused else nullcontext():
        check_horizon("hookline.duplicates", 0, start, kept, horizon, now)
