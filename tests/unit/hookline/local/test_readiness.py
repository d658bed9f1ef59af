"""What a stage's /readyz says reaches `hookline status` and `hookline doctor`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from hookline.local.doctor import machine
from hookline.local.process import wait_until
from hookline.local.up import Readiness, readiness
from runtime import health as pages
from runtime.health import Health
from runtime.settings import Settings


@contextmanager
def served(health: Health) -> Iterator[str]:
    """The address of /readyz, served by another thread."""
    loop = asyncio.new_event_loop()
    settings = Settings(health_port=0)
    task = loop.create_task(pages.serve(settings, health))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            loop.close()

    thread = Thread(target=run)
    thread.start()
    try:
        assert wait_until(lambda: health.port is not None, 10)
        yield f"http://127.0.0.1:{health.port}/readyz"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()


def test_reasons_and_warnings_are_given_by_name() -> None:
    health = Health()
    health.warn("offset x/1", "it was moved")
    with served(health) as url:
        assert readiness(url) == Readiness(True, "", ("offset x/1: it was moved",))
        health.waiting("kafka", "it is away")
        health.stop("gap x/1", "records are gone")
        found = readiness(url)
    assert found.waits_for == "kafka: it is away, gap x/1: records are gone"
    assert not found.is_ready


def test_the_doctor_names_what_a_stage_waits_for_and_notes_its_warnings() -> None:
    health = Health()
    health.warn("offset x/1", "it was moved")
    health.waiting("shops", "not in shops.toml yet: run-free/new")
    with served(health) as url:
        wrong, note = machine.process_findings("process-1", 7, url)
    assert (wrong.level, note.level) == ("wrong", "note")
    assert wrong.message == "process 7 is not ready: shops: not in shops.toml yet: run-free/new"
    assert note.message == "offset x/1: it was moved"


def test_nobody_at_the_port_is_a_stage_that_starts() -> None:
    assert readiness("http://127.0.0.1:9/readyz") == Readiness(False, "starts")
