"""Writes ``docs/alerts/hookline.rules.yml``: ``python -m tests.alerts``.

Each alert has a section of its name in ``docs/runbook.md``. The windows are short, so that an alert
is raised, and ends, within a minute: scrape every 15 seconds or more often.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests import ROOT

RULES = ROOT / "docs" / "alerts" / "hookline.rules.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
CRITICAL, WARNING = "critical", "warning"
"""Senders are refused, records at risk or the tables stuck; what can wait for some hours."""
WINDOW = "45s"
"""What rates are taken over: three scrapes, and short enough to end within a minute."""
OBJECTIVE_S = 1
"""Seconds within which 99% of the events are visible."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An expression that should be empty, for how long it may hold, and what it means.

    ``summary``: a sentence that may use the labels of the expression, ``{{ $labels.stage }}``.
    """

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str

    @property
    def runbook(self) -> str:
        """The section that says what to do, from the root of the repository."""
        return f"docs/{RUNBOOK.name}#{self.name.lower()}"


def _added(counter: str, by: str, above: int, window: str = WINDOW) -> str:
    """More than ``above`` were added in the window, or are in series that began in it.

    ``increase`` sees nothing of what a series begins with.
    """
    return (
        f"sum by ({by}) (increase({counter}[{window}])) > {above}"
        f" or sum by ({by}) ({counter} unless {counter} offset {window}) > {above}"
    )


_STAGES = " or ".join(
    f'absent(hookline_build_info{{stage="{stage}"}})' for stage in ("ingest", "processors", "sinks")
)

ALERTS = (
    Alert(
        "HooklineStageAbsent", _STAGES, "30s", CRITICAL,
        "no process of the stage {{ $labels.stage }} answers",
    ),
    Alert(
        "HooklineNotReady", "hookline_ready == 0", "30s", WARNING,
        "{{ $labels.instance }} waits for something or has stopped partitions",
    ),
    Alert(
        "HooklineDeliveriesRefused",
        f"sum(rate(hookline_ingress_unacknowledged_total[{WINDOW}])) > 0"
        f' or sum(rate(hookline_ingress_answers_total{{status="503"}}[{WINDOW}])) > 0',
        "30s", CRITICAL,
        "{{ $value | humanize }} deliveries a second are answered 503",
    ),
    Alert(
        "HooklineProofsFail",
        'sum by (source) (rate(hookline_ingress_answers_total{status="401"}[5m])) > 0.1',
        "5m", WARNING,
        "{{ $value | humanize }} deliveries a second of {{ $labels.source }} have no valid proof",
    ),
    Alert(
        "HooklineShopsUnusable",
        "max by (instance) (hookline_shops_file_broken) == 1 or "
        + _added("hookline_ingress_secrets_missing_total", "instance", 0),
        "15s", WARNING,
        "{{ $labels.instance }} cannot use its shops file, or lacks a secret that it names",
    ),
    Alert(
        "HooklineRowsLate",
        "histogram_quantile(0.99, sum by (le)"
        f" (rate(hookline_visible_seconds_bucket[{WINDOW}]))) > {OBJECTIVE_S}"
        f" and sum(rate(hookline_visible_seconds_count[{WINDOW}])) > 1",
        "30s", WARNING,
        "1% of the events take longer than {{ $value | humanizeDuration }} until they are visible",
    ),
    Alert(
        "HooklineTablesBehind",
        "time() - max(hookline_watermark_timestamp_seconds) > 120"
        ' unless max(hookline_watermark_held_seconds{holder="ingress"}) > 0',
        "30s", CRITICAL,
        "the tables are whole up to {{ $value | humanizeDuration }} ago only",
    ),
    Alert(
        "HooklineNoSweep", "absent(hookline_watermark_timestamp_seconds)", "1m", CRITICAL,
        "no sink moves the watermark: no cart is found silent",
    ),
    Alert(
        "HooklineLagging", "max by (stage, topic) (hookline_lag_seconds) > 60", "30s", WARNING,
        "{{ $labels.stage }} are {{ $value | humanizeDuration }} behind in {{ $labels.topic }}",
    ),
    Alert(
        "HooklineRetentionNear", "max by (stage, topic) (hookline_lag_of_retention_ratio) > 0.25",
        "1m", CRITICAL,
        "{{ $labels.stage }} lag by {{ $value | humanizePercentage }} of what {{ $labels.topic }}"
        " keeps",
    ),
    Alert(
        "HooklinePartitionsStopped", "sum by (stage) (hookline_partitions_stopped) > 0",
        "15s", CRITICAL,
        "{{ $value }} partitions of {{ $labels.stage }} wait for an operator",
    ),
    Alert(
        "HooklineRecordsGivenUp", f"sum(increase(hookline_losses_accepted_total[{WINDOW}])) > 0",
        "0s", WARNING,
        "raw records that Kafka had lost were given up",
    ),
    Alert(
        "HooklineDeadLetters", _added("hookline_rejects_total", "source, reason", 0),
        "0s", WARNING,
        "deliveries of {{ $labels.source }} become dead letters: {{ $labels.reason }}",
    ),
    Alert(
        "HooklineSinkRejects", _added("hookline_sink_rejects_total", "topic", 0), "0s", WARNING,
        "records of {{ $labels.topic }} cannot be stored",
    ),
    Alert(
        "HooklineWorkersEnd", _added("hookline_unclean_ends_total", "stage", 0), "0s", WARNING,
        "a worker of {{ $labels.stage }} ended uncleanly: others took its partitions over",
    ),
    Alert(
        "HooklineSignalsWait", "max(hookline_signals_waiting) > 1000", "1m", WARNING,
        "{{ $value }} cart signals are not sent",
    ),
)  # fmt: skip


def lines() -> Iterator[str]:
    """Yield the lines of the file."""
    yield "# Written by `python -m tests.alerts`. Scrape every 15 seconds or more often."
    yield "groups:"
    yield "  - name: hookline"
    yield "    rules:"
    for alert in ALERTS:
        yield f"      - alert: {alert.name}"
        yield f"        expr: {_quoted(alert.expression)}"
        yield f"        for: {alert.lasting}"
        yield "        labels:"
        yield f"          severity: {alert.severity}"
        yield "        annotations:"
        yield f"          summary: {_quoted(alert.summary)}"
        yield f"          runbook: {_quoted(alert.runbook)}"


def text() -> str:
    """Return the whole file."""
    return "\n".join(lines()) + "\n"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def main() -> int:
    """Rewrite the file."""
    RULES.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
