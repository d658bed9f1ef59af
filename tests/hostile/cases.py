"""Rows of docs/security.md: the description of every hostile test.

``python -m tests.hostile.cases`` writes the page's tables.
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
    """Descriptions of what is sent, answered and stored; ``test`` is pytest's name."""

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
    """Mark a test as the one of this case."""

    def marked(test: Test) -> Test:
        row = (section, sent, str(answered), stored)
        test.hostile = (*getattr(test, "hostile", ()), row)  # type: ignore[attr-defined]
        return test

    return marked


def modules() -> Iterator[ModuleType]:
    """Every module of hostile tests."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield importlib.import_module(f"tests.hostile.{path.stem}")


def tests(module: ModuleType) -> dict[str, Callable[..., object]]:
    """The tests that pytest collects from a module, in order."""
    return {
        name: function
        for name, function in vars(module).items()
        if name.startswith("test_") and callable(function)
    }


def cases() -> list[Case]:
    """Every case, by section, then in the order of the modules."""
    found: list[Case] = []
    for module in modules():
        file = module.__name__.replace(".", "/") + ".py"
        for name, test in tests(module).items():
            marked: tuple[tuple[str, str, str, str], ...] = getattr(test, "hostile", ())
            found += [Case(*row, f"{file}::{name}") for row in reversed(marked)]
    return sorted(found, key=lambda each: SECTIONS.index(each.section))


def table() -> str:
    """The page's table in Markdown, a part for each section."""
    lines = []
    for section in SECTIONS:
        lines += ["", f"### {section}", "| sent | answered | stored | test |", "|---|---|---|---|"]
        lines += [each.row for each in cases() if each.section == section]
    return "\n".join(lines).lstrip("\n")


def page() -> str:
    """The whole page with current tables."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(ROOT)}: {len(cases())} cases")
