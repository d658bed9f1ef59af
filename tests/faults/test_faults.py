"""Faults in a short storm: nothing lost, nothing counted twice."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests.conftest import LiveStack, discard, prepare
from tests.faults.catalogue import FAULTS
from tests.faults.fault import WORKERS, Fault
from tests.faults.outcome import Outcome
from tests.faults.storm import Storm, alone

pytestmark = [pytest.mark.stack, pytest.mark.fault, pytest.mark.timeout(420)]

SHORT = 1_600
"""Distinct deliveries of each storm; `make faults` sends 100,000."""
RATE = 400.0
SCALE = 0.4
SESSION = {"session_timeout": 6.0, "heartbeat_interval": 1.5}
IN_SHORT = (
    "kill-processor",
    "kill-sink",
    "kill-ingress",
    "kill-all-stages",
    "kill-broker",
    "kill-database",
    "power-cut",
    "clocks",
    "codecs",
    "foreign-records",
)
"""What fits into the time of the default tests; `make faults COUNT=2000` runs all in short."""
SHARED = {name: FAULTS[name] for name in IN_SHORT if not FAULTS[name].is_alone}
APART = {name: FAULTS[name] for name in IN_SHORT if FAULTS[name].is_alone}


@pytest.fixture(scope="module")
def storms(
    live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Storm]]:
    """Gives the storm that the faults share; a new one where the last one was not clean."""
    opened: list[Storm] = []

    def storm() -> Storm:
        if opened and not opened[-1].is_spoilt:
            return opened[-1]
        if opened:
            opened[-1].close()
        settings = prepare(live_stack.settings(**SESSION))
        opened.append(Storm(live_stack, settings, tmp_path_factory.mktemp("storm"), WORKERS))
        opened[-1].scale = SCALE
        opened[-1].open()
        opened[-1].pipeline.start()
        return opened[-1]

    yield storm
    for each in opened:
        each.close()
        live_stack.recover()
        discard(each.settings)


@pytest.mark.parametrize("fault", SHARED.values(), ids=SHARED.keys())
@pytest.mark.usefixtures("stack")
def test_nothing_is_lost_and_nothing_counted_twice_through(
    fault: Fault, storms: Callable[[], Storm]
) -> None:
    storm = storms()
    _judge(asyncio.run(storm.run(fault, SHORT, seed=fault.number, rate=RATE)))


@pytest.mark.parametrize("fault", APART.values(), ids=APART.keys())
def test_stages_of_their_own_lose_nothing_and_count_nothing_twice_through(
    fault: Fault,
    stack: LiveStack,
    prepared: Callable[[Settings], Settings],
    tmp_path: Path,
) -> None:
    settings = prepared(stack.settings(**SESSION))
    running = alone(fault, stack, settings, tmp_path, SHORT, fault.number, rate=RATE, scale=SCALE)
    _judge(asyncio.run(running))


def _judge(outcome: Outcome) -> None:
    print(outcome)
    assert outcome.problems == []
