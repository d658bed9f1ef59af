"""An upgrade and the way back, under load: workers of the next version join, and leave again."""

from dataclasses import replace
from typing import Any

from runtime.settings import Settings
from schemas.topics import ORDERS
from tests.faults.fault import Fault
from tests.faults.storm import Storm
from tests.faults.strikes import away
from tests.next_version import create_topics, next_version
from tests.raw import records

STAGES = ("process", "sink")


async def upgraded_and_back(storm: Storm) -> None:
    """Replace every worker by one of the next version, then all of those by today's."""
    await storm.accepted(0.1)
    newer = {"PYTHONPATH": str(await away(next_version, storm.directory / "next"))}
    await away(create_topics, storm.settings, newer)
    await _replace_workers(storm, newer)
    await storm.accepted(0.5)
    await _replace_workers(storm, {})
    await storm.accepted(0.9)
    if len(wrote := await _schemas_of_orders(storm.settings)) != 2:
        storm.remarks.append(f"orders were written in the schemas {sorted(wrote)}, not by two")


async def _replace_workers(storm: Storm, variables: dict[str, str]) -> None:
    """Let a worker of that version join for each, and end an old one in order once it is ready."""
    shape = storm.pipeline.shape
    storm.pipeline.shape = replace(shape, variables=dict.fromkeys(STAGES, variables))
    for stage in STAGES:
        for old in storm.pipeline.names(stage):
            await away(storm.pipeline.join, stage)
            await away(storm.pipeline.wait_ready, 90)
            await away(storm.pipeline.leave, old)


async def _schemas_of_orders(settings: Settings) -> set[int]:
    found: list[Any] = await records(settings, [settings.topic(ORDERS)])
    return {int.from_bytes(record.value[1:5], "big") for record in found}


ROWS = (
    Fault(
        49,
        "next-version",
        "every worker replaced by one of the next version, and back",
        upgraded_and_back,
        exits=0,
    ),
)
