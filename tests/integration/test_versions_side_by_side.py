"""Two versions of Hookline, one with a nullable field more, on one log: up and back under load."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from runtime.registry import schema_ids
from runtime.registry.client import RegistryClient
from runtime.settings import Settings
from schemas import codec, envelopes
from tests import senders
from tests.conftest import LiveStack
from tests.integration.test_among_strangers import orders, settled
from tests.pipeline import Shape
from tests.pipeline import prepared as pipeline_of
from tests.raw import append, outcomes

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(420),
    pytest.mark.skipif("LONG" not in os.environ, reason="a minute or two: LONG=1 make test"),
]

ROOT = Path(__file__).parents[2]
PACKAGES = ("hookline", "ingest", "processors", "runtime", "schemas", "sinks")
FIELD = {"name": "loyalty_points", "type": ["null", "long"], "doc": "New.", "default": None}
STEP = 150
"""Deliveries of each step."""


def next_version(folder: Path) -> Path:
    """A copy of this repository's packages whose orders have a field more, always filled in."""
    for package in PACKAGES:
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, folder / package, ignore=unwanted)
    avro = folder / "schemas" / "avro"
    own = json.loads((avro / "orders.avsc").read_text())
    own["fields"].append(FIELD)
    (avro / "orders.avsc").write_text(json.dumps(own))
    whole = codec.schema("orders")
    history = avro / "history" / "orders"
    number = 1 + len(list(history.glob("*.avsc")))
    newer = {**whole, "fields": [*whole["fields"], FIELD]}
    (history / f"{number}.avsc").write_text(json.dumps(newer))
    events = folder / "schemas" / "events.py"
    text = events.read_text()
    order = text.index("class Order(")
    last = "    next_billing_at: Micros | None = None\n"
    at = text.index(last, order) + len(last)
    events.write_text(f"{text[:at]}    loyalty_points: int | None = 7\n{text[at:]}")
    return folder


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


def create_topics(settings: Settings, newer: dict[str, str]) -> None:
    """Register the newer schemas, as an upgrade does first."""
    subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "topics", "create"],
        env={**os.environ, **settings.environment(), **newer},
        check=True,
        timeout=120,
    )


async def fields_of(settings: Settings, schema_id: int) -> set[str]:
    async with RegistryClient(settings) as client:
        return {field["name"] for field in (await client.schema(schema_id))["fields"]}
