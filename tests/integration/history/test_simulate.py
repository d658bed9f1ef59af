"""``hookline simulate`` through the whole pipeline: what it sends is what the tables hold."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from hookline.stack_address import READER_URL
from runtime.settings import Settings
from schemas.shops import load
from tests import pipeline
from tests.conftest import LiveStack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

FAULTS = {
    "duplicates": "0.2",
    "reorder": "0.1",
    "late": "0.05",
    "lost": "0.02",
    "lost-answers": "0.05",
    "malformed": "0.02",
}


@contextmanager
def kills(stages: pipeline.Pipeline, seconds: float) -> Iterator[list[str]]:
    """Kill a worker every so many seconds, three in all; yields those that were.

    Not the ingress: while it starts again no cart's state is received, for longer than the pauses
    of a short run's carts miss their limits by.
    """
    killed: list[str] = []
    ended = threading.Event()

    def work() -> None:
        for name in (*stages.names("process"), *stages.names("sink"), *stages.names("process")):
            if ended.wait(seconds):
                return
            stages.kill(name)
            killed.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def test_the_tables_are_the_truth_after_every_fault_of_senders_while_workers_are_killed(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    """It sends for 20 s and waits for a minute until the last cart has expired."""
    shops, written = tmp_path / "shops.toml", tmp_path / "written"
    shops.write_text("")
    settings = prepared(replace(stack.settings(), shops_file=str(shops)))
    faults = [part for name, share in FAULTS.items() for part in (f"--{name}", share)]
    with pipeline.running(settings, tmp_path / "logs") as stages:
        runner = CliRunner(
            env={
                **settings.environment(),
                READER_URL: stack.reader_url,
                "HOOKLINE_INGRESS_URL": stages.url,
            }
        )
        options = ("--rate", "30", "--for", "20s", "--shops", "2", "--seed", "5", "--json")
        with kills(stages, 6.0) as killed:
            result = runner.invoke(
                app, ["simulate", *options, *faults, "--write", str(written), "--verify"]
            )
        again = runner.invoke(app, ["simulate", *options])
    figures = json.loads(result.stdout)
    differences = figures["verified"]["first"]
    assert differences == [], "\n".join(map(str, differences))
    assert figures["verified"]["undecided"] == {}
    assert result.exit_code == 0
    assert len(killed) == 3
    assert figures["verified"]["rows"]["orders"] > 100
    assert figures["accepted"] + figures["withheld"] == figures["facts"]
    assert min(figures[name] for name in ("repeated", "malformed", "retried", "withheld")) > 0
    assert len((written / "withheld.jsonl").read_text().splitlines()) == figures["withheld"]
    assert {source for source, _ in load(shops)} == {
        "spiffy", "run-free", "shoprocket", "ciklik", "gooten"
    }  # fmt: skip
    assert "seed 5 was simulated on this stack already" in str(again.exception)
