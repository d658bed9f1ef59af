"""Answers are shared, sessions are few, and a session that has ended is replaced."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from hookline.dashboard import database
from hookline.dashboard.database import Database, Page, Query
from hookline.tables.queries import Rows


@dataclass
class Session:
    """A session that answers with its own number, or fails."""

    number: int
    fails: list[Exception] = field(default_factory=list)
    is_closed: bool = False

    def query(self, statement: str, parameters: dict[str, Any] | None = None) -> Rows:
        del statement, parameters
        if self.fails:
            raise self.fails.pop()
        return Rows(["number"], [(self.number,)])

    @contextmanager
    def snapshot(self, timeout_ms: int) -> Iterator[None]:
        assert timeout_ms == database.TIMEOUT_MS
        yield

    def close(self) -> None:
        self.is_closed = True


class Server:
    """Opens sessions; its clock goes on by hand."""

    def __init__(self) -> None:
        self.opened: list[Session] = []
        self.now = 0.0
        self.database = Database(self.open, lambda: self.now)

    def open(self) -> Session:
        self.opened.append(Session(len(self.opened) + 1))
        return self.opened[-1]

    def read(self, key: str, seconds: float = 0.0) -> Page:
        def work(query: Query) -> Page:
            self.now += seconds
            [(number,)] = query("SELECT 1").rows
            return {"number": number, "at": self.now}

        return self.database.read(key, work)


def test_an_answer_is_shared_for_a_time_and_then_read_again() -> None:
    server = Server()
    first = server.read("a")
    server.now += database.KEPT - 0.1
    assert server.read("a") is first
    server.now += 0.2
    assert server.read("a") != first


def test_an_answer_is_shared_the_longer_the_more_it_cost() -> None:
    server = Server()
    first = server.read("a", seconds=3.0)
    server.now += 3.0 * database.REST - 0.1
    assert server.read("a") is first
    server.now += 0.2
    assert server.read("a") is not first
    slow = server.read("slow", seconds=100.0)
    server.now += database.MAX_KEPT + 0.1
    assert server.read("slow") is not slow


def test_one_question_is_not_answered_with_another() -> None:
    server = Server()
    assert server.read("a") is not server.read("b")


def test_a_session_serves_many_pages() -> None:
    server = Server()
    for key in "abc":
        server.read(key)
    assert len(server.opened) == 1


def test_a_session_that_ended_while_it_was_idle_is_replaced_unseen() -> None:
    server = Server()
    server.read("a")
    server.opened[0].fails.append(psycopg.errors.AdminShutdown("ended"))
    assert server.read("b")["number"] == 2
    assert server.opened[0].is_closed


@pytest.mark.parametrize("error", [psycopg.errors.QueryCanceled, psycopg.errors.UndefinedTable])
def test_an_error_of_a_query_is_raised_and_its_session_closed(error: type[Exception]) -> None:
    server = Server()
    server.read("a")
    server.opened[0].fails.append(error("no"))
    with pytest.raises(error):
        server.read("b")
    assert server.opened[0].is_closed
    assert server.read("b")["number"] == 2


def test_a_new_session_that_fails_is_not_tried_again() -> None:
    server = Server()
    with pytest.raises(psycopg.OperationalError):
        server.database.read("a", _fails)
    assert len(server.opened) == 1


def _fails(_query: Query) -> Page:
    raise psycopg.OperationalError("away")


def test_answers_do_not_pile_up() -> None:
    server = Server()
    for number in range(2 * database.MAX_ANSWERS):
        server.read(str(number))
    assert len(server.database._answers) == database.MAX_ANSWERS


def test_closing_ends_the_idle_sessions() -> None:
    server = Server()
    server.read("a")
    server.database.close()
    assert server.opened[0].is_closed
