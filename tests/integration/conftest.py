"""What tests of the sinks on real servers share."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hookline.local.process import free_port
from hookline.local.servers.postgres import Postgres
from runtime.settings import Settings
from sinks.postgres.migrate import migrate
from tests.sink_events import Tables


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """PostgreSQL alone, for what needs neither Kafka nor the registry."""
    folder = tmp_path_factory.mktemp("postgres")
    server = Postgres(folder / "postgres", free_port(), folder / "logs")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def settings(stack: Any) -> Settings:
    """Settings of a prefix of its own, with the tables and without topics."""
    fresh: Settings = stack.settings()
    migrate(fresh)
    return fresh


@pytest.fixture
async def tables(settings: Settings) -> AsyncIterator[Tables]:
    """The tables of ``settings``, open."""
    async with Tables(settings) as ready:
        yield ready
