"""The servers of the stack: their data outlives stop, kill and pause."""

import psycopg
import pytest

from runtime.kafka import topics_admin
from tests.conftest import LiveStack, run_apart

pytestmark = pytest.mark.stack


def _kill_and_start(stack: LiveStack) -> None:
    for server in stack.servers:
        stack.kill(server)
    assert [server.child.is_running for server in stack.servers if server.child] == [False] * 3
    for server in stack.servers:
        server.start()


def test_topics_schemas_and_tables_outlive_a_kill_of_all_servers(stack: LiveStack) -> None:
    settings = stack.settings()
    run_apart(topics_admin.create_topics(settings))
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS outlives (n int)")
        connection.execute("INSERT INTO outlives VALUES (1)")

    _kill_and_start(stack)

    assert run_apart(topics_admin.create_topics(settings)).created == ()
    with psycopg.connect(stack.database_url) as connection:
        assert connection.execute("SELECT sum(n) FROM outlives").fetchone() == (1,)


def test_a_paused_server_does_not_answer_until_it_goes_on(stack: LiveStack) -> None:
    stack.pause(stack.registry)
    assert not stack.registry.is_ready()
    stack.resume(stack.registry)
    assert stack.registry.is_ready()


def test_the_reader_reads_and_cannot_write(stack: LiveStack) -> None:
    with psycopg.connect(stack.reader_url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("hookline_reader",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE mine (n int)")


def test_each_settings_object_has_a_prefix_of_its_own(stack: LiveStack) -> None:
    assert stack.settings().prefix != stack.settings().prefix
