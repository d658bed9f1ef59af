"""Work for one process at a time: the one that holds an advisory lock."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection

from runtime.health import Health
from runtime.settings import Settings
from sinks.postgres.migrate import lock_key
from sinks.postgres.session import Database

# The lock lasts as long as its session: the server ends that of a stopped process.
_IDLE = "15s"

Result = TypeVar("Result")


class Leader:
    """A session of its own that holds the advisory lock ``purpose`` while it leads."""

    def __init__(self, settings: Settings, health: Health, purpose: str) -> None:
        self._key = lock_key(settings.sql_schema, purpose)
        self._database = Database(
            settings, health, f"hookline-{purpose}", idle_session_timeout=_IDLE
        )
        self._led: AsyncConnection[Any] | None = None
        self.terms = 0
        """How often this process took the lock: state kept in memory is valid for one term."""

    async def run(self, work: Callable[[AsyncConnection[Any]], Awaitable[Result]]) -> Result | None:
        """Return the result of ``work`` in one transaction, None where another process leads."""

        async def led(connection: AsyncConnection[Any]) -> Result | None:
            if connection is not self._led:
                cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [self._key])
                if await cursor.fetchone() != (True,):
                    return None
                self._led = connection
                self.terms += 1
            return await work(connection)

        return await self._database.run(led)

    async def close(self) -> None:
        """Close the session, which releases the lock."""
        self._led = None
        await self._database.close()
