"""Numbered migrations of the SQL schema, applied in order, once, by one process at a time."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, sql

from runtime import logs
from runtime.settings import Settings
from sinks.postgres import roles

MIGRATIONS = Path(__file__).parents[1] / "migrations"

_COMMENTS: dict[LiteralString, str] = {
    "TABLE schema_migrations": "Migrations applied to this schema.",
    "COLUMN schema_migrations.name": "Stem of the migration's file.",
    "COLUMN schema_migrations.digest": "SHA-256 of its text as applied.",
    "COLUMN schema_migrations.applied_at": "When it was applied (this server's clock).",
}
_IS_THERE = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_APPLIED = "SELECT name, digest FROM schema_migrations"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+")
_log = logs.get("hookline.sinks.migrate")


class UnmigratedError(RuntimeError):
    """The schema is not that of this version; the message names the command to run."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of ``migrations/``; ``name`` is its stem, ``digest`` of its text."""

    name: str
    text: str
    digest: str


def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order. Raises ValueError for an unexpected name or number."""
    result = []
    for number, path in enumerate(sorted(MIGRATIONS.glob("*.sql")), start=1):
        match = _NAME.fullmatch(path.stem)
        if match is None or int(match[1]) != number:
            raise ValueError(f"{path.name}: expected number {number:04} and a lower-case name")
        text = path.read_text()
        result.append(Migration(path.stem, text, hashlib.sha256(text.encode()).hexdigest()))
    return tuple(result)


def lock_key(schema: str, purpose: str) -> int:
    """Return the advisory lock key (signed 64 bits) of one purpose in one schema."""
    digest = hashlib.blake2b(f"hookline/{schema}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def migrate(settings: Settings, schema: str | None = None) -> list[str]:
    """Apply the pending migrations, each in a transaction; return their names.

    ``schema``: instead of ``settings.sql_schema``, for tables that a rebuild writes. Raises
    UnmigratedError where an applied migration is unknown to this version or has another text.
    """
    name = schema or settings.sql_schema
    applied: list[str] = []
    with psycopg.connect(
        settings.database_url, autocommit=True, application_name="hookline-migrate"
    ) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [lock_key(name, "migrate")])
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))
        _use(connection, name)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations ("
            " name text PRIMARY KEY, digest text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for target, comment in _COMMENTS.items():
            connection.execute(
                sql.SQL("COMMENT ON {} IS {}").format(sql.SQL(target), sql.Literal(comment))
            )
        for migration in _pending(connection.execute(_APPLIED).fetchall(), name):
            with connection.transaction():
                connection.execute(migration.text)
                connection.execute(
                    "INSERT INTO schema_migrations (name, digest) VALUES (%s, %s)",
                    [migration.name, migration.digest],
                )
            applied.append(migration.name)
            _log.info("migration applied", schema=name, migration=migration.name)
        roles.grant(connection, name)
    return applied


def check_migrated(settings: Settings) -> None:
    """Raise UnmigratedError unless the schema is exactly that of this version."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        _use(connection, settings.sql_schema)
        found = connection.execute(_IS_THERE).fetchone()
        rows = connection.execute(_APPLIED).fetchall() if found == (True,) else []
    _require_all(settings.sql_schema, rows)


async def check(connection: AsyncConnection[Any], schema: str) -> None:
    """``check_migrated`` on a connection with the schema as its search_path."""
    found = await (await connection.execute(_IS_THERE)).fetchone()
    rows = await (await connection.execute(_APPLIED)).fetchall() if found == (True,) else []
    _require_all(schema, rows)


def _require_all(schema: str, applied: Iterable[tuple[str, str]]) -> None:
    if pending := _pending(applied, schema):
        names = ", ".join(migration.name for migration in pending)
        raise UnmigratedError(f"schema {schema!r} lacks {names}: run `hookline migrate`")


def _use(connection: psycopg.Connection, schema: str) -> None:
    connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))


def _pending(rows: Iterable[tuple[str, str]], schema: str) -> list[Migration]:
    """Return the migrations still to apply, given (name, digest) of those applied."""
    known = {migration.name: migration for migration in migrations()}
    done = dict(rows)
    for name, digest in done.items():
        if name not in known:
            raise UnmigratedError(
                f"schema {schema!r} holds {name}, which this version does not know:"
                " run the version that applied it, or a newer one"
            )
        if known[name].digest != digest:
            raise UnmigratedError(
                f"schema {schema!r}: {name} was changed after it was applied: restore its text"
                " and write the change as a new migration"
            )
    return [migration for migration in known.values() if migration.name not in done]
