"""kill -9 in the middle of the work: nothing lost, nothing counted twice."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests import senders, truth
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, running

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(240)]

DELIVERIES = 20_000


def test_processors_and_then_sinks_killed_in_the_middle_of_twenty_thousand_deliveries(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    wanted = senders.orders(1, DELIVERIES)
    with running(settings, tmp_path / "logs", processors=2, sinks=2) as pipeline:
        sent = asyncio.run(_send_while_killing(pipeline, wanted))
        truth.wait_for_rows(pipeline.settings, DELIVERIES, 90)
        found = truth.look(pipeline.settings, wanted, sent)
        audit = truth.audit(pipeline.settings)
        restarts = pipeline.restarts_of()
    print(f"\n{len(sent.accepted)} accepted, answers {dict(sent.answers)}, {found}")
    assert found.is_exact, found
    assert found.orders_count == DELIVERIES
    assert {name for name, count in restarts.items() if count} == {
        "process-1",
        "process-2",
        "sink-1",
        "sink-2",
    }
    assert audit.returncode == 0, audit.stdout + audit.stderr
    assert json.loads(audit.stdout)["missing"] == 0


async def _send_while_killing(
    pipeline: Pipeline, wanted: list[senders.NumberedOrder]
) -> senders.Sent:
    sent = senders.Sent()
    sending = asyncio.create_task(senders.send(pipeline.url, wanted, sent=sent))
    await _accepted(sent, DELIVERIES // 4)
    pipeline.kill(*pipeline.names("process"))
    await _accepted(sent, DELIVERIES // 2)
    pipeline.kill(*pipeline.names("sink"))
    return await sending


async def _accepted(sent: senders.Sent, count: int) -> None:
    while len(sent.accepted) < count:  # noqa: ASYNC110 - a count has no event
        await asyncio.sleep(0.05)
