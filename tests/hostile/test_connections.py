"""Silent and slow connections: they are closed, and hold little memory until then."""

import asyncio

from tests.hostile.cases import case
from tests.hostile.house import GOOD, GOOTEN, SETTINGS
from tests.served import Served, request, status

SECTION = "Connections"


@case(SECTION, "nothing at all for 10 s", "closed")
async def test_a_silent_connection_is_closed(served: Served) -> None:
    reader, _ = await served.open()

    async with asyncio.timeout(5):
        assert await reader.read() == b""


@case(SECTION, "a head one byte at a time, slower than 10 s", 408)
async def test_a_slow_head_is_408(served: Served) -> None:
    reader, writer = await served.open()
    answering = asyncio.create_task(served.read(reader))
    for byte in request(GOOD, path=GOOTEN):
        if answering.done():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(SETTINGS.body_timeout / 20)

    assert status(await answering) == 408
    assert served.bodies == []


@case(SECTION, "empty lines between requests, without end", "closed 75 s after the last answer",
      "what was sent before")  # fmt: skip
async def test_empty_lines_do_not_keep_a_connection(served: Served) -> None:
    served.server.config.timeout_keep_alive = 1
    reader, writer = await served.open()
    writer.write(request(GOOD, path=GOOTEN))
    assert status(await served.read(reader)) == 200
    async with asyncio.timeout(5):
        while not reader.at_eof():
            writer.write(b"\r\n")
            await asyncio.sleep(0.05)

    assert served.bodies == [GOOD]


@case(SECTION, "the end of the connection before the answer", "nobody", "as received, once")
async def test_a_sender_that_does_not_wait_is_stored_all_the_same(served: Served) -> None:
    _, writer = await served.open()
    writer.write(request(GOOD, path=GOOTEN))
    await writer.drain()
    async with asyncio.timeout(3):
        while not served.bodies:  # noqa: ASYNC110 - what is watched knows no event
            await asyncio.sleep(0.005)
    writer.transport.abort()
    await asyncio.sleep(0.05)

    assert served.bodies == [GOOD]
