"""Broken set-ups, one at a time, on a stack of their own, and what Hookline says of each.

python -m tests.strange_setups                          all of them
python -m tests.strange_setups --only silent-broker     one
python -m tests.strange_setups --all-lines              with everything that the commands print

Each is named where a command or page that an operator would look at gives the cause. The list is
that of docs/operating.md, "Kafka behaves strangely".
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from hookline.local.folder import Folder
from hookline.local.process import wait_until
from hookline.local.up import health_url
from tests import senders
from tests.strange_setups.setups import SETUPS, Setup
from tests.strange_setups.target import Target

SOURCES = ("doctor", "/readyz", "status", "audit")
PATIENCE = 60.0
"""Seconds in which the cause must be named."""
MENDED_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one command or page showed, after how many seconds."""

    source: str
    seconds: float
    text: str


def hookline(target: Target, *arguments: str, patience: float = PATIENCE) -> str:
    """Return what a command prints."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hookline", *arguments, "--data", str(target.data)],
            env=target.environment | {"COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"NO ANSWER WITHIN {patience:.0f} s"
    return done.stdout + done.stderr


def readiness(target: Target) -> str:
    """Return the /readyz pages of all stages, a line each."""
    lines = []
    ports = target.run["ports"]
    for name in ports:
        if (url := health_url(name, ports)) is None:
            continue
        try:
            with httpx.Client(trust_env=False, timeout=5) as client:
                text = client.get(url).text
        except httpx.HTTPError as error:
            text = repr(error)
        lines.append(f"{name}: {text}")
    return "\n".join(lines)


def look(target: Target) -> Iterator[Seen]:
    """Look where an operator would: doctor, /readyz, status, audit."""
    for source in SOURCES:
        began = time.monotonic()
        text = readiness(target) if source == "/readyz" else hookline(target, source)
        yield Seen(source, time.monotonic() - began, text)


def worth_showing(seen: Seen) -> list[str]:
    """The lines of an output that are not about what is well."""
    lines = [line.rstrip() for line in seen.text.splitlines() if line.strip()]
    if seen.source == "doctor":
        return [line for line in lines if not re.match(r"\s*ok\b", line)]
    if seen.source == "/readyz":
        return [line for line in lines if '"ready":true' not in line or '"warnings":{}' not in line]
    if seen.source == "status":
        return [line for line in lines if re.search(r"not ready|down|crash|: .*: ", line)]
    return [line for line in lines if not re.match(r"[\s┃│┡┏└─━┳┯╇┴╭╰├]", line)]


def try_one(target: Target, setup: Setup, *, quick: bool, all_lines: bool) -> bool:
    """Break, look, mend; True if the cause was named in time. ``quick``: look no further then."""
    print(f"\n=== {setup.name}: {setup.title}", flush=True)
    setup.break_it(target)
    began, named = time.monotonic(), ""
    while not named and time.monotonic() - began < PATIENCE:
        for seen in look(target):
            print(f"--- {seen.source} ({seen.seconds:.1f} s)")
            for line in seen.text.splitlines() if all_lines else worth_showing(seen):
                print(f"    {line}", flush=True)
            took = time.monotonic() - began
            if not named and took <= PATIENCE and re.search(setup.named, seen.text):
                named = f"named by {seen.source}, {took:.0f} s after the fault"
            if named and quick:
                break
    print(f"=== {setup.name}: {named or 'NOT NAMED'}", flush=True)
    setup.mend_it(target, lambda *arguments: print(hookline(target, *arguments)))
    if setup.can_be_mended and not wait_until(
        lambda: readiness(target).count('"ready":true') == target.stages, MENDED_WITHIN, every=1.0
    ):
        print(f"NOT MENDED: {readiness(target)}")
        return False
    return bool(named)


def main() -> None:
    """Start a stack, try the set-ups, stop it; exit 1 if the cause of one was not named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=[setup.name for setup in SETUPS])
    parser.add_argument("--quick", action="store_true", help="look until it is named, no further")
    parser.add_argument("--all-lines", action="store_true", help="show all that is printed")
    parser.add_argument("--data", type=Path, help="folder of the stack, kept")
    chosen = parser.parse_args()
    data = chosen.data or Path(tempfile.mkdtemp(prefix="hookline-strange-")) / "data"
    data.mkdir(parents=True, exist_ok=True)
    shops = data / "shops.toml"
    shops.write_text(senders.SHOPS_TOML)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    environment |= {"HOOKLINE_SENDER_GRACE": "0"}
    target = Target(data, shops, environment)
    if Folder(data).owner() is None:
        print(hookline(target, "up", "--detach", "--shops", str(shops), patience=300), flush=True)
    assert wait_until(lambda: Folder(data).read() is not None, 300), "the stack did not start"
    target.shops = Path(target.run["shops"])
    wanted = [setup for setup in SETUPS if not chosen.only or setup.name in chosen.only]
    try:
        named = [
            try_one(target, setup, quick=chosen.quick, all_lines=chosen.all_lines)
            for setup in wanted
        ]
    finally:
        Folder(data).stop()
    print(f"\n{sum(named)} of {len(named)} named within {PATIENCE:.0f} s; data: {data}")
    sys.exit(not all(named))


if __name__ == "__main__":
    main()
