"""The sinks' database session: timeouts, reconnection, retried transactions, leadership."""

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
from sinks.postgres import rights
from sinks.postgres.answer_bound import AnswerBound
from sinks.postgres.copy_rows import register_dumpers
from sinks.postgres.migrate import lock_key

_SESSION = {
    # A stopped process must not stall its successor: the server releases its locks.
    "idle_in_transaction_session_timeout": "10s",
    "statement_timeout": "30s",
    "lock_timeout": "15s",
    "TimeZone": "UTC",
    # A batch is acknowledged to Kafka after this commit: by then it must be on disk.
    "synchronous_commit": "on",
    # Every statement looks up keys. With stale statistics the planner would read whole tables.
    "enable_seqscan": "off",
    # Compiling a batch's statements costs more than running them.
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
# A lock lasts as long as its session: the server ends that of a stopped process.
_LEADER_IDLE = "15s"

RETRYABLE = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable)
"""The transaction lost a race: it is repeated at once."""
UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # Class 25, so not an OperationalError: the server ended an idle transaction (this process
    # was stopped), or it is a standby that cannot write yet.
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,
)
"""The server cannot be reached, is full or is shutting down: retried with a pause."""

_log = logs.get("hookline.sinks.database")
Result = TypeVar("Result")


class NoLongerWantedError(Exception):
    """The caller no longer wants the result: ``is_wanted`` became false between two attempts."""


class Database:
    """One session, opened on demand and reopened after a loss; callers take turns.

    ``schema``: instead of the settings' own, for tables that a rebuild writes. ``session``:
    further settings of the session.
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
        self._bound = bound = AnswerBound.of(self._session["statement_timeout"])
        self._health = health
        self.name = name
        self._connection: AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

        class Cursor(AsyncCursor[Any]):
            """Counts finished statements, so that a long transaction is not taken for a hang."""

            async def execute(self, *args: Any, **options: Any) -> Self:
                await super().execute(*args, **options)
                health.answered()
                bound.answered()
                return self

        self._cursor = Cursor

    async def run(
        self,
        work: Callable[[AsyncConnection[Any]], Awaitable[Result]],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Result:
        """Return the result of ``work`` in one transaction, however long the server is away.

        ``work`` is repeated after a lost race, a lost connection and a commit whose result is
        unknown, so it must detect that it was committed before. Raises NoLongerWantedError once
        ``is_wanted`` is false between two attempts, MissingRightError; other errors pass through.

        A second caller waits: partitions can be assigned while a batch is still being written.
        """
        async with self._turn:
            return await self._run(work, is_wanted)

    async def _run(
        self,
        work: Callable[[AsyncConnection[Any]], Awaitable[Result]],
        is_wanted: Callable[[], bool],
    ) -> Result:
        delay, longest = _BACKOFF
        while is_wanted():
            try:
                connection = await self._open()
                with self._bound.watching(connection):
                    async with connection.transaction():
                        result = await work(connection)
            except RETRYABLE as error:
                metrics.TRANSACTIONS.labels("retried").inc()
                _log.info("transaction repeated", session=self.name, sqlstate=error.sqlstate)
                await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - jitter
            except UNAVAILABLE as error:
                reason = _first_line(error)
                if self._bound.is_cut:
                    reason = f"PostgreSQL gave no answer within {self._bound.seconds:.0f} s"
                    self._bound.is_cut = False
                self._health.waiting("database", reason)
                _log.warning("database away", session=self.name, reason=reason)
                await self.close()
                await asyncio.sleep(delay)
                delay = min(delay * 2, longest)
            except errors.InsufficientPrivilege as error:
                raise await rights.explain(self._connection, self._schema, error) from error
            else:
                self._health.met("database")
                return result
        raise NoLongerWantedError

    async def close(self) -> None:
        """Close the session; the next ``run`` opens another."""
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
            with self._bound.watching(connection):
                # Only this schema: temporary tables are written as pg_temp.name.
                await connection.execute(sql.SQL("SET search_path TO {}").format(schema))
                for name, value in self._session.items():
                    await connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        except BaseException:
            await connection.close()
            raise
        set_json_loads(msgspec.json.decode, connection)
        register_dumpers(connection)
        connection.cursor_factory = self._cursor
        self._connection = connection
        return connection


class Leader:
    """A session of its own that holds the advisory lock ``purpose`` while it leads."""

    def __init__(self, settings: Settings, health: Health, purpose: str) -> None:
        self._key = lock_key(settings.sql_schema, purpose)
        self._database = Database(
            settings, health, f"hookline-{purpose}", idle_session_timeout=_LEADER_IDLE
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


def _first_line(error: Exception) -> str:
    """Return an error's first line; further lines may quote rows."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
