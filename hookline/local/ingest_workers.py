"""Several ingress processes that share one port, restarted when they exit.

The pages at HOOKLINE_HEALTH_PORT are those of all of them (``worker_metrics.py``).
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from hookline.console.errors import CommandError
from hookline.local.process import Child, free_port
from hookline.local.supervisor import State, Supervisor, stop_all
from hookline.local.worker_metrics import WorkerPages
from ingest.http.sockets import listening
from runtime import logs
from runtime.settings import Settings

log = logs.get("hookline.ingest")

OUTPUT = Path("/dev/stdout")
"""Workers log to this process's stdout."""


def run(settings: Settings, count: int) -> None:
    """Keep ``count`` ingresses on ``settings.port`` running until SIGTERM or SIGINT.

    SIGHUP is passed on. Raises CommandError if a port is taken.
    """
    _check_port(settings)
    ports = {str(number): health_port(settings, number) for number in range(1, count + 1)}
    with (
        _signals() as (stopping, hung_up),
        _pages(settings, ports) as pages,
    ):
        log.info("pages of all", url=f"http://{settings.health_host}:{pages.port}/readyz")
        children = [_child(settings, name, port) for name, port in ports.items()]
        supervisor = Supervisor(_log_exits)

        def wait(seconds: float) -> bool:
            if hung_up.is_set():
                hung_up.clear()
                for child in children:
                    child.signal(signal.SIGHUP)
            return stopping.wait(seconds)

        try:
            supervisor.add(children)
            supervisor.run(wait)
        finally:
            # Long enough for the requests that a worker has accepted.
            stop_all(children, settings.body_timeout + 2 * settings.produce_timeout + 5)


def health_port(settings: Settings, number: int) -> int:
    """The port of worker ``number``'s own pages: those after HOOKLINE_HEALTH_PORT."""
    return settings.health_port + number if settings.health_port else free_port(settings.port)


@contextmanager
def _pages(settings: Settings, ports: Mapping[str, int]) -> Iterator[WorkerPages]:
    host, port = settings.health_host, settings.health_port
    with ExitStack() as opened:
        try:
            pages = opened.enter_context(WorkerPages(host, port, ports))
        except OSError as error:
            raise CommandError(f"{host}:{port} is taken; set HOOKLINE_HEALTH_PORT") from error
        yield pages


def _check_port(settings: Settings) -> None:
    if not settings.port:
        raise CommandError("HOOKLINE_PORT=0 would give each worker another port: choose one")
    try:
        sockets = listening(replace(settings, share_port=True)) or []
    except OSError as error:
        raise CommandError(
            f"{settings.host}:{settings.port} is taken; set HOOKLINE_PORT"
        ) from error
    for opened in sockets:
        opened.close()


def _child(settings: Settings, worker: str, port: int) -> Child:
    log.info("worker", worker=worker, pages=f"http://{settings.health_host}:{port}/readyz")
    return Child(
        f"ingest-{worker}",
        [sys.executable, "-P", "-m", "hookline", "ingest"],
        OUTPUT,
        environment={
            **os.environ,
            "HOOKLINE_SHARE_PORT": "1",
            "HOOKLINE_HEALTH_PORT": str(port),
        },
        death_signal=signal.SIGTERM,  # finish accepted requests even if we are killed
    )


def _log_exits(states: list[State]) -> None:
    if exited := [state.name for state in states if not state.is_running]:
        log.warning("workers exited and are restarted", workers=exited)


@contextmanager
def _signals() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Events set by a signal to stop, and by SIGHUP."""
    stopping, hung_up = threading.Event(), threading.Event()
    events = {signal.SIGTERM: stopping, signal.SIGINT: stopping, signal.SIGHUP: hung_up}
    previous = {}
    for number, event in events.items():
        previous[number] = signal.signal(number, lambda *_, event=event: event.set())
    try:
        yield stopping, hung_up
    finally:
        for number, handler in previous.items():
            with suppress(TypeError):  # None: a handler that was not set from Python
                signal.signal(number, handler)
