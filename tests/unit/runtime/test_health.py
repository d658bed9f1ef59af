import asyncio
import socket
from dataclasses import replace
from typing import Any

import httpx
import pytest

from runtime import logs
from runtime.health import Health, serve, wait_until
from runtime.settings import Settings
from tests.screens import STEERING, steers

SETTINGS = Settings(host="127.0.0.1", health_port=0)


def test_health_is_ready_when_nothing_is_unmet() -> None:
    health = Health()

    assert health.is_ready
    health.waiting("kafka", "no broker answers")
    assert not health.is_ready
    health.met("kafka")
    health.met("never waited for")
    assert health.is_ready


async def _served(health: Any) -> Any:
    task = asyncio.create_task(serve(SETTINGS, health))
    while health.port is None:
        assert not task.done()
        await asyncio.sleep(0.01)
    return task


async def test_the_pages_say_alive_ready_and_what_is_waited_for() -> None:
    health = Health()
    task = await _served(health)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{health.port}") as client:
        ready = await client.get("/readyz")
        health.waiting("kafka", "no broker answers")
        waiting = await client.get("/readyz")
        alive = await client.get("/healthz")
        page = await client.get("/metrics")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "waiting": {}, "warnings": {}},
    )
    assert waiting.status_code == 503
    assert waiting.json()["waiting"] == {"kafka": "no broker answers"}
    assert alive.status_code == 200
    assert "hookline_ready 0.0" in page.text


async def test_a_reason_of_others_steers_no_terminal_and_is_read_as_it_is() -> None:
    health = Health()
    health.waiting("registry", f"<{STEERING}>")
    task = await _served(health)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{health.port}") as client:
        page = await client.get("/readyz")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert not steers(page.text)
    assert page.json()["waiting"] == {"registry": f"<{STEERING}>"}


async def test_the_port_is_free_again_after_serving_was_cancelled() -> None:
    health = Health()
    task = await _served(health)
    port = health.port
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert health.port is None


async def test_a_port_that_is_taken_is_an_error_that_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = replace(SETTINGS, health_port=taken.getsockname()[1])

        with pytest.raises(OSError, match="HOOKLINE_HEALTH_PORT"):
            await serve(settings, Health())


async def test_a_wait_logs_each_reason_once_and_ends_at_a_final_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda _seconds: real(0))
    errors = [OSError("a"), OSError("a"), TimeoutError("b"), OSError("a"), FileNotFoundError("c")]
    health, shown = Health(), []

    async def attempt() -> None:
        shown.append(dict(health.unmet))
        raise errors.pop(0)

    logs.configure(SETTINGS, "test")
    with pytest.raises(FileNotFoundError):
        await wait_until(health, "kafka", attempt, OSError, str, final=FileNotFoundError)
    assert shown == [{}, {"kafka": "a"}, {"kafka": "a"}, {"kafka": "b"}, {"kafka": "a"}]
    assert capsys.readouterr().err.count("waiting") == 2
