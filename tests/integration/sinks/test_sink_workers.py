"""One history of all platforms through real sink processes, and through `hookline rebuild`.

The default history has 2,000 events; HISTORIES=all takes the 5,000 of tests.histories.shuffles.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import Settings
from sinks.postgres.migrate import migrate
from tests.canonical_log import append
from tests.conftest import LiveStack, run_apart
from tests.histories.everything import WATERMARK, everything
from tests.histories.running import folded, shuffled
from tests.histories.shuffles import shuffle
from tests.histories.stored import read, unlike
from tests.pipeline import Shape
from tests.pipeline import prepared as prepared_pipeline
from tests.sink_events import Tables

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

EVENTS = everything(5000 if os.environ.get("HISTORIES") == "all" else 2000)


@pytest.fixture(scope="module")
def digests(live_stack: LiveStack) -> dict[str, str]:
    """Tables -> digests by one process, after its rows were held against the pure rules."""
    settings = live_stack.settings()
    migrate(settings)

    async def stored() -> dict[str, str]:
        async with Tables(settings) as tables:
            found = await shuffle(tables, EVENTS, 0)
            assert [] == unlike(folded(EVENTS, len(EVENTS), WATERMARK), read(tables))
            return found

    return run_apart(stored())


@pytest.mark.parametrize("workers", [1, 2, 4])
async def test_any_number_of_workers_and_a_rebuild_end_in_the_same_digest(
    stack: Any,
    prepared: Callable[[Settings], Settings],
    tmp_path: Path,
    digests: dict[str, str],
    workers: int,
) -> None:
    """They store while the log grows, in which a tenth of the events stands again."""
    settings = prepared(stack.settings())
    with prepared_pipeline(settings, tmp_path / "logs", Shape(sinks=workers)) as pipeline:
        pipeline.start("sink")
        appended = await append(settings, shuffled(EVENTS, seed=workers, again=0.1))
        async with Tables(settings) as tables:
            async with asyncio.timeout(240):
                while tables.rows("SELECT sum(next_offset)::int FROM fences") != [(appended,)]:  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            assert [(workers,)] == tables.rows("SELECT count(DISTINCT holder)::int FROM fences")
            await tables.passed(WATERMARK)
            assert digests == await tables.digest()
            rebuilt = await asyncio.to_thread(_rebuild, settings)
            assert (appended, "") == (rebuilt["records"], rebuilt["left"])
            assert digests == await tables.digest()
        assert set(pipeline.restarts_of().values()) == {0}


def _rebuild(settings: Settings) -> dict[str, Any]:
    """What `hookline rebuild` said."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "rebuild", "--json"],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said
