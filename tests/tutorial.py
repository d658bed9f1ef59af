"""Runs ``docs/tutorial.md`` on a real stack: ``python -m tests.tutorial``.

Every block ``sh`` is a command; the block ``text`` after it is what it printed. The outputs are
compared without ids, times, ports and sizes; with ``--write`` they are written into the page.
``sh until TEXT`` repeats a command that only reads until its output holds the text.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hookline.local.folder import Folder
from tests import ROOT

PAGE = ROOT / "docs" / "tutorial.md"
HOME = "~/hookline-tutorial"
PATIENCE = 90.0
"""Seconds until a repeated command must have printed its text."""

_BLOCK = re.compile(
    r"^```sh(?: until (?P<text>[^\n]+))?\n(?P<command>.*?)\n```\n"
    r"(?:\n```text\n(?P<output>.*?)```\n)?",
    re.DOTALL | re.MULTILINE,
)
_VARYING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "HASH"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d+)?Z?)?"), "TIME"),
    (re.compile(r"\b\d+:\d\d:\d\d(?:\.\d+)?"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\d+ (?:ms|MB)\b"), "SIZE"),
    (re.compile(r"─+"), "─"),
    (re.compile(r"\s+"), " "),
)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the page. ``until``: what its output must hold; ``shown``: as on the page."""

    command: str
    until: str
    shown: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a step printed, as the page would show it."""

    step: Step
    printed: str

    @property
    def difference(self) -> str:
        """How it differs from the page, beside what varies; empty where it does not."""
        page, now = comparable(self.step.shown), comparable(self.printed)
        if page == now:
            return ""
        lines = difflib.ndiff(page.splitlines(), now.splitlines())
        changed = "\n".join(line for line in lines if line[0] in "+-")
        return f"{self.step.command}\n{changed or self.printed}"


def steps() -> list[Step]:
    """Return the commands of the page, in order."""
    found = _BLOCK.finditer(PAGE.read_text())
    return [Step(each["command"], each["text"] or "", each["output"] or "") for each in found]


def comparable(output: str) -> str:
    """Return an output without what differs between two runs, and without empty lines."""
    lines = []
    for line in output.splitlines():
        for pattern, name in _VARYING:
            line = pattern.sub(name, line)  # noqa: PLW2901 - one pattern after the other
        lines.append(line.strip())
    return "\n".join(line for line in lines if line)


def run(folder: Path, *, compares: bool = True) -> Iterator[Result]:
    """Run all steps in an empty folder; afterwards nothing of them runs.

    ``compares``: a repeated command is repeated until it prints what the page shows, too.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HOOKLINE_")}
    if "HOOKLINE_CACHE" in os.environ:
        kept["HOOKLINE_CACHE"] = os.environ["HOOKLINE_CACHE"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": path, "COLUMNS": "120", "NO_COLOR": "1"}
    try:
        for step in steps():
            yield _result(step, folder, environment, compares=compares)
    finally:
        Folder(folder / ".hookline").stop()


def _result(step: Step, folder: Path, environment: dict[str, str], *, compares: bool) -> Result:
    deadline = time.monotonic() + PATIENCE
    while True:
        ended = subprocess.run(
            ["bash", "--norc", "-c", step.command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        result = Result(step, _shown(ended.stdout, folder))
        is_late = not step.until or time.monotonic() > deadline
        if ended.returncode == 0 and step.until in ended.stdout:
            if is_late or not compares or not result.difference:
                return result
        elif is_late:
            raise RuntimeError(f"{step.command}: {ended.returncode}\n{ended.stdout}{ended.stderr}")
        time.sleep(0.5)


def _shown(output: str, folder: Path) -> str:
    text = output.replace(str(folder.resolve()), HOME).replace(str(folder), HOME)
    lines = [line.rstrip() for line in text.splitlines()]
    return "".join(f"{line}\n" for line in lines).strip("\n") + "\n"


def written(results: list[Result]) -> str:
    """Return the page with these outputs."""
    outputs = iter(results)

    def block(match: re.Match[str]) -> str:
        head = f"```sh until {match['text']}" if match["text"] else "```sh"
        printed = next(outputs).printed
        return f"{head}\n{match['command']}\n```\n\n```text\n{printed}```\n"

    return _BLOCK.sub(block, PAGE.read_text())


def main(arguments: list[str]) -> int:
    """Run the page; 1 where an output differs from it."""
    began, writes = time.monotonic(), "--write" in arguments
    with tempfile.TemporaryDirectory() as folder:
        results = list(run(Path(folder), compares=not writes))
    if writes:
        PAGE.write_text(written(results))
    differences = [] if writes else [each.difference for each in results]
    for difference in filter(None, differences):
        print(difference)
    print(f"{len(results)} commands in {time.monotonic() - began:.0f} s")
    return int(any(differences))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
