"""A silent coordinator among three brokers: nothing lost, and no silence longer than Kafka's."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.conftest import LiveStack
from tests.faults.brokers import FROZEN
from tests.faults.catalogue import FAULTS
from tests.faults.storm import alone

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(420),
    pytest.mark.skipif(
        "LONG" not in os.environ, reason="minutes each, on three brokers: LONG=1 make test"
    ),
]

COUNT, RATE = 1_600, 100.0
SHORT = 40.0
"""Seconds for which the coordinator is stopped here; `make faults` takes 150."""


@pytest.mark.parametrize("name", ["freeze-processors-coordinator", "freeze-sinks-coordinator"])
def test_stages_go_on_beside_a_coordinator_that_gives_no_answer(
    name: str, stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    settings = prepared(stack.settings())
    scale = SHORT / FROZEN
    storm = alone(FAULTS[name], stack, settings, tmp_path, COUNT, 1, rate=RATE, scale=scale)
    outcome = asyncio.run(storm)
    print(outcome)
    assert outcome.problems == []
