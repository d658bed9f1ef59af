"""A registry restored with its ids permuted: refused by name, and nothing is lost meanwhile."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from hookline.local.process import free_port
from hookline.local.servers.registry import Registry
from runtime.registry import schema_ids
from runtime.registry.client import RegistryClient, RegistryError
from runtime.settings import Settings
from schemas import codec
from schemas.topics import BY_RECORD
from tests import senders
from tests.conftest import LiveStack
from tests.integration.neighbours.test_among_strangers import orders, running, settled
from tests.pipeline import Pipeline, Shape
from tests.pipeline import prepared as pipeline_of
from tests.raw import append, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(420)]


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    made = replace(stack.settings(), shops_file=str(shops), session_timeout=6.0)
    return prepared(replace(made, heartbeat_interval=0.5, state_dir=str(tmp_path / "state")))


@pytest.fixture
def permuted(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The URL of a registry that has our schemas under each other's ids."""
    registry = Registry(tmp_path / "registry", free_port(), tmp_path / "logs")
    registry.start()
    try:
        asyncio.run(register_in_another_order(replace(settings, registry_url=registry.url)))
        yield registry.url
    finally:
        registry.stop()


async def register_in_another_order(settings: Settings) -> None:
    async with RegistryClient(settings) as client:
        for name, topic in reversed(BY_RECORD.items()):
            await client.register(topic.subject(settings.prefix), codec.schema_text(name))


def test_stages_refuse_it_and_go_on_once_the_right_one_is_back(
    settings: Settings, permuted: str, tmp_path: Path
) -> None:
    asyncio.run(append(settings, orders(1, 40)))
    with running(settings, tmp_path / "logs-1", processors=1, sinks=0):
        asyncio.run(wait_for_outcomes(settings, 40))
    wrong = replace(settings, registry_url=permuted)
    # With the ids on disk it is noticed at the start, and said.
    with pytest.raises(RegistryError, match=r"orders had .* restored out of order"):
        asyncio.run(schema_ids.load_codec(wrong))
    # Without them the records tell: the partition stops, and no record is set aside.
    fresh = replace(wrong, state_dir=str(tmp_path / "fresh"))
    with pipeline_of(fresh, tmp_path / "logs-2", Shape(ingresses=0, processors=0)) as pipeline:
        pipeline.start("ingest")
        pipeline.join("sink")
        wait_for_words(pipeline, "the registry lost its data or was restored out of order")
        assert stored(settings) == (0, 0)
    with running(settings, tmp_path / "logs-3", processors=1, sinks=1):
        asyncio.run(append(settings, orders(41, 20)))
        report = asyncio.run(settled(settings, 60))
    assert (report.total.canonical, report.is_balanced) == (60, True)
    assert stored(settings) == (60, 0)


def wait_for_words(pipeline: Pipeline, words: str) -> None:
    deadline = time.monotonic() + 120
    while not any(words in said for said in pipeline.unready().values()):
        assert time.monotonic() < deadline, pipeline.unready()
        time.sleep(0.5)


def stored(settings: Settings) -> tuple[int, int]:
    """Orders in the tables, and records set aside."""
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path = {settings.sql_schema}")
        query = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM sink_rejects)"
        found = connection.execute(query).fetchone()
    assert found is not None
    return found[0], found[1]
