"""Transactions that go statement by statement, each only when it is its turn."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol

from psycopg import AsyncConnection, AsyncCursor, sql

from runtime.health import Health
from runtime.settings import Settings
from sinks.postgres.session import Database

Work = Callable[[], Awaitable[Any]]

_SETTLED = 0.002
"""Seconds after which a statement that has not ended is looked up: it may wait for a lock."""
_BLOCKED = """
    SELECT pid FROM unnest(%s::int[]) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0
"""


class Schedule(Protocol):
    """Who goes next, of those that are at their gate."""

    def choose(self, options: list[str]) -> str: ...

    def blocked(self) -> None: ...


class Turns:
    """Grants turns to named transactions; a statement that waits for a lock yields its own.

    ``gated``: which statements need a turn.
    """

    def __init__(
        self, settings: Settings, names: tuple[str, ...], gated: Callable[[str], bool]
    ) -> None:
        self._settings, self._gated = settings, gated
        self.databases = {name: _Gated(settings, self, name) for name in names}
        self._gates: dict[str, asyncio.Future[None]] = {}
        self._changed = asyncio.Event()
        self.is_open = True
        self.taken: list[str] = []

    async def close(self) -> None:
        for database in self.databases.values():
            await database.close()
        await self.monitor.close()

    async def connect(self) -> None:
        self.monitor = await AsyncConnection.connect(self._settings.database_url, autocommit=True)
        schema = sql.Identifier(self._settings.sql_schema)
        await self.monitor.execute(sql.SQL("SET search_path TO {}").format(schema))
        for database in self.databases.values():
            await database.run(_nothing)

    async def arrive(self, name: str, statement: str) -> None:
        """Wait for the turn of ``name`` for a statement."""
        if self.is_open or not self._gated(statement):
            return
        gate = asyncio.get_running_loop().create_future()
        self._gates[name] = gate
        self._changed.set()
        await gate

    async def run(self, works: Mapping[str, Work], schedule: Schedule) -> None:
        """Run the transactions in the order of a schedule."""
        self.is_open, self.taken = False, []
        tasks = {name: asyncio.ensure_future(work()) for name, work in works.items()}
        for task in tasks.values():
            task.add_done_callback(lambda _: self._changed.set())
        known: set[str] = set()
        try:
            while not all(task.done() for task in tasks.values()):
                waiting = await self._settle(tasks)
                if self.taken and self.taken[-1] in waiting and not waiting <= known:
                    schedule.blocked()
                known = waiting
                if self._gates:
                    name = schedule.choose(sorted(self._gates))
                    self.taken.append(name)
                    self._gates.pop(name).set_result(None)
            for task in tasks.values():
                task.result()
        finally:
            self.is_open = True
            for gate in self._gates.values():
                gate.set_result(None)
            self._gates.clear()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _settle(self, tasks: Mapping[str, "asyncio.Future[Any]"]) -> set[str]:
        """Wait until each transaction has ended, is at its gate, or waits for a lock: these."""
        while True:
            self._changed.clear()
            moving = [n for n, task in tasks.items() if not task.done() and n not in self._gates]
            if not moving:
                return set()
            try:
                async with asyncio.timeout(_SETTLED):
                    await self._changed.wait()
            except TimeoutError:
                pids = [self.databases[name].pid for name in moving]
                cursor = await self.monitor.execute(_BLOCKED, [pids])
                if len(await cursor.fetchall()) == len(moving) and not self._changed.is_set():
                    return set(moving)


class Every:
    """Schedules of two transactions that between them are all that can differ.

    Iterate, and run each whole before the next. A statement that waits for a lock of the other
    waits until that one ends, however late it is sent: sending it later is no other schedule.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._told: list[tuple[int, int]] = []
        self._path: list[tuple[int, int]] = []  # (option taken, options) at each turn
        self._last = ""

    def __iter__(self) -> Iterator["Every"]:
        for _ in range(self._limit):
            self._told, self._path, self._last = self._path, [], ""
            yield self
            while self._path and self._path[-1][0] + 1 == self._path[-1][1]:
                self._path.pop()
            if not self._path:
                return
            self._path[-1] = (self._path[-1][0] + 1, self._path[-1][1])
        raise AssertionError(f"more than {self._limit} schedules")

    def choose(self, options: list[str]) -> str:
        """Who goes next: first the one that did not go last."""
        options = sorted(options, key=lambda name: name == self._last)
        turn = len(self._path)
        at = self._told[turn][0] if turn < len(self._told) else 0
        self._path.append((at, len(options)))
        self._last = options[at]
        return self._last

    def blocked(self) -> None:
        """The one just chosen waits for a lock."""
        at, _ = self._path[-1]
        self._path[-1] = (at, at + 1)


class ByChance:
    """One seeded random schedule, which stays with a transaction for some statements."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a seed repeats it
        self._last = ""

    def choose(self, options: list[str]) -> str:
        """Who goes next."""
        if self._last not in options or self._rng.random() < 0.3:
            self._last = self._rng.choice(options)
        return self._last

    def blocked(self) -> None:
        """Nothing is drawn from it."""


class _Cursor(AsyncCursor[Any]):
    """Its statements go when ``arrive`` of their connection returns."""

    async def execute(self, query: Any, *arguments: Any, **options: Any) -> "_Cursor":
        await self.connection.arrive(_text(query))  # type: ignore[attr-defined]
        return await super().execute(query, *arguments, **options)

    @asynccontextmanager
    async def copy(self, query: Any, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        await self.connection.arrive(_text(query))  # type: ignore[attr-defined]
        async with super().copy(query, *arguments, **options) as copy:
            yield copy


class _Gated(Database):
    def __init__(self, settings: Settings, turns: Turns, name: str) -> None:
        super().__init__(settings, Health(), f"turns-{name}", deadlock_timeout="100ms")
        self._turns, self._mine = turns, name
        self.pid = 0

    async def _open(self) -> AsyncConnection[Any]:
        was = self._connection
        connection = await super()._open()
        if connection is not was:
            connection.cursor_factory = _Cursor
            connection.arrive = partial(self._turns.arrive, self._mine)  # type: ignore[attr-defined]
            self.pid = connection.info.backend_pid
        return connection


def _text(query: Any) -> str:
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else str(query.as_string(None))


async def _nothing(_: AsyncConnection[Any]) -> None:
    return None
