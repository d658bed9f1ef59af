"""``accepted = canonical + duplicates + dead letters``, counted from Kafka itself.

One raw partition at a time: its raw records up to a barrier (the ends at the start), and the
outcomes that stand for them. What is behind the sinks' fences is counted beside it.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg import sql

from hookline import log_reader
from hookline.ledger import Count, PartitionBooks
from runtime.settings import Settings
from schemas import envelopes
from schemas.topics import CANONICAL, OUTCOMES, WEBHOOKS, Group

SLACK_MS = 600_000
"""An outcome is never appended before its raw record; brokers' clocks may differ by this."""

Progress = Callable[[int, int], None]
"""(records read, records to read)."""


@dataclass(slots=True)
class SinkState:
    """How far the tables are. ``beyond``: fences past the end of their log."""

    behind: int = 0
    beyond: list[str] = field(default_factory=list)
    rejects: int = 0


@dataclass(slots=True)
class Report:
    """The audit's answer. ``missing_at`` names raw coordinates, ``partition:offset``."""

    total: Count = field(default_factory=Count)
    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0
    missing_at: list[str] = field(default_factory=list)
    sinks: SinkState | None = None

    @property
    def is_balanced(self) -> bool:
        """True when every accepted delivery has exactly one verdict or is in flight."""
        return self.total.is_balanced and not (self.sinks and self.sinks.beyond)

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        return {
            **asdict(self.total),
            "late_copies": self.late_copies,
            "strangers": self.strangers,
            "missing_at": self.missing_at,
            "balanced": self.is_balanced,
            "shops": {shop: asdict(count) for shop, count in sorted(self.shops.items())},
            "sinks": asdict(self.sinks) if self.sinks else None,
        }

    def line(self) -> str:
        """The sum as one line."""
        t = self.total
        sign = "=" if self.is_balanced else "≠"
        said = (
            f"accepted {t.accepted} {sign} canonical {t.canonical} + duplicates {t.duplicates} "
            f"+ dead letters {t.dead_letters}"
        )
        said += f" + in flight {t.in_flight}" if t.in_flight else ""
        said += f", missing {t.missing}" if t.missing else ""
        return said + (f", in two classes {t.conflicting}" if t.conflicting else "")


async def audit(
    settings: Settings, progress: Progress = lambda _read, _all: None, *, tables: bool = True
) -> Report:
    """Count every delivery that Kafka still holds. Raises CommandError where there is no topic.

    ``tables`` False leaves the sinks and their database out.
    """
    # The commits first: whatever lies below them has its outcomes in the ends asked for later.
    stood = await log_reader.committed(settings, Group.PROCESSORS)
    report = Report()
    async with log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        plans = [
            await _plan(client, raw, [places[topic][raw.partition] for topic in OUTCOMES], stood)
            for raw in places[WEBHOOKS]
        ]
        everything, read = sum(plan.size for plan in plans), 0
        for plan in plans:
            async for count in _run(client, settings, plan):
                read += count
                progress(read, everything)
            _enter(report, plan)
        if tables:
            canonical = [place for topic in CANONICAL for place in places[topic]]
            report.sinks = await _sinks(client, settings, canonical)
    return report


@dataclass(slots=True)
class _Plan:
    number: int
    books: PartitionBooks
    start: dict[TopicPartition, int]
    end: dict[TopicPartition, int]

    @property
    def size(self) -> int:
        return sum(self.end[place] - offset for place, offset in self.start.items())


async def _plan(
    client: AIOKafkaConsumer,
    raw: TopicPartition,
    outcomes: list[TopicPartition],
    stood: dict[TopicPartition, int],
) -> _Plan:
    begin = (await log_reader.begins(client, [raw]))[raw]
    end = await log_reader.ends(client, [raw, *outcomes])
    books = PartitionBooks(begin, end[raw], stood.get(raw, begin))
    if begin >= end[raw]:
        return _Plan(raw.partition, books, {}, end)
    first = await log_reader.appended_at(client, raw, begin)
    start = await log_reader.since(client, outcomes, first - SLACK_MS)
    return _Plan(raw.partition, books, {raw: begin, **start}, end)


async def _run(client: AIOKafkaConsumer, settings: Settings, plan: _Plan) -> AsyncIterator[int]:
    webhooks = settings.topic(WEBHOOKS)
    async for place, batch in log_reader.records(client, plan.start, plan.end):
        for record in batch:
            said = dict(record.headers)
            if place.topic == webhooks:
                shop = f"{_text(said, envelopes.SOURCE)}/{_text(said, envelopes.SHOP)}"
                is_replay = envelopes.REPLAY_OF in said
                plan.books.raw(record.offset, shop, is_replay=is_replay)
            elif envelopes.RAW_OFFSET in said:
                plan.books.outcome(
                    int(said[envelopes.RAW_OFFSET]),
                    _text(said, envelopes.SLOT),
                    tuple(_text(said, envelopes.SLOTS).split(",")),
                )
        yield len(batch)


def _text(said: dict[str, bytes], name: str) -> str:
    return said.get(name, b"").decode(errors="replace")


def _enter(report: Report, plan: _Plan) -> None:
    verdicts = plan.books.close()
    for shop, count in verdicts.shops.items():
        report.shops[shop] = report.shops.get(shop, Count()) + count
        report.total += count
    report.late_copies += verdicts.late_copies
    report.strangers += verdicts.strangers
    report.missing_at += [f"{plan.number}:{offset}" for offset in verdicts.missing_at]


async def _sinks(
    client: AIOKafkaConsumer, settings: Settings, places: list[TopicPartition]
) -> SinkState:
    state = SinkState()
    async with _database(settings) as connection:
        fences = await (
            await connection.execute("SELECT topic, partition, next_offset FROM fences")
        ).fetchall()
        rejects = await (await connection.execute("SELECT count(*) FROM sink_rejects")).fetchone()
    state.rejects = rejects[0] if rejects else 0
    at = {TopicPartition(topic, number): offset for topic, number, offset in fences}
    for place, end in (await log_reader.ends(client, places)).items():
        fence = at.get(place, 0)
        state.behind += max(end - fence, 0)
        if fence > end:
            state.beyond.append(
                f"{place.topic}:{place.partition} at {fence}, its log ends at {end}"
            )
    return state


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[psycopg.AsyncConnection]:
    async with await psycopg.AsyncConnection.connect(
        settings.database_url, autocommit=True, application_name="hookline-audit"
    ) as connection:
        await connection.execute(
            sql.SQL("SET search_path TO {}").format(sql.Identifier(settings.sql_schema))
        )
        yield connection
