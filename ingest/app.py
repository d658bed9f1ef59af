"""The ingress process: ``create_app`` for any ASGI server, ``run`` with uvicorn and uvloop."""

import asyncio
import contextlib
import math
import resource
import signal
from collections.abc import Callable
from typing import Any

import uvloop
from starlette.applications import Starlette

from ingest.heartbeat import Pulse, beat
from ingest.http.access_log import AccessLog
from ingest.http.body import Receive
from ingest.http.bounded_protocol import BoundedProtocol
from ingest.http.limits import InFlight, Quotas
from ingest.http.responses import Send
from ingest.http.sockets import listening
from ingest.ingress import Ingress, Respond
from ingest.publisher import KafkaPublisher, Publisher, exit_without_flush
from runtime import health as pages
from runtime import logs, metrics
from runtime.health import Health
from runtime.process import memory
from runtime.settings import Settings
from runtime.shop_book import ShopBook
from runtime.traces import Traces, traces_of

log = logs.get("hookline.ingest")

CONNECTIONS = 65_536
"""File descriptors that one ingress asks for; the number granted bounds its connections."""


class App:
    """Routes ``/hooks/`` to the ingress; of the pages only /healthz is on the webhooks' port."""

    def __init__(self, ingress: Ingress) -> None:
        self.ingress = ingress
        self._pages = Starlette(routes=[pages.ALIVE])

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one ASGI request."""
        if scope["type"] == "http" and scope["path"].startswith("/hooks/"):
            await self.ingress(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    def fast_path(self, scope: Any, body: bytes, respond: Respond) -> bool:
        """Answer a complete request as ``Ingress.fast_path`` does; False for one of the pages."""
        return scope["path"].startswith("/hooks/") and self.ingress.fast_path(scope, body, respond)


def create_app(
    settings: Settings,
    shops: ShopBook,
    publisher: Publisher,
    health: Health,
    *,
    in_flight: InFlight | None = None,
    quotas: Quotas | None = None,
    access_log: AccessLog | None = None,
    traces: Traces | None = None,
) -> App:
    """Return the ASGI application. Keyword arguments that are None are created here."""
    in_flight = in_flight or InFlight(settings.max_in_flight)
    ingress = Ingress(
        settings,
        shops,
        publisher,
        Pulse(health),
        in_flight,
        quotas or Quotas(),
        access_log or AccessLog(),
        traces,
    )
    metrics.IN_FLIGHT.set_function(lambda: in_flight.held)
    metrics.UNPROVED.set_function(lambda: ingress.unproved.held)
    return App(ingress)


def protocol_class(app: App, head_timeout: float) -> type[BoundedProtocol]:
    """Return the protocol with what its connections share, as the class that uvicorn asks for."""
    attributes = {
        "head_timeout": head_timeout,
        "fast_path": staticmethod(app.fast_path),
        "reads": app.ingress.reads,
        "addresses": app.ingress.addresses,
    }
    return type("BoundedProtocol", (BoundedProtocol,), attributes)


def server_of(app: App, settings: Settings) -> pages.Server:
    """Return the server of the app, with the bounded protocol."""
    return pages.Server(
        app,
        settings.host,
        settings.port,
        http=protocol_class(app, settings.body_timeout),
        proxy_headers=False,
        timeout_keep_alive=math.ceil(settings.keep_alive),
        timeout_graceful_shutdown=int(settings.body_timeout + settings.produce_timeout) + 1,
    )


async def serve(
    settings: Settings,
    shops: ShopBook,
    publisher: KafkaPublisher,
    health: Health,
    started: Callable[[pages.Server], object] = lambda _: None,
) -> None:
    """Serve until ``should_exit`` of the server that ``started`` is called with.

    Listens before Kafka is reached, and answers 503 until then. The pages are served on
    ``health_port``. Raises OSError if one of the ports is taken.
    """
    taken = f"{settings.host}:{settings.port} is taken; set HOOKLINE_PORT"
    try:
        sockets = listening(settings)
    except OSError as error:
        raise OSError(taken) from error
    opened = contextlib.AsyncExitStack()
    app = create_app(
        settings, shops, publisher, health, traces=traces_of(settings, "ingest", opened)
    )
    server, ingress = server_of(app, settings), app.ingress
    started(server)
    background = [
        asyncio.create_task(_log_address(server, settings)),
        asyncio.create_task(shops.watch()),
        asyncio.create_task(publisher.connect()),
        asyncio.create_task(
            beat(settings, publisher, ingress.pulse, ingress.in_flight, ingress.access_log.counts)
        ),
    ]
    page = asyncio.create_task(pages.serve(settings, health))
    background.append(page)
    for task in background:
        task.add_done_callback(lambda task: _stop_after_failure(task, server))
    try:
        await server.serve(sockets)
    except SystemExit as exit_:  # uvicorn raises it if it cannot bind
        raise OSError(taken) from exit_
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    await opened.aclose()
    if not await publisher.close(settings.produce_timeout):
        exit_without_flush("deliveries were still unacknowledged when the ingress stopped")
    if not page.cancelled() and isinstance(failure := page.exception(), OSError):
        raise failure


def _stop_after_failure(task: "asyncio.Task[None]", server: pages.Server) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a background task of the ingress failed; stopping", exc_info=error)
        server.should_exit = True


async def _log_address(server: pages.Server, settings: Settings) -> None:
    await server.wait_started()
    log.info("listening", url=f"http://{settings.host}:{server.port}/hooks/")


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors, often 1,024, towards the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads the shops.

    Raises ShopsError for a shops file that cannot be used, OSError for a port that is taken.
    """
    logs.configure(settings, "ingest")
    raise_descriptor_limit()
    health = Health(stage=metrics.INGEST)
    shops = ShopBook(settings.shops_file, health)

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def started(server: pages.Server) -> None:
            def stop() -> None:
                server.force_exit = server.should_exit
                server.should_exit = True

            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, stop)
            shops.reload_at_hangup()

        await serve(settings, shops, KafkaPublisher(settings), health, started)

    memory.configure_gc()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
