"""Database sessions for commands: short, with a lock timeout."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, sql

from runtime.settings import Settings
from sinks.postgres.migrate import check

Connection = AsyncConnection[Any]


@asynccontextmanager
async def connected(settings: Settings, purpose: str) -> AsyncIterator[Connection]:
    """Open a session (autocommit) in the configured schema.

    Raises psycopg.OperationalError where no server answers, UnmigratedError where the schema is not
    of this version.
    """
    async with await AsyncConnection.connect(
        settings.database_url,
        autocommit=True,
        application_name=f"hookline-{purpose}",
        connect_timeout=10,
    ) as connection:
        await connection.execute(
            sql.SQL("SET search_path TO {}").format(sql.Identifier(settings.sql_schema))
        )
        await connection.execute("SET lock_timeout TO '15s'")
        await check(connection, settings.sql_schema)
        yield connection
