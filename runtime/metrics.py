"""All metric families, by stage. Labels are bounded: never an entity, a URL or a host.

``metrics_page.py`` shows those of one stage. A gauge that was never set is absent: a 0 would be a
measurement that nobody made.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prometheus_client import Counter, Gauge, Histogram

INGEST, PROCESSORS, SINKS = "ingest", "processors", "sinks"
STAGES = (INGEST, PROCESSORS, SINKS)
_CONSUMERS = (PROCESSORS, SINKS)


@dataclass(frozen=True, slots=True)
class Family:
    """A family and the stages that have it."""

    metric: Counter | Gauge | Histogram
    stages: tuple[str, ...]


FAMILIES: list[Family] = []
_M = TypeVar("_M", Counter, Gauge, Histogram)


def _of(stages: Iterable[str], metric: _M) -> _M:
    FAMILIES.append(Family(metric, tuple(stages)))
    return metric


def _counter(
    stages: Iterable[str],
    name: str,
    meaning: str,
    labels: Sequence[str] = (),
    values: Iterable[str] = (),
) -> Counter:
    """Declare a counter. ``values``: all values of its one label, which start at 0."""
    counter = _of(stages, Counter(name, meaning, labels, registry=None))
    for value in values:
        counter.labels(value)
    return counter


def _gauge(stages: Iterable[str], name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    gauge = _of(stages, Gauge(name, meaning, labels, registry=None))
    unset(gauge, is_labelled=bool(labels))
    return gauge


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _histogram(
    stages: Iterable[str],
    name: str,
    meaning: str,
    labels: Sequence[str] = (),
    buckets: Sequence[float] = _SECONDS,
) -> Histogram:
    return _of(stages, Histogram(name, meaning, labels, buckets=buckets, registry=None))


class BatchHistogram(Histogram):
    """A histogram to which a whole batch is added at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add as many observations to each bucket, the one without a bound last; ``total``: sum."""
        self._sum.inc(total)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


def unset(gauge: Gauge, *, is_labelled: bool = False) -> None:
    """Remove a gauge's series from the page, until it is set again."""
    if is_labelled:
        gauge.clear()
    else:
        gauge.set(math.nan)


_PARTITION = ("stage", "topic", "partition")

# Every process.
READY = _gauge(STAGES, "hookline_ready", "1 while the process is ready, else 0.")
SHOPS = _gauge((INGEST, PROCESSORS), "hookline_shops", "Configured shops.")
SHOPS_STALE = _gauge(
    (INGEST, PROCESSORS),
    "hookline_shops_file_broken",
    "1 while the shops file cannot be used and the previous shops stay in force, else 0.",
)
SHOPS_RELOADS = _counter(
    (INGEST, PROCESSORS),
    "hookline_shops_reloads",
    "Times the shops file was read, by outcome: read or broken.",
    ["outcome"],
    ("read", "broken"),
)

# Ingest.
ANSWERS = _counter(
    (INGEST,), "hookline_ingress_answers", "Responses to senders.", ["source", "status"]
)
ACCEPTED = _counter(
    (INGEST,),
    "hookline_ingress_accepted",
    "Deliveries acknowledged by Kafka and answered 200.",
    ["source", "shop"],
)
IN_FLIGHT = _gauge(
    (INGEST,),
    "hookline_ingress_in_flight_bytes",
    "Bytes read or sent to Kafka and not yet acknowledged.",
)
UNPROVED = _gauge(
    (INGEST,),
    "hookline_ingress_unproved_bytes",
    "Bytes of bodies that wait for the rest of them, and so for their signature to be checked.",
)
ACKNOWLEDGE_SECONDS = _histogram(
    (INGEST,),
    "hookline_ingress_acknowledge_seconds",
    "From sending a delivery to Kafka until its acknowledgement.",
)
UNACKNOWLEDGED = _counter(
    (INGEST,),
    "hookline_ingress_unacknowledged",
    "Deliveries answered 503, by whether they were sent: unsent or unknown.",
    ["outcome"],
    ("unsent", "unknown"),
)
SECRETS_MISSING = _counter(
    (INGEST,),
    "hookline_ingress_secrets_missing",
    "References to secrets that could not be resolved.",
    ["source", "shop"],
)
HEARTBEATS = _counter((INGEST,), "hookline_ingress_heartbeats", "Heartbeats acknowledged by Kafka.")

# Processors.
VERDICTS = _counter(
    (PROCESSORS,),
    "hookline_verdicts",
    "Deliveries by verdict: canonical, duplicate or dead-letter.",
    ["source", "verdict"],
)
REJECTS = _counter(
    (PROCESSORS,), "hookline_rejects", "Dead letters by reason.", ["source", "reason"]
)
OTHER_TOPIC = _counter(
    (PROCESSORS,),
    "hookline_body_under_other_topic",
    "Deliveries whose body was stored already under another topic, which the signature does not"
    " cover.",
    ["source", "shop"],
)
REPLAYED_STATES = _counter(
    (PROCESSORS,),
    "hookline_replayed_states",
    "States without a time of their own, mostly carts, that equal an earlier state but the latest.",
    ["source", "shop"],
)
EVENTS = _counter(
    (PROCESSORS,), "hookline_events", "Outcomes acknowledged by Kafka, by topic.", ["topic"]
)
UNKNOWN_FIELDS = _counter(
    (PROCESSORS,),
    "hookline_unknown_fields",
    "Fields that no list names, so nothing keeps them: a jump means that a platform changed.",
    ["source", "event"],
)
ROUNDED_AMOUNTS = _counter(
    (PROCESSORS,),
    "hookline_rounded_amounts",
    "Amounts with more than four decimals, rounded half-even and kept as attributes too.",
    ["source", "event"],
)
FOREIGN_OUTCOMES = _counter(
    (PROCESSORS,),
    "hookline_foreign_outcomes",
    "Outcomes found in our partitions that another process wrote.",
)
INDEX_ENTRIES = _gauge(
    (PROCESSORS,), "hookline_index_entries", "Entries of the dedupe index in memory."
)
INDEX_SECONDS = _gauge(
    (PROCESSORS,), "hookline_index_read_seconds", "Seconds that the last index recovery took."
)

# Every consumer.
BATCH_RECORDS = _histogram(
    _CONSUMERS,
    "hookline_batch_records",
    "Records of a batch whose outcomes were stored.",
    ["stage"],
    (1, 10, 50, 100, 250, 500, 1000, 2500, 5000),
)
BATCH_SECONDS = _histogram(
    _CONSUMERS,
    "hookline_batch_seconds",
    "From taking a batch until its outcomes were stored; a sink's transaction is one batch.",
    ["stage"],
)
LAG_RECORDS = _gauge(
    _CONSUMERS,
    "hookline_lag_records",
    "Records between the acknowledged offset and the end of the log.",
    _PARTITION,
)
LAG_SECONDS = _gauge(
    _CONSUMERS,
    "hookline_lag_seconds",
    "Age of the last acknowledged record while others wait after it, else 0.",
    _PARTITION,
)
LAG_OF_RETENTION = _gauge(
    _CONSUMERS,
    "hookline_lag_of_retention_ratio",
    "The lag's age as a share of how long its topic keeps records: at 1 they are lost.",
    _PARTITION,
)
PAUSED = _gauge(
    _CONSUMERS,
    "hookline_partitions_stopped",
    "Partitions that wait for an operator (a gap in the log, a recreated log).",
    ["stage"],
)
LOSSES_ACCEPTED = _counter(
    (PROCESSORS,),
    "hookline_losses_accepted",
    "Lost raw records that an operator accepted, so that processing went on.",
)
UNCLEAN_ENDS = _counter(
    _CONSUMERS,
    "hookline_unclean_ends",
    "Partitions taken over from an owner that exited uncleanly.",
    ["stage"],
)

# Sinks.
TRANSACTIONS = _counter(
    (SINKS,),
    "hookline_sink_transactions",
    "Transactions by outcome: committed, retried or moved.",
    ["outcome"],
    ("committed", "retried", "moved"),
)
SINK_REJECTS = _counter(
    (SINKS,), "hookline_sink_rejects", "Records set aside in sink_rejects.", ["topic"]
)
WATERMARK = _gauge(
    (SINKS,),
    "hookline_watermark_timestamp_seconds",
    "Everything appended before this broker time is in the tables; only on the sink that sweeps.",
)
WATERMARK_HELD = _gauge(
    (SINKS,),
    "hookline_watermark_held_seconds",
    "How long the watermark has been held, by holder; 0 while it moves; only on the sink that"
    " sweeps.",
    ["holder"],
)
SIGNALS = _counter((SINKS,), "hookline_signals", "Cart signals acknowledged by Kafka.", ["kind"])
SIGNALS_WAITING = _gauge(
    (SINKS,),
    "hookline_signals_waiting",
    "Cart signals in the outbox; only on the sink that sends.",
)
VISIBLE_BOUNDS = (
    0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip
"""Bounds of the buckets, in seconds, closest below the second that 99% must not exceed."""
VISIBLE_SECONDS = BatchHistogram(
    "hookline_visible_seconds",
    "From the receipt of an event's delivery until the commit that made its rows visible, by"
    " topic; without imported and replayed deliveries.",
    ["topic"],
    buckets=VISIBLE_BOUNDS,
    registry=None,
)
_of((SINKS,), VISIBLE_SECONDS)
