"""A crowd of strangers with bodies of full size, and good senders among them.

``python -m tests.hostile.crowd PORT CONNECTIONS``: the strangers as a process of their own, which
yields to others, as it simulates other machines; ends with its input. A fourth of them each has
wrong tokens or wrong signatures, from one address or from many.
"""

import asyncio
import contextlib
import itertools
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field

import psutil
import uvloop

from schemas.topics import MAX_BODY
from tests.hostile.house import GOOTEN, SPIFFY, signed
from tests.hostile.kinds import descriptors
from tests.served import request, status

ONE = "127.0.0.2"
PATIENCE = 5.0
FIRST = 40
"""Answers to strangers after which they count as at work."""
_BODY = b"x" * MAX_BODY
_WRONG = (
    request(_BODY, path="/hooks/gooten/prints/wrong-token"),
    request(_BODY, signed(b"another body"), "X-Spiffy-Topic: orders/create", path=SPIFFY),
)


def address(number: int, *, many: bool) -> str:
    """The local address of a stranger: of the one, or of thousands."""
    return f"127.{1 + number // 200 % 200}.{number % 200}.7" if many else ONE


async def stranger(port: int, number: int, answers: "Counter[int]") -> None:
    """Send the same again and again, each on a connection of its own."""
    sent, many = _WRONG[number % 2], number % 4 > 1
    for turn in itertools.count():
        local = address(number + 100 * turn, many=many)
        with contextlib.suppress(OSError, EOFError, TimeoutError, ValueError):
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(local, 0)
                )
                try:
                    writer.write(sent)
                    answers[status(await reader.readuntil(b"\r\n\r\n"))] += 1
                    if answers.total() == FIRST:
                        print("at work", flush=True)
                finally:
                    writer.transport.abort()
        await asyncio.sleep(0.001)


async def crowd(port: int, connections: int) -> None:
    """Be so many strangers until the input ends; print what they were answered."""
    answers: Counter[int] = Counter()
    tasks = [asyncio.create_task(stranger(port, n, answers)) for n in range(connections)]
    await asyncio.to_thread(sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(dict(answers))


@dataclass(slots=True)
class GoodSender:
    """One delivery after the other on one connection. ``is_signed``: else it has a token.

    A signed delivery sends its body after its head, as many clients do, and so has to wait.
    """

    port: int
    is_signed: bool
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    async def work(self) -> None:
        """Send until cancelled. Raises what keeps it from sending."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        loop = asyncio.get_running_loop()
        try:
            for number in itertools.count():
                body = b'{"id": %d, "Id": "%d", "Items": []}' % (number, number)
                began = loop.time()
                if self.is_signed:
                    sent = request(body, signed(body), "X-Spiffy-Topic: orders/create", path=SPIFFY)
                    writer.write(sent[: -len(body)])
                    await asyncio.sleep(0.001)
                    writer.write(body)
                else:
                    writer.write(request(body, path=GOOTEN))
                answer = await reader.readuntil(b"}")
                self.seconds.append(loop.time() - began)
                self.statuses[status(answer)] += 1
                await asyncio.sleep(0.01)
        finally:
            writer.transport.abort()

    def p99_ms(self, since: int = 0) -> float:
        """Milliseconds within which 99 of 100 answers came, from the answer ``since`` on."""
        ordered = sorted(self.seconds[since:])
        return 1000 * ordered[len(ordered) * 99 // 100] if ordered else 0.0


@contextlib.asynccontextmanager
async def good_senders(port: int) -> AsyncIterator[tuple[GoodSender, ...]]:
    """One of each kind, at work until the block ends. Raises what kept one from sending."""
    senders = GoodSender(port, is_signed=False), GoodSender(port, is_signed=True)
    tasks = [asyncio.create_task(sender.work()) for sender in senders]
    try:
        yield senders
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


@contextlib.asynccontextmanager
async def strangers(
    port: int, connections: int, cores: Collection[int] = ()
) -> AsyncIterator[None]:
    """So many strangers at work, from the first answers on until the block ends.

    ``cores``: where they run, if any are given. Raises RuntimeError if they ended before.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.crowd", str(port), str(connections),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    if cores:
        psutil.Process(child.pid).cpu_affinity(list(cores))
    try:
        await child.stdout.readline()
        yield
    finally:
        child.stdin.close()
        answered = await child.stdout.read()
        print(f"strangers were answered {answered.decode().strip()}")
        if code := await child.wait():
            raise RuntimeError(f"the strangers ended with {code}")


@dataclass(slots=True)
class Compared:
    """A good sender, its p99 without strangers (ms), and how many answers it had until then."""

    sender: GoodSender
    quiet_ms: float
    mark: int

    @property
    def loud_ms(self) -> float:
        """Its p99 among the strangers, in ms."""
        return self.sender.p99_ms(self.mark)

    def __str__(self) -> str:
        kind = "signed" if self.sender.is_signed else "token"
        count = len(self.sender.seconds) - self.mark
        return (
            f"{kind}: {count} deliveries among strangers, p99 {self.loud_ms:.1f} ms, without them"
            f" {self.quiet_ms:.1f} ms"
        )


async def compared(
    port: int, connections: int, quiet: float, loud: float, cores: Collection[int] = ()
) -> list[Compared]:
    """The good senders after some seconds without strangers, and some with them."""
    async with good_senders(port) as senders:
        await asyncio.sleep(quiet)
        found = [Compared(each, each.p99_ms(), len(each.seconds)) for each in senders]
        async with strangers(port, connections, cores):
            await asyncio.sleep(loud)
    return found


if __name__ == "__main__":
    descriptors()
    os.nice(19)
    uvloop.run(crowd(int(sys.argv[1]), int(sys.argv[2])))
