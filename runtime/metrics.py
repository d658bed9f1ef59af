"""All metric families, by stage. Labels are bounded: never an entity, a URL or a host."""

from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

REGISTRY = CollectorRegistry()
"""This process's families, without those that libraries register by default."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

_counter = partial(Counter, registry=REGISTRY)
_gauge = partial(Gauge, registry=REGISTRY)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_histogram = partial(Histogram, buckets=_SECONDS, registry=REGISTRY)
_PARTITION = ["stage", "topic", "partition"]

# Every process.
READY = _gauge("hookline_ready", "1 while the process is ready.")
SHOPS = _gauge("hookline_shops", "Configured shops.")
SHOPS_STALE = _gauge(
    "hookline_shops_file_broken",
    "1 while the shops file cannot be used and the previous shops stay in force.",
)
SHOPS_RELOADS = _counter("hookline_shops_reloads", "Times the shops file was read.", ["outcome"])

# Ingest.
ANSWERS = _counter("hookline_ingress_answers", "Responses to senders.", ["source", "status"])
ACCEPTED = _counter(
    "hookline_ingress_accepted",
    "Deliveries acknowledged by Kafka and answered 200.",
    ["source", "shop"],
)
IN_FLIGHT = _gauge(
    "hookline_ingress_in_flight_bytes", "Bytes read or sent to Kafka and not yet acknowledged."
)
ACKNOWLEDGE_SECONDS = _histogram(
    "hookline_ingress_acknowledge_seconds",
    "From sending a delivery to Kafka until its acknowledgement.",
)
UNACKNOWLEDGED = _counter(
    "hookline_ingress_unacknowledged",
    "Deliveries answered 503, by whether they were sent: unsent or unknown.",
    ["outcome"],
)
SECRETS_MISSING = _counter(
    "hookline_ingress_secrets_missing",
    "References to secrets that could not be resolved.",
    ["source", "shop"],
)
HEARTBEATS = _counter("hookline_ingress_heartbeats", "Heartbeats acknowledged by Kafka.")

# Processors.
VERDICTS = _counter(
    "hookline_verdicts",
    "Deliveries by verdict: canonical, duplicate or dead-letter.",
    ["source", "verdict"],
)
REJECTS = _counter("hookline_rejects", "Dead letters by reason.", ["source", "reason"])
EVENTS = _counter("hookline_events", "Canonical events sent, by topic.", ["topic"])
UNKNOWN_FIELDS = _counter(
    "hookline_unknown_fields",
    "Fields without a canonical field, kept as attributes: a jump means that a platform changed.",
    ["source", "event"],
)
ROUNDED_AMOUNTS = _counter(
    "hookline_rounded_amounts",
    "Amounts with more than four decimals, rounded half-even and kept as attributes too.",
    ["source", "event"],
)
FOREIGN_OUTCOMES = _counter(
    "hookline_foreign_outcomes", "Outcomes found in our partitions that another process wrote."
)
INDEX_ENTRIES = _gauge("hookline_index_entries", "Entries of the dedupe index in memory.")
INDEX_SECONDS = _gauge("hookline_index_read_seconds", "Seconds that the last index recovery took.")

# Every consumer.
BATCH_RECORDS = _histogram(
    "hookline_batch_records",
    "Records in a batch.",
    ["stage"],
    buckets=(1, 10, 50, 100, 250, 500, 1000, 2500, 5000),
)
BATCH_SECONDS = _histogram(
    "hookline_batch_seconds",
    "From a batch's arrival until its outcomes were acknowledged.",
    ["stage"],
)
LAG_RECORDS = _gauge(
    "hookline_lag_records",
    "Records between the acknowledged offset and the end of the log.",
    _PARTITION,
)
LAG_SECONDS = _gauge(
    "hookline_lag_seconds",
    "Age of the last acknowledged record while others wait after it, else 0.",
    _PARTITION,
)
LAG_OF_RETENTION = _gauge(
    "hookline_lag_of_retention",
    "The lag's age as a share of how long its topic keeps records: alert above 0.25.",
    _PARTITION,
)
PAUSED = _gauge(
    "hookline_partitions_stopped",
    "Partitions that wait for an operator (a gap in the log, a recreated log).",
    ["stage"],
)
LOSSES_ACCEPTED = _counter(
    "hookline_losses_accepted",
    "Lost raw records that an operator accepted, so that processing went on.",
)
UNCLEAN_ENDS = _counter(
    "hookline_unclean_ends", "Partitions whose previous owner exited uncleanly.", ["stage"]
)

# Sinks.
TRANSACTIONS = _counter(
    "hookline_sink_transactions",
    "Transactions by outcome: committed, retried or moved.",
    ["outcome"],
)
SINK_REJECTS = _counter("hookline_sink_rejects", "Records set aside in sink_rejects.", ["topic"])
WATERMARK = _gauge(
    "hookline_watermark_timestamp_seconds",
    "Everything appended before this broker time is in the tables.",
)
WATERMARK_HELD = _gauge(
    "hookline_watermark_held_seconds",
    "How long the watermark has been held, by what holds it; 0 while it moves.",
    ["holder"],
)
SIGNALS = _counter("hookline_signals", "Cart signals acknowledged by Kafka.", ["kind"])
SIGNALS_WAITING = _gauge("hookline_signals_waiting", "Cart signals in the outbox.")


def render() -> bytes:
    """Render all families in the Prometheus text format."""
    return generate_latest(REGISTRY)
