"""Breaks the rules of delivery one by one, and shows which test notices.

    python -m tests.faults.broken_rules                     all of them, a table
    python -m tests.faults.broken_rules --only fence        one of them (may be repeated)
    python -m tests.faults.broken_rules --json              for a machine

The tree is copied to a temporary folder, working copies as they are; there one line is
swapped for one without its rule, and the tests that guard it are run. The same tests must
pass in the copy as it is first. Exit code 1 where a rule can be broken unnoticed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from runtime.worker import EXIT_CRASHED
from tests.faults.rule import Rule
from tests.faults.rules import RULES

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "ingest", "processors", "sinks", "hookline", "tests")
FAILED = 1
"""pytest's exit code where tests ran and some failed; others say that they did not run."""
WIDTH = 160
"""Columns of the table in a file or a pipe."""
_NAMED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


class SetupError(Exception):
    """The copy cannot tell anything; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a rule's absence was noticed. ``by`` names the test, or says why none did."""

    rule: str
    says: str
    path: str
    by: str
    caught: bool
    seconds: float


def copy_tree(destination: Path) -> None:
    """All files that git knows or would know, as they stand in the working copy."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, destination / name)


def environment(copy: Path) -> dict[str, str]:
    """What makes Python take the copy, not what is installed."""
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


def check_imports(copy: Path) -> None:
    """Raise SetupError unless every package is imported from the copy."""
    program = f"for name in {PACKAGES}: print(__import__(name).__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        check=True,
    )
    strange = [line for line in found.stdout.split() if not line.startswith(f"{copy}/")]
    if strange:
        raise SetupError(f"imported from elsewhere than {copy}: {', '.join(strange)}")


def run_tests(copy: Path, catchers: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """The tests, in the copy, until the first one fails."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "--timeout=120"),
            *("-p", "no:cacheprovider", "--hypothesis-seed=0"),
            *catchers,
        ],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def broken(copy: Path, rule: Rule) -> Iterator[None]:
    """The copy without the rule. Raises SetupError where its line is not there exactly once."""
    path = copy / rule.path
    text = path.read_text()
    if (count := text.count(rule.line)) != 1:
        raise SetupError(f"{rule.path}: {rule.line!r} stands there {count} times, not once")
    path.write_text(text.replace(rule.line, rule.broken))
    try:
        yield
    finally:
        path.write_text(text)


def try_rule(copy: Path, rule: Rule) -> Finding:
    """Break one rule and run what guards it."""
    began = time.monotonic()
    with broken(copy, rule):
        said = run_tests(copy, rule.catchers)
    named = _NAMED.search(said.stdout)
    if said.returncode == EXIT_CRASHED:  # a stage that cannot go on ends its process, here pytest's
        caught, by = True, "the stage ended, and pytest with it"
    else:
        caught = said.returncode == FAILED and named is not None
        by = f"pytest ended with {said.returncode}, nothing failed"
    if caught and named:
        by = named[1]
    return Finding(rule.name, rule.says, rule.path, by, caught, time.monotonic() - began)


def try_all(rules: Sequence[Rule], console: Console) -> list[Finding]:
    """Every rule's finding. Raises SetupError where the unbroken copy does not pass."""
    with tempfile.TemporaryDirectory(prefix="broken-rules-") as directory:
        copy = Path(directory).resolve()
        copy_tree(copy)
        check_imports(copy)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("unbroken", total=len(rules) + 1)
            guards = {catcher for rule in rules for catcher in rule.catchers}
            whole = run_tests(copy, sorted(guards, reverse=True))  # the quick ones first
            if whole.returncode:
                raise SetupError(f"the tests fail with all rules whole:\n{whole.stdout[-3000:]}")
            findings = []
            for rule in rules:
                progress.update(task, advance=1, description=rule.name)
                findings.append(try_rule(copy, rule))
            return findings


def show(findings: Sequence[Finding], console: Console) -> None:
    """The findings as a table."""
    table = Table("rule", "without it", "file", "caught by", "caught", box=SIMPLE)
    for each in findings:
        by = each.by.rpartition("/")[2]
        table.add_row(each.rule, each.says, each.path, by, "yes" if each.caught else "NO")
    console.print(table)
    missed = sum(not each.caught for each in findings)
    console.print(f"{len(findings)} rules broken one by one, {missed} unnoticed")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.broken_rules",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [rule.name for rule in RULES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=str(names))
    parser.add_argument("--json", action="store_true", help="findings as JSON on stdout")
    chosen = parser.parse_args()
    rules = [rule for rule in RULES if not chosen.only or rule.name in chosen.only]
    console = Console(stderr=chosen.json, width=None if sys.stdout.isatty() else WIDTH)
    try:
        findings = try_all(rules, console)
    except SetupError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    if chosen.json:
        print(json.dumps([asdict(each) for each in findings], indent=2))
    else:
        show(findings, console)
    return 0 if all(each.caught for each in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
