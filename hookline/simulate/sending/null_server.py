"""A server that answers every delivery as the ingress does and keeps nothing: for measurements.

``python -m hookline.simulate.sending.null_server [CPU]`` prints its port and runs until its
standard input is closed.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

import uvloop

from ingest.ids import new_delivery

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 51\r\n\r\n"
    b'{"delivery":"%b"}'
)
_END = b"\r\n\r\n"


class _Answering(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # TCP gives a Transport

    def data_received(self, data: bytes) -> None:
        if self._got:
            data = self._got + data
        end = data.find(_END)
        if end < 0 or len(data) < end + 4 + _length(data[:end]):
            self._got = data
            return
        self._got = b""
        if self._transport is not None:
            self._transport.write(_HEAD % new_delivery()[0])


def _length(head: bytes) -> int:
    """Of the body: Content-Length ends the heads that our sender makes."""
    return int(head[head.rfind(b" ") + 1 :])


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    server.close()


@contextmanager
def running(cpu: int | None = None) -> Iterator[str]:
    """Run the server in a child process, on one CPU if given; gives its base URL."""
    command = [sys.executable, "-m", __name__, *([] if cpu is None else [str(cpu)])]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("no pipes to the null server")
        try:
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.stdin.close()


def main() -> None:
    """Serve until standard input is closed."""
    if sys.argv[1:]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
