"""All metric families, by stage. Labels are bounded: never an entity, a URL or a host."""

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

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# Every process.
READY = Gauge("hookline_ready", "1 while the process is ready.", registry=REGISTRY)
SHOPS = Gauge("hookline_shops", "Configured shops.", registry=REGISTRY)
SHOPS_STALE = Gauge(
    "hookline_shops_file_broken",
    "1 while the shops file cannot be used and the previous shops stay in force.",
    registry=REGISTRY,
)
SHOPS_RELOADS = Counter(
    "hookline_shops_reloads", "Times the shops file was read.", ["outcome"], registry=REGISTRY
)

# Ingest.
ANSWERS = Counter(
    "hookline_ingress_answers", "Responses to senders.", ["source", "status"], registry=REGISTRY
)
ACCEPTED = Counter(
    "hookline_ingress_accepted",
    "Deliveries acknowledged by Kafka and answered 200.",
    ["source", "shop"],
    registry=REGISTRY,
)
IN_FLIGHT = Gauge(
    "hookline_ingress_in_flight_bytes",
    "Bytes read or sent to Kafka and not yet acknowledged.",
    registry=REGISTRY,
)
ACKNOWLEDGE_SECONDS = Histogram(
    "hookline_ingress_acknowledge_seconds",
    "From sending a delivery to Kafka until its acknowledgement.",
    buckets=_FAST,
    registry=REGISTRY,
)
UNACKNOWLEDGED = Counter(
    "hookline_ingress_unacknowledged",
    "Deliveries answered 503, by whether they were sent: unsent or unknown.",
    ["outcome"],
    registry=REGISTRY,
)
SECRETS_MISSING = Counter(
    "hookline_ingress_secrets_missing",
    "References to secrets that could not be resolved.",
    ["source", "shop"],
    registry=REGISTRY,
)
HEARTBEATS = Counter(
    "hookline_ingress_heartbeats", "Heartbeats acknowledged by Kafka.", registry=REGISTRY
)

# Processors.
VERDICTS = Counter(
    "hookline_verdicts",
    "Deliveries by verdict: canonical, duplicate or dead-letter.",
    ["source", "verdict"],
    registry=REGISTRY,
)
REJECTS = Counter(
    "hookline_rejects", "Dead letters by reason.", ["source", "reason"], registry=REGISTRY
)
EVENTS = Counter(
    "hookline_events", "Canonical events sent, by topic.", ["topic"], registry=REGISTRY
)
UNKNOWN_FIELDS = Counter(
    "hookline_unknown_fields",
    "Fields without a canonical field, kept as attributes: a jump means that a platform changed.",
    ["source", "event"],
    registry=REGISTRY,
)
FOREIGN_OUTCOMES = Counter(
    "hookline_foreign_outcomes",
    "Outcomes found in our partitions that another process wrote.",
    registry=REGISTRY,
)
INDEX_ENTRIES = Gauge(
    "hookline_index_entries", "Entries of the dedupe index in memory.", registry=REGISTRY
)
INDEX_SECONDS = Gauge(
    "hookline_index_read_seconds", "Seconds that the last index recovery took.", registry=REGISTRY
)

# Every consumer.
BATCH_RECORDS = Histogram(
    "hookline_batch_records",
    "Records in a batch.",
    ["stage"],
    buckets=(1, 10, 50, 100, 250, 500, 1000, 2500, 5000),
    registry=REGISTRY,
)
BATCH_SECONDS = Histogram(
    "hookline_batch_seconds",
    "From a batch's arrival until its outcomes were acknowledged.",
    ["stage"],
    buckets=_FAST,
    registry=REGISTRY,
)
LAG_RECORDS = Gauge(
    "hookline_lag_records",
    "Records between the acknowledged offset and the end of the log.",
    ["stage", "topic", "partition"],
    registry=REGISTRY,
)
LAG_SECONDS = Gauge(
    "hookline_lag_seconds",
    "Age of the last acknowledged record while others wait after it, else 0.",
    ["stage", "topic", "partition"],
    registry=REGISTRY,
)
LAG_OF_RETENTION = Gauge(
    "hookline_lag_of_retention",
    "The lag's age as a share of how long its topic keeps records: alert above 0.25.",
    ["stage", "topic", "partition"],
    registry=REGISTRY,
)
PAUSED = Gauge(
    "hookline_partitions_stopped",
    "Partitions that wait for an operator (a gap in the log, a recreated log).",
    ["stage"],
    registry=REGISTRY,
)
LOSSES_ACCEPTED = Counter(
    "hookline_losses_accepted",
    "Lost raw records that an operator accepted, so that processing went on.",
    registry=REGISTRY,
)
UNCLEAN_ENDS = Counter(
    "hookline_unclean_ends",
    "Partitions whose previous owner exited uncleanly.",
    ["stage"],
    registry=REGISTRY,
)

# Sinks.
TRANSACTIONS = Counter(
    "hookline_sink_transactions",
    "Transactions by outcome: committed, retried or moved.",
    ["outcome"],
    registry=REGISTRY,
)
SINK_REJECTS = Counter(
    "hookline_sink_rejects", "Records set aside in sink_rejects.", ["topic"], registry=REGISTRY
)
WATERMARK = Gauge(
    "hookline_watermark_timestamp_seconds",
    "Everything appended before this broker time is in the tables.",
    registry=REGISTRY,
)
WATERMARK_HELD = Gauge(
    "hookline_watermark_held_seconds",
    "How long the watermark has been held, by what holds it; 0 while it moves.",
    ["holder"],
    registry=REGISTRY,
)
SIGNALS = Counter(
    "hookline_signals", "Cart signals acknowledged by Kafka.", ["kind"], registry=REGISTRY
)
SIGNALS_WAITING = Gauge(
    "hookline_signals_waiting", "Cart signals in the outbox.", registry=REGISTRY
)


def render() -> bytes:
    """Render all families in the Prometheus text format."""
    return generate_latest(REGISTRY)
