"""The tables' database, as commands use it: short sessions that wait for nothing for long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, sql

from runtime.settings import Settings
from sinks.postgres.migrate import check

Connection = AsyncConnection[Any]


@asynccontextmanager
async def connected(settings: Settings, purpose: str) -> AsyncIterator[Connection]:
    """A session (autocommit) in our schema, which must be this version's.

    Raises psycopg.OperationalError where no server answers, UnmigratedError.
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
