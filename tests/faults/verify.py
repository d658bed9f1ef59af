"""What stands after a storm, against what was sent: logs, tables, audit."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import CANONICAL, DEAD_LETTERS, DUPLICATES, OUTCOMES, WEBHOOKS, Group
from tests import truth
from tests.faults.deliveries import Numbered, rows_of
from tests.senders import Sent


@dataclass(slots=True)
class Found:
    """What differs from the truth, and how much there is.

    ``lost``: outcomes that no log holds. ``unkept``: a 200 without any outcome. ``repeats``:
    canonical outcomes beyond the first of what was sent. ``late``: second copies of one
    outcome, of the same event id. ``strange``: second copies that differ. ``disordered``:
    outcomes behind a younger one of their entity. ``doubled``: rows of the two tables that
    differ. ``audit``: exit code. ``foreign``: records of outcome topics that are no outcome.
    """

    deliveries: int = 0
    accepted: int = 0
    canonical: int = 0
    lost: int = 0
    unkept: int = 0
    repeats: int = 0
    late: int = 0
    strange: int = 0
    disordered: int = 0
    dead: int = 0
    doubled: int = 0
    audit: int = 0
    foreign: int = 0
    remarks: list[str] = field(default_factory=list)

    def problems(self, dead: int = 0) -> list[str]:
        """What should be zero and is not; ``dead`` letters are expected, late copies allowed."""
        names = ("lost", "unkept", "repeats", "strange", "disordered", "doubled", "audit")
        said = [f"{name} {getattr(self, name)}" for name in names if getattr(self, name)]
        if self.dead != dead:
            said.append(f"{self.dead} dead letters, not {dead}")
        return said + self.remarks


@dataclass(slots=True)
class Strangers:
    """Records of other producers that a storm holds.

    ``raw``: in the raw topic. ``outcomes``: in outcome topics; ``canonical``: those of them in
    canonical topics, each of which is a row of ``sink_rejects``.
    """

    raw: int = 0
    outcomes: int = 0
    canonical: int = 0


class _Logs:
    """The outcome logs, read once from end to end."""

    def __init__(self, settings: Settings, found: Found) -> None:
        self._settings = settings
        self._found = found
        self.settled: set[str] = set()
        self.standing: Counter[tuple[bytes, str]] = Counter()
        self._copies: dict[tuple[int, int, str], int] = {}
        self._newest: dict[tuple[str, int, bytes], int] = {}

    async def read(self) -> None:
        names = {self._settings.topic(topic): topic.name for topic in OUTCOMES}
        async with reading(self._settings) as reader:
            keys = [TopicPartition(n, p) for n in names for p in range(self._settings.partitions)]
            starts, ends = await reader.beginning_offsets(keys), await reader.end_offsets(keys)
            left = {key for key in keys if starts[key] < ends[key]}
            reader.assign(keys)
            for key in keys:
                reader.seek(key, starts[key])
            while left:
                fetched = await reader.getmany(*left, timeout_ms=200, max_records=5000)
                for key, records in fetched.items():
                    for record in records:
                        self._take(names[key.topic], record)
                for key in tuple(left):  # by position: the last offset may be a transaction marker
                    if await reader.position(key) >= ends[key]:
                        left.discard(key)

    def _take(self, topic: str, record: Any) -> None:
        said = dict(record.headers)
        if envelopes.RAW_OFFSET not in said:
            self._found.foreign += 1
            return
        raw_offset, slot = int(said[envelopes.RAW_OFFSET]), said[envelopes.SLOT].decode()
        self.settled.add(said[envelopes.DELIVERY].decode())
        place = (record.partition, raw_offset, slot)
        copy = hash((topic, record.value, said[envelopes.DELIVERY]))
        if place in self._copies:
            if self._copies[place] == copy:
                self._found.late += 1
            else:
                self._found.strange += 1
                self._found.remarks.append(f"{topic} {place} stands twice, and differs")
            return
        self._copies[place] = copy
        if topic == DEAD_LETTERS.name:
            self._found.dead += 1
        if topic in (DUPLICATES.name, DEAD_LETTERS.name):
            return
        self._found.canonical += 1
        self.standing[said[envelopes.DIGEST], slot] += 1
        # Raw offsets of different partitions have no order.
        entity = (topic, record.partition, record.key)
        newest = self._newest.get(entity, -1)
        self._found.disordered += raw_offset < newest
        self._newest[entity] = max(newest, raw_offset)


@asynccontextmanager
async def reading(settings: Settings, group: str = "never-joined") -> AsyncIterator[Any]:
    """A consumer that joins nothing; ``group`` is whose commits it can read."""
    reader = AIOKafkaConsumer(**settings.kafka(), enable_auto_commit=False, group_id=group)
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def look(
    settings: Settings, sent: Sent, wanted: Collection[Numbered], strangers: Strangers
) -> Found:
    """Compare everything that stands with what was sent, by us and by others."""
    found = Found(deliveries=len(wanted), accepted=len(sent.accepted))
    logs = _Logs(settings, found)
    await logs.read()
    expected = {(each.digest, slot) for each in wanted for slot in each.slots}
    found.lost = len(expected - logs.standing.keys())
    found.repeats = sum(logs.standing.values()) - len(logs.standing)
    found.unkept = len(sent.accepted.keys() - logs.settled)
    if unsent := logs.standing.keys() - expected:
        found.strange += len(unsent)
        found.remarks.append(f"{len(unsent)} outcomes that nobody sent")
    if found.foreign != strangers.outcomes:
        found.remarks.append(f"{found.foreign} foreign outcomes, not {strangers.outcomes}")
    _compare_tables(settings, wanted, found, strangers.canonical)
    audit = await asyncio.to_thread(truth.audit, settings)
    found.audit = audit.returncode
    if audit.returncode:
        found.remarks.append(f"audit: {audit.stdout[-500:]}{audit.stderr[-500:]}")
    else:
        counted = json.loads(audit.stdout)
        pair = counted["foreign"], counted["foreign_outcomes"]
        if pair != (strangers.raw, strangers.outcomes):
            found.remarks.append(f"the audit counts {pair} foreign records, not {strangers}")
    return found


def _compare_tables(
    settings: Settings, wanted: Collection[Numbered], found: Found, rejects: int
) -> None:
    rows = rows_of(wanted)
    lifetime: dict[tuple[str, str], list[tuple[int, Decimal]]] = defaultdict(list)
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path = {settings.sql_schema}")
        for source, shop, currency, orders, net in connection.execute(
            "SELECT source, shop, currency, orders_count, net FROM customer_lifetime_value"
            " WHERE orders_count > 0"
        ):
            lifetime[f"{source}/{shop}", currency].append((orders, net))
        carts = connection.execute(
            "SELECT cart_key, generation, status FROM abandoned_carts"
        ).fetchall()
        activities = connection.execute("SELECT count(*) FROM cart_activity").fetchone()
        refused = connection.execute("SELECT count(*) FROM sink_rejects").fetchone()
    for place, expected in rows.lifetime.items():
        surplus = Counter(lifetime.pop(place, []))
        surplus.subtract(Counter(expected))
        found.doubled += sum(map(abs, surplus.values()))
    found.doubled += sum(map(len, lifetime.values()))
    stands = Counter((key, generation, status) for key, generation, status in carts)
    stands.subtract(Counter((key, 1, status) for key, status in rows.carts.items()))
    found.doubled += sum(map(abs, stands.values()))
    assert activities is not None
    assert refused is not None
    found.doubled += abs(activities[0] - len(rows.carts)) + abs(refused[0] - rejects)
    if found.doubled:
        found.remarks.append(
            f"{found.doubled} rows differ; {refused[0]} rejects; carts {dict(stands - Counter())}"[
                :600
            ]
        )


async def lag(settings: Settings) -> tuple[int, int]:
    """Raw records not yet committed by the processors, events not yet in the tables."""
    numbers = range(settings.partitions)
    async with reading(settings, settings.prefix + Group.PROCESSORS) as reader:
        raw = [TopicPartition(settings.topic(WEBHOOKS), n) for n in numbers]
        ends, starts = await reader.end_offsets(raw), await reader.beginning_offsets(raw)
        committed = [(await reader.committed(key)) or starts[key] for key in raw]
        behind = sum(ends[key] - at for key, at in zip(raw, committed, strict=True))
        events = [TopicPartition(settings.topic(t), n) for t in CANONICAL for n in numbers]
        total = sum((await reader.end_offsets(events)).values())
    connection = await psycopg.AsyncConnection.connect(settings.database_url)
    async with connection:
        cursor = await connection.execute(
            f"SELECT coalesce(sum(next_offset), 0) FROM {settings.sql_schema}.fences"  # noqa: S608
        )
        row = await cursor.fetchone()
    assert row is not None
    return behind, total - int(row[0])
