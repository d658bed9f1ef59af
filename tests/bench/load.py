"""The load of the ingress: many connections, each sends one request and waits for its answer.

No pipelining. Every request is made before the first is sent; each is another delivery.

python -m tests.bench.load cart http://127.0.0.1:8080 60000 --first 120000
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from functools import partial

import uvloop

from tests.bench.bodies import CARTS, ORDERS
from tests.bench.measure import quantile

CONNECTIONS = 64
_END = b"\r\n\r\n"
KINDS = {kind.noun: kind for kind in (CARTS, ORDERS)}


class Connection(asyncio.Protocol):
    """One keep-alive connection, once it is given its ``transport``."""

    transport: asyncio.Transport

    def __init__(
        self, work: Iterator[bytes], seconds: list[float], ended: asyncio.Future[None]
    ) -> None:
        self._work, self._seconds, self._ended = work, seconds, ended
        self._got = b""
        self._sent = 0.0
        self.refused = 0

    def start(self) -> None:
        """Send the next request, or end."""
        request = next(self._work, None)
        if request is None:
            self._ended.set_result(None)
            self.transport.close()
            return
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._got:
            data = self._got + data
        head = data.find(_END)
        if head < 0 or len(data) < head + len(_END) + _length(data[:head]):
            self._got = data
            return
        self._got = b""
        self._seconds.append(time.perf_counter() - self._sent)
        if data[9:12] != b"200":
            self.refused += 1
        self.start()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_exception(exc or ConnectionError("the server closed a connection"))


def _same(one: Connection) -> Connection:
    return one


def _length(head: bytes) -> int:
    """Of the body, as the head tells it."""
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])


async def send(url: str, requests: list[bytes], connections: int) -> dict[str, float]:
    """Send all; how long it took, and quantiles of the answers' latency in milliseconds."""
    loop = asyncio.get_running_loop()
    host, _, port = url.removeprefix("http://").partition(":")
    work, seconds = iter(requests), list[float]()
    made, waiting = [], []
    for _ in range(connections):
        ended: asyncio.Future[None] = loop.create_future()
        one = Connection(work, seconds, ended)
        one.transport, _ = await loop.create_connection(partial(_same, one), host, int(port))
        made.append(one)
        waiting.append(ended)
    began = time.perf_counter()
    for one in made:
        one.start()
    await asyncio.gather(*waiting)
    took = time.perf_counter() - began
    seconds.sort()
    return {
        "events": len(seconds),
        "seconds": took,
        "p50_ms": quantile(seconds, 0.5) * 1e3,
        "p99_ms": quantile(seconds, 0.99) * 1e3,
        "refused": sum(one.refused for one in made),
    }


def main() -> None:
    """Print what was seen, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    chosen = parser.parse_args()
    kind, host = KINDS[chosen.kind], chosen.url.removeprefix("http://")
    numbers = range(chosen.first, chosen.first + chosen.count)
    requests = [kind.request(number, host) for number in numbers]
    print(json.dumps(uvloop.run(send(chosen.url, requests, chosen.connections))))


if __name__ == "__main__":
    main()
