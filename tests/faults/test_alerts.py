"""A real Prometheus raises the alert of a stage that is gone, no other, and it ends again.

`make alerts` has the long outages, one for each kind of alert.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.settings import Settings
from tests import senders
from tests.conftest import LiveStack
from tests.faults.prometheus import MISSING, Prometheus, program, running
from tests.pipeline import running as running_stages

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(300),
    pytest.mark.skipif(program() is None, reason=MISSING),
]

ABSENT = {"HooklineStageAbsent": "firing"}
PATIENCE = 90.0
"""Seconds until this test gives up; the alert itself waits for 30."""


def wait_for(prometheus: Prometheus, alerts: dict[str, str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while (active := prometheus.active()) != alerts:
        assert time.monotonic() < deadline, active
        time.sleep(0.5)


def test_processors_that_are_gone_raise_one_alert_which_ends_once_they_are_back(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    began = time.time()
    with (
        running_stages(settings, tmp_path / "logs") as pipeline,
        running(tmp_path / "prometheus", lambda: pipeline.ports) as prometheus,
    ):
        wait_for(prometheus, {})
        [name] = pipeline.names("process")
        pipeline.leave(name)
        wait_for(prometheus, ABSENT)
        pipeline.join("process")
        pipeline.wait_ready(60)
        wait_for(prometheus, {})
        fired = {name for name, _ in prometheus.fired(began)}
    assert fired == ABSENT.keys()
