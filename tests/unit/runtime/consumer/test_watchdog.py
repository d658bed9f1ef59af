"""The watchdog: what should make progress, and when it has made none for too long."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from runtime.consumer.positions import PartitionProgress
from runtime.consumer.watchdog import CHECK_INTERVAL, Snapshot, Stall

LIMIT = 60.0
RAW = TP("webhooks", 3)
LAGGING = Snapshot(
    progress={
        RAW: PartitionProgress(acknowledged=5, steps=1, acknowledged_ms=1000, is_in_flight=False)
    },
    ends={RAW: 9},
    is_waiting=False,
    is_overdue=False,
    is_answering=True,
    generation=1,
    thread_beats=0,
)
THREAD = "the consumer's thread"


def partitions(snapshot: Snapshot) -> set[str]:
    return set(snapshot.expected()) - {THREAD}


def test_a_partition_with_lag_should_progress_and_one_without_need_not() -> None:
    assert {"webhooks/3"} == partitions(LAGGING)
    assert set() == partitions(replace(LAGGING, ends={RAW: 5}))


def test_a_batch_in_flight_should_progress_whatever_the_end_of_the_log() -> None:
    in_flight = {
        RAW: PartitionProgress(acknowledged=5, steps=1, acknowledged_ms=0, is_in_flight=True)
    }
    assert {"webhooks/3"} == partitions(replace(LAGGING, progress=in_flight, ends={}))


def test_every_answer_of_a_service_counts_as_progress_of_its_batch() -> None:
    stall = Stall(LIMIT)
    for now in range(200):
        seen = replace(LAGGING, answers=now // 50, thread_beats=now)
        assert stall.check(now, seen.expected()) is None


@pytest.mark.parametrize("excuse", [{"is_waiting": True}, {"is_answering": False}])
def test_nothing_is_expected_while_a_service_is_waited_for(excuse: dict[str, bool]) -> None:
    assert set() == partitions(replace(LAGGING, **excuse))


def test_an_overdue_join_should_end_while_kafka_answers() -> None:
    joining = replace(LAGGING, progress={}, is_overdue=True, is_waiting=True)
    assert {"joining the group"} == partitions(joining)
    assert set() == partitions(replace(joining, is_answering=False))


def test_the_consumers_thread_should_always_be_alive() -> None:
    assert {THREAD} == set(replace(LAGGING, is_waiting=True, is_answering=False).expected())


def looked(stall: Stall, values: list[dict[str, int]]) -> list[str | None]:
    return [stall.check(second * CHECK_INTERVAL, value) for second, value in enumerate(values)]


def test_what_makes_no_progress_is_named_after_the_limit_and_not_before() -> None:
    answers = looked(Stall(LIMIT), [{"p": 1}] * 63)
    assert [None] * 61 == answers[:61]
    assert "p" == answers[61]


def test_one_that_moves_does_not_excuse_another() -> None:
    answers = looked(Stall(LIMIT), [{"moves": n, "stuck": 1} for n in range(63)])
    assert "stuck" == answers[61]


def test_a_process_that_was_stopped_restarts_its_timers() -> None:
    stall = Stall(LIMIT)
    looked(stall, [{"p": 1}] * 30)
    assert stall.check(500.0, {"p": 1}) is None
    assert stall.check(501.0, {"p": 1}) is None


@given(st.lists(st.none() | st.integers(0, 1), max_size=200))
def test_it_is_named_exactly_when_a_value_stayed_the_same_for_longer_than_the_limit(
    values: list[int | None],
) -> None:
    limit = 5.0
    unchanged, expected, last = 0, [], None
    for value in values:
        unchanged = unchanged + 1 if value is not None and value == last else 0
        last = value
        expected.append("p" if unchanged * CHECK_INTERVAL > limit else None)
    found = looked(Stall(limit), [{} if value is None else {"p": value} for value in values])
    assert expected == found


def ended(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )


def test_a_loop_that_holds_the_interpreters_lock_ends_its_process_and_shows_where() -> None:
    code = (
        "import re\nfrom runtime.process.cpu_limit import Budget\n"
        "with Budget(0.5).enforced():\n    re.match(r'(a+)+$', 'a' * 60 + 'b')\n"
    )
    found = ended(code)
    assert -signal.SIGPROF == found.returncode
    assert 'File "<string>", line 4 in <module>' in found.stderr


def test_a_budget_is_each_records_own_and_ends_with_the_last() -> None:
    code = (
        "import time\nfrom runtime.process.cpu_limit import Budget\n"
        "def busy(s):\n    end = time.process_time() + s\n"
        "    while time.process_time() < end: pass\n"
        "budget = Budget(0.5)\n"
        "with budget.enforced():\n"
        "    for _ in range(4): budget.renew(); busy(0.3)\n"
        "busy(0.8)\nprint('alive')\n"
    )
    assert "alive\n" == ended(code).stdout


def test_an_event_loop_that_is_blocked_ends_its_process() -> None:
    code = """
import asyncio, time
from types import SimpleNamespace
from runtime.health import Health
from runtime.consumer.watchdog import Watchdog
async def ask(tps): return {}
async def main():
    thread = SimpleNamespace(is_started=False, beat=lambda: None, beats=0)
    consumer = SimpleNamespace(thread=thread, progress=dict, stopped=dict, stage_label="x",
        joining_since=None,
        health=Health(), app=SimpleNamespace(consumer_generation_id=1))
    watching = asyncio.ensure_future(Watchdog(consumer, 1.0, 30.0, {}).run())
    await asyncio.sleep(0.1)
    time.sleep(30)
asyncio.run(main())
"""
    found = ended(code)
    assert found.returncode == 1
    assert "Timeout" in found.stderr
