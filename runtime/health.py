"""Liveness, readiness and metrics of this process: /healthz, /readyz, /metrics."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runtime import logs, metrics, metrics_page
from runtime.escaping import json_text
from runtime.process.timed_protocol import TimedProtocol
from runtime.sentences import sentence
from runtime.settings import Settings

log = logs.get("hookline.health")

Result = TypeVar("Result")


@dataclass(slots=True)
class Health:
    """Named conditions; ready when none is unmet or stopped.

    ``unmet`` and ``stopped`` map a condition's name to the reason, written for an operator: the
    first end by waiting, the second only by the operator. ``warnings`` do not affect readiness.
    ``answers`` counts answers of services, so that long work differs from a hang. ``port`` is where
    ``serve`` listens, once it does. ``stage`` chooses the families of /metrics, empty for all.
    """

    unmet: dict[str, str] = field(default_factory=dict)
    stopped: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, str] = field(default_factory=dict)
    answers: int = 0
    port: int | None = None
    stage: str = ""

    def waiting(self, name: str, reason: str) -> None:
        """Mark ``name`` as unmet: not ready until ``met``."""
        self.unmet[name] = reason

    def met(self, name: str) -> None:
        """Mark ``name`` as met again."""
        self.unmet.pop(name, None)

    def stop(self, name: str, reason: str) -> None:
        """Mark ``name`` as stopped: not ready until an operator acts on ``reason``."""
        self.stopped[name] = reason

    def resumed(self, name: str) -> None:
        """Mark ``name`` as no longer stopped."""
        self.stopped.pop(name, None)

    def warn(self, name: str, reason: str) -> None:
        """Show a warning about ``name``; readiness is not affected."""
        self.warnings[name] = reason

    def clear_warning(self, name: str) -> None:
        """Remove the warning about ``name``."""
        self.warnings.pop(name, None)

    def answered(self) -> None:
        """Count one answer of a service to the batch being handled."""
        self.answers += 1

    @property
    def is_ready(self) -> bool:
        """Whether no condition is unmet or stopped."""
        return not (self.unmet or self.stopped)


async def wait_until(
    health: Health,
    condition: str,
    attempt: Callable[[], Awaitable[Result]],
    away: type[Exception] | tuple[type[Exception], ...],
    reason: Callable[[Exception], str],
    *,
    final: type[Exception] | tuple[type[Exception], ...] = (),
    longest_pause: float = 1.0,
) -> Result:
    """Repeat ``attempt`` until it raises none of ``away``; ``condition`` is unmet meanwhile.

    ``final``: errors among those of ``away`` that waiting does not end; they are raised. Each
    reason is logged once. The pause before the next attempt doubles from 0.5 s up to
    ``longest_pause`` seconds.
    """
    pause, logged = 0.5, set()
    while True:
        try:
            result = await attempt()
        except final:
            raise
        except away as error:
            health.waiting(condition, reason(error))
            why = sentence(error) or repr(error)
            if why not in logged:
                logged.add(why)
                log.warning("waiting", condition=condition, error=why)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest_pause)
        else:
            health.met(condition)
            if logged:
                log.info("no longer waiting", condition=condition)
            return result


class _Page(JSONResponse):
    """JSON that steers no terminal: reasons may hold what others wrote."""

    def render(self, content: Any) -> bytes:
        return json_text(super().render(content).decode()).encode()


async def _healthz(_request: Request) -> Response:
    return JSONResponse({"alive": True})


ALIVE = Route("/healthz", _healthz)
"""The page that says nothing but that the process is alive."""


def routes(health: Health) -> list[Route]:
    """Build the three pages of a process; /readyz is 503 with the reasons while not ready."""

    async def readyz(_request: Request) -> Response:
        return _Page(
            {
                "ready": health.is_ready,
                "waiting": {**health.unmet, **health.stopped},
                "warnings": health.warnings,
            },
            status_code=200 if health.is_ready else 503,
        )

    async def metrics_of(_request: Request) -> Response:
        metrics.READY.set(health.is_ready)
        page = metrics_page.render(health.stage)
        return Response(page, headers={"content-type": metrics_page.CONTENT_TYPE})

    return [ALIVE, Route("/readyz", readyz), Route("/metrics", metrics_of)]


class Server(uvicorn.Server):
    """A uvicorn server that leaves loop, signals and logs to its owner."""

    def __init__(self, app: Any, host: str, port: int, **options: Any) -> None:
        options |= {"loop": "none", "ws": "none", "lifespan": "off", "server_header": False}
        options |= {"access_log": False, "log_config": None}
        super().__init__(uvicorn.Config(app, host, port, **options))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def wait_started(self) -> None:
        """Wait until it listens. Raises RuntimeError where it ended before."""
        while not self.started:
            if self.should_exit:
                raise RuntimeError("the server ended before it listened")
            await asyncio.sleep(0.01)


async def serve(settings: Settings, health: Health) -> None:
    """Serve the pages on ``health_host``:``health_port`` (0: a free one) until cancelled.

    Runs in the caller's loop. Raises OSError where the port is taken.
    """
    app = Starlette(routes=routes(health))
    server = Server(app, settings.health_host, settings.health_port, http=TimedProtocol)
    serving = asyncio.create_task(_served(server, settings))
    try:
        started = asyncio.create_task(server.wait_started())
        await asyncio.wait((serving, started), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            started.cancel()
            await serving
            return
        health.port = server.port
        log.info("health pages", url=f"http://{settings.health_host}:{server.port}/readyz")
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        server.force_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        health.port = None


async def _served(server: Server, settings: Settings) -> None:
    try:
        await server.serve()
    except SystemExit as exit_:  # uvicorn exits where it cannot bind
        raise OSError(
            f"{settings.health_host}:{settings.health_port} is taken; set HOOKLINE_HEALTH_PORT"
        ) from exit_
