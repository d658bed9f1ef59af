"""What the workers' pages add up to."""

import pytest

from hookline.dashboard.pages.workers import Workers

PAGE = """
# TYPE hookline_ready gauge
hookline_ready 1
# TYPE hookline_verdicts_total counter
hookline_verdicts_total{{source="spiffy",verdict="canonical"}} {canonical}
hookline_verdicts_total{{source="spiffy",verdict="duplicate"}} 2
# TYPE hookline_lag_records gauge
hookline_lag_records{{stage="processors",topic="hookline.webhooks",partition="1"}} 5
# TYPE hookline_lag_seconds gauge
hookline_lag_seconds{{stage="processors",topic="hookline.webhooks",partition="1"}} 0.5
# TYPE hookline_partitions_stopped gauge
hookline_partitions_stopped{{stage="processors"}} 1
# TYPE hookline_visible_seconds histogram
hookline_visible_seconds_bucket{{topic="orders",le="0.1"}} 1
hookline_visible_seconds_bucket{{topic="orders",le="0.5"}} 99
hookline_visible_seconds_bucket{{topic="orders",le="+Inf"}} 100
hookline_visible_seconds_sum{{topic="orders"}} 20
hookline_visible_seconds_count{{topic="orders"}} 100
"""
URLS = {"process-1": "http://a/metrics", "sink": "http://b/metrics"}


class Pages:
    """Pages of workers at a time that tests move. ``counts``: by URL; a missing one is away."""

    def __init__(self) -> None:
        self.now = 0.0
        self.counts = {"http://a/metrics": 10}

    def fetch(self, url: str) -> str | None:
        if url.endswith("/readyz"):
            return '{"waiting": {"partition 1": "a gap: `hookline accept-loss`"}}'
        return None if url not in self.counts else PAGE.format(canonical=self.counts[url])

    def workers(self) -> Workers:
        return Workers(URLS, self.fetch, lambda: self.now)


def test_a_rate_is_of_two_looks_and_a_restarted_worker_counts_from_zero() -> None:
    pages = Pages()
    workers = pages.workers()
    first = workers.read()
    assert first is not None
    assert first["flows"]["canonical"] == {"total": 10, "rate": None}
    pages.now, pages.counts["http://a/metrics"] = 10.0, 30
    second = workers.read()
    assert second is not None
    assert second["flows"]["canonical"] == {"total": 30, "rate": 2.0}
    pages.now, pages.counts["http://a/metrics"] = 20.0, 5
    third = workers.read()
    assert third is not None
    assert third["flows"]["canonical"] == {"total": 5, "rate": 0.25}


def test_a_worker_that_joins_adds_nothing_to_the_rate_of_before_and_one_away_is_named() -> None:
    pages = Pages()
    workers = pages.workers()
    first = workers.read()
    assert first is not None
    assert [each["is_reached"] for each in first["workers"]] == [True, False]
    pages.now, pages.counts["http://b/metrics"] = 10.0, 1000
    second = workers.read()
    assert second is not None
    assert second["flows"]["canonical"]["rate"] == 0
    assert [each["is_reached"] for each in second["workers"]] == [True, True]


def test_an_answer_is_shared_and_without_pages_there_is_none() -> None:
    pages = Pages()
    workers = pages.workers()
    first = workers.read()
    pages.now = 1.0
    assert workers.read() is first
    assert Workers({}).read() is None


def test_lag_stopped_partitions_and_the_histogram_are_read() -> None:
    found = Pages().workers().read()
    assert found is not None
    [lag] = found["lag"]
    assert (lag["worker"], lag["partition"], lag["records"]) == ("process-1", 1, 5)
    assert lag["seconds"] == pytest.approx(0.5)
    assert found["stopped"] == [{"worker": "process-1", "stage": "processors", "partitions": 1}]
    assert (found["visible"]["p50"], found["visible"]["p99"]) == (0.5, 0.5)
    assert [step["events"] for step in found["visible"]["steps"]] == [1, 98, 1]
    assert found["visible"]["steps"][-1]["le"] is None
    assert found["waiting"] == [
        {"worker": "process-1", "reason": "partition 1: a gap: `hookline accept-loss`"}
    ]
