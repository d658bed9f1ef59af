"""No connection is held for ever by a request that does not end or an answer that nobody reads."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.health import Server
from runtime.process.timed_protocol import TimedProtocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LONG = 20_000_000
"""Bytes: more than any buffer on the way."""
WHOLE = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"


class Hasty(TimedProtocol):
    """Waits a moment only."""

    timeout = 0.4


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def ticks(_request: Request) -> Response:
    async def four() -> AsyncIterator[str]:
        for _ in range(4):
            yield "tick\n"
            await asyncio.sleep(0.3)

    return StreamingResponse(four())


async def endless(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    return StreamingResponse(parts())


async def long(_request: Request) -> Response:
    return PlainTextResponse(b"x" * LONG)


def served(visit: Callable[[Streams], Awaitable[None]]) -> None:
    """Visit a server over one connection, which it has then closed."""
    app = Starlette(
        routes=[
            Route("/echo", echo, methods=["POST"]),
            Route("/ticks", ticks),
            Route("/endless", endless),
            Route("/long", long),
        ]
    )

    async def run(listener: socket.socket) -> None:
        server = Server(app, "", 0, http=Hasty, proxy_headers=False)
        serving = asyncio.create_task(server.serve([listener]))
        await server.wait_started()
        host, port = listener.getsockname()
        streams = await asyncio.open_connection(host, port)
        await visit(streams)
        state = server.server_state
        while state.connections or state.tasks:  # noqa: ASYNC110 - two sets have no event
            await asyncio.sleep(0.01)
        streams[1].close()
        server.should_exit = True
        await serving

    with socket.create_server(("127.0.0.1", 0)) as listener:
        asyncio.run(run(listener))


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        WHOLE[:-1],
        WHOLE + WHOLE[:-1],
        WHOLE + WHOLE[:9],
        WHOLE.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")[:-2] + b"1\r\no\r\n",
    ],
)
def test_a_request_that_does_not_end_is_ended(begun: bytes) -> None:
    async def visit(streams: Streams) -> None:
        streams[1].write(begun)

    served(visit)


def test_a_byte_now_and_then_moves_no_deadline() -> None:
    async def visit(streams: Streams) -> None:
        reader, writer = streams
        for each in b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100:
            writer.write(bytes([each]))
            if reader.at_eof():
                return
            await asyncio.sleep(0.02)
        pytest.fail("every byte was waited for")

    async def watched(streams: Streams) -> None:
        reading = asyncio.create_task(streams[0].read())
        try:
            await visit(streams)
        except ConnectionError:
            pass
        finally:
            reading.cancel()

    served(watched)


@pytest.mark.parametrize("path", [b"/endless", b"/long"])
def test_an_answer_that_nobody_reads_is_ended(path: bytes) -> None:
    async def visit(streams: Streams) -> None:
        reader, writer = streams
        writer.write(b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")  # and no more is read

    served(visit)


def test_an_answer_that_is_read_slowly_is_whole() -> None:
    async def visit(streams: Streams) -> None:
        reader, writer = streams
        writer.write(b"GET /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        size = 0
        while part := await reader.read(LONG // 20):
            size += len(part)
            await asyncio.sleep(0.05)
        assert size > LONG

    served(visit)


def test_what_is_whole_and_what_is_read_have_no_deadline() -> None:
    async def visit(streams: Streams) -> None:
        reader, writer = streams
        for _ in range(3):
            writer.write(WHOLE)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(2) == b"ok"
            await asyncio.sleep(0.3)
        writer.write(b"GET /ticks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).count(b"tick\n") == 4

    served(visit)
