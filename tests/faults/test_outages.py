"""Kafka, the registry and the database each away for ten seconds under load."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from runtime.settings import Settings
from tests import senders, truth
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, running

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(240)]

AWAY = 10.0
RATE = 200.0


@pytest.mark.parametrize("service", ["postgres", "registry", "kafka"])
def test_a_service_away_for_ten_seconds_loses_nothing_and_ends_no_stage(
    service: str,
    stack: LiveStack,
    prepared: Callable[[Settings], Settings],
    tmp_path: Path,
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    server = getattr(stack, service)
    with running(settings, tmp_path / "logs") as pipeline:
        wanted = senders.orders(1, int(RATE * AWAY * 1.8))
        sent, answered_away = asyncio.run(_send_through(pipeline, wanted, server))
        pipeline.wait_ready(60)
        truth.wait_for_rows(pipeline.settings, len(wanted), 90)
        found = truth.look(pipeline.settings, wanted, sent)
        restarts = pipeline.restarts_of()
    print(f"\n{service}: answers {dict(sent.answers)}, while away {answered_away}, {found}")
    assert found.is_exact, found
    assert set(restarts.values()) == {0}, restarts
    if service == "kafka":
        assert answered_away == 503
        assert sent.answers[503] > 0
    else:
        assert answered_away == 200


async def _send_through(
    pipeline: Pipeline, wanted: list[senders.NumberedOrder], server: object
) -> tuple[senders.Sent, int]:
    sending = asyncio.create_task(senders.send(pipeline.url, wanted, rate=RATE))
    await asyncio.sleep(2)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, server.stop)  # type: ignore[attr-defined]
    gone = time.monotonic()
    await asyncio.sleep(2)
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        path = f"{pipeline.url}/hooks/run-free/{senders.SHOP}/{senders.TOKEN}"
        answer = await client.post(path, content=wanted[0].body)
    await asyncio.sleep(max(0.0, AWAY - (time.monotonic() - gone)))
    await loop.run_in_executor(None, server.start)  # type: ignore[attr-defined]
    return await sending, answer.status_code
