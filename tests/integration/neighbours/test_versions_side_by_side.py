"""Two versions of Hookline, one with a nullable field more, on one log: up and back under load."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from runtime.registry import schema_ids
from runtime.registry.client import RegistryClient
from runtime.settings import Settings
from schemas import envelopes
from tests import senders
from tests.conftest import LiveStack
from tests.integration.neighbours.test_among_strangers import orders, settled
from tests.next_version import FIELD, create_topics, next_version
from tests.pipeline import Shape
from tests.pipeline import prepared as pipeline_of
from tests.raw import append, outcomes

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(420),
    pytest.mark.skipif("LONG" not in os.environ, reason="a minute or two: LONG=1 make test"),
]

STEP = 150
"""Deliveries of each step."""


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    made = replace(stack.settings(), shops_file=str(shops), session_timeout=6.0)
    return prepared(replace(made, heartbeat_interval=0.5, state_dir=str(tmp_path / "state-1")))


def test_versions_run_side_by_side_and_the_way_back_is_open(
    settings: Settings, tmp_path: Path
) -> None:
    newer = {
        "PYTHONPATH": str(next_version(tmp_path / "next")),
        "HOOKLINE_STATE_DIR": str(tmp_path / "state-2"),
    }
    both = Shape(ingresses=0, variables={"process-2": newer, "sink-2": newer})
    with pipeline_of(settings, tmp_path / "logs", both) as pipeline:
        pipeline.start()
        load = Load(settings)
        load.step()
        create_topics(settings, newer)
        for stage in ("process", "sink"):
            pipeline.join(stage)
            load.step()
        pipeline.wait_ready(90)
        load.step()
        pipeline.leave("sink-2")  # what the newer processor writes is now read by the older sinks
        load.step()
        pipeline.leave("process-2")
        load.step()
        report = asyncio.run(settled(settings, load.sent))
        assert (report.total.canonical, report.total.missing) == (load.sent, 0)
        assert (report.is_balanced, report.late_copies) == (True, 0)
        assert report.sinks is not None
        assert report.sinks.rejects == 0
        assert set(pipeline.restarts_of().values()) == {0}
    found = asyncio.run(outcomes(settings))
    deliveries = Counter(dict(record.headers)[envelopes.DELIVERY] for record in found)
    assert (len(deliveries), set(deliveries.values())) == (load.sent, {1})
    by_schema = Counter(record.value[1:5] for record in found)
    assert len(by_schema) == 2, by_schema  # both versions wrote
    current = asyncio.run(schema_ids.look_up(settings)).current["orders"].to_bytes(4, "big")
    [other] = by_schema.keys() - {current}
    assert FIELD["name"] in asyncio.run(fields_of(settings, int.from_bytes(other, "big")))
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path = {settings.sql_schema}")
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (load.sent,)


class Load:
    """Deliveries appended step by step, while the stages work."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self.sent = settings, 0

    def step(self) -> None:
        asyncio.run(append(self._settings, orders(1 + self.sent, STEP)))
        self.sent += STEP


async def fields_of(settings: Settings, schema_id: int) -> set[str]:
    async with RegistryClient(settings) as client:
        return {field["name"] for field in (await client.schema(schema_id))["fields"]}
