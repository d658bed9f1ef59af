"""Attempts to do more than read: through each command that takes SQL or reads, as each role."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from hookline.cli import app
from hookline.console.errors import CommandError, error_message
from hookline.local.servers.postgres import Postgres
from hookline.stack_address import StackAddress
from hookline.tables import one_query, reading
from hookline.tables.queries import Reader
from runtime.settings import Settings
from sinks.postgres import roles
from sinks.postgres.migrate import migrate

pytestmark = pytest.mark.stack

PREFIX = "attempts_"

SECRET = "ada@example.org"
ONLY_A_QUERY = "only a query is run (SELECT, WITH, VALUES, TABLE)"


@dataclass(frozen=True)
class Attempt:
    """``words``: what the command's sentence holds."""

    text: str
    words: str


def attempts(marker: Path) -> list[Attempt]:
    """Every attempt; one that could write a file would write ``marker``."""
    return [
        Attempt(f"copy orders to program 'touch {marker}'", ONLY_A_QUERY),
        Attempt(f"copy (select 1) to '{marker}'", ONLY_A_QUERY),
        Attempt("copy orders from program 'id'", ONLY_A_QUERY),
        Attempt("rollback; begin read write; delete from orders", ONLY_A_QUERY),
        Attempt("commit", ONLY_A_QUERY),
        Attempt("begin read write", ONLY_A_QUERY),
        Attempt("select 1; begin read write; delete from orders", "several statements"),
        Attempt("select 1; select 2", "several statements"),
        Attempt("select 1; commit", "several statements"),
        Attempt("set transaction read write", ONLY_A_QUERY),
        Attempt("set role hookline", ONLY_A_QUERY),
        Attempt("set session authorization hookline", ONLY_A_QUERY),
        Attempt("reset role", ONLY_A_QUERY),
        Attempt("do $$ begin delete from orders; end $$", ONLY_A_QUERY),
        Attempt("create temp table mine (n int)", ONLY_A_QUERY),
        Attempt("select 1 as n into temp mine", "a query only reads"),
        Attempt("create table mine (n int)", ONLY_A_QUERY),
        Attempt("insert into orders select * from orders", ONLY_A_QUERY),
        Attempt("delete from orders returning *", ONLY_A_QUERY),
        Attempt("with gone as (delete from orders returning *) select * from gone", "only reads"),
        Attempt("select * from orders for update", "only reads"),
        Attempt("explain analyze delete from orders", ONLY_A_QUERY),
        Attempt("lock table orders", ONLY_A_QUERY),
        Attempt("prepare p as delete from orders", ONLY_A_QUERY),
        Attempt("select pg_read_file('/etc/passwd')", "reads files of the database's host"),
        Attempt("select pg_read_binary_file('/etc/passwd')", "reads files"),
        Attempt("select pg_ls_dir('/')", "reads files"),
        Attempt("select * from pg_stat_file('/etc/passwd')", "reads files"),
        Attempt("select lo_import('/etc/passwd')", "large objects and files"),
        Attempt(f"select lo_export(1, '{marker}')", "large objects and files"),
        Attempt("select lo_create(0)", "large objects"),
        Attempt("select lo_from_bytea(0, 'x')", "large objects"),
        Attempt(
            "select * from dblink('dbname=hookline', 'select 1') as t (n int)", "other servers"
        ),
        Attempt("select pg_terminate_backend(pg_backend_pid())", "other sessions"),
        Attempt("select pg_cancel_backend(pg_backend_pid())", "other sessions"),
        Attempt("select pg_advisory_lock(1)", "locks"),
        Attempt("select pg_try_advisory_xact_lock(1, 2)", "locks"),
        Attempt('select U&"pg_\\0061dvisory_lock"(1)', "without escapes"),
        Attempt("select set_config('role', 'hookline', false)", "changes settings"),
        Attempt("select set_config('transaction_read_only', 'off', true)", "changes settings"),
        Attempt("select pg_notify('a', 'b')", "messages"),
        Attempt("select pg_logical_emit_message(false, 'a', 'b')", "messages"),
        Attempt("select pg_reload_conf()", "acts on the server"),
        Attempt("select query_to_xml('delete from orders', true, true, '')", "a text as a query"),
        Attempt("select passwd from pg_shadow", "no right"),
        Attempt("select * from sink_rejects", "no right"),
        Attempt("select nextval('hookline_none')", "hookline_none"),
        Attempt("", "no query"),
        Attempt("-- nothing", "no query"),
    ]


@pytest.fixture(scope="module")
def settings(postgres: Postgres) -> Settings:
    fresh = Settings(database_url=postgres.url, prefix=PREFIX)
    migrate(fresh)
    with owner(fresh) as connection:
        connection.execute(
            "INSERT INTO customer_contacts (customer_key, email, layers)"
            " VALUES ('a/b/customer:1', %s, '{}')",
            [SECRET],
        )
    return fresh


def owner(settings: Settings) -> psycopg.Connection[Any]:
    connection = psycopg.connect(settings.database_url, autocommit=True)
    name = sql.Identifier(settings.sql_schema)
    connection.execute(sql.SQL("SET search_path TO {}").format(name))
    return connection


@pytest.fixture
def environment(settings: Settings, postgres: Postgres) -> dict[str, str | None]:
    """An analyst's: the readers' URLs, and a database URL that must never be used."""
    inherited = dict.fromkeys(name for name in os.environ if name.startswith("HOOKLINE_"))
    return {
        **inherited,
        "HOOKLINE_PREFIX": settings.prefix,
        "HOOKLINE_DATABASE_URL": settings.database_url,
        "HOOKLINE_READER_URL": postgres.reader_url,
        "HOOKLINE_CONTACTS_READER_URL": postgres.contacts_reader_url,
    }


Run = Callable[..., tuple[str, str]]


@pytest.fixture
def run(environment: dict[str, str | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command: what it prints, and the sentence that it ends with."""

    def call(*arguments: str, **changed: str | None) -> tuple[str, str]:
        ended = CliRunner(env={**environment, **changed}).invoke(app, arguments)
        sentence = "" if ended.exception is None else error_message(ended.exception)
        assert sentence is not None, ended.exception
        return ended.output, sentence

    monkeypatch.chdir(tmp_path)
    return call


def readers(settings: Settings, postgres: Postgres, *, contacts: bool) -> Reader:
    """A reader as the commands open it."""
    return Reader(
        StackAddress(settings, "", postgres.reader_url, postgres.contacts_reader_url),
        contacts=contacts,
    )


@pytest.mark.parametrize("contacts", [False, True], ids=["reader", "contacts reader"])
def test_each_attempt_is_refused_in_a_sentence_that_says_why(
    settings: Settings, postgres: Postgres, tmp_path: Path, contacts: bool
) -> None:
    marker = tmp_path / "marker"
    said = {}
    with readers(settings, postgres, contacts=contacts) as reader:
        for attempt in attempts(marker):
            try:
                said[attempt] = f"passed: {reader.ask(attempt.text)}"
            except (CommandError, psycopg.Error) as error:
                said[attempt] = error_message(error) or "no sentence"
            assert not marker.exists(), attempt
    wrong = {
        attempt.text: sentence
        for attempt, sentence in said.items()
        if attempt.words not in sentence or len(sentence.splitlines()) != 1
    }
    assert wrong == {}


@pytest.mark.parametrize("contacts", [False, True], ids=["reader", "contacts reader"])
def test_the_server_alone_refuses_each_attempt_whatever_its_words(
    settings: Settings, postgres: Postgres, tmp_path: Path, contacts: bool
) -> None:
    marker = tmp_path / "marker"
    url = postgres.contacts_reader_url if contacts else postgres.reader_url
    passed = []
    for attempt in attempts(marker):
        with reading.connect(url, settings.sql_schema, contacts=contacts) as connection:
            try:
                one_query.fetch(connection, attempt.text)
            except psycopg.Error:
                continue
        passed.append(attempt.text)
    assert passed == []
    assert not marker.exists()


@pytest.mark.parametrize("contacts", [(), ("--contacts",)], ids=["reader", "contacts reader"])
def test_the_command_prints_the_sentence_and_nothing_else(
    run: Run, contacts: tuple[str, ...]
) -> None:
    for text in ("rollback; begin read write", "select 1; select 2", "select pg_ls_dir('/')"):
        printed, sentence = run("tables", *contacts, "--sql", text)
        assert printed == ""
        assert sentence.startswith(("refused ", "one query at a time"))


def test_a_query_is_rolled_back_so_that_nothing_of_it_stays(
    settings: Settings, postgres: Postgres
) -> None:
    with reading.connect(postgres.reader_url, settings.sql_schema) as connection:
        assert one_query.run(connection, "select 1 as n; ") == (["n"], [(1,)])
        assert one_query.run(connection, "select '100%' as \"a%b\"") == (["a%b"], [("100%",)])
        status = connection.info.transaction_status
        assert status == psycopg.pq.TransactionStatus.IDLE
        read_only = one_query.run(connection, "select current_setting('transaction_read_only')")
        assert read_only[1] == [("on",)]


def test_contact_data_is_for_the_contacts_reader_alone(run: Run) -> None:
    query = "select email from customer_contacts"
    printed, sentence = run("tables", "--sql", query)
    assert printed == ""
    assert "customer_contacts holds personal data" in sentence
    assert "--contacts" in sentence
    assert SECRET in run("tables", "--contacts", "--sql", query)[0]
    for hidden in ("select * from pg_stats where tablename = 'customer_contacts'",):
        assert SECRET not in run("tables", "--sql", hidden)[0]
    assert "personal data" in run("tables", "export", "--table", "customer_contacts")[1]


READS = (
    ("tables",), ("tables", "carts"), ("tables", "customers", "--json"), ("tables", "people"),
    ("tables", "days"), ("tables", "coverage"), ("tables", "freshness"),
    ("tables", "list"),
    ("tables", "--sql", "select 1"), ("tables", "export"), ("what-if",),
    ("why", "carts", "run-free/lakeside/cart:1"), ("why", "customers", "run-free/lakeside/1"),
)  # fmt: skip


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_reading_uses_the_readers_url_and_no_other(
    run: Run, command: tuple[str, ...], postgres: Postgres
) -> None:
    printed, sentence = run(*command, HOOKLINE_READER_URL=None)
    assert printed == ""
    assert sentence.startswith("HOOKLINE_READER_URL is not set")

    unreachable = "postgresql://hookline_reader:word@127.0.0.1:9/hookline"
    for wrong in (unreachable, postgres.reader_url.replace("hookline_reader:", "nobody:")):
        sentence = run(*command, HOOKLINE_READER_URL=wrong)[1]
        assert sentence.startswith("PostgreSQL does not answer")
        assert "is HOOKLINE_READER_URL right?" in sentence
        assert "word@" not in sentence
    assert "is no URL of PostgreSQL" in run(*command, HOOKLINE_READER_URL="secret url")[1]


@pytest.mark.parametrize("command", READS[-5:], ids=" ".join)
def test_a_role_that_may_do_more_than_read_is_refused(
    run: Run, command: tuple[str, ...], postgres: Postgres
) -> None:
    for url, what in (
        (postgres.url, "hookline, who is a superuser"),
        (postgres.sink_url, "hookline_sink, who may write"),
        (postgres.operator_url, "hookline_operator, who may write"),
    ):
        printed, sentence = run(*command, HOOKLINE_READER_URL=url)
        assert printed == ""
        assert f"refused to read as {what}" in sentence


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("GRANT pg_read_server_files TO busy", "is a member of pg_read_server_files"),
        ("GRANT pg_execute_server_program TO busy", "is a member of pg_execute_server_program"),
        ("ALTER ROLE busy CREATEROLE", "may create roles"),
        ("ALTER ROLE busy BYPASSRLS", "has REPLICATION or BYPASSRLS"),
        ("GRANT CREATE ON SCHEMA {} TO busy", "may create objects"),
        ("GRANT UPDATE (net) ON {}.customer_lifetime_value TO busy", "may write customer_lifetime"),
        ("GRANT hookline_sink TO busy; ALTER ROLE busy NOINHERIT", "may write"),
    ],
)
def test_one_right_too_many_is_named(
    run: Run, settings: Settings, postgres: Postgres, change: str, what: str
) -> None:
    url = postgres.reader_url.replace("//hookline_reader:", "//busy:")
    password = url.split(":")[2].partition("@")[0]
    with owner(settings) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE busy LOGIN PASSWORD {} IN ROLE hookline_reader").format(password)
        )
        try:
            assert run("tables", "list", HOOKLINE_READER_URL=url)[1] == ""
            connection.execute(sql.SQL(change).format(sql.Identifier(settings.sql_schema)))
            assert what in run("tables", "list", HOOKLINE_READER_URL=url)[1]
        finally:
            connection.execute("DROP OWNED BY busy")
            connection.execute("DROP ROLE busy")


def test_every_role_is_one_of_those_that_are_granted_rights(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^hookline_'")
        assert {name for (name,) in found} == set(roles.ALL)
