"""``accepted = canonical + duplicates + dead letters``, counted from Kafka itself.

The raw records of a range, up to a barrier (the ends at the start), and the outcomes that stand
for them. What retention has trimmed is taken from the ledger; what is behind the sinks' fences
is counted beside it.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.audit import ledger, workers
from hookline.audit.books import Count
from hookline.audit.ledger import Entry, Trimmed
from hookline.audit.reader import Plan, Segment
from hookline.audit.workers import Progress
from hookline.errors import CommandError
from hookline.tables.session import Connection, connected
from runtime.kafka import log_reader, operator_decisions
from runtime.settings import Settings
from schemas.topics import CANONICAL, OUTCOMES, WEBHOOKS, Group

SLACK_MS = 600_000
"""An outcome is never appended before its raw record; brokers' clocks may differ by this."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which deliveries: those appended in ``[since_ms, until_ms)``, at offsets ``[first, until)``.

    Times are the broker's, in milliseconds; ``partition`` None is all of them.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    partition: int | None = None
    first: int | None = None
    until: int | None = None

    @property
    def is_everything(self) -> bool:
        """True where nothing is left out."""
        return self == Scope()


EVERYTHING = Scope()


@dataclass(slots=True)
class SinkState:
    """How far the tables are. ``beyond``: fences past the end of their log."""

    behind: int = 0
    beyond: list[str] = field(default_factory=list)
    rejects: int = 0


@dataclass(slots=True)
class Report:
    """The audit's answer.

    ``missing_at`` and ``conflicting_at`` name raw coordinates, ``partition:offset``, of each
    such delivery. ``trimmed``: deliveries of ``total`` that the ledger answers for. ``unknown``:
    ranges, ``partition:first-last``, that were trimmed before an audit found them settled.
    ``given_up``: such ranges that an operator accepted as lost. ``recreated``: partitions whose
    ledger reaches beyond their log.
    """

    total: Count = field(default_factory=Count)
    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0
    missing_at: list[str] = field(default_factory=list)
    conflicting_at: list[str] = field(default_factory=list)
    trimmed: int = 0
    unknown: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    recreated: list[str] = field(default_factory=list)
    sinks: SinkState | None = None

    @property
    def is_balanced(self) -> bool:
        """True when every accepted delivery has exactly one verdict or is in flight."""
        beyond = self.recreated or (self.sinks and self.sinks.beyond)
        return self.total.is_balanced and not beyond

    def as_dict(self) -> dict[str, Any]:
        """For a machine."""
        own = {
            name: getattr(self, name)
            for name in self.__slots__
            if name not in ("total", "shops", "sinks")
        }
        return {
            **asdict(self.total),
            **own,
            "balanced": self.is_balanced,
            "shops": {shop: asdict(count) for shop, count in sorted(self.shops.items())},
            "sinks": asdict(self.sinks) if self.sinks else None,
        }

    def line(self) -> str:
        """The sum as one line."""
        t = self.total
        sign = "=" if t.is_balanced else "≠"
        said = (
            f"accepted {t.accepted} {sign} canonical {t.canonical} + duplicates {t.duplicates} "
            f"+ dead letters {t.dead_letters}"
        )
        said += f" + in flight {t.in_flight}" if t.in_flight else ""
        said += f", missing {t.missing}" if t.missing else ""
        return said + (f", in two classes {t.conflicting}" if t.conflicting else "")

    def add(self, shops: dict[str, Count]) -> None:
        """Count these too."""
        for shop, count in shops.items():
            self.shops[shop] = self.shops.get(shop, Count()) + count
            self.total += count


async def audit(
    settings: Settings,
    progress: Progress = lambda _read, _all: None,
    scope: Scope = EVERYTHING,
    *,
    tables: bool = True,
) -> Report:
    """Count every delivery in scope, each in exactly one class.

    ``tables`` False leaves the database out: the sinks' state and the ledger. An audit of
    everything with the database brings the ledger up to date. Raises CommandError where there
    is no topic or partition, TimeoutError where a broker goes silent.
    """
    # The commits first: whatever lies below them has its outcomes in the ends asked for later.
    stood = await log_reader.committed(settings, Group.PROCESSORS)
    if not tables:
        return (await _counted(settings, progress, scope, stood, None))[0]
    async with connected(settings, "audit") as connection:
        books = connection if scope.is_everything else None
        report, entries = await _counted(settings, progress, scope, stood, books)
        for raw, settled in entries.items():
            await ledger.write(connection, settings.sql_schema, raw.topic, raw.partition, settled)
        report.sinks = await _sinks(connection, settings)
    return report


async def _counted(
    settings: Settings,
    progress: Progress,
    scope: Scope,
    stood: dict[TopicPartition, int],
    books: Connection | None,
) -> tuple[Report, dict[TopicPartition, list[Entry]]]:
    """The report, and by partition what its ledger should hold from now on."""
    report, entries = Report(), {}
    made = await operator_decisions.read(settings)
    plans: list[tuple[Plan, Trimmed]] = []
    async with log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        for raw in _chosen(places[WEBHOOKS], scope):
            outcomes = [places[topic][raw.partition] for topic in OUTCOMES]
            known = await ledger.read(books, *raw) if books is not None else []
            plans.append(await _plan(client, raw, outcomes, scope, stood, known))
    found = await workers.read(settings, [plan for plan, _ in plans], progress)
    for (plan, lost), segments in zip(plans, found, strict=True):
        number = plan.raw.partition
        for first, end in lost.unknown:
            accepted, others = operator_decisions.divided(made, number, first, end)
            report.given_up += [f"{number}:{start}-{until - 1}" for start, until in accepted]
            report.unknown += [f"{number}:{start}-{until - 1}" for start, until in others]
        for entry in lost.entries:
            report.add(dict(entry.shops))
            report.trimmed += sum(count.accepted for count in entry.shops.values())
        _enter(report, number, segments)
        if lost.known_to > plan.barrier:
            report.recreated.append(
                f"{plan.raw.topic}:{number} was audited up to {lost.known_to}, its log ends at"
                f" {plan.barrier}"
            )
        elif books is not None:
            entries[plan.raw] = [*ledger.joined(lost.entries), *_settled(segments)]
    return report, entries


def _chosen(raws: list[TopicPartition], scope: Scope) -> list[TopicPartition]:
    chosen = [raw for raw in raws if scope.partition in (None, raw.partition)]
    if not chosen:
        raise CommandError(f"no partition {scope.partition}: there are 0 to {len(raws) - 1}")
    return chosen


async def _plan(
    client: AIOKafkaConsumer,
    raw: TopicPartition,
    outcomes: list[TopicPartition],
    scope: Scope,
    stood: dict[TopicPartition, int],
    known: list[Entry],
) -> tuple[Plan, Trimmed]:
    log_start = (await log_reader.begins(client, [raw]))[raw]
    end = await log_reader.ends(client, [raw, *outcomes])
    barrier = end.pop(raw)
    lost = ledger.trimmed(known, log_start) if scope.is_everything else Trimmed(log_start)
    begin = max(lost.begin, scope.first or 0)
    barrier = barrier if scope.until is None else min(barrier, scope.until)
    if scope.since_ms is not None:
        begin = max(begin, (await log_reader.since(client, [raw], scope.since_ms))[raw])
    if scope.until_ms is not None:
        barrier = min(barrier, (await log_reader.since(client, [raw], scope.until_ms))[raw])
    plan = Plan(raw, begin, barrier, stood.get(raw, log_start), {}, end, scope.is_everything)
    if begin >= barrier:
        return replace(plan, begin=barrier), lost
    first = await log_reader.appended_at(client, raw, begin)
    return replace(plan, start=await log_reader.since(client, outcomes, first - SLACK_MS)), lost


def _enter(report: Report, number: int, segments: list[Segment]) -> None:
    for segment in segments:
        verdicts = segment.verdicts
        report.add(verdicts.shops)
        report.late_copies += verdicts.late_copies
        report.strangers += verdicts.strangers
        report.missing_at += [f"{number}:{offset}" for offset in verdicts.missing_at]
        report.conflicting_at += [f"{number}:{offset}" for offset in verdicts.conflicting_at]


def _settled(segments: list[Segment]) -> list[Entry]:
    return [
        Entry(segment.begin, segment.end, segment.verdicts.shops)
        for segment in segments
        if segment.verdicts.total.is_settled
    ]


async def _sinks(connection: Connection, settings: Settings) -> SinkState:
    state = SinkState()
    cursor = await connection.execute("SELECT topic, partition, next_offset FROM fences")
    at = {TopicPartition(topic, number): offset async for topic, number, offset in cursor}
    rejects = await (await connection.execute("SELECT count(*) FROM sink_rejects")).fetchone()
    state.rejects = rejects[0] if rejects else 0
    async with log_reader.consumer(settings) as client:
        places = await log_reader.places(settings)
        canonical = [place for topic in CANONICAL for place in places[topic]]
        for place, end in (await log_reader.ends(client, canonical)).items():
            fence = at.get(place, 0)
            state.behind += max(end - fence, 0)
            if fence > end:
                state.beyond.append(
                    f"{place.topic}:{place.partition} at {fence}, its log ends at {end}"
                )
    return state
