"""Which right a session lacks, in one sentence that names it and the remedy."""

from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.pq import TransactionStatus

_LACKING = """
    SELECT wanted.privilege, wanted.kind, wanted.name
      FROM (
        SELECT 0 AS rank, 'USAGE' AS privilege, 'SCHEMA' AS kind, nspname::text AS name,
               has_schema_privilege(oid, 'USAGE') AS granted
          FROM pg_namespace WHERE nspname = %(schema)s
        UNION ALL
        SELECT 1, privilege, 'TABLE', format('%%I.%%I', nspname, relname),
               has_table_privilege(c.oid, privilege)
          FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
               CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
         WHERE nspname = %(schema)s AND relkind = 'r'
           AND (relname <> 'schema_migrations' OR privilege = 'SELECT')
        UNION ALL
        SELECT 2, 'EXECUTE', 'FUNCTION', oid::regprocedure::text,
               has_function_privilege(oid, 'EXECUTE')
          FROM pg_proc WHERE oid = ANY(ARRAY['pg_try_advisory_lock(bigint)'::regprocedure,
               'set_config(text,text,boolean)'::regprocedure,
               'pg_terminate_backend(integer,bigint)'::regprocedure])
      ) wanted
     WHERE NOT granted ORDER BY rank, name, privilege
"""
_ROLE = """
    SELECT rolname, rolsuper OR EXISTS (
             SELECT FROM pg_namespace WHERE nspname = %(schema)s
                AND pg_has_role(r.oid, nspowner, 'MEMBER'))
      FROM pg_roles r WHERE rolname = current_user
"""


class MissingRightError(RuntimeError):
    """The database's user lacks a right; the message names both, and what grants it."""


async def check(connection: AsyncConnection[Any], schema: str) -> None:
    """Raise MissingRightError for the first right that a sink needs in ``schema`` and lacks.

    A schema that does not exist lacks none: that the migrations are missing says more.
    """
    for sentence, _ in await _lacking(connection, schema):
        raise MissingRightError(sentence)


async def explain(
    connection: AsyncConnection[Any] | None, schema: str, error: errors.InsufficientPrivilege
) -> MissingRightError:
    """Return what to raise for a refusal in mid-work: the right by name, as far as it is known."""
    message = str(error).splitlines()[0]
    if connection is not None and connection.info.transaction_status == TransactionStatus.IDLE:
        for sentence, name in await _lacking(connection, schema):
            if name.rpartition(".")[2] in message.split():
                return MissingRightError(sentence)
    return MissingRightError(
        f"PostgreSQL refuses: {message}: grant it, or run `hookline migrate` as the tables' owner,"
        " which grants every role its rights"
    )


async def _lacking(connection: AsyncConnection[Any], schema: str) -> list[tuple[str, str]]:
    """Return a sentence, and the name of the object, for each right that is lacking."""
    cursor = await connection.execute(_LACKING, {"schema": schema})
    user = connection.info.user
    return [(_sentence(user, *right), right[2]) for right in await cursor.fetchall()]


async def owned_by(connection: AsyncConnection[Any], schema: str) -> str | None:
    """Return the session's user if that owns the schema, or is a superuser; else None."""
    row = await (await connection.execute(_ROLE, {"schema": schema})).fetchone()
    return str(row[0]) if row is not None and row[1] else None


def _sentence(user: str, privilege: str, kind: str, name: str) -> str:
    thing = f"{kind.lower()} {name}"
    return (
        f"PostgreSQL refuses {user}: it lacks the right {privilege} on the {thing}; grant it with"
        f" `GRANT {privilege} ON {kind} {name} TO {user}`, or run `hookline migrate` as the owner"
    )
