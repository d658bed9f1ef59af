"""A processor that comes back goes on from the index that it left on its disk."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.settings import Settings
from schemas.topics import DUPLICATES
from tests import senders
from tests.conftest import LiveStack
from tests.pipeline import Pipeline, Shape
from tests.pipeline import prepared as running
from tests.raw import Raw, append, outcomes, wait_for_outcomes

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SECONDS = 90
FIRST, MORE = 1200, 40
OPENED = re.compile(r"index opened .*entries=(\d+) outcomes_read=(\d+) partition=(\d+)")


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    return prepared(
        stack.settings(
            shops_file=str(shops), state_dir=str(tmp_path / "state"), commit_interval=0.2
        )
    )


@pytest.fixture
def pipeline(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    with running(settings, tmp_path / "logs", Shape(0, 0, 0)) as made:
        made.start()
        yield made


def raws(first: int, count: int) -> list[Raw]:
    return [
        Raw("run-free", senders.SHOP, f"order:{order.number}", order.body)
        for order in senders.orders(first, count)
    ]


def opened(folder: Path) -> list[tuple[int, int]]:
    """Entries and outcomes read of each partition that was opened last."""
    newest = max(folder.glob("*process*"), key=lambda path: path.stat().st_mtime)
    found = {int(at): (int(e), int(read)) for e, read, at in OPENED.findall(newest.read_text())}
    return [found[at] for at in sorted(found)]


def test_a_processor_that_comes_back_reads_only_what_was_written_since(
    settings: Settings, pipeline: Pipeline, tmp_path: Path
) -> None:
    early = raws(1, FIRST)
    asyncio.run(append(settings, early))
    name = pipeline.join("process")
    asyncio.run(wait_for_outcomes(settings, FIRST, SECONDS))
    time.sleep(1)  # its last commit
    pipeline.leave(name)
    again = [replace(raw, delivery_id=str(uuid.uuid4())) for raw in early[:MORE]]
    asyncio.run(append(settings, again))
    pipeline.join("process")
    asyncio.run(wait_for_outcomes(settings, FIRST + MORE, SECONDS))
    found = asyncio.run(outcomes(settings))
    repeated = [each for each in found if each.topic == settings.topic(DUPLICATES)]
    assert (FIRST + MORE, MORE) == (len(found), len(repeated))
    taken_over = opened(tmp_path / "logs")
    assert FIRST == sum(entries for entries, _ in taken_over)
    assert [0] * settings.partitions == [read for _, read in taken_over]
