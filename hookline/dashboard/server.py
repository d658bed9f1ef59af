"""Serves the dashboard with uvicorn until a signal."""

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette

from hookline.dashboard.app import create
from hookline.dashboard.database import Database
from hookline.dashboard.events import Streams
from hookline.dashboard.login.audit import Audit
from hookline.dashboard.login.door import Door
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime import logs
from runtime.health import Server
from runtime.process.timed_protocol import TimedProtocol

_GRACE = 3
"""Seconds that pages on their way have at the end."""
_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Listening:
    """Where the dashboard listens, under which further names it is asked for, who may write."""

    host: str
    port: int
    hosts: Sequence[str]
    door: Door
    audit: Audit


def serve(stack: StackAddress, at: Listening, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; call ``ready`` with the URL once it listens.

    Raises OSError where the port is taken.
    """
    host, port = at.host, at.port
    logs.configure(stack.settings, "dashboard")
    with socket.create_server(
        (host, port),
        family=socket.AF_INET6 if ":" in host else socket.AF_INET,
        backlog=_BACKLOG,
    ) as listener:
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{listener.getsockname()[1]}"
        database = Database(lambda: Reader(stack))
        try:
            app = create(stack, database, door=at.door, audit=at.audit, hosts=at.hosts)
            asyncio.run(_serve(app, listener, lambda: ready(url)))
        finally:
            database.close()


async def _serve(app: Starlette, listener: socket.socket, ready: Callable[[], None]) -> None:
    server = Server(
        app,
        "",
        0,
        http=TimedProtocol,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, server, app.state.streams)
    serving = asyncio.create_task(server.serve([listener]))
    started = asyncio.create_task(server.wait_started())
    await asyncio.wait((serving, started), return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        started.cancel()
    elif started.exception() is None:
        ready()
    try:
        await serving
    finally:
        # Here, since the server runs no lifespan: a job that is not stopped leaves no last line
        # in the audit file.
        await asyncio.to_thread(app.state.jobs.close)


def _stop(server: Server, streams: Streams) -> None:
    streams.stop()  # else the server would wait for their readers to leave
    server.should_exit = True
