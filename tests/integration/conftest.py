"""What tests of the sinks on real servers share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime.settings import Settings
from sinks.postgres.migrate import migrate
from tests.sink_events import Tables


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
