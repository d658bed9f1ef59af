import platform
import re
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from prometheus_client import Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from runtime import metrics, metrics_page

STAGES = metrics.STAGES
PER_STAGE = {
    "ingest": {"hookline_ingress_answers", "hookline_ingress_in_flight_bytes"},
    "processors": {"hookline_verdicts", "hookline_index_entries", "hookline_foreign_outcomes"},
    "sinks": {
        "hookline_sink_transactions",
        "hookline_watermark_timestamp_seconds",
        "hookline_visible_seconds",
    },
}


def ours(stage: str = "") -> list[Metric]:
    return [f for f in metrics_page.families(stage) if f.name.startswith("hookline_")]


def on_page(stage: str) -> dict[str, Metric]:
    return {f.name: f for f in text_string_to_metric_families(metrics_page.render(stage).decode())}


def breaches(family: Metric) -> Iterator[str]:
    """What promtool's lint would find: https://prometheus.io/docs/practices/naming/."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "__" in name:
        yield "lower-case letters, digits and single '_' only"
    parts = name.split("_")
    if set(parts) & {"counter", "gauge", "histogram", "summary", "metric"}:
        yield "no type in a name"
    if set(parts) & {"s", "ms", "us", "sec", "minutes", "hours", "days", "kb", "mb", "percent"}:
        yield "base units, written out"
    if "seconds" in parts and not re.search(r"_seconds(_total)?$", name):
        yield "the unit at the end"
    if family.type != "counter" and parts[-1] in ("total", "count", "sum", "bucket"):
        yield "_total, _count, _sum and _bucket have a meaning"
    if family.type == "counter" and {label for s in family.samples for label in s.labels} & {"le"}:
        yield "le is for histograms"
    if len(family.documentation) < 10 or not family.documentation.endswith("."):
        yield "a sentence of help"


def test_every_name_keeps_the_conventions_of_prometheus() -> None:
    found = {family.name: list(breaches(family)) for family in ours()}
    assert len(found) > 30
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "wrong",
    [
        Metric("hookline_requests_total", "A sentence of help.", "gauge"),
        Metric("hookline_lag_ms", "A sentence of help.", "gauge"),
        Metric("hookline_seconds_of_lag", "A sentence of help.", "gauge"),
        Metric("hookline_lagGauge", "A sentence of help.", "gauge"),
        Metric("hookline_lag", "", "gauge"),
    ],
)
def test_a_name_that_breaks_a_convention_is_found(wrong: Metric) -> None:
    assert list(breaches(wrong)) != []


def test_labels_are_few_and_bounded() -> None:
    """An entity, a URL, a customer or a delivery as a label would grow without end."""
    allowed = {
        "source", "event", "shop", "status", "outcome", "verdict", "reason", "topic",
        "stage", "partition", "holder", "kind", "le", "version", "python",
    }  # fmt: skip
    used = {label for family in ours() for sample in family.samples for label in sample.labels}

    assert used <= allowed


@pytest.mark.parametrize("stage", STAGES)
def test_a_page_has_the_families_of_its_own_stage_and_of_no_other(stage: str) -> None:
    names = set(on_page(stage))
    shared = {"hookline_ready", "hookline_build_info", "process_cpu_seconds"}
    others = set().union(*(PER_STAGE[other] for other in STAGES if other != stage))
    assert PER_STAGE[stage] | shared <= names
    assert names & others == set()
    assert ("hookline_batch_seconds" in names) is (stage != "ingest")
    assert ("hookline_shops" in names) is (stage != "sinks")


def test_every_family_belongs_to_a_stage_and_to_the_page_of_all() -> None:
    for family in metrics.FAMILIES:
        assert set(family.stages) <= set(STAGES)
        assert family.stages
    by_stage = {family.name for stage in STAGES for family in ours(stage)}
    assert by_stage == {family.name for family in ours()}


def test_a_gauge_that_nobody_has_set_is_absent_and_one_that_was_unset_too() -> None:
    gauge = metrics.INDEX_SECONDS
    metrics.unset(gauge)
    assert "\nhookline_index_read_seconds " not in metrics_page.render("processors").decode()
    gauge.set(0)
    assert "\nhookline_index_read_seconds 0.0" in metrics_page.render("processors").decode()
    metrics.unset(gauge)
    assert "\nhookline_index_read_seconds " not in metrics_page.render("processors").decode()


def test_no_page_shows_nan() -> None:
    assert not re.search(r" NaN$", metrics_page.render().decode(), re.MULTILINE)


def test_labelled_gauges_can_be_unset() -> None:
    metrics.WATERMARK_HELD.labels("sinks").set(3)
    assert on_page("sinks")["hookline_watermark_held_seconds"].samples
    metrics.unset(metrics.WATERMARK_HELD, is_labelled=True)
    assert not on_page("sinks")["hookline_watermark_held_seconds"].samples


@pytest.mark.parametrize(
    ("stage", "name", "label", "values"),
    [
        ("sinks", "hookline_sink_transactions", "outcome", {"committed", "retried", "moved"}),
        ("ingest", "hookline_ingress_unacknowledged", "outcome", {"unsent", "unknown"}),
        ("ingest", "hookline_shops_reloads", "outcome", {"read", "broken"}),
    ],
)
def test_a_counter_whose_labels_are_known_starts_at_0(
    stage: str, name: str, label: str, values: set[str]
) -> None:
    """Else rate() misses the first increase."""
    assert {sample.labels[label] for sample in on_page(stage)[name].samples} == values


@pytest.mark.parametrize("stage", STAGES)
def test_the_build_is_one_series_with_the_versions(stage: str) -> None:
    [sample] = on_page(stage)["hookline_build_info"].samples
    versions = {
        "version": metadata.version("hookline"),
        "python": platform.python_version(),
        "stage": stage,
    }
    assert (sample.labels, sample.value) == (versions, 1)


def test_the_page_is_the_prometheus_text_format_without_times_of_creation() -> None:
    page = metrics_page.render().decode()

    assert "# HELP hookline_ready 1 while the process is ready, else 0." in page
    assert "# TYPE hookline_ingress_acknowledge_seconds histogram" in page
    assert "_created" not in page


def test_a_gauge_by_a_function_is_shown_as_it_is_now() -> None:
    values = iter([1, 2])
    gauge: Any = metrics.INDEX_ENTRIES
    before = gauge.__dict__.copy()
    gauge.set_function(lambda: next(values))
    try:
        shown = [on_page("processors")["hookline_index_entries"].samples[0].value for _ in "ab"]
    finally:
        gauge.__dict__.clear()
        gauge.__dict__.update(before)
    assert shown == [1, 2]
    assert isinstance(gauge, Gauge)
