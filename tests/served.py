"""The ingress with its real server on a real socket, and a publisher in memory."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator
from pathlib import Path

from ingest.app import create_app, server_of
from ingest.publisher import MemoryPublisher, Record
from runtime.health import Health, Server
from runtime.settings import Settings
from runtime.shop_book import ShopBook


class Served:
    """A running server, and raw bytes to and from it."""

    def __init__(self, server: Server, publisher: MemoryPublisher, shops: ShopBook) -> None:
        self.server = server
        self.publisher = publisher
        self.shops = shops
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection; closed with the server."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Close every connection that was opened."""
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):  # the server may have cut it off
                await writer.wait_closed()

    async def exchange(self, request: bytes) -> bytes:
        """The first answer to ``request``."""
        reader, writer = await self.open()
        writer.write(request)
        return await self.read(reader)

    async def exchange_all(self, request: bytes, patience: float = 3.0) -> bytes:
        """All bytes that the server sends until it closes. Raises TimeoutError."""
        reader, writer = await self.open()
        writer.write(request)
        async with asyncio.timeout(patience):
            return await reader.read()

    @staticmethod
    async def read(reader: asyncio.StreamReader, patience: float = 3.0) -> bytes:
        """One answer, or what came before the connection was reset."""
        answer = b""
        try:
            async with asyncio.timeout(patience):
                while not is_whole(answer) and (chunk := await reader.read(65536)):
                    answer += chunk
        except ConnectionResetError:
            pass
        return answer

    @property
    def bodies(self) -> list[bytes]:
        """What is stored."""
        return [record.value for record in self.publisher.records]

    @property
    def record(self) -> Record:
        """The one record that is stored."""
        (record,) = self.publisher.records
        return record


@contextlib.asynccontextmanager
async def serving(settings: Settings, shops: Path) -> AsyncIterator[Served]:
    """The application for these shops, served until the end of the block."""
    publisher = MemoryPublisher()
    book = ShopBook(shops)
    server = server_of(create_app(settings, book, publisher, Health()), settings)
    task = asyncio.create_task(server.serve())
    await server.wait_started()
    running = Served(server, publisher, book)
    try:
        yield running
    finally:
        await running.close()
        server.should_exit = server.force_exit = True
        await task


def request(
    body: bytes = b"", *headers: str, path: str, method: str = "POST", length: int | None = None
) -> bytes:
    """A request as its bytes; ``length`` is what it declares, nothing where negative."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if length is None:
        length = len(body)
    if length >= 0:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def is_whole(answer: bytes) -> bool:
    """Whether an answer is there to its end."""
    head, end, body = answer.lower().partition(b"\r\n\r\n")
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and len(body) >= int(length or 0)


def status(answer: bytes) -> int:
    """The status of the first answer in these bytes."""
    return int(answer[9:12])


def statuses(answers: bytes) -> list[int]:
    """The status of every answer in these bytes."""
    return [status(b"HTTP/1.1" + part) for part in answers.split(b"HTTP/1.1")[1:]]


def peak() -> int:
    """Bytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
