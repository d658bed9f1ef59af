"""Connections for reading: with a reader's URL and no other, to a role that can only read."""

from typing import Any

import psycopg
from psycopg import sql

from hookline.console.errors import CommandError
from hookline.stack_address import CONTACTS_READER_URL, READER_URL
from sinks.postgres.roles import CONTACTS, CONTACTS_READER, READER

TIMEOUT_MS = 30_000

_SERVER_ROLES = (
    "pg_execute_server_program", "pg_read_server_files", "pg_write_server_files",
    "pg_signal_backend", "pg_write_all_data", "pg_maintain", "pg_checkpoint",
    "pg_create_subscription",
)  # fmt: skip
"""Roles of PostgreSQL that reach the server's host or write everywhere."""

# MEMBER, not USAGE: what SET ROLE gives counts too.
_TOO_MUCH = """
    SELECT CASE
        WHEN r.rolsuper THEN 'is a superuser'
        WHEN r.rolcreaterole THEN 'may create roles'
        WHEN r.rolreplication OR r.rolbypassrls THEN 'has REPLICATION or BYPASSRLS'
        ELSE coalesce(
            (SELECT 'is a member of ' || o.rolname FROM pg_roles o
              WHERE o.rolname = ANY(%(server)s) AND pg_has_role(r.oid, o.oid, 'MEMBER') LIMIT 1),
            (SELECT 'is an owner of schema ' || nspname FROM pg_namespace
              WHERE nspname = %(schema)s AND pg_has_role(r.oid, nspowner, 'MEMBER')),
            (SELECT 'may create objects in schema ' || nspname FROM pg_namespace
              WHERE nspname = %(schema)s AND has_schema_privilege(r.oid, oid, 'CREATE')),
            (SELECT 'may write ' || min(c.relname) FROM pg_class c, pg_roles o
              WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s))
                AND c.relkind IN ('r', 'p', 'v') AND pg_has_role(r.oid, o.oid, 'MEMBER')
                AND (has_table_privilege(o.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
                     OR has_any_column_privilege(o.oid, c.oid, 'INSERT, UPDATE'))))
        END
      FROM pg_roles r WHERE r.rolname = session_user
"""
"""What the session's user may do beyond reading; null if nothing."""


_READS_CONTACTS = "SELECT has_table_privilege(to_regclass(%s), 'SELECT')"


def connect(url: str, schema: str, *, contacts: bool = False) -> psycopg.Connection[Any]:
    """Open a read-only session (autocommit) in ``schema``, for the user of a reader's URL.

    ``contacts``: the URL is that of the contacts' reader. Raises CommandError where there is no
    URL, no answer, or a user that may do more than read, or cannot read contact data.
    """
    variable, role = (CONTACTS_READER_URL, CONTACTS_READER) if contacts else (READER_URL, READER)
    if not url:
        raise CommandError(
            f"{variable} is not set: reading uses the role {role} and no other"
            " (docs/operating.md, Roles)"
        )
    try:
        connection = psycopg.connect(
            url, autocommit=True, application_name="hookline-tables", connect_timeout=10
        )
    except psycopg.ProgrammingError as error:  # what libpq says of it may quote the URL
        raise CommandError(
            f"{variable} is no URL of PostgreSQL: postgresql://user@host/database"
        ) from error
    except psycopg.OperationalError as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1].strip()
        raise CommandError(f"PostgreSQL does not answer: {reason}; is {variable} right?") from error
    try:
        _make_read_only(connection, schema)
        _refuse_writers(connection, schema, variable, role)
        if contacts:
            _refuse_plain_readers(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_read_only(connection: psycopg.Connection[Any], schema: str) -> None:
    connection.execute("SET default_transaction_read_only = on")
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
    connection.execute(sql.SQL("SET statement_timeout TO {}").format(sql.Literal(TIMEOUT_MS)))


def _refuse_plain_readers(connection: psycopg.Connection[Any]) -> None:
    found = connection.execute(_READS_CONTACTS, [CONTACTS]).fetchone()
    if found is not None and found[0] is False:  # null while there is no such table
        raise CommandError(
            f"{connection.info.user} cannot read {CONTACTS}: give {CONTACTS_READER_URL} the role"
            f" {CONTACTS_READER} (docs/operating.md, Roles)"
        )


def _refuse_writers(
    connection: psycopg.Connection[Any], schema: str, variable: str, role: str
) -> None:
    parameters = {"schema": schema, "server": list(_SERVER_ROLES)}
    found = connection.execute(_TOO_MUCH, parameters).fetchone()
    if found is not None and found[0] is not None:
        raise CommandError(
            f"refused to read as {connection.info.user}, who {found[0]}: give {variable} the role"
            f" {role}, which can only read (docs/operating.md, Roles)"
        )
