"""Plants mistakes into the product one by one, and shows by which row the truth names each.

    python -m tests.simulation                      all of them, a table
    python -m tests.simulation --only tax-outside   one of them (may be repeated)
    python -m tests.simulation --older              also whether the unit tests notice it

Nothing is written: a child process is given the changed source of one module.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.mutants import Mutant
from tests.simulation.planted import MISTAKES, Mistake

ROOT = Path(__file__).parents[2]
OLDER = {
    "sinks": (
        "tests/unit/repository/test_shoplife.py", "tests/unit/repository/test_histories.py",
        "tests/unit/repository/test_lifetime_reference.py", "tests/unit/sinks",
    ),
    "processors": (
        "tests/unit/repository/test_shoplife.py", "tests/unit/processors/sources",
        "tests/unit/processors/test_dedupe.py", "tests/unit/processors/test_decide.py",
    ),
}  # fmt: skip
"""Package -> unit tests of its rules that do not know the simulated shops."""


def plant(mistake: Mistake) -> None:
    """Give this process the module with the mistake. Raises ValueError if its line is not there."""
    source = (ROOT / mistake.path).read_text()
    if (count := source.count(mistake.line)) != 1:
        raise ValueError(f"{mistake.path}: the line of {mistake.name} is there {count} times")
    sys.meta_path.insert(0, Mutant(mistake.path, source.replace(mistake.line, mistake.broken)))


def differences() -> list[dict[str, Any]]:
    """Compare the product of this process with the truth, in many kinds of orders and carts."""
    from tests.simulation import product  # noqa: PLC0415 - after the mistake is planted

    facts = product.run(product.ROUGH)
    watermark = product.ROUGH.start + product.ROUGH.length + product.AFTERWARDS
    return [
        {
            "table": each.table,
            "key": [str(part) for part in each.key],
            "column": each.column,
            "expected": str(each.expected),
            "actual": str(each.actual),
        }
        for each in product.differences(facts, watermark)[0]
    ]


def planted(mistake: Mistake | None) -> list[dict[str, Any]]:
    """Return the differences with a mistake, or without any, found by a process of their own."""
    command = [sys.executable, "-m", "tests.simulation", "--child", mistake.name if mistake else ""]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(found.stdout)
    return rows


def older_test(mistake: Mistake) -> str:
    """Return the older test that fails first with the mistake; empty if none does."""
    command = [sys.executable, "-m", "tests.simulation", "--pytest", mistake.name]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    failed = [line for line in found.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split()[1] if failed else ""


def named(mistake: Mistake, found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the first difference in the field by which the mistake must be named."""
    return next((each for each in found if (each["table"], each["column"]) == mistake.named), None)


def show(mistakes: tuple[Mistake, ...], *, older: bool) -> int:
    """Print a table; 1 if a mistake is not named."""
    table = Table("mistake", "rows", "named by", "expected", "actual", "older test", box=SIMPLE)
    missed = 0
    for mistake in mistakes:
        found = planted(mistake)
        first = named(mistake, found)
        missed += first is None
        by = f"{first['table']}.{first['column']} {first['key'][0]}" if first else "NOTHING"
        values = [first["expected"][:40], first["actual"][:40]] if first else ["", ""]
        noticed = (older_test(mistake) or "NONE") if older else ""
        table.add_row(mistake.name, str(len(found)), by, *values, noticed)
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return int(missed > 0)


def main() -> int:
    """Run from the command line."""
    by_name = {mistake.name: mistake for mistake in MISTAKES}
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=by_name, metavar="NAME")
    parser.add_argument("--older", action="store_true", help="run the older unit tests, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--pytest", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pytest:
        import pytest  # noqa: PLC0415 - only this child needs it

        mistake = by_name[options.pytest]
        plant(mistake)
        older = OLDER[mistake.path.partition("/")[0]]
        return int(pytest.main(["-x", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", *older]))
    if options.child is not None:
        if options.child:
            plant(by_name[options.child])
        json.dump(differences(), sys.stdout)
        return 0
    only = options.only or by_name
    return show(tuple(by_name[name] for name in only), older=options.older)


if __name__ == "__main__":
    sys.exit(main())
