"""The operator's board: the pipeline by its metrics, from receipt to row."""

from tests.boards.board import PROMETHEUS, Board, Panel, Query

WINDOW = "$__rate_interval"


def _rate(counter: str, by: str = "", where: str = "") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({counter}{where}[{WINDOW}]))"


def _quantile(share: str, histogram: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[{WINDOW}])))"


def _both(histogram: str, by: str = "", name: str = "") -> tuple[Query, ...]:
    """The median and the slowest hundredth."""
    return tuple(
        Query(_quantile(share, histogram, by), f"{name} {title}".strip())
        for share, title in (("0.5", "p50"), ("0.99", "p99"))
    )


def _row(title: str) -> Panel:
    return Panel(title, kind="row")


_NOW = (
    _row("Now"),
    Panel(
        "Processes", (Query("count by (stage) (hookline_build_info)", "{{stage}}"),),
        "Processes of each stage that answer.", kind="stat", width=4, height=5,
    ),
    Panel(
        "Not ready", (Query("count(hookline_ready == 0) or vector(0)"),),
        "Processes that wait for something or have stopped partitions: HooklineNotReady.",
        kind="stat", width=4, height=5, limits=(1, 2),
    ),
    Panel(
        "Tables behind", (Query("time() - max(hookline_watermark_timestamp_seconds)"),),
        "Up to so long ago the tables are whole; 10 to 20 s while all is well.",
        kind="stat", unit="s", width=4, height=5, limits=(60, 120),
    ),
    Panel(
        "Visible after, p99", (Query(_quantile("0.99", "hookline_visible_seconds")),),
        "From the receipt of a delivery to the commit of its rows. The objective is a second.",
        kind="stat", unit="s", width=4, height=5, limits=(1, 5),
    ),
    Panel(
        "Partitions stopped", (Query("sum(hookline_partitions_stopped) or vector(0)"),),
        "They wait for an operator: HooklinePartitionsStopped.",
        kind="stat", width=4, height=5, limits=(1, 2),
    ),
    Panel(
        "Dead letters, last hour",
        (Query("sum(increase(hookline_rejects_total[1h])) or vector(0)"),),
        "Deliveries of which no event could be made. `hookline dead list --group` shows why.",
        kind="stat", width=4, height=5, limits=(1, 100),
    ),
)  # fmt: skip

_INGRESS = (
    _row("Ingress"),
    Panel(
        "Accepted", (Query(_rate("hookline_ingress_accepted_total", "source"), "{{source}}"),),
        "Deliveries that Kafka acknowledged, by platform.", unit="reqps", is_stacked=True,
    ),
    Panel(
        "Accepted by shop",
        (Query(f"topk(10, {_rate('hookline_ingress_accepted_total', 'source, shop')})",
               "{{source}}/{{shop}}"),),
        "The ten shops that send most.", unit="reqps",
    ),
    Panel(
        "Answers other than 200",
        (Query(_rate("hookline_ingress_answers_total", "source, status", '{status!="200"}'),
               "{{source}} {{status}}"),),
        "401: no valid proof. 404: an unknown shop. 503: Kafka, or too much in flight.",
        unit="reqps",
    ),
    Panel(
        "Acknowledged after", _both("hookline_ingress_acknowledge_seconds"),
        "From sending to Kafka until its answer.", unit="s",
    ),
    Panel(
        "In flight",
        (Query("sum(hookline_ingress_in_flight_bytes)", "in flight"),
         Query("sum(hookline_ingress_unproved_bytes)", "without proof yet")),
        "Bytes read and not acknowledged. HOOKLINE_MAX_IN_FLIGHT bounds them.", unit="bytes",
    ),
    Panel(
        "Not acknowledged",
        (Query(_rate("hookline_ingress_unacknowledged_total", "outcome"), "{{outcome}}"),
         Query(_rate("hookline_ingress_secrets_missing_total", "source, shop"),
               "no secret: {{source}}/{{shop}}")),
        "Answered 503, by whether they were sent; references to secrets that lead nowhere.",
        unit="reqps",
    ),
    Panel(
        "Shops",
        (Query("max by (job) (hookline_shops)", "{{job}}"),
         Query("max by (instance) (hookline_shops_file_broken)", "broken on {{instance}}")),
        "Configured shops, and processes that cannot use the file.",
    ),
    Panel(
        "Shops file read",
        (Query(_rate("hookline_shops_reloads_total", "outcome"), "{{outcome}}"),),
        "By what came of it: read or broken.", unit="cps",
    ),
    Panel(
        "Heartbeats", (Query(_rate("hookline_ingress_heartbeats_total"), "heartbeats"),),
        "Without them the tables do not go on.", unit="cps",
    ),
)  # fmt: skip

_PROCESSORS = (
    _row("Processors"),
    Panel(
        "Verdicts", (Query(_rate("hookline_verdicts_total", "verdict"), "{{verdict}}"),),
        "Deliveries by what came of them.", unit="cps", is_stacked=True,
    ),
    Panel(
        "Dead letters by reason",
        (Query(_rate("hookline_rejects_total", "source, reason"), "{{source}} {{reason}}"),),
        "HooklineDeadLetters.", unit="cps",
    ),
    Panel(
        "Events", (Query(_rate("hookline_events_total", "topic"), "{{topic}}"),),
        "Outcomes acknowledged by Kafka, by topic.", unit="cps", is_stacked=True,
    ),
    Panel(
        "Fields unknown, amounts rounded",
        (Query(_rate("hookline_unknown_fields_total", "source, event"),
               "unknown: {{source}} {{event}}"),
         Query(_rate("hookline_rounded_amounts_total", "source, event"),
               "rounded: {{source}} {{event}}")),
        "A jump of unknown fields: the platform changed. `hookline shops drift` shows them.",
        unit="cps",
    ),
    Panel(
        "Seen before, and foreign",
        (Query(_rate("hookline_body_under_other_topic_total", "source, shop"),
               "other topic: {{source}}/{{shop}}"),
         Query(_rate("hookline_replayed_states_total", "source, shop"),
               "earlier state: {{source}}/{{shop}}"),
         Query(_rate("hookline_foreign_outcomes_total"), "foreign outcomes")),
        "Bodies under another topic, states that equal an earlier one, records of others.",
        unit="cps",
    ),
    Panel(
        "Dedupe index",
        (Query("sum(hookline_index_entries)", "entries"),),
        "Entries in memory, some 40 bytes each.",
    ),
    Panel(
        "Index recovery",
        (Query("max by (instance) (hookline_index_read_seconds)", "{{instance}}"),),
        "What the last recovery took.", unit="s",
    ),
    Panel(
        "Losses accepted",
        (Query("sum(increase(hookline_losses_accepted_total[1h]))", "records"),),
        "Records that Kafka had lost and an operator gave up: HooklineRecordsGivenUp.",
    ),
    Panel(
        "Unclean ends",
        (Query(f"sum by (stage) (increase(hookline_unclean_ends_total[{WINDOW}]))", "{{stage}}"),),
        "Partitions taken over from a worker that was killed: HooklineWorkersEnd.",
    ),
)  # fmt: skip

_SINKS = (
    _row("Sinks"),
    Panel(
        "Visible after", _both("hookline_visible_seconds", "topic", "{{topic}}"),
        "From receipt to row, by topic. The objective: 99% within a second.", unit="s",
    ),
    Panel(
        "Watermark held",
        (Query("max by (holder) (hookline_watermark_held_seconds)", "{{holder}}"),),
        "What keeps the tables from being whole further: HooklineTablesBehind.", unit="s",
    ),
    Panel(
        "Transactions",
        (Query(_rate("hookline_sink_transactions_total", "outcome"), "{{outcome}}"),),
        "retried: a conflict of locks; moved: another sink has the partition now.", unit="cps",
    ),
    Panel(
        "Rejected by sinks", (Query(_rate("hookline_sink_rejects_total", "topic"), "{{topic}}"),),
        "Records that cannot be stored: HooklineSinkRejects.", unit="cps",
    ),
    Panel(
        "Signals", (Query(_rate("hookline_signals_total", "kind"), "{{kind}}"),),
        "Cart signals that Kafka acknowledged.", unit="cps",
    ),
    Panel(
        "Signals that wait", (Query("max(hookline_signals_waiting)", "in the outbox"),),
        "HooklineSignalsWait.",
    ),
)  # fmt: skip

_WORKERS = (
    _row("Workers"),
    Panel(
        "Lag", (Query("max by (stage, topic) (hookline_lag_seconds)", "{{stage}} {{topic}}"),),
        "Age of the last acknowledged record while others wait behind it.", unit="s",
    ),
    Panel(
        "Records behind",
        (Query("sum by (stage, topic) (hookline_lag_records)", "{{stage}} {{topic}}"),),
        "Records between the acknowledged offset and the end of the log.",
    ),
    Panel(
        "Lag of retention",
        (Query("max by (stage, topic) (hookline_lag_of_retention_ratio)", "{{stage}} {{topic}}"),),
        "At 100% records are lost: HooklineRetentionNear.", unit="percentunit",
    ),
    Panel(
        "Batch", _both("hookline_batch_seconds", "stage", "{{stage}}"),
        "From taking a batch until its outcomes were stored.", unit="s",
    ),
    Panel(
        "Records of a batch",
        (Query(_quantile("0.5", "hookline_batch_records", "stage"), "{{stage}} p50"),),
        "Large batches: a stage that catches up.",
    ),
    Panel(
        "Memory",
        (Query('sum by (job) (process_resident_memory_bytes{job=~"hookline-.*"})', "{{job}}"),),
        "Resident memory of all processes of a stage.", unit="bytes",
    ),
)  # fmt: skip

BOARD = Board(
    name="operator",
    title="Hookline: the pipeline",
    about="From receipt to row, by the metrics of docs/metrics.md; alerts are in docs/runbook.md.",
    source=PROMETHEUS,
    panels=(*_NOW, *_INGRESS, *_PROCESSORS, *_SINKS, *_WORKERS),
)
