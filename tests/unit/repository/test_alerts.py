"""The alerts are those of one list, read what exists, and each has its section of the runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from runtime import metrics, metrics_page
from tests import alerts, named_commands
from tests.alerts import ALERTS, RULES, RUNBOOK, Alert

FAMILIES = {
    described.name: tuple(family.metric._labelnames)
    for family in metrics.FAMILIES
    for described in family.metric.describe()
} | {"hookline_build_info": ("version", "python", "stage")}
TYPES = {family.name: family.type for family in metrics_page.families()}
OF_SCRAPES = {"instance", "job", "le"}
"""Labels that Prometheus itself gives, and that of buckets."""


def read(expression: str) -> dict[str, str]:
    """Series that an expression reads -> their family."""
    found = {}
    for name in set(re.findall(r"hookline_[a-z_]+", expression)):
        found[name] = re.sub(r"_(bucket|sum|count|total)$", "", name)
    return found


def by_name(alert: Alert) -> str:
    return alert.name


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_reads_series_that_exist(alert: Alert) -> None:
    assert read(alert.expression)
    for series, family in read(alert.expression).items():
        assert family in FAMILIES, series
        if TYPES[family] == "counter":
            assert series.endswith("_total")
        elif TYPES[family] == "histogram":
            assert series != family
        else:
            assert series == family


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_uses_labels_that_its_series_have(alert: Alert) -> None:
    having = {label for family in read(alert.expression).values() for label in FAMILIES[family]}
    grouped = {
        label for group in re.findall(r"by \(([a-z, ]+)\)", alert.expression)
        for label in group.split(", ")
    }  # fmt: skip
    matched = set(re.findall(r"(\w+)=\"", alert.expression))
    assert grouped | matched <= having | OF_SCRAPES
    shown = set(re.findall(r"\$labels\.(\w+)", alert.summary))
    aggregated = re.search(r"\b(sum|max|absent)\b", alert.expression) is not None
    assert shown <= (grouped | matched if aggregated else having | OF_SCRAPES)


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_an_alert_has_all_that_its_reader_needs(alert: Alert) -> None:
    assert re.fullmatch(r"Hookline[A-Z][A-Za-z]+", alert.name)
    assert re.fullmatch(r"\d+[sm]", alert.lasting)
    assert alert.severity in (alerts.CRITICAL, alerts.WARNING)
    assert len(alert.summary) > 20


def test_the_file_is_what_the_list_gives() -> None:
    """`python -m tests.alerts` writes it."""
    assert RULES.read_text() == alerts.text()
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    assert [
        Alert(
            rule["alert"], rule["expr"], rule["for"], rule["labels"]["severity"],
            rule["annotations"]["summary"],
        )
        for rule in group["rules"]
    ] == list(ALERTS)  # fmt: skip
    assert {rule["annotations"]["runbook"] for rule in group["rules"]} == {
        alert.runbook for alert in ALERTS
    }


def sections() -> dict[str, str]:
    """Heading of the runbook -> its text."""
    _, *parts = re.split(r"^### (\w+)\n", RUNBOOK.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_alert_has_its_section_of_the_runbook_and_each_section_its_alert() -> None:
    assert list(sections()) == [alert.name for alert in ALERTS]


@pytest.mark.parametrize("alert", ALERTS, ids=by_name)
def test_a_section_gives_what_it_means_what_to_look_at_and_what_mends_it(alert: Alert) -> None:
    text = sections()[alert.name]
    assert re.findall(r"^\*\*([A-Z][a-z ]+):\*\* \S", text, re.MULTILINE) == [
        "Means", "Look at", "Mend",
    ]  # fmt: skip
    assert "`" in text.partition("**Look at:**")[2]
    for name in re.findall(r"`(hookline_[a-z_]+)`", text):
        assert set(read(name).values()) <= FAMILIES.keys(), name
    for anchor in re.findall(r"\(#(\w+)\)", text):
        assert anchor in {each.name.lower() for each in ALERTS}


def test_the_runbook_names_commands_that_exist() -> None:
    assert named_commands.missing(RUNBOOK.read_text()) == []


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool here: apt-get install prometheus brings one")
    return found


def test_promtool_finds_no_fault_in_the_rules() -> None:
    checked = subprocess.run(
        [promtool(), "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout


EVERY_S = 15
STEADY = "1x40"
"""A series of ten minutes with a value every 15 seconds, in promtool's notation."""
HEALTHY = {
    **{f'hookline_build_info{{stage="{stage}",instance="{stage}"}}': STEADY
       for stage in metrics.STAGES},
    'hookline_ready{instance="a"}': STEADY,
    'hookline_shops_file_broken{instance="a"}': "0x40",
    'hookline_ingress_unacknowledged_total{outcome="unsent"}': "0x40",
    'hookline_ingress_unacknowledged_total{outcome="unknown"}': "2x40",
    'hookline_ingress_answers_total{source="spiffy",status="200"}': "0+1500x40",
    'hookline_ingress_answers_total{source="spiffy",status="401"}': "7x40",
    'hookline_ingress_answers_total{source="spiffy",status="503"}': "2x40",
    'hookline_visible_seconds_bucket{topic="orders",le="0.5"}': "0+1495x40",
    'hookline_visible_seconds_bucket{topic="orders",le="1.0"}': "0+1499x40",
    'hookline_visible_seconds_bucket{topic="orders",le="2.5"}': "0+1500x40",
    'hookline_visible_seconds_bucket{topic="orders",le="+Inf"}': "0+1500x40",
    'hookline_visible_seconds_count{topic="orders"}': "0+1500x40",
    'hookline_watermark_timestamp_seconds{instance="s"}': "-12+15x40",
    'hookline_watermark_held_seconds{instance="s",holder="ingress"}': "0x40",
    'hookline_lag_seconds{stage="sinks",topic="orders",partition="1"}': "0 3 1 0x37",
    'hookline_lag_of_retention_ratio{stage="sinks",topic="orders",partition="1"}': "0.001x40",
    'hookline_partitions_stopped{stage="sinks"}': "0x40",
    'hookline_losses_accepted_total{instance="p"}': "3x40",
    'hookline_rejects_total{source="spiffy",reason="malformed-body"}': "9x40",
    'hookline_sink_rejects_total{topic="orders"}': "4x40",
    'hookline_unclean_ends_total{stage="sinks"}': "2x40",
    'hookline_signals_waiting{instance="s"}': "12x40",
}  # fmt: skip
_SLOW = {
    'hookline_visible_seconds_bucket{topic="orders",le="0.5"}': "0+700x40",
    'hookline_visible_seconds_bucket{topic="orders",le="1.0"}': "0+1400x40",
}
FAULTS: Mapping[str, tuple[Mapping[str, str | None], set[str]]] = {
    "nothing": ({}, set()),
    "no sink": (
        {
            'hookline_build_info{stage="sinks",instance="sinks"}': None,
            'hookline_watermark_timestamp_seconds{instance="s"}': None,
        },
        {"HooklineStageAbsent", "HooklineNoSweep"},
    ),
    "a worker waits": ({'hookline_ready{instance="a"}': "0x40"}, {"HooklineNotReady"}),
    "Kafka acknowledges nothing": (
        {'hookline_ingress_unacknowledged_total{outcome="unknown"}': "0+3x40"},
        {"HooklineDeliveriesRefused"},
    ),
    "too much in flight": (
        {'hookline_ingress_answers_total{source="spiffy",status="503"}': "0+3x40"},
        {"HooklineDeliveriesRefused"},
    ),
    "a secret of one side": (
        {'hookline_ingress_answers_total{source="spiffy",status="401"}': "0+30x40"},
        {"HooklineProofsFail"},
    ),
    "a broken file": (
        {'hookline_shops_file_broken{instance="a"}': STEADY}, {"HooklineShopsUnusable"},
    ),
    "a secret that cannot be read, once": (
        {'hookline_ingress_secrets_missing_total{instance="a",source="s"}': "_x38 1x2"},
        {"HooklineShopsUnusable"},
    ),
    "rows come late": (_SLOW, {"HooklineRowsLate"}),
    "sinks stand still": (
        {
            'hookline_watermark_timestamp_seconds{instance="s"}': "-12x40",
            'hookline_lag_seconds{stage="sinks",topic="orders",partition="1"}': "0+15x40",
        },
        {"HooklineTablesBehind", "HooklineLagging"},
    ),
    "senders may hold back": (
        {
            'hookline_watermark_timestamp_seconds{instance="s"}': "-12x40",
            'hookline_watermark_held_seconds{instance="s",holder="ingress"}': "0+15x40",
        },
        set(),
    ),
    "a lag of days": (
        {'hookline_lag_of_retention_ratio{stage="sinks",topic="orders",partition="1"}': "0.3x40"},
        {"HooklineRetentionNear"},
    ),
    "a gap in the log": (
        {'hookline_partitions_stopped{stage="sinks"}': STEADY}, {"HooklinePartitionsStopped"},
    ),
    "a loss is accepted": (
        {'hookline_losses_accepted_total{instance="p"}': "3x38 5x2"}, {"HooklineRecordsGivenUp"},
    ),
    "one more dead letter": (
        {'hookline_rejects_total{source="spiffy",reason="malformed-body"}': "9x38 10x2"},
        {"HooklineDeadLetters"},
    ),
    "the first dead letter of a kind": (
        {'hookline_rejects_total{source="spiffy",reason="too-large"}': "_x38 1x2"},
        {"HooklineDeadLetters"},
    ),
    "dead letters of ten minutes ago": (
        {'hookline_rejects_total{source="spiffy",reason="too-large"}': "_x4 1x36"}, set(),
    ),
    "another producer": (
        {'hookline_sink_rejects_total{topic="carts"}': "_x38 1x2"}, {"HooklineSinkRejects"},
    ),
    "a killed worker": (
        {'hookline_unclean_ends_total{stage="processors"}': "_x38 4x2"}, {"HooklineWorkersEnd"},
    ),
    "signals pile up": (
        {'hookline_signals_waiting{instance="s"}': "0+200x40"}, {"HooklineSignalsWait"},
    ),
}  # fmt: skip
"""Series that differ from the healthy ones (None: absent) -> the alerts after ten minutes."""


def test_each_alert_is_raised_by_one_of_these_faults() -> None:
    assert {name for _, raised in FAULTS.values() for name in raised} == {a.name for a in ALERTS}


def test_each_fault_raises_its_alerts_and_no_other(tmp_path: Path) -> None:
    cases = [
        {
            "name": name,
            "interval": f"{EVERY_S}s",
            "input_series": [
                {"series": series, "values": values}
                for series, values in {**HEALTHY, **differs}.items()
                if values is not None
            ],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "10m",
                    "exp_samples": [
                        {"labels": f'{{alertname="{alert}"}}', "value": 1}
                        for alert in sorted(raised)
                    ],
                }
            ],
        }
        for name, (differs, raised) in FAULTS.items()
    ]
    file = tmp_path / "tests.yml"
    rules = {"rule_files": [str(RULES)], "evaluation_interval": f"{EVERY_S}s", "tests": cases}
    file.write_text(json.dumps(rules))  # which is YAML
    tested = subprocess.run(
        [promtool(), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
