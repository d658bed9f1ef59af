"""``accepted = canonical + duplicates + dead letters``, counted from Kafka itself.

Reads the raw records of a range, up to the end offsets at the start of the audit, and their
outcomes. What retention has trimmed is taken from the ledger; events that the sinks have not
stored yet are counted beside it.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from hookline.audit import added_partitions, ledger, workers
from hookline.audit.ledger import Entry, Trimmed
from hookline.audit.reader import Plan, Segment
from hookline.audit.tally import Count
from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.tables.queries import Connection, connected
from runtime.kafka import log_reader, operator_decisions
from runtime.settings import Settings
from schemas.topics import CANONICAL, OUTCOMES, WEBHOOKS, Group

SLACK_MS = 600_000
"""An outcome is never appended before its raw record; brokers' clocks may differ by this."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Deliveries appended in ``[since_ms, until_ms)``, at offsets ``[first, until)``.

    Times are the broker's, in milliseconds; None does not limit.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    partition: int | None = None
    first: int | None = None
    until: int | None = None

    @property
    def is_everything(self) -> bool:
        """True if the scope limits nothing."""
        return self == Scope()


EVERYTHING = Scope()


@dataclass(slots=True)
class SinkState:
    """How far the tables are.

    ``behind``: events not stored yet. ``beyond``: stored offsets past the end of their log.
    ``rejects``: rows of ``sink_rejects``.
    """

    behind: int = 0
    beyond: list[str] = field(default_factory=list)
    rejects: int = 0


@dataclass(slots=True)
class Report:
    """The result of an audit.

    ``missing_at`` and ``conflicting_at``: raw coordinates, ``partition:offset``, of these
    deliveries. ``trimmed``: deliveries in ``total`` that come from the ledger. ``unknown``:
    ranges, ``partition:first-last``, that were trimmed before an audit found them settled.
    ``foreign_outcomes``: records of outcome topics that this pipeline did not write.
    ``added``: topics with partitions that somebody added, in sentences; ``left_alone``: raw
    records in them, which nobody processes.
    ``given_up``: such ranges that an operator accepted as lost. ``recreated``: partitions with
    ledger entries beyond the end of their log.
    """

    total: Count = field(default_factory=Count)
    shops: dict[str, Count] = field(default_factory=dict)
    late_copies: int = 0
    strangers: int = 0
    foreign_outcomes: int = 0
    missing_at: list[str] = field(default_factory=list)
    conflicting_at: list[str] = field(default_factory=list)
    trimmed: int = 0
    unknown: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    recreated: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    left_alone: int = 0
    sinks: SinkState | None = None

    @property
    def is_balanced(self) -> bool:
        """True when every accepted delivery has exactly one verdict or is in flight."""
        beyond = self.recreated or (self.sinks and self.sinks.beyond)
        return self.total.is_balanced and not beyond and not self.left_alone

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for ``--json``."""
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
        """Return the sum as one line."""
        t = self.total
        sign = "=" if t.is_balanced else "≠"
        line = (
            f"accepted {t.accepted} {sign} canonical {t.canonical} + duplicates {t.duplicates} "
            f"+ dead letters {t.dead_letters}"
        )
        line += f" + in flight {t.in_flight}" if t.in_flight else ""
        line += f", missing {t.missing}" if t.missing else ""
        return line + (f", in two classes {t.conflicting}" if t.conflicting else "")

    def add(self, shops: dict[str, Count]) -> None:
        """Add the counts of these shops."""
        for shop, count in shops.items():
            self.shops[shop] = self.shops.get(shop, Count()) + count
            self.total += count


async def audit(
    settings: Settings,
    progress: Progress = lambda _what, _done, _total: None,
    scope: Scope = EVERYTHING,
    *,
    tables: bool = True,
) -> Report:
    """Count every delivery in scope, each in exactly one class.

    ``tables`` False leaves the database out: the sinks' state and the ledger. An audit of
    everything with the database brings the ledger up to date. Raises CommandError where there
    is no topic or partition, TimeoutError if the broker stops answering.
    """
    # Commits before end offsets: everything below a commit then has its outcomes within the ends.
    committed = await log_reader.committed(settings, Group.PROCESSORS)
    if not tables:
        return (await _count(settings, progress, scope, committed, None))[0]
    async with connected(settings, "audit") as connection:
        ledger_connection = connection if scope.is_everything else None
        report, entries = await _count(settings, progress, scope, committed, ledger_connection)
        for raw, settled in entries.items():
            await ledger.write(connection, settings.sql_schema, raw.topic, raw.partition, settled)
        report.sinks = await _sink_state(connection, settings)
    return report


async def _count(
    settings: Settings,
    progress: Progress,
    scope: Scope,
    committed: dict[TopicPartition, int],
    connection: Connection | None,
) -> tuple[Report, dict[TopicPartition, list[Entry]]]:
    """Return the report, and by partition the entries to store in the ledger.

    ``connection`` None: the ledger is neither read nor written.
    """
    report, entries = Report(), {}
    accepted_losses = await operator_decisions.read(settings)
    plans: list[tuple[Plan, Trimmed]] = []
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        declared = added_partitions.declared(partitions)
        for each in await added_partitions.find(client, partitions):
            report.added.append(each.sentence)
            report.left_alone += each.records if each.topic == WEBHOOKS else 0
        for raw in _in_scope(partitions[WEBHOOKS][:declared], scope):
            outcomes = [partitions[topic][raw.partition] for topic in OUTCOMES]
            stored = await ledger.read(connection, *raw) if connection is not None else []
            plans.append(await _plan(client, raw, outcomes, scope, committed, stored))
    segments_of_plans = await workers.read(
        settings,
        [plan for plan, _ in plans],
        lambda done, total: progress("reading", done, total),
    )
    for (plan, lost), segments in zip(plans, segments_of_plans, strict=True):
        number = plan.raw.partition
        for first, end in lost.unknown:
            accepted, others = operator_decisions.divided(accepted_losses, number, first, end)
            report.given_up += [f"{number}:{start}-{until - 1}" for start, until in accepted]
            report.unknown += [f"{number}:{start}-{until - 1}" for start, until in others]
        for entry in lost.entries:
            report.add(dict(entry.shops))
            report.trimmed += sum(count.accepted for count in entry.shops.values())
        _add_segments(report, number, segments)
        if lost.audited_to > plan.barrier:
            report.recreated.append(
                f"{plan.raw.topic}:{number} was audited up to {lost.audited_to}, its log ends at"
                f" {plan.barrier}"
            )
        elif connection is not None:
            entries[plan.raw] = [*ledger.merge_adjacent(lost.entries), *_settled(segments)]
    return report, entries


def _in_scope(raws: list[TopicPartition], scope: Scope) -> list[TopicPartition]:
    selected = [raw for raw in raws if scope.partition in (None, raw.partition)]
    if not selected:
        raise CommandError(f"no partition {scope.partition}: there are 0 to {len(raws) - 1}")
    return selected


async def _plan(
    client: AIOKafkaConsumer,
    raw: TopicPartition,
    outcomes: list[TopicPartition],
    scope: Scope,
    committed: dict[TopicPartition, int],
    stored: list[Entry],
) -> tuple[Plan, Trimmed]:
    """Plan what to read of a raw partition and its outcome logs, given its ledger entries."""
    log_start = (await log_reader.beginning_offsets(client, [raw]))[raw]
    end = await log_reader.end_offsets(client, [raw, *outcomes])
    barrier = end.pop(raw)
    lost = ledger.trimmed(stored, log_start) if scope.is_everything else Trimmed(log_start)
    begin = max(lost.begin, scope.first or 0)
    barrier = barrier if scope.until is None else min(barrier, scope.until)
    if scope.since_ms is not None:
        since = await log_reader.offsets_since(client, [raw], scope.since_ms)
        begin = max(begin, since[raw])
    if scope.until_ms is not None:
        until = await log_reader.offsets_since(client, [raw], scope.until_ms)
        barrier = min(barrier, until[raw])
    plan = Plan(raw, begin, barrier, committed.get(raw, log_start), {}, end, scope.is_everything)
    if begin >= barrier:
        return replace(plan, begin=barrier), lost
    first = await log_reader.appended_at(client, raw, begin)
    start = await log_reader.offsets_since(client, outcomes, first - SLACK_MS)
    return replace(plan, start=start), lost


def _add_segments(report: Report, number: int, segments: list[Segment]) -> None:
    for segment in segments:
        result = segment.result
        report.add(result.shops)
        report.late_copies += result.late_copies
        report.strangers += result.strangers
        report.foreign_outcomes += result.foreign_outcomes
        report.missing_at += [f"{number}:{offset}" for offset in result.missing_at]
        report.conflicting_at += [f"{number}:{offset}" for offset in result.conflicting_at]


def _settled(segments: list[Segment]) -> list[Entry]:
    return [
        Entry(segment.begin, segment.end, segment.result.shops)
        for segment in segments
        if segment.result.total.is_settled
    ]


async def _sink_state(connection: Connection, settings: Settings) -> SinkState:
    """Compare the sinks' stored offsets (table ``fences``) with the ends of the logs."""
    state = SinkState()
    cursor = await connection.execute("SELECT topic, partition, next_offset FROM fences")
    stored = {TopicPartition(topic, number): offset async for topic, number, offset in cursor}
    rejects = await (await connection.execute("SELECT count(*) FROM sink_rejects")).fetchone()
    state.rejects = rejects[0] if rejects else 0
    async with log_reader.consumer(settings) as client:
        partitions = await log_reader.topic_partitions(settings)
        declared = added_partitions.declared(partitions)
        canonical = [tp for topic in CANONICAL for tp in partitions[topic][:declared]]
        for tp, end in (await log_reader.end_offsets(client, canonical)).items():
            next_offset = stored.get(tp, 0)
            state.behind += max(end - next_offset, 0)
            if next_offset > end:
                state.beyond.append(
                    f"{tp.topic}:{tp.partition} at {next_offset}, its log ends at {end}"
                )
    return state
