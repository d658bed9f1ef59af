"""Callers of one session take turns: a transaction holds no statements of another caller."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from runtime.health import Health
from runtime.settings import Settings
from sinks.postgres.session import Database


class Connection:
    """A connection that does not stand two transactions at once, as psycopg's does not."""

    def __init__(self) -> None:
        self.is_used = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        assert not self.is_used, "transaction commit at the wrong nesting level"
        self.is_used = True
        yield
        self.is_used = False


class Opened(Database):
    """A session that is open."""

    connection = Connection()

    async def _open(self) -> Any:
        return self.connection


async def test_partitions_assigned_while_a_batch_is_written_wait_for_its_transaction() -> None:
    database = Opened(Settings(), Health(), "test")
    done: list[str] = []

    async def write(_: Any) -> None:
        await asyncio.sleep(0.01)
        done.append("written")

    async def take_over(_: Any) -> None:
        done.append("taken over")

    await asyncio.gather(database.run(write), database.run(take_over))
    assert done == ["written", "taken over"]
