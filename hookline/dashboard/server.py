"""Serves the dashboard with uvicorn until a signal."""

import asyncio
import signal
import socket
from collections.abc import Callable

from hookline.dashboard.app import create
from hookline.dashboard.database import Database
from hookline.dashboard.events import Streams
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from runtime import logs
from runtime.health import Server

_GRACE = 3
"""Seconds that pages on their way have at the end."""
_BACKLOG = 128


def serve(stack: StackAddress, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; call ``ready`` with the URL once it listens.

    Raises OSError where the port is taken.
    """
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
            asyncio.run(_serve(stack, database, listener, lambda: ready(url)))
        finally:
            database.close()


async def _serve(
    stack: StackAddress, database: Database, listener: socket.socket, ready: Callable[[], None]
) -> None:
    app = create(stack, database)
    server = Server(
        app,
        "",
        0,
        http="h11",
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
    await serving


def _stop(server: Server, streams: Streams) -> None:
    streams.stop()  # else the server would wait for their readers to leave
    server.should_exit = True
