"""Kafka goes away while a stage starts, at every step of it: the stage waits, and says for what."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from runtime.kafka import topics_admin
from runtime.settings import Settings
from tests import senders
from tests.conftest import LiveStack, run_apart
from tests.gate import SHUT, Gate
from tests.pipeline import Pipeline, Shape, prepared

pytestmark = [
    pytest.mark.stack,
    pytest.mark.fault,
    pytest.mark.timeout(400),
    pytest.mark.skipif("LONG" not in os.environ, reason="some minutes together: LONG=1 make test"),
]

LONGEST = 15.0
"""Seconds from the moment at which Kafka answers again until a stage is ready."""
HELD = {"silent": 12.0, "closing": 3.0, "no-coordinator": 12.0}
"""Seconds for which the gate is shut: a silent broker must be found to be silent."""


@pytest.fixture
def gate(stack: LiveStack) -> Iterator[Gate]:
    with Gate(stack.kafka.proxy_port, stack.kafka.behind_port).listening() as gate:
        yield gate


@pytest.fixture
def settings(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Settings:
    shops = tmp_path / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    direct = prepared(
        replace(
            stack.settings(),
            shops_file=str(shops),
            session_timeout=6.0,
            heartbeat_interval=0.5,
            state_dir=str(tmp_path / "state"),
        )
    )
    return replace(direct, brokers=f"127.0.0.1:{stack.kafka.proxy_port}")


@pytest.fixture
def pipeline(settings: Settings, tmp_path: Path) -> Iterator[Pipeline]:
    with prepared(settings, tmp_path / "logs", Shape(0, 0, 0)) as pipeline:
        pipeline.start()
        yield pipeline


def page(pipeline: Pipeline, name: str) -> tuple[int, str]:
    """Status and text of /readyz; 0 before it is served."""
    try:
        url = f"http://127.0.0.1:{pipeline.ports[name]}/readyz"
        answer = httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError as error:
        return 0, repr(error)
    return answer.status_code, answer.text


@pytest.mark.parametrize("mode", SHUT)
@pytest.mark.parametrize("stage", ["ingest", "process", "sink"])
def test_a_start_waits_wherever_kafka_goes_away(
    stage: str, mode: str, gate: Gate, settings: Settings, pipeline: Pipeline
) -> None:
    """The gate shuts again and again, each time some requests further on, until it is ready."""
    step = 2 if stage == "ingest" else 16
    gate.shut(mode)
    name = pipeline.join(stage)
    while page(pipeline, name)[0] == 0:
        time.sleep(0.1)  # Python starts; its pages are the first that a stage serves
    shut, plain, opened = 0, 0.0, time.monotonic()
    while True:
        while gate.mode == "open" and page(pipeline, name)[0] != 200:
            assert time.monotonic() - opened < plain + LONGEST, page(pipeline, name)
            time.sleep(0.05)
        if gate.mode == "open":
            break
        time.sleep(HELD[mode])
        status, text = page(pipeline, name)
        if mode != "no-coordinator" or status != 200:  # it may be ready before it needs one
            assert (status, '"waiting":{}' in text) == (503, False), text
        shut += 1
        gate.open()
        opened = time.monotonic()
        run_apart(topics_admin.cluster_id(settings))  # a plain client, which had to wait too
        plain = time.monotonic() - opened
        gate.shut_after(step * shut, mode)
    assert pipeline.restarts_of() == {name: 0}
    log = (pipeline.logs / f"{name}.log").read_text()
    assert "Traceback" not in log
    assert log.count("waiting") <= 4 * shut, log
