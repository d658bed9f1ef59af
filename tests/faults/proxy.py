"""A proxy between clients and the broker that spoils produce requests and their answers."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PRODUCE = 0
"""The API key of a produce request: two bytes behind the request's length."""
SPOILS = ("drop", "delay", "reset", "halt", "hush")
DELAY, HALT = 0.5, 2.0
"""Seconds by which an answer is late; seconds for which half a request is held back."""


class Proxy:
    """Forwards a port to a broker. ``rate``: share of the produce requests that it spoils.

    drop: the answer is lost after the append, and the connection with it; hush: the answer is
    lost and the connection stays; delay: the answer comes late; reset: the connection ends
    half-way through the request; halt: the request halts half-way, then ends likewise.
    """

    def __init__(self, upstream: int, seed: int, spoils: tuple[str, ...] = SPOILS) -> None:
        self.rate = 0.0
        self.spoilt: Counter[str] = Counter()
        self._upstream = upstream
        self._spoils = spoils
        self._chance = random.Random(seed)  # noqa: S311 - a repeatable run, no secret

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """The proxy, on ``port``, for as long as the block runs."""
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, EOFError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
            spoiling: dict[bytes, str] = {}
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._requests(reader, ours, spoiling))
                    group.create_task(self._answers(theirs, writer, spoiling))
            except* (OSError, EOFError):
                pass  # one side has gone: so does the other
            finally:
                ours.transport.abort()
        writer.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter, spoiling: dict[bytes, str]
    ) -> None:
        while True:
            size = await reader.readexactly(4)
            request = await reader.readexactly(int.from_bytes(size, "big"))
            if int.from_bytes(request[:2], "big") == PRODUCE and self._chance.random() < self.rate:
                how = self._chance.choice(self._spoils)
                self.spoilt[how] += 1
                if how in ("reset", "halt"):
                    ours.write(size + request[: len(request) // 2])
                    await ours.drain()
                    await asyncio.sleep(HALT if how == "halt" else 0)
                    raise ConnectionResetError
                spoiling[request[4:8]] = how  # by correlation id
            ours.write(size + request)
            await ours.drain()

    async def _answers(
        self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter, spoiling: dict[bytes, str]
    ) -> None:
        while True:
            size = await theirs.readexactly(4)
            answer = await theirs.readexactly(int.from_bytes(size, "big"))
            how = spoiling.pop(answer[:4], "")
            if how == "drop":
                raise ConnectionResetError
            if how == "hush":
                continue
            if how == "delay":
                await asyncio.sleep(DELAY)
            writer.write(size + answer)
            await writer.drain()
