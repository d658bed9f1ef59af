"""The process: a database that never answers holds nothing up, payloads are compared once a day."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from hookline.notify.conditions.condition import Condition
from hookline.notify.incidents import Message, Reading
from hookline.notify.notifier import Notifier, ReadDrift
from hookline.notify.reader import BoundedReader
from hookline.notify.sending.outbox import Outbox
from hookline.notify.settings import NotifySettings
from hookline.notify.state import StateFile
from tests.notify_conditions import ALL, NOON, condition, reading
from tests.unit.hookline.notify.test_outbox import Clock, Taker

SETTINGS = NotifySettings()


class Tables:
    """Tables that answer with ``answer``, or not at all until ``released``."""

    def __init__(self, answer: Reading | Exception) -> None:
        self.answer = answer
        self.released = threading.Event()
        self.released.set()
        self.asked = 0

    def __call__(self, *, with_shops: bool) -> Reading:
        del with_shops
        self.asked += 1
        self.released.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def alerts(found: Reading) -> list[str]:
    return [each.alert for each in found.conditions]


def test_a_database_that_never_answers_is_reported_and_asked_once() -> None:
    tables = Tables(reading())
    tables.released.clear()
    read = BoundedReader(tables, SETTINGS, Clock(), answer_s=0.01)
    assert alerts(read(with_shops=True)) == ["tables-unreachable"]
    assert alerts(read(with_shops=True)) == ["tables-unreachable"]
    assert tables.asked == 1
    assert read._running is not None
    tables.released.set()
    read._running.join()
    read._answer_s = 60
    assert read(with_shops=True) == tables.answer


def test_an_error_of_the_database_is_a_sentence_without_a_password() -> None:
    url = "postgresql://hookline_reader:hunter2@db/hookline"
    tables = Tables(psycopg.OperationalError(f"connection to {url} failed"))
    [away] = BoundedReader(tables, SETTINGS, Clock())(with_shops=False).conditions
    assert away.what.startswith("the tables cannot be read: PostgreSQL does not answer")
    assert "hunter2" not in away.what


def test_a_fault_of_ours_is_no_fault_of_the_database() -> None:
    with pytest.raises(ZeroDivisionError):
        BoundedReader(Tables(ZeroDivisionError()), SETTINGS, Clock())(with_shops=True)


def notifier(
    folder: Path, channel: Taker, clock: Clock, read_drift: ReadDrift | None = None, **given: float
) -> Notifier:
    outbox = Outbox(StateFile(folder / "s.json"), [channel], clock)
    settings = replace(SETTINGS, **given)
    tables = Tables(reading(scopes=ALL - {"drift"}))
    return Notifier(outbox, tables, read_drift, settings, clock)


def sent(made: Notifier, channel: Taker) -> list[Message]:
    made.outbox.deliver("webhook", at_once=True)
    return channel.taken


def test_payloads_are_compared_once_a_day_also_by_the_next_process(tmp_path: Path) -> None:
    clock, channel = Clock(), Taker()
    asked: list[int] = []

    def changed(now_ms: int) -> list[Condition]:
        asked.append(now_ms)
        return [condition("shop-drift:spiffy/main", "drift")]

    first = notifier(tmp_path, channel, clock, changed)
    assert first.is_drift_due()
    first.look_at_payloads()
    assert asked == [int(NOON.timestamp() * 1000)]
    assert [each.alert for each in sent(first, channel)] == ["shop-drift"]
    first.look()  # the tables say nothing of payloads
    assert len(sent(first, channel)) == 1
    second = notifier(tmp_path, channel, clock, changed)
    assert not second.is_drift_due()
    clock.at += timedelta(days=1)
    assert second.is_drift_due()


def test_payloads_are_compared_after_a_clock_was_set_back(tmp_path: Path) -> None:
    clock = Clock()
    made = notifier(tmp_path, Taker(), clock, lambda _: [])
    made.look_at_payloads()
    assert not made.is_drift_due()
    clock.at -= timedelta(days=400)
    assert made.is_drift_due()


def test_payloads_that_cannot_be_compared_are_tried_again(tmp_path: Path) -> None:
    def away(_now_ms: int) -> list[Condition]:
        raise TimeoutError

    made = notifier(tmp_path, Taker(), Clock(), away)
    made.look_at_payloads()
    assert made.is_drift_due()


def test_payloads_are_not_compared_without_kafka_or_where_nobody_wants_it(tmp_path: Path) -> None:
    def never(_now_ms: int) -> list[Condition]:
        raise AssertionError

    without = notifier(tmp_path, Taker(), Clock())
    without.look_at_payloads()
    assert not without.is_drift_due()
    assert not notifier(tmp_path, Taker(), Clock(), never, drift_interval=0).is_drift_due()
