"""The ingress: proof, key and awaited acks=all, 64 connections; the load and Kafka elsewhere."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count as numbers_from
from pathlib import Path

import psutil

from tests.bench.measure import (
    Row,
    Sample,
    alternate,
    at_most,
    cpu_of,
    pin,
    rates,
    ratio_at_least,
    ratio_at_most,
    resident,
)
from tests.bench.real import ROOT, Bench, BenchError, Program, audit, baseline, stage
from tests.hostile.crowd import compared
from tests.hostile.server import started

COUNT = 60_000
STRANGERS = 500
STRANGE_SECONDS = 20.0
WORK = "deliveries of 765 B, proof, key, awaited acks=all"
BINARY = "HOOKLINE_REDPANDA_CONNECT"


def run(bench: Bench) -> list[Row]:
    """Ours against bare Starlette, and against Redpanda Connect where there is one."""
    peer = os.environ.get(BINARY)
    amount = bench.count(COUNT)
    with bench.prefix() as settings, ExitStack() as held:
        programs = [stage(bench, "ingest", settings), baseline(bench, "starlette", settings)]
        if peer:
            peers = held.enter_context(bench.prefix())
            programs.append(baseline(bench, "redpanda_connect", peers, peer))
            programs[-1].ready_path = "/ready"
        for program in programs:
            held.enter_context(program).wait_ready()
        with bench.bar("ingress") as told:
            sides = [loaded(bench, program, amount) for program in programs]
            found = alternate(sides, bench.runs, told)
        verdict = audit(settings)
    return [*_rows(found, verdict), _among_strangers(bench)]


def _among_strangers(bench: Bench) -> Row:
    """The good senders' p99 among strangers with full-size bodies, and without them.

    The server keeps nothing and answers at once, so that Kafka is not what is measured.
    """
    seconds = max(1.0, STRANGE_SECONDS * bench.count(1000) / 1000)
    with bench.bar("strangers") as told:
        found = []
        for turn in range(bench.runs):
            told(turn, bench.runs)
            found.append(asyncio.run(_p99s(bench, seconds)))
    return Row(
        "ingress", f"latency p99 among {STRANGERS} strangers with 1 MiB each", "ms",
        [loud for _, loud in found],
        "without them", [quiet for quiet, _ in found],
        bar=ratio_at_most(2), note="every delivery of the good senders answered 200",
    )  # fmt: skip


async def _p99s(bench: Bench, seconds: float) -> tuple[float, float]:
    """Milliseconds without and with strangers, the worse of both kinds of good senders."""
    folder = Path(tempfile.mkdtemp(dir=bench.folder))
    async with started(folder) as server:
        pin(server.process.pid, bench.cores.stage)
        found = await compared(server.port, STRANGERS, seconds, seconds, bench.cores.servers)
    for each in found:
        if set(each.sender.statuses) != {200}:
            raise BenchError(f"a good sender was answered {dict(each.sender.statuses)}")
    return max(each.quiet_ms for each in found), max(each.loud_ms for each in found)


def _rows(found: Sequence[Sequence[Sample]], verdict: int) -> list[Row]:
    ours, bare, *peer = found
    rows = [
        rates(
            "ingress", WORK, ours, "bare Starlette, reads the body", bare,
            bar=ratio_at_least(0.5), audit=verdict, note="64 connections",
        ),
        Row(
            "ingress", "latency p99, 64 connections", "ms",
            [each.more["p99_ms"] for each in ours],
            "bare Starlette", [each.more["p99_ms"] for each in bare],
            bar=at_most(25), audit=verdict,
        ),
        Row(
            "ingress", "latency p50, 64 connections", "ms",
            [each.more["p50_ms"] for each in ours],
            "bare Starlette", [each.more["p50_ms"] for each in bare], audit=verdict,
        ),
        Row(
            "ingress", "memory under load", "MB", [max(each.memory for each in ours) / 1e6],
            bar=at_most(150), audit=verdict,
        ),
    ]  # fmt: skip
    if peer:
        rows.append(
            rates(
                "ingress", WORK, ours, "Redpanda Connect", peer[0],
                bar=ratio_at_least(2.2), audit=verdict,
            )
        )  # fmt: skip
    else:
        rows.append(
            Row(
                "ingress", WORK, baseline="Redpanda Connect", bar=ratio_at_least(2.2),
                note=f"not run: set {BINARY}",
            )
        )  # fmt: skip
    return rows


def loaded(bench: Bench, program: Program, amount: int) -> Callable[[], Sample]:
    """A side: so many deliveries to that server each time."""
    starts = numbers_from(0, amount)

    def side() -> Sample:
        cpu = cpu_of(program.pid)
        told = generate("cart", program.url, amount, next(starts), bench.cores.servers)
        program.check()
        if told["refused"]:
            raise BenchError(f"{program.name} refused {told['refused']:.0f} of {amount}")
        return Sample(
            amount,
            told["seconds"],
            cpu_of(program.pid) - cpu,
            resident(psutil.Process(program.pid)),
            told,
        )

    return side


def generate(
    kind: str, url: str, amount: int, first: int, cores: frozenset[int]
) -> dict[str, float]:
    """Send deliveries from a process on other cores; what it saw. Raises BenchError."""
    command = [sys.executable, "-m", "tests.bench.load", kind, url, str(amount)]
    with subprocess.Popen(
        [*command, "--first", str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as sender:
        pin(sender.pid, cores)
        said, _ = sender.communicate()
    if sender.returncode:
        raise BenchError(f"the load ended with {sender.returncode}")
    found: dict[str, float] = json.loads(said)
    return found
