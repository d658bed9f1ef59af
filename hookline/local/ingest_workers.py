"""Several ingresses behind one port: processes that share it, kept running."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from hookline.errors import CommandError
from hookline.local.process import Child, free_port
from hookline.local.supervisor import Supervisor, stop_all
from ingest.http.sockets import listening
from runtime import logs
from runtime.settings import Settings

log = logs.get("hookline.ingest")

OUTPUT = Path("/dev/stdout")
"""Where workers log: beside each other, as this process would."""


def run(settings: Settings, count: int) -> None:
    """Keep ``count`` ingresses on ``settings.port`` until SIGTERM or SIGINT.

    SIGHUP is passed on. Raises CommandError where they could not listen.
    """
    _check(settings)
    with _signals() as (stopping, hung_up):
        children = [_child(settings, number) for number in range(count)]
        supervisor = Supervisor(lambda states: _say([s.name for s in states if not s.is_running]))

        def until(seconds: float) -> bool:
            if hung_up.is_set():
                hung_up.clear()
                for child in children:
                    child.signal(signal.SIGHUP)
            return stopping.wait(seconds)

        try:
            supervisor.add(children)
            supervisor.run(until)
        finally:
            stop_all(children, settings.body_timeout + 2 * settings.produce_timeout + 5)


def pages_port(settings: Settings, number: int) -> int:
    """Where worker ``number`` serves its own pages: HOOKLINE_HEALTH_PORT and those behind it."""
    return settings.health_port + number if settings.health_port else free_port(settings.port)


def _check(settings: Settings) -> None:
    if not settings.port:
        raise CommandError("HOOKLINE_PORT=0 gives each worker another port: choose one")
    try:
        sockets = listening(replace(settings, share_port=True)) or []
    except OSError as error:
        raise CommandError(
            f"{settings.host}:{settings.port} is taken; set HOOKLINE_PORT"
        ) from error
    for one in sockets:
        one.close()


def _child(settings: Settings, number: int) -> Child:
    port = pages_port(settings, number)
    log.info("worker", number=number, pages=f"http://{settings.host}:{port}/metrics")
    return Child(
        f"ingest-{number + 1}",
        [sys.executable, "-P", "-m", "hookline", "ingest"],
        OUTPUT,
        environment={**os.environ, "HOOKLINE_SHARE_PORT": "1", "HOOKLINE_HEALTH_PORT": str(port)},
        death_signal=signal.SIGTERM,  # they finish what they have, however we end
    )


def _say(ended: list[str]) -> None:
    if ended:
        log.warning("workers ended and are started again", workers=ended)


@contextmanager
def _signals() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Set by what asks us to stop, and by SIGHUP."""
    stopping, hung_up = threading.Event(), threading.Event()
    wanted = {
        signal.SIGTERM: stopping, signal.SIGINT: stopping, signal.SIGHUP: hung_up
    }  # fmt: skip
    before = {}
    for number, event in wanted.items():
        before[number] = signal.signal(number, lambda *_, event=event: event.set())
    try:
        yield stopping, hung_up
    finally:
        for number, handler in before.items():
            with suppress(TypeError):  # one that Python did not set
                signal.signal(number, handler)
