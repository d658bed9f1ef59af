"""The page of several workers: counters as sums, gauges by worker."""

import socket
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from hookline.local.process import free_port
from hookline.local.worker_metrics import Totals, WorkerPages


def page(started: float = 1.0, **values: Any) -> str:
    """The page of a worker, as short as it can be."""
    bucket = 'hookline_x_seconds_bucket{le="1.0"}'
    return (
        "# HELP process_start_time_seconds Start.\n# TYPE process_start_time_seconds gauge\n"
        f"process_start_time_seconds {started}\n"
        "# HELP hookline_ready Ready.\n# TYPE hookline_ready gauge\nhookline_ready 1\n"
        "# HELP hookline_answers_total Answers.\n# TYPE hookline_answers_total counter\n"
        + "".join(f'hookline_answers_total{{status="{k[1:]}"}} {v}\n' for k, v in values.items())
        + "# HELP hookline_x_seconds X.\n# TYPE hookline_x_seconds histogram\n"
        f"{bucket} 1\n" + bucket.replace("1.0", "+Inf") + " 2\n"
        "hookline_x_seconds_count 2\nhookline_x_seconds_sum 3.5\n"
    )


def lines(totals: Totals) -> list[str]:
    return generate_latest(totals).decode().splitlines()


def test_counters_and_histograms_are_sums_and_gauges_have_their_worker() -> None:
    totals = Totals(["1", "2"])
    totals.update("1", page(_200=5, _401=1))
    totals.update("2", page(_200=7))
    shown = lines(totals)
    assert 'hookline_answers_total{status="200"} 12.0' in shown
    assert 'hookline_answers_total{status="401"} 1.0' in shown
    assert 'hookline_x_seconds_bucket{le="+Inf"} 4.0' in shown
    assert "hookline_x_seconds_sum 7.0" in shown
    assert [line for line in shown if line.startswith("hookline_ready")] == [
        'hookline_ready{worker="1"} 1.0', 'hookline_ready{worker="2"} 1.0'
    ]  # fmt: skip
    assert shown.count("# TYPE hookline_answers_total counter") == 1
    assert len(shown) == len(set(shown))


def test_a_worker_that_does_not_answer_is_not_ready_and_its_counts_stay() -> None:
    totals = Totals(["1", "2"])
    totals.update("1", page(_200=5))
    totals.update("2", page(_200=7))
    totals.update("2", None)
    shown = lines(totals)
    assert 'hookline_answers_total{status="200"} 12.0' in shown
    assert 'hookline_ready{worker="2"} 0.0' in shown
    assert 'process_start_time_seconds{worker="2"} 1.0' not in shown


def test_a_restarted_worker_adds_to_what_its_predecessor_had_counted() -> None:
    totals = Totals(["1", "2"])
    totals.update("1", page(_200=5))
    totals.update("2", page(1.0, _200=7, _401=2))
    totals.update("2", page(9.0, _200=1))
    shown = lines(totals)
    assert 'hookline_answers_total{status="200"} 13.0' in shown
    assert 'hookline_answers_total{status="401"} 2.0' in shown
    totals.update("2", page(9.0, _200=4))
    assert 'hookline_answers_total{status="200"} 16.0' in lines(totals)


WORKER = st.sampled_from(["1", "2", "3"])


@given(st.lists(st.tuples(WORKER, st.sampled_from(["count", "die", "look"])), max_size=60))
def test_a_sum_never_falls_and_misses_only_what_was_counted_after_the_last_look(
    steps: list[tuple[str, str]],
) -> None:
    totals, count, life = Totals("123"), dict.fromkeys("123", 0), dict.fromkeys("123", 1.0)
    seen, kept, sums = dict.fromkeys("123", 0), 0, [0.0]
    for worker, step in steps:
        if step == "count":
            count[worker] += 1
        elif step == "die":
            kept += seen[worker]
            count[worker], seen[worker] = 0, 0
            life[worker] += 1
        else:
            for each in "123":
                totals.update(each, page(life[each], _200=count[each]))
            seen = dict(count)
            [line] = [one for one in lines(totals) if one.startswith("hookline_answers_total{")]
            sums.append(float(line.rpartition(" ")[2]))
            assert sums[-1] == kept + sum(count.values())
    assert sums == sorted(sums)


def test_workers_that_cannot_be_reached_are_no_error_and_not_ready() -> None:
    ports = {"1": free_port(), "2": free_port()}
    with WorkerPages("127.0.0.1", 0, ports) as served:
        pages = f"http://127.0.0.1:{served.port}"
        metrics = httpx.get(f"{pages}/metrics", trust_env=False)
        ready = httpx.get(f"{pages}/readyz", trust_env=False)
        alive = httpx.get(f"{pages}/healthz", trust_env=False)
        other = httpx.get(f"{pages}/hooks/", trust_env=False)
    assert (metrics.status_code, metrics.text) == (200, "")  # nothing is known of any of them
    assert ready.status_code == 503
    assert set(ready.json()["waiting"]) == {"worker 1", "worker 2"}
    assert (alive.status_code, other.status_code) == (200, 404)


def test_a_taken_port_of_the_pages_is_an_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
        WorkerPages("127.0.0.1", taken.getsockname()[1], {"1": free_port()}),
    ):
        pass
