"""Hostile senders, each a kind of its own, at work until they are stopped; and a good one.

``python -m tests.hostile.kinds PORT KIND...``: the hostile ones as a process of their own, that
yields to others, as it simulates other machines; ends with its input.
"""

import asyncio
import contextlib
import gzip
import itertools
import os
import resource
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any

import uvloop

from schemas.topics import MAX_BODY
from tests.hostile.house import GOOD, GOOTEN, KEY, SPIFFY, signed, spiffy
from tests.senders import Line
from tests.served import request

IDLE = 10_000
"""Silent connections; fewer if the system grants fewer descriptors."""
SPARE = 500
"""Descriptors that are left to all else, here and in the server."""
_PIECE = b"x" * 65536
_CHUNKED = "Transfer-Encoding: chunked"
_DEEP = b"[" * 100_000
_BOMB = gzip.compress(bytes(50_000_000))
_MEMBERS = gzip.compress(b"") * (MAX_BODY // 20)
_XML = b"<order>" + b"<a/>" * 200_000 + b"</order>"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Kind = Callable[[int], Coroutine[Any, Any, None]]
KINDS: dict[str, Kind] = {}


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection, cut off at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def kind(
    name: str, senders: int = 1
) -> Callable[[Callable[[int], Coroutine[Any, Any, None]]], Kind]:
    """A kind of sender: its one attempt, repeated by so many at once until cancelled."""

    def named(attempt: Callable[[int], Coroutine[Any, Any, None]]) -> Kind:
        async def again(port: int) -> None:
            while True:
                with contextlib.suppress(OSError, EOFError):  # what it is answered with
                    await attempt(port)
                await asyncio.sleep(0.001)

        async def all_at_once(port: int) -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(senders):
                    group.create_task(again(port))

        KINDS[name] = all_at_once
        return all_at_once

    return named


async def _send(port: int, sent: bytes, *, patience: float = 5.0) -> None:
    """Send it and read what is answered, until the first answer or the end."""
    async with connected(port) as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(patience):
            await reader.readuntil(b"\r\n\r\n")


async def _pour(port: int, head: bytes, chunk: bytes) -> None:
    """Send without end, until cut off."""
    async with connected(port) as (_, writer):
        writer.write(head)
        while True:
            writer.write(chunk)
            await writer.drain()


async def _drip(port: int, head: bytes, chunk: bytes, pause: float) -> None:
    """Send slowly without end, until cut off."""
    async with connected(port) as (reader, writer):
        writer.write(head)
        while not reader.at_eof():
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(pause)


@kind("guessed tokens and signatures", 8)
async def guesses(port: int) -> None:
    async with connected(port) as (reader, writer):
        for number in range(100):
            writer.write(request(GOOD, path=f"/hooks/gooten/prints/guess-{number}"))
            await reader.readuntil(b"}")
            writer.write(spiffy(GOOD, signed(GOOD, b"%d" % number)))
            await reader.readuntil(b"}")


@kind("replays of a signed delivery", 8)
async def replays(port: int) -> None:
    async with connected(port) as (reader, writer):
        for _ in range(100):
            writer.write(spiffy(GOOD))
            await reader.readuntil(b"}")


@kind("1 GiB in chunks", 4)
async def endless_chunks(port: int) -> None:
    head = request(b"", _CHUNKED, path=GOOTEN, length=-1)
    await _pour(port, head, b"10000\r\n%s\r\n" % _PIECE)


@kind("1 GiB declared", 4)
async def declared(port: int) -> None:
    await _pour(port, request(b"", path=GOOTEN, length=1 << 30), _PIECE)


@kind("bodies of 1 MiB, unproved", 4)
async def large(port: int) -> None:
    await _send(port, request(b"x" * MAX_BODY, path="/hooks/gooten/prints/wrong"))


@kind("bodies that never end, 200 at once", 200)
async def unfinished(port: int) -> None:
    await _drip(port, request(b"", path=GOOTEN, length=1000), b" ", 0.5)


@kind("heads that never end, 200 at once", 200)
async def unfinished_heads(port: int) -> None:
    await _drip(port, f"POST {GOOTEN} HTTP/1.1\r\nX: ".encode(), b"x", 0.5)


@kind("gzip bombs", 4)
async def bombs(port: int) -> None:
    await _send(port, request(_BOMB, "Content-Encoding: gzip", path=GOOTEN))


@kind("50,000 gzip members", 2)
async def members(port: int) -> None:
    await _send(port, request(_MEMBERS, "Content-Encoding: gzip", path=GOOTEN))


@kind("JSON of 100,000 levels", 4)
async def deep(port: int) -> None:
    await _send(port, request(_DEEP, path=GOOTEN))


@kind("XML of 200,000 elements")
async def wide(port: int) -> None:
    await _send(port, spiffy(_XML, f"X-Spiffy-Hmac-Sha256: {_XML_PROOF}"))


_XML_PROOF = signed(_XML, KEY).partition(" ")[2]


@kind("floods of headers and queries", 4)
async def heads(port: int) -> None:
    await _send(port, request(GOOD, *(["X: y"] * 40_000), path=GOOTEN))
    await _send(port, request(GOOD, path=f"{GOOTEN}?{'a=1&' * 3500}"))


@kind("heads, trailers and extensions without end", 4)
async def endless_heads(port: int) -> None:
    chunked = request(b"2\r\n{}\r\n0\r\n", _CHUNKED, path=GOOTEN, length=-1)
    for head in (chunked, chunked[:-3] + b"1;", b"POST / HTTP/1.1\r\n"):
        with contextlib.suppress(OSError):
            await _pour(port, head, b"X-A: bbbbbbbbbb\r\n" * 4000)


@kind("pipelined requests by thousands", 8)
async def pipelined(port: int) -> None:
    await _pour(port, b"", request(GOOD, path=GOOTEN) * 1000)


@kind("smuggling and garbage", 4)
async def smuggled(port: int) -> None:
    inner = request(GOOD, path=GOOTEN)
    await _send(port, request(inner, _CHUNKED, path=SPIFFY))
    await _send(port, b"\x16\x03\x01\0\0" * 100)


@kind("answers asked for and never read", 16)
async def unread(port: int) -> None:
    async with connected(port) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        while True:
            writer.write(request(path="/hooks/gooten/prints/guess") * 8)
            await writer.drain()
            await asyncio.sleep(0.05)


async def idle(port: int) -> None:
    """As many connections as are granted, opened again when they are closed."""
    wanted = min(IDLE, descriptors() - SPARE)
    held: set[asyncio.StreamWriter] = set()

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                async with connected(port) as (reader, writer):
                    held.add(writer)
                    await reader.read()
                held.discard(writer)
            await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(wanted):
            group.create_task(one())
            await asyncio.sleep(0)


KINDS["10,000 idle connections"] = idle


def descriptors() -> int:
    """How many this process may have, the soft limit raised to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = IDLE + 2 * SPARE
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(soft, hard)


@dataclass(slots=True)
class Sender:
    """A good sender: one delivery after the other on one connection, each until it is taken."""

    port: int
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    async def work(self) -> None:
        """Send until cancelled."""
        line = Line(f"http://127.0.0.1:{self.port}")
        loop = asyncio.get_running_loop()
        try:
            for number in itertools.count():
                body = b'{"Id": "%d", "Items": []}' % number
                began = loop.time()
                status, _ = await line.post(request(body, path=GOOTEN))
                self.seconds.append(loop.time() - began)
                self.statuses[status] += 1
                await asyncio.sleep(0.01)
        finally:
            line.close()

    @property
    def p99(self) -> float:
        """Seconds within which 99 of 100 answers came."""
        ordered = sorted(self.seconds)
        return ordered[len(ordered) * 99 // 100] if ordered else 0.0


@contextlib.asynccontextmanager
async def attacking(port: int, kinds: Collection[str]) -> AsyncIterator[None]:
    """These kinds at work in a process of their own until the block ends.

    Raises RuntimeError where one of them ended by itself.
    """
    if not kinds:
        yield
        return
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.kinds", str(port), *kinds,
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    try:
        yield
    finally:
        child.stdin.close()
        if code := await child.wait():
            raise RuntimeError(f"the hostile senders ended with {code}")


@contextlib.asynccontextmanager
async def sending(port: int) -> AsyncIterator[Sender]:
    """A good sender at work until the block ends. Raises what kept it from sending."""
    sender = Sender(port)
    task = asyncio.create_task(sender.work())
    try:
        yield sender
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.01)  # its connection is closed meanwhile
    if isinstance(ended, Exception):
        raise ended


async def attack(port: int, kinds: Collection[str]) -> None:
    """Be all these kinds until the input ends."""
    tasks = [asyncio.create_task(KINDS[name](port)) for name in kinds]
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    ended, _ = await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended - {over}:
        task.result()


if __name__ == "__main__":
    os.nice(19)
    uvloop.run(attack(int(sys.argv[1]), sys.argv[2:]))
