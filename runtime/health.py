"""Whether this process is alive and ready, and why not: /healthz, /readyz, /metrics."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime import logs, metrics
from runtime.settings import Settings

log = logs.get("hookline.health")


@dataclass(slots=True)
class Health:
    """Named conditions; ready when none is unmet.

    ``unmet`` maps a condition's name to what it waits for, in words for an operator;
    ``halted`` holds those that only an operator can end. ``answers`` counts what services have
    answered, so that long work is told from a hang. ``warnings`` are to be mended, but the work
    goes on. ``port`` is where ``serve`` listens, once it does.
    """

    unmet: dict[str, str] = field(default_factory=dict)
    halted: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    answers: int = 0
    port: int | None = None

    def waiting(self, name: str, reason: str) -> None:
        """Not ready while ``name`` is unmet."""
        self.unmet[name] = reason

    def met(self, name: str) -> None:
        """``name`` holds again."""
        self.unmet.pop(name, None)

    def halt(self, name: str, reason: str) -> None:
        """Not ready until an operator has done what ``reason`` says."""
        self.halted[name] = reason

    def resumed(self, name: str) -> None:
        """``name`` is no longer halted."""
        self.halted.pop(name, None)

    def warn(self, name: str, reason: str) -> None:
        """Ready all the same; somebody must look at ``name``."""
        self.warnings[name] = reason

    def mended(self, name: str) -> None:
        """``name`` is as it should be again."""
        self.warnings.pop(name, None)

    def answered(self) -> None:
        """A service did a step of the work in hand."""
        self.answers += 1

    @property
    def is_ready(self) -> bool:
        """True when nothing is waited for."""
        return not (self.unmet or self.halted)


def routes(health: Health) -> list[Route]:
    """The three pages of a process: 200, or 503 with what is waited for."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(_request: Request) -> Response:
        return JSONResponse(
            {
                "ready": health.is_ready,
                "waiting": {**health.unmet, **health.halted},
                "warnings": health.warnings,
            },
            status_code=200 if health.is_ready else 503,
        )

    async def metrics_page(_request: Request) -> Response:
        metrics.READY.set(health.is_ready)
        return Response(metrics.render(), headers={"content-type": metrics.CONTENT_TYPE})

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics_page),
    ]


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    @property
    def port(self) -> int:
        """Where it listens, once it has started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def wait_started(self) -> None:
        """Return once it listens. Raises RuntimeError if it ended before."""
        while not self.started:
            if self.should_exit:
                raise RuntimeError("the server ended before it listened")
            await asyncio.sleep(0.01)


async def serve(settings: Settings, health: Health) -> None:
    """Serve the pages on ``settings.host``:``health_port`` (0: a free one) until cancelled.

    Runs in the caller's loop. Raises OSError where the port is taken.
    """
    server = Server(
        uvicorn.Config(
            Starlette(routes=routes(health)),
            host=settings.host,
            port=settings.health_port,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
        )
    )
    serving = asyncio.create_task(_served(server, settings))
    try:
        started = asyncio.create_task(server.wait_started())
        await asyncio.wait((serving, started), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            started.cancel()
            await serving
            return
        health.port = server.port
        log.info("health pages", url=f"http://{settings.host}:{server.port}/readyz")
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        server.force_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        health.port = None


async def _served(server: Server, settings: Settings) -> None:
    try:
        await server.serve()
    except SystemExit as exit_:  # uvicorn's way of saying that it cannot bind
        raise OSError(
            f"{settings.host}:{settings.health_port} is taken; set HOOKLINE_HEALTH_PORT"
        ) from exit_
