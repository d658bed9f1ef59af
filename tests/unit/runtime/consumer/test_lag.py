"""The lag of a consumer's partitions, as its page shows it."""

from typing import Any

import pytest
from faust.types import TP
from structlog.testing import capture_logs

from runtime import metrics
from runtime.consumer.lag import LagSeries, lag_age
from runtime.consumer.positions import PartitionProgress

ONE, TWO = (TP("hookline.webhooks", number) for number in range(2))
DAY = 86400.0
NOW = 1_000_000.0
STAGE = "processors"


def at(acknowledged: int, seconds_ago: float = 0.0) -> PartitionProgress:
    """The progress of a partition whose last record was appended so long ago."""
    ms = int((NOW - seconds_ago) * 1000)
    return PartitionProgress(acknowledged, 1, ms, is_in_flight=False)


@pytest.fixture
def lag() -> Any:
    series = LagSeries(STAGE, {ONE.topic: DAY})
    yield series
    series.report({}, {}, {}, NOW)


def shown(family: Any) -> dict[int, float]:
    """The value of each partition's series."""
    [collected] = family.collect()
    return {int(sample.labels["partition"]): sample.value for sample in collected.samples}


def test_the_age_of_a_lag_is_that_of_the_last_acknowledged_record() -> None:
    assert lag_age(5, 100_000, 9, 120.0) == 20.0
    assert lag_age(5, 100_000, 5, 120.0) == 0.0
    assert lag_age(5, 0, 9, 120.0) is None


def test_each_partition_has_its_lag_in_records_seconds_and_as_a_share(lag: LagSeries) -> None:
    lag.report({ONE: at(5, DAY / 10), TWO: at(7)}, {}, {ONE: 9, TWO: 7}, NOW)
    assert shown(metrics.LAG_RECORDS) == {0: 4, 1: 0}
    assert shown(metrics.LAG_SECONDS) == {0: pytest.approx(DAY / 10, abs=0.01), 1: 0}
    assert shown(metrics.LAG_OF_RETENTION) == {0: pytest.approx(0.1), 1: 0}


@pytest.mark.parametrize(
    "family", [metrics.LAG_RECORDS, metrics.LAG_SECONDS, metrics.LAG_OF_RETENTION]
)
def test_a_partition_that_went_to_another_worker_has_no_series(lag: LagSeries, family: Any) -> None:
    """Its last value would stay for ever, beside the one that the new owner shows."""
    lag.report({ONE: at(5), TWO: at(7)}, {}, {ONE: 9, TWO: 8}, NOW)
    lag.report({TWO: at(7)}, {}, {ONE: 9, TWO: 8}, NOW)
    assert set(shown(family)) == {1}
    lag.report({}, {}, {}, NOW)
    assert shown(family) == {}


def test_a_partition_that_comes_back_shows_what_it_is_then(lag: LagSeries) -> None:
    lag.report({ONE: at(5, 50)}, {}, {ONE: 9}, NOW)
    lag.report({}, {}, {}, NOW)
    back = PartitionProgress(8, 0, 0, is_in_flight=False)  # nothing acknowledged here yet
    lag.report({ONE: back}, {}, {ONE: 9}, NOW)
    assert (shown(metrics.LAG_RECORDS), shown(metrics.LAG_SECONDS)) == ({0: 1}, {})


def test_a_lag_without_a_known_end_is_absent_and_not_0(lag: LagSeries) -> None:
    lag.report({ONE: at(5), TWO: at(7)}, {}, {TWO: 9}, NOW)
    assert shown(metrics.LAG_RECORDS) == {1: 2}


def test_the_lag_of_a_stopped_partition_grows_until_it_goes_to_another_worker(
    lag: LagSeries,
) -> None:
    lag.report({ONE: at(5, 10)}, {}, {ONE: 9}, NOW)
    lag.report({}, {ONE: 5}, {ONE: 20}, NOW + 100)
    assert (shown(metrics.LAG_RECORDS), shown(metrics.LAG_SECONDS)) == ({0: 15}, {0: 110})
    lag.report({}, {}, {ONE: 20}, NOW + 101)
    assert (shown(metrics.LAG_RECORDS), shown(metrics.LAG_SECONDS)) == ({}, {})


def test_a_lag_near_the_retention_is_logged_once_while_it_lasts(lag: LagSeries) -> None:
    with capture_logs() as logged:
        for age in (0.1, 0.3, 0.5, 0.1, 0.3):
            lag.report({ONE: at(5, DAY * age)}, {}, {ONE: 9}, NOW)
    assert [line["log_level"] for line in logged] == ["critical"] * 2
    assert "records will be lost to retention" in logged[0]["event"]
