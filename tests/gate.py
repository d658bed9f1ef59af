"""A gate before the broker: open, or shut in one of the ways in which brokers fail."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

FIND_COORDINATOR = 10
"""The API key of the request for a group's coordinator."""
SHUT = ("silent", "closing", "no-coordinator")


class Gate:
    """Forwards a port to a broker, in a thread of its own.

    silent: connections are taken and requests are not answered; closing: connections end at
    once; no-coordinator: only who asks for a coordinator gets no answer.
    """

    def __init__(self, port: int, upstream: int) -> None:
        self._port, self._upstream = port, upstream
        self.mode = "open"
        self.requests = 0
        self._shuts_after: tuple[int, str] | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def listening(self) -> Iterator["Gate"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        listen = asyncio.start_server(self._accept, "127.0.0.1", self._port)
        server = asyncio.run_coroutine_threadsafe(listen, self._loop).result()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(server.close)
            self._loop.call_soon_threadsafe(self._end_all)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    def shut(self, mode: str) -> None:
        """Shut at once."""
        self._loop.call_soon_threadsafe(self._shut, mode)

    def shut_after(self, requests: int, mode: str) -> None:
        """Shut once so many more requests have been answered."""
        self._shuts_after = (self.requests + requests, mode)

    def open(self) -> None:
        """Open; what was swallowed stays unanswered, and those connections end."""
        self._shuts_after = None
        self.mode = "open"
        self._loop.call_soon_threadsafe(self._end_all)

    def _shut(self, mode: str) -> None:
        self.mode, self._shuts_after = mode, None
        if mode == "closing":
            self._end_all()

    def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "closing":
            writer.transport.abort()
            return
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError):
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
            answers = asyncio.ensure_future(self._answers(theirs, writer))
            try:
                await self._requests(reader, ours)
            finally:
                answers.cancel()
                ours.transport.abort()
        self._writers.discard(writer)
        writer.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter) -> None:
        while True:
            size = await reader.readexactly(4)
            request = await reader.readexactly(int.from_bytes(size, "big"))
            if self._shuts_after is not None and self.requests >= self._shuts_after[0]:
                self._shut(self._shuts_after[1])
            key = int.from_bytes(request[:2], "big")
            is_swallowed = key == FIND_COORDINATOR or self.mode != "no-coordinator"
            if self.mode != "open" and is_swallowed:
                continue
            self.requests += 1
            ours.write(size + request)
            await ours.drain()

    async def _answers(self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            while answer := await theirs.read(1 << 16):
                if self.mode == "silent":
                    continue
                writer.write(answer)
                await writer.drain()
            writer.transport.abort()
