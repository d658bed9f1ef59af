"""Counts words of the project's old dialect in product code and docs: ``make check`` runs this.

    python -m tests.vocabulary             fail above the bound
    python -m tests.vocabulary --list      every line that holds one of the words
    python -m tests.vocabulary --list sinks docs/tables.md    ... in these folders and files

A word counts wherever it is written: prose, log lines and parts of identifiers. Most have an honest
use now and then, so the bound is not 0; it is lowered whenever the count falls.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT

PACKAGES = ("schemas", "runtime", "ingest", "processors", "sinks", "hookline")
FAMILIES = {
    "tell": "tell tells telling told",
    "say": "say says saying said",
    "place": "place places",
    "word": "word words wording",
    "stand": "stand stands standing stood",
    "hand": "hand hands handed",
    "hole": "hole holes",
    "halt": "halt halts halted",
    "piece": "piece pieces",
    "custody": "custody",
    "upon": "upon",
}
FAMILY_OF = {word: family for family, words in FAMILIES.items() for word in words.split()}
CONTRACT = ("order_standing", "status_word", "fulfillment_word", "state_word", "method_word")
"""Names of columns, settings and the like, which keep their names."""
BOUND = {"code": 2.0, "docs": 12.0}
"""Words of the list for every 1,000 lines, at most."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LETTERS = re.compile(r"[A-Za-z]+")


def files(kind: str) -> list[Path]:
    """Product code, or everything that people read beside it."""
    if kind == "code":
        return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"])


def words(line: str) -> Iterator[str]:
    """The words of the list in a line, as their families."""
    for name in CONTRACT:
        line = line.replace(name, "")
    for word in _LETTERS.findall(_CAMEL.sub(" ", line)):
        if (family := FAMILY_OF.get(word.lower())) is not None:
            yield family


def count(paths: list[Path]) -> tuple[int, Counter[str]]:
    """How many lines there are, and how often each family occurs in them."""
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return len(lines), Counter(word for line in lines for word in words(line))


def show(paths: list[Path]) -> None:
    """Print every line that holds a word of the list."""
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if found := sorted(set(words(line))):
                print(f"{path.relative_to(ROOT)}:{number}: [{' '.join(found)}] {line.strip()}")


def main(arguments: list[str]) -> int:
    """Print the counts; 1 where one is above its bound."""
    chosen = [ROOT / name for name in arguments if name != "--list"]
    everything = [path for kind in BOUND for path in files(kind)]
    if chosen:
        everything = [
            path for path in everything if any(path.is_relative_to(each) for each in chosen)
        ]
    if "--list" in arguments:
        show(everything)
        lines, found = count(everything)
        print(f"{found.total()} in {lines} lines: {dict(found.most_common())}")
        return 0
    failed = False
    for kind, bound in BOUND.items():
        lines, found = count(files(kind))
        share = 1000 * found.total() / lines
        failed |= share > bound
        print(
            f"{kind}: {found.total()} words of the old dialect in {lines} lines, {share:.1f} for"
            f" every 1,000 (bound {bound}): {dict(found.most_common())}"
        )
    if failed:
        print("above the bound: `python -m tests.vocabulary --list` shows where")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
