"""Shops of all platforms behind a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.hostile.house import SETTINGS, SHOPS
from tests.served import Served, serving


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    path = tmp_path / "shops.toml"
    path.write_text(SHOPS)
    async with serving(SETTINGS, path) as running:
        yield running
