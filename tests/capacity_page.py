"""Writes the tables of ``docs/capacity.md``: ``python -m tests.capacity_page``.

They are the output of ``hookline capacity`` with the packaged figures.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from hookline.capacity import measurements
from hookline.capacity.load import Load
from hookline.capacity.measurements import Figures
from hookline.capacity.plan import plan
from hookline.capacity.report import COLUMNS, UNKNOWN, caveats, find_limits, first_limit, rows

PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
RATES = (100, 10_000, 1_000_000)


def tables(figures: Figures) -> str:
    """The text between the markers."""
    parts = [""]
    for rate in RATES:
        estimate = plan(Load(rate=rate), figures)
        parts += [
            f"### {rate:,} deliveries a second",
            f"`hookline capacity --rate {rate}`",
            "",
            *_table(COLUMNS, rows(estimate)),
            "",
            first_limit(estimate, find_limits(estimate, figures)),
            "",
        ]
    of_one = plan(Load(rate=RATES[0]), figures)
    ends = (
        (UNKNOWN if each.at is None else f"{each.at:,.0f}/s", each.what, each.remedy)
        for each in find_limits(of_one, figures)
    )
    parts += ["## Limits of single parts", *_table(("up to", "limit", "remedy"), ends), ""]
    parts += ["## The figures", *_table(*_figures(figures)), ""]
    parts += [f"- {line[0].upper()}{line[1:]}." for line in caveats(figures)]
    return "\n".join([*parts, ""])


def _figures(figures: Figures) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    columns = ("figure", "value", "what it is", "measured by")
    return columns, (
        (
            name,
            UNKNOWN if each.value is None else f"{_short(each.value)} {each.unit}",
            each.what,
            f"`{each.by}`{' (provisional)' if each.provisional else ''}",
        )
        for name, each in figures.named().items()
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _table(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in cells:
        yield f"| {' | '.join(row)} |"


def page() -> str:
    """The whole page with current tables."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + tables(measurements.read()) + END + rest.partition(END)[2]


def main() -> int:
    """Rewrite the page."""
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
