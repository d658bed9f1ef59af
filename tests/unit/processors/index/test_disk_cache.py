"""An index on disk: continued where it is of these very logs, refused wherever it may not be."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import assume, given
from hypothesis import settings as rules
from hypothesis import strategies as st

from processors.index import disk_cache as caches
from processors.index.disk_cache import CacheError, IndexCache
from processors.index.outcome_headers import OutcomeHeaders, parse_outcome_headers
from processors.index.partition_index import IndexSnapshot, PartitionIndex
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import CARTS, OUTCOMES, WEBHOOKS
from tests.toy_platform import SHOPS, record
from tests.unit.processors.index.test_recovery import (
    DAY,
    NOW,
    VERDICTS,
    WINDOW_MS,
    Reader,
    Stored,
    recovery_of,
)

DIGEST = bytes(range(16))


def outcome(offset: int) -> OutcomeHeaders:
    return OutcomeHeaders(offset, offset, "cart", ("cart",), b"e%d" % offset, DIGEST, f"d{offset}")


def snapshot(count: int = 3) -> IndexSnapshot:
    index = PartitionIndex(count)
    for offset in range(count):
        index.add(outcome(offset))
    index.upto, index.last = (
        {"hookline.carts": count},
        {"hookline.carts": outcome(count - 1).record_id},
    )
    made = index.snapshot(WINDOW_MS)
    assert made is not None
    return made


@pytest.fixture
def cache_settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=str(tmp_path), contact_key="secret")


# The file.


def test_what_was_kept_is_read_again(cache_settings: Settings) -> None:
    cache = IndexCache(cache_settings, "cluster")
    cache.write(0, snapshot())
    index = cache.read(0, 5, WINDOW_MS)
    assert (5, 2, 3) == (index.committed, index.newest, len(index))
    assert ({"hookline.carts": 3}, {"hookline.carts": "2 cart d2"}) == (index.upto, index.last)
    same = index.lookup([b"e1"], [DIGEST]).same_digest(0, 2)
    assert same is not None
    assert 1 == same.raw_offset


@rules(max_examples=300, deadline=None)
@given(st.sampled_from(["bit", "cut", "longer", "zeros"]), st.data())
def test_a_damaged_file_is_refused_whatever_became_of_it(damage: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = IndexCache(Settings(state_dir=folder), "cluster")
        cache.write(0, snapshot())
        whole = cache.path(0).read_bytes()
        at = data.draw(st.integers(0, len(whole) - 1))
        if damage == "bit":
            bit = 1 << data.draw(st.integers(0, 7))
            damaged = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
        elif damage == "cut":
            damaged = whole[:at]
        elif damage == "longer":
            damaged = whole + data.draw(st.binary(min_size=1, max_size=40))
        else:
            end = data.draw(st.integers(at + 1, len(whole)))
            assume(any(whole[at:end]))
            damaged = whole[:at] + bytes(end - at) + whole[end:]
        cache.path(0).write_bytes(damaged)
        with pytest.raises(CacheError, match="damaged"):
            cache.read(0, 5, WINDOW_MS)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"contact_key": "another"}, "another key"),
        ({"cluster": "another"}, "cluster another"),
        ({"partition": 1}, "of 0 in"),
        ({"due": 2}, "begins at 3, and 2 is due"),
        ({"window_ms": WINDOW_MS + 1}, "window is shorter"),
        ({"magic": b"hookline index 2 little\n"}, "another version"),
    ],
)
def test_what_is_kept_for_something_else_is_refused(
    cache_settings: Settings, change: dict[str, Any], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(
        cache_settings, contact_key=change.get("contact_key", cache_settings.contact_key)
    )
    writing = IndexCache(settings, change.get("cluster", "cluster"))
    with monkeypatch.context() as patched:
        patched.setattr(caches, "MAGIC", change.get("magic", caches.MAGIC))
        writing.write(0, snapshot())
    reading, partition = IndexCache(cache_settings, "cluster"), change.get("partition", 0)
    if partition:
        writing.path(0).rename(reading.path(partition))
    with pytest.raises(CacheError, match=match):
        reading.read(partition, change.get("due", 3), change.get("window_ms", WINDOW_MS))


def test_outcomes_of_records_that_are_still_to_be_decided_are_not_kept() -> None:
    index = PartitionIndex(2)
    for offset in range(3):
        index.add(outcome(offset))
    assert index.snapshot(WINDOW_MS) is None
    index.settle(3, 0)
    assert index.snapshot(WINDOW_MS) is not None


async def test_an_index_is_kept_when_much_was_added_and_less_is_enough_when_it_is_left(
    cache_settings: Settings,
) -> None:
    cache, index = IndexCache(cache_settings, "cluster"), PartitionIndex()
    index.upto = {"hookline.carts": 0}
    for upto, is_final, is_kept in [(199, True, False), (200, False, False), (200, True, True)]:
        index.advance("hookline.carts", upto, "")
        cache.offer(0, index, WINDOW_MS, is_final=is_final)
        await cache.flush()
        assert is_kept == cache.path(0).exists()
    assert 0 == index.unsaved
    index.advance("hookline.carts", 200 + caches.MIN_OUTCOMES, "")
    cache.offer(0, index, WINDOW_MS)
    await cache.flush()
    assert {"hookline.carts": 200 + caches.MIN_OUTCOMES} == cache.read(0, 0, WINDOW_MS).upto


async def test_a_disk_that_takes_nothing_stops_nobody(
    cache_settings: Settings, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    cache = IndexCache(replace(cache_settings, state_dir=str(in_the_way)), "cluster")
    index = PartitionIndex()
    index.upto = {"hookline.carts": 0}
    index.advance("hookline.carts", caches.MIN_OUTCOMES, "")
    cache.offer(0, index, WINDOW_MS)
    await cache.flush()
    assert caches.MIN_OUTCOMES == index.unsaved


# The logs.

BODIES = [b"content 1", b"content 2", b"content 3 two", b"state 1", b"state 2", b"? bad"]
DIGESTS = [
    dict(VERDICTS.decide([record(0, body)], PartitionIndex(), SHOPS)[0].outcomes[0].headers)[
        envelopes.DIGEST
    ]
    for body in BODIES
]
ENTITIES = [b"cart:%d" % number for number in range(3)]


@dataclass
class World:
    """One partition and all that its processors wrote. ``bodies``: as received."""

    settings: Settings
    bodies: Sequence[bytes]
    at: int = NOW
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        index, self.reader = PartitionIndex(), Reader({})
        for offset, body in enumerate(self.bodies):
            entity = ENTITIES[offset % len(ENTITIES)]
            raw = record(offset, body, at=self.at + offset, entity=entity.decode())
            self._append(WEBHOOKS.name, Stored(offset, raw.timestamp))
            [verdict] = VERDICTS.decide([raw], index, SHOPS)
            for outcome in verdict.outcomes:
                at = len(self.reader.logs.get(self.key(outcome.topic), ()))
                self._append(outcome.topic, Stored(at, raw.timestamp, outcome.headers))
                index.add(parse_outcome_headers(outcome.headers))

    def _append(self, topic: str, stored: Stored) -> None:
        self.reader.logs.setdefault(self.key(topic), []).append(stored)

    def key(self, topic: str) -> TopicPartition:
        return TopicPartition(f"{self.settings.prefix}{topic}", 0)

    @property
    def carts(self) -> list[Stored]:
        return self.reader.logs[self.key(CARTS.name)]

    async def keep(self, due: int) -> None:
        """What a processor keeps that has decided everything below ``due``, and nothing else."""
        earlier = World(self.settings, self.bodies[:due], self.at)
        kept = (await earlier.open(due)).snapshot(WINDOW_MS)
        assert kept is not None
        IndexCache(self.settings, "cluster").write(0, kept)

    async def open(self, due: int, *, is_cached: bool = True) -> PartitionIndex:
        folder = Path(self.settings.state_dir)
        here = replace(self.settings, state_dir=str(folder if is_cached else folder / "none"))
        recovery = recovery_of(self.reader, here)
        recovery._retention_ms = dict.fromkeys(recovery._retention_ms, 34.0 * DAY)
        self.reader.given = {}
        return await recovery.open(0, due, WINDOW_MS)

    def answers(self, index: PartitionIndex) -> list[Any]:
        """All that can be asked of an index, and its offsets."""
        digests, entities = DIGESTS * len(ENTITIES), sorted(ENTITIES * len(DIGESTS))
        lookup = index.lookup(entities, digests)
        belows = range(len(self.bodies) + 1)
        return [
            *(lookup.same_digest(at, below) for at in range(len(digests)) for below in belows),
            *(lookup.latest_state(at, below) for at in range(len(entities)) for below in belows),
            *(index.logged.get(offset) for offset in belows),
            (index.upto, sorted(index.last.items()), index.newest, index.committed, len(index)),
        ]


@rules(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(BODIES), min_size=1, max_size=20), st.data())
def test_a_kept_index_answers_as_one_that_is_read_from_the_logs(
    bodies: list[bytes], data: st.DataObject
) -> None:
    kept_at = data.draw(st.integers(1, len(bodies)))
    due = data.draw(st.integers(kept_at, len(bodies)))

    async def both() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Settings(state_dir=folder), bodies)
            await world.keep(kept_at)
            fresh = await world.open(due, is_cached=False)
            assert world.answers(fresh) == world.answers(await world.open(due))

    asyncio.run(both())


TWENTY = [b"content %d" % number for number in range(20)]


async def test_only_what_was_written_since_is_read(cache_settings: Settings) -> None:
    world = World(cache_settings, TWENTY)
    await world.keep(18)
    index = await world.open(20)
    raw, carts = world.key(WEBHOOKS.name), world.key(CARTS.name)
    assert {raw: [19], carts: [17, 18, 19]} == world.reader.given  # 17 shows that it is this log
    assert (20, 2) == (len(index), index.unsaved)


async def test_what_left_the_horizon_since_is_not_read(cache_settings: Settings) -> None:
    world = World(cache_settings, TWENTY)
    await world.keep(10)
    for log in world.reader.logs.values():
        log[15:] = [replace(each, timestamp=each.timestamp + 4 * DAY) for each in log[15:]]
    index = await world.open(20)
    assert [9, *range(15, 20)] == world.reader.given[world.key(CARTS.name)]
    assert dict.fromkeys((topic.name for topic in OUTCOMES), 0) | {CARTS.name: 20} == index.upto


def recreated(world: World) -> None:
    """The log holds as many records, of other deliveries."""
    for at, each in enumerate(world.carts):
        headers = {**dict(each.headers), envelopes.DELIVERY: b"another-%d" % at}
        world.carts[at] = replace(each, headers=tuple(headers.items()))


def shorter(world: World) -> None:
    """The log ends before what was read of it."""
    del world.carts[10:]


def foreign(world: World) -> None:
    """A foreign record has taken the offset of ours."""
    world.carts[17] = replace(world.carts[17], headers=())


def trimmed(world: World) -> None:
    """The log has lost what the kept index did not see."""
    world.reader.trimmed[world.key(CARTS.name)] = 19


def damaged(world: World) -> None:
    """The disk has changed a byte."""
    path = IndexCache(world.settings, "cluster").path(0)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("happened", [recreated, shorter, foreign, trimmed, damaged])
async def test_a_kept_index_that_may_not_be_of_these_logs_is_refused_and_the_logs_are_read(
    cache_settings: Settings, happened: Callable[[World], None]
) -> None:
    world = World(cache_settings, TWENTY)
    await world.keep(18)
    happened(world)
    index, fresh = await world.open(18), await world.open(18, is_cached=False)
    assert fresh.unsaved == index.unsaved > 0  # all of it was read
    assert world.answers(fresh) == world.answers(index)


async def test_a_log_that_was_trimmed_up_to_what_is_kept_lacks_nothing(
    cache_settings: Settings,
) -> None:
    world = World(cache_settings, TWENTY)
    await world.keep(18)
    world.reader.trimmed[world.key(CARTS.name)] = 18
    assert 20 == len(await world.open(20))


async def test_an_index_that_an_idle_log_gave_nothing_is_continued(
    cache_settings: Settings,
) -> None:
    """Its records lie behind the horizon: which log it is was asked all the same."""
    world = World(cache_settings, TWENTY)
    raw = world.key(WEBHOOKS.name)
    later = [replace(each, timestamp=each.timestamp + 30 * DAY) for each in world.reader.logs[raw]]
    world.reader.logs[raw] = later
    kept = (await world.open(20)).snapshot(WINDOW_MS)
    assert kept is not None
    assert {CARTS.name: "19 cart delivery-19"} == kept.last
    IndexCache(cache_settings, "cluster").write(0, kept)
    await world.open(20)
    assert [19] == world.reader.given[world.key(CARTS.name)]
