"""Rows of docs/security.md: every hostile case says in words what its test shows.

The page's table is made of them: ``python -m tests.hostile.cases`` writes it.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- cases -->", "<!-- end of cases -->"
SECTIONS = (
    "Proof of origin",
    "Bodies",
    "Compressed bodies",
    "JSON",
    "XML",
    "Paths, queries and headers",
    "HTTP itself",
    "Connections",
    "What is shown later",
)
NOTHING = "nothing"

Test = TypeVar("Test", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, what is answered and what is stored, in words; ``test`` is pytest's name."""

    section: str
    sent: str
    answered: str
    stored: str
    test: str

    @property
    def row(self) -> str:
        """The row of the table."""
        file, _, name = self.test.partition("::")
        parts = (self.sent, self.answered, self.stored, f"`{Path(file).name}` `{name}`")
        return "| " + " | ".join(parts) + " |"


def case(
    section: str, sent: str, answered: int | str, stored: str = NOTHING
) -> Callable[[Test], Test]:
    """Mark a test as the one that shows this case."""

    def marked(test: Test) -> Test:
        words = (section, sent, str(answered), stored)
        test.hostile = (*getattr(test, "hostile", ()), words)  # type: ignore[attr-defined]
        return test

    return marked


def modules() -> Iterator[ModuleType]:
    """Every module of hostile tests."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield importlib.import_module(f"tests.hostile.{path.stem}")


def tests(module: ModuleType) -> dict[str, Callable[..., object]]:
    """The tests that pytest collects of a module, as they stand."""
    return {
        name: function
        for name, function in vars(module).items()
        if name.startswith("test_") and callable(function)
    }


def cases() -> list[Case]:
    """Every case, by section, then as they stand in their modules."""
    found: list[Case] = []
    for module in modules():
        file = module.__name__.replace(".", "/") + ".py"
        for name, test in tests(module).items():
            marked: tuple[tuple[str, str, str, str], ...] = getattr(test, "hostile", ())
            found += [Case(*words, f"{file}::{name}") for words in reversed(marked)]
    return sorted(found, key=lambda each: SECTIONS.index(each.section))


def table() -> str:
    """The page's table in Markdown, a part for each section."""
    lines = []
    for section in SECTIONS:
        lines += ["", f"### {section}", "| sent | answered | stored | test |", "|---|---|---|---|"]
        lines += [each.row for each in cases() if each.section == section]
    return "\n".join(lines).lstrip("\n")


def page() -> str:
    """The whole page, its table as the tests are now."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {len(cases())} cases")
