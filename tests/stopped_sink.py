"""A sink that stops itself inside its transaction: run as a process by test_sink_sessions.

Arguments: topic, offset at which its batch ends, seconds of its idle_in_transaction timeout.
Prints the offset at which it found its fence, or "stored".
"""

import asyncio
import os
import signal
import sys
from typing import Any

from psycopg import AsyncConnection

from runtime.health import Health
from runtime.settings import from_env
from runtime.stage import MovedError, Partition
from sinks.postgres.session import Database
from sinks.store import stored_offsets


async def main(topic: str, end: int, idle: str) -> None:
    place, stops = Partition(topic, 0), [True]
    database = Database(
        from_env(),
        Health(),
        "hookline-sinks-stopped",
        idle_in_transaction_session_timeout=idle,
    )

    async def store(connection: AsyncConnection[Any]) -> None:
        if not await stored_offsets.move(connection, [stored_offsets.Move(place, 0, end)], None):
            raise MovedError((await stored_offsets.next_offsets(connection))[place])
        if stops:
            stops.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        await connection.execute("SELECT 1")

    await database.run(lambda c: stored_offsets.take_over(c, [place], database.name))
    try:
        await database.run(store)
    except MovedError as moved:
        print(moved.offset)
    else:
        print("stored")
    await database.close()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
