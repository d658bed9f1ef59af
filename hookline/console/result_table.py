"""A query result as a table, or as records where a table would break cells between blanks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_GAP = 3
"""Columns between two cells: one blank each side, and one between them."""
_INDENT = 2
"""Columns before a value that has no room beside its name."""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows of plain text under ``columns``. Rich calls it with the width it prints on.

    ``numeric``: whether a column holds numbers, which are aligned on the right.
    """

    title: str | None
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    caption: str | None = None

    def __rich_console__(
        self, _console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the table if its lines break at blanks only, else a record for each row."""
        widths = self._widths(options.max_width)
        if widths is not None:
            yield self._table(widths)
        else:
            yield from self._records(options.max_width)
        if caption := self.caption or ("" if self.rows else "no rows"):
            yield Text(caption, style="dim")

    def _widths(self, available: int) -> list[int] | None:
        """Widths of the columns; None if a text would break inside."""
        cells = [[name, *(row[n] for row in self.rows)] for n, name in enumerate(self.columns)]
        least = [_longest(part for cell in column for part in cell.split()) for column in cells]
        widths = [
            _longest(line for cell in column for line in cell.split("\n")) for column in cells
        ]
        excess = sum(widths) + _GAP * len(widths) - available
        while excess > 0:
            # The column with the most blanks to wrap at gives way first.
            spare = [width - minimum for width, minimum in zip(widths, least, strict=True)]
            if not any(spare):
                return None
            widest = spare.index(max(spare))
            widths[widest] -= 1
            excess -= 1
        return widths

    def _table(self, widths: Sequence[int]) -> Table:
        table = Table(
            title=self.title,
            title_justify="left",
            title_style="bold",
            header_style="dim",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for name, width, is_numeric in zip(self.columns, widths, self.numeric, strict=True):
            justify = "right" if is_numeric else "left"
            table.add_column(name, justify=justify, overflow="fold", width=width)  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table

    def _records(self, available: int) -> Iterator[RenderableType]:
        if self.title:
            yield Text(self.title, style="bold")
        if not self.rows:
            yield Text(", ".join(self.columns), style="dim")
        name_width = _longest(self.columns)
        for number, row in enumerate(self.rows, start=1):
            yield Text(f"-[ row {number} ]".ljust(min(available, 40), "-"), style="dim")
            fields = zip(self.columns, row, strict=True)
            if 2 * name_width > available:
                for name, value in fields:
                    yield Text(name, style="dim", overflow="fold")
                    yield Padding(Text(value, overflow="fold"), (0, 0, 0, _INDENT))
                continue
            record = Table.grid(padding=(0, 2))
            record.add_column(style="dim", no_wrap=True, width=name_width)
            record.add_column(overflow="fold")
            for name, value in fields:
                record.add_row(Text(name), Text(value))
            yield record


def _longest(texts: Iterator[str] | Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)
