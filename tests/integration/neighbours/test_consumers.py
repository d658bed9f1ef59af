"""The programs of docs/consumers read a canonical topic, each in its language, all the same.

They are built as their first lines describe, with their pinned packages, in a copy. Without its
tools or its packages a program is skipped, with the reason.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.topics import BY_RECORD
from tests import ROOT
from tests.conftest import discard, prepare, run_apart
from tests.example_files import examples
from tests.sink_events import record

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PROGRAMS = ROOT / "docs" / "consumers"
PARTITION_OF_ALL = 0


@dataclass(frozen=True, slots=True)
class Program:
    """A consumer: the folder, the tools that it needs, how it is built and run."""

    name: str
    tools: tuple[str, ...]
    build: tuple[str, ...]
    run: Callable[[int], Sequence[str]]


LANGUAGES = (
    Program(
        "java",
        ("mvn", "javac"),
        ("mvn", "-B", "-q", "compile"),
        lambda count: ("mvn", "-B", "-q", "exec:java", f"-Dexec.args={count}"),
    ),
    Program(
        "node",
        ("node", "npm"),
        ("npm", "ci", "--no-audit", "--no-fund"),
        lambda count: ("node", "consumer.js", str(count)),
    ),
    Program(
        "go",
        ("go",),
        ("go", "build", "-o", "consumer", "."),
        lambda count: ("./consumer", str(count)),
    ),
)


async def _append_orders(settings: Settings) -> int:
    """Append the orders of all examples, as processors would; return how many there are."""
    codec = await load_codec(settings)
    name = settings.topic(BY_RECORD["orders"])
    events = [
        event for example in examples() for _, topic, event in example.events() if topic == "orders"
    ]
    producer = AIOKafkaProducer(**settings.kafka())
    await producer.start()
    try:
        for event in events:
            made = record(name, 0, event, codec.encode(event))  # type: ignore[arg-type]
            await producer.send_and_wait(name, made.value, key=made.key, partition=PARTITION_OF_ALL)
    finally:
        await producer.stop()
    return len(events)


@pytest.fixture(scope="module")
def settings(live_stack: Any) -> Iterator[Settings]:
    ready = prepare(live_stack.settings())
    yield ready
    discard(ready)


@pytest.fixture(scope="module")
def python_lines(settings: Settings) -> list[str]:
    """What the program in Python prints of all orders."""
    count = run_apart(_append_orders(settings))
    return _lines((sys.executable, "consumer.py", str(count)), PROGRAMS / "python", settings)


def _lines(command: Sequence[str], folder: Path, settings: Settings) -> list[str]:
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    plain = re.sub(r"\x1b\[[0-9;]*m", "", ended.stdout)  # Maven colours nothing, and ends it
    return [line for line in plain.splitlines() if line]


def test_the_program_in_python_prints_every_order(python_lines: list[str]) -> None:
    assert "run-free/demo/order:448725 CREATED - USD" in python_lines
    assert "spiffy/demo/order:450789469 UPDATED 59.9200 GBP" in python_lines
    assert len(python_lines) > 40


@pytest.mark.parametrize("program", LANGUAGES, ids=lambda program: program.name)
def test_a_program_in_another_language_prints_the_same(
    program: Program, settings: Settings, python_lines: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / program.name
    shutil.copytree(PROGRAMS / program.name, folder)
    _built(program, folder)
    assert _lines(program.run(len(python_lines)), folder, settings) == python_lines


def _built(program: Program, folder: Path) -> None:
    """Build a program; skip the test where its tools or its packages are missing."""
    for tool in program.tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{program.name}: {tool} is not installed here")
    ended = subprocess.run(
        program.build, cwd=folder, capture_output=True, text=True, check=False, timeout=400
    )
    output = ended.stdout + ended.stderr
    if ended.returncode != 0 and _is_unreachable(output):
        pytest.skip(f"{program.name}: its packages cannot be fetched: {output[-300:]}")
    assert ended.returncode == 0, output


def _is_unreachable(output: str) -> bool:
    """Whether a build failed for lack of a network, and not of the program."""
    reasons = (
        "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "Unknown host",
        "Could not transfer artifact", "no such host", "connection refused", "i/o timeout",
        "Temporary failure in name resolution",
    )  # fmt: skip
    return any(reason in output for reason in reasons)
