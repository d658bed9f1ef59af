"""A database session as the sinks keep it: its bounds, its return after a loss, its retries."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import msgspec
import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors, sql
from psycopg.types.json import set_json_loads

from runtime import logs, metrics
from runtime.health import Health
from runtime.settings import Settings

_SESSION = {
    # A stopped process must not stall its successor: the server lets go of what it holds.
    "idle_in_transaction_session_timeout": "10s",
    "statement_timeout": "30s",
    "lock_timeout": "15s",
    "TimeZone": "UTC",
    # The tables hold what the log can give again, and a fence is durable with its rows:
    # nothing here may be answered before it is on disk.
    "synchronous_commit": "on",
    # Every statement looks up keys. Where statistics are old or guess badly, the planner would
    # rather read a whole table for each batch.
    "enable_seqscan": "off",
    # Compiling the plan of a batch costs more than running it.
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}
_KEEPALIVE = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
}
_BACKOFF = (0.1, 5.0)  # s, first and longest

AGAIN = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable)
"""Transactions that lost a race: repeated."""
AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # Of class 25, so no OperationalError: the server ended a transaction that stood still
    # (this process was stopped), or is a standby that does not write yet.
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""The server, or the way to it, is gone, full or stopping: waited out."""

_log = logs.get("hookline.sinks.database")
Result = TypeVar("Result")


class NoLongerWantedError(Exception):
    """The work was given up between two attempts: whoever asked for it has lost interest."""


class Database:
    """One session for one user, opened when needed and opened again after a loss.

    ``schema`` stands in for the settings' own where tables are built beside the live ones.
    ``session``: settings of the session beside those of all sinks.
    """

    def __init__(
        self,
        settings: Settings,
        health: Health,
        name: str,
        *,
        schema: str | None = None,
        **session: str,
    ) -> None:
        self._settings = settings
        self._schema = schema or settings.sql_schema
        self._session = {**_SESSION, **session}
        self._health = health
        self.name = name
        self._connection: AsyncConnection[Any] | None = None

        class Cursor(AsyncCursor[Any]):
            """Says when a statement has ended: a long transaction of short ones is no hang."""

            async def execute(self, *args: Any, **options: Any) -> Self:
                await super().execute(*args, **options)
                health.answered()
                return self

        self._cursor = Cursor

    async def run(
        self,
        work: Callable[[AsyncConnection[Any]], Awaitable[Result]],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Result:
        """The result of ``work`` in one transaction, however long the server is away.

        ``work`` is repeated after a lost race, a lost connection and a commit whose result is
        unknown, so it must find out for itself whether it has been done before. Raises
        NoLongerWantedError once ``is_wanted`` turns false between two attempts; errors of
        data and of programming pass through.
        """
        delay, longest = _BACKOFF
        while is_wanted():
            try:
                connection = await self._open()
                async with connection.transaction():
                    result = await work(connection)
            except AGAIN as error:
                metrics.TRANSACTIONS.labels("retried").inc()
                _log.info("transaction repeated", session=self.name, sqlstate=error.sqlstate)
                await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - apart, not secret
            except AWAY as error:
                self._health.waiting("database", _words(error))
                _log.warning("database away", session=self.name, reason=_words(error))
                await self.close()
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)
            else:
                self._health.met("database")
                return result
        raise NoLongerWantedError

    async def close(self) -> None:
        """Let go of the session; the next ``run`` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> AsyncConnection[Any]:
        if self._connection is not None and not self._connection.broken:
            return self._connection
        await self.close()
        arguments: dict[str, Any] = {**_KEEPALIVE, "application_name": self.name}
        connection = await AsyncConnection.connect(
            self._settings.database_url, autocommit=True, **arguments
        )
        try:
            schema = sql.Identifier(self._schema)
            # Temporary tables are named pg_temp in every statement; nothing else is in reach.
            await connection.execute(sql.SQL("SET search_path TO {}").format(schema))
            for name, value in self._session.items():
                await connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        except BaseException:
            await connection.close()
            raise
        set_json_loads(msgspec.json.decode, connection)
        connection.cursor_factory = self._cursor
        self._connection = connection
        return connection


def _words(error: Exception) -> str:
    """An error's first line: what follows may quote rows."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
