"""The database's roles, and what each may do: granted by ``hookline migrate``, every time.

The owner makes the tables. Everybody else has a role of its own, without any right to create,
change or drop a table: see docs/operating.md.
"""

import psycopg
from psycopg import sql

from runtime import logs

SINK = "hookline_sink"
"""Of ``hookline sink``: rows of every table."""
OPERATOR = "hookline_operator"
"""Of the operator's commands: reads, and writes what they note."""
READER = "hookline_reader"
"""Reads every table and view but those of ``HIDDEN``."""
CONTACTS_READER = "hookline_contacts_reader"
"""Reads contact data too."""
ALL = (SINK, OPERATOR, READER, CONTACTS_READER)

CONTACTS = "customer_contacts"
HIDDEN = (CONTACTS, "sink_rejects", "erasures")
"""Tables that READER may not read."""

_WRITE = "SELECT, INSERT, UPDATE, DELETE"
_NOTED = ("audit_ledger", "dead_letter_counts", "letter_marks", "link_keys", "prediction_runs")
"""Tables of what operators' commands decide and find out, and of locks: audit, dead, predict."""
_PREDICTED = (
    "probability_alive, expected_purchases_30d, expected_purchases_90d, expected_purchases_365d,"
    " expected_value_30d, expected_value_90d, expected_value_365d, discounted_clv"
)
"""Columns of ``customer_lifetime_value`` that ``hookline predict`` fills."""

GRANTS: tuple[tuple[str, str], ...] = (
    *((role, "GRANT USAGE ON SCHEMA {schema} TO {role}") for role in ALL),
    (READER, "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    *((READER, f"REVOKE ALL ON {{schema}}.{table} FROM {{role}}") for table in HIDDEN),
    (CONTACTS_READER, f"GRANT SELECT ON {{schema}}.{CONTACTS} TO {{role}}"),
    (SINK, f"GRANT {_WRITE} ON ALL TABLES IN SCHEMA {{schema}} TO {{role}}"),
    (SINK, "REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_migrations FROM {role}"),
    (OPERATOR, "GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}"),
    (OPERATOR, f"REVOKE ALL ON {{schema}}.{CONTACTS} FROM {{role}}"),
    *((OPERATOR, f"GRANT {_WRITE} ON {{schema}}.{table} TO {{role}}") for table in _NOTED),
    (OPERATOR, f"GRANT UPDATE ({_PREDICTED}) ON {{schema}}.customer_lifetime_value TO {{role}}"),
    # Predict locks its shop's row FOR SHARE, for which PostgreSQL asks for UPDATE of some column.
    (OPERATOR, "GRANT UPDATE (first_received_at) ON {schema}.shops TO {role}"),
)
"""Role, and a statement that brings its rights in one schema to this version."""

CLOSED_FUNCTIONS = """
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
  FROM pg_proc
 WHERE pronamespace = 'pg_catalog'::regnamespace
   AND proname SIMILAR TO 'pg_(try_)?advisory_%|lo_%|lo(read|write)|set_config|pg_notify'
       '|pg_(cancel|terminate)_backend|pg_logical_emit_message|pg_export_snapshot'
UNION ALL
SELECT format('GRANT EXECUTE ON FUNCTION %s TO hookline_sink, hookline_operator', oid::regprocedure)
  FROM pg_proc
 WHERE pronamespace = 'pg_catalog'::regnamespace
   AND proname SIMILAR TO 'pg_(try_)?advisory_%|set_config|pg_terminate_backend'
UNION ALL
SELECT format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database())
"""
"""Statements, one a row, for the administrator of a database that nobody else uses.

PostgreSQL lets everybody take locks, write large objects and end sessions of the same role. What
they take away from everybody, they give to the roles that need it.
"""

_log = logs.get("hookline.sinks.migrate")


def grant(connection: psycopg.Connection, schema: str) -> None:
    """Create the roles and grant them their rights in a schema; raises psycopg.Error.

    Logs a warning for a role that is missing and that this user may not create.
    """
    known = {role for role in ALL if _exists_or_created(connection, role)}
    names = {role: sql.Identifier(role) for role in ALL}
    if {READER, CONTACTS_READER} <= known:
        _join(connection)
    with connection.transaction():
        for role, statement in GRANTS:
            if role in known:
                text = sql.SQL(statement)
                connection.execute(text.format(schema=sql.Identifier(schema), role=names[role]))


def close_functions(connection: psycopg.Connection) -> None:
    """Run the statements of CLOSED_FUNCTIONS. Needs the server's administrator."""
    with connection.transaction():
        for (statement,) in connection.execute(CLOSED_FUNCTIONS).fetchall():
            connection.execute(statement)


def _exists_or_created(connection: psycopg.Connection, role: str) -> bool:
    try:
        with connection.transaction():
            # Roles belong to the server, not to the schema: one process at a time creates them.
            connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('hookline/roles', 0))"
            )
            found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
            if found.fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege:
        _log.warning("a role is missing: this user may not create roles", role=role)
        return False
    return True


def _join(connection: psycopg.Connection) -> None:
    """Let CONTACTS_READER read what READER may."""
    member = connection.execute(
        "SELECT pg_has_role(%s, %s, 'MEMBER')", [CONTACTS_READER, READER]
    ).fetchone()
    if member == (True,):
        return
    try:
        connection.execute(
            sql.SQL("GRANT {} TO {}").format(
                sql.Identifier(READER), sql.Identifier(CONTACTS_READER)
            )
        )
    except psycopg.errors.InsufficientPrivilege:
        _log.warning("this user may not grant a role", role=READER, to=CONTACTS_READER)
