"""Runs one query that somebody wrote, and gives in a sentence what it refuses and why.

What keeps a text from doing more than read is the server: the role's rights, a transaction that
is read-only and never committed, and a cursor, whose declaration takes one query by PostgreSQL's
own grammar and one statement by its protocol. The names below only make the sentences better, and
refuse early what some servers grant everybody.
"""

import re
from typing import Any

import psycopg
from psycopg import errors

from hookline.console.errors import CommandError
from sinks.postgres.roles import CONTACTS, CONTACTS_READER, READER

_CURSOR = "hookline_query"
_QUOTED = re.compile(
    r"""--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'""",
    re.DOTALL,
)
"""Comments and strings. Nested comments may end early: this is no wall."""
_FUNCTIONS: tuple[tuple[str, str], ...] = (
    (r"pg_(?:try_)?advisory_\w+", "takes locks that Hookline's own processes wait for"),
    (r"set_config", "changes settings of the session"),
    (r"pg_(?:read|ls|stat)_\w*(?:file|dir)\w*", "reads files of the database's host"),
    (r"pg_ls_\w+", "reads files of the database's host"),
    (r"lo_\w+|loread|lowrite", "reads and writes large objects and files"),
    (r"dblink\w*", "connects to other servers"),
    (r"pg_(?:terminate|cancel)_backend", "ends the work of other sessions"),
    (r"pg_notify|pg_logical_emit_message", "sends messages to other sessions"),
    (r"pg_export_snapshot|pg_create_\w+|pg_(?:reload|rotate|switch)\w*", "acts on the server"),
    (r"(?:query|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite", "runs a text as a query"),
)  # fmt: skip
_CALLS = [
    (
        re.compile(rf'(?<![\w.])(?:pg_catalog\s*\.\s*)?"?(?P<name>{names})"?\s*\(', re.IGNORECASE),
        why,
    )
    for names, why in _FUNCTIONS
]
_ESCAPED_NAME = re.compile(r'\bU&"', re.IGNORECASE)
_FIRST = re.compile(r"\s*\(*\s*([A-Za-z]+)")
_QUERIES = frozenset({"select", "with", "values", "table"})
_REFUSALS = (
    errors.SyntaxError, errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction,
    errors.InvalidCursorDefinition, errors.FeatureNotSupported, errors.ActiveSqlTransaction,
)  # fmt: skip
_SEVERAL = "one query at a time: the text holds several statements, none was run"


def run(
    connection: psycopg.Connection[Any], statement: str
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one query; return its columns and rows. ``connection``: of ``reading.connect``.

    Raises CommandError for what is refused, psycopg.Error for other errors of the server.
    """
    if (why := refusal(statement)) is not None:
        raise CommandError(why)
    try:
        return fetch(connection, statement)
    except _REFUSALS as error:
        if (why := _explained(error)) is None:
            raise
        raise CommandError(why) from error


def fetch(
    connection: psycopg.Connection[Any], statement: str
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one query behind the server's own walls alone. Raises psycopg.Error."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION READ ONLY")
        # From the first query on, the server makes no transaction read-write again.
        connection.execute("SELECT")
        with connection.cursor(name=_CURSOR) as cursor:
            cursor.execute(statement.encode())
            return [column.name for column in cursor.description or ()], cursor.fetchall()


def refusal(statement: str) -> str | None:
    """Return why a text is not run, as far as its text shows it; None if it shows nothing."""
    bare = _QUOTED.sub(" ", statement)
    if not bare.strip(" \t\r\n;"):
        return "no query: the text holds no statement"
    first = _FIRST.match(bare)
    if first is not None and first[1].lower() not in _QUERIES:
        return (
            f"refused {first[1].upper()}: only a query is run (SELECT, WITH, VALUES, TABLE), in a"
            " transaction that cannot write"
        )
    if _ESCAPED_NAME.search(bare):
        return 'refused U&"…": a name is written without escapes here'
    for call, why in _CALLS:
        if (found := call.search(bare)) is not None:
            return f"refused {found['name'].lower()}(): it {why}"
    return None


def _explained(error: psycopg.Error) -> str | None:
    message = str(error).splitlines()[0]
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return f"refused: {message}; a query only reads"
    if isinstance(error, errors.SyntaxError) and "multiple commands" in message:
        return _SEVERAL
    if not isinstance(error, errors.InsufficientPrivilege):
        if "DECLARE CURSOR" in message or "INTO is not allowed" in message:
            return "refused: a query only reads: no INTO, and no INSERT, UPDATE or DELETE in WITH"
        return f"refused: {message}" if isinstance(error, errors.ActiveSqlTransaction) else None
    if CONTACTS in message:
        return (
            f"refused: {CONTACTS} holds personal data, which {READER} may not read;"
            f" {CONTACTS_READER} may: `hookline tables --contacts --sql`"
        )
    return f"refused: {message}: the role of this URL has no right to it"
