"""Terminal output: results on stdout, messages and progress bars on stderr."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich import progress as rich_progress
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from hookline.console import escaping
from hookline.console.result_table import ResultTable

# A command prints a client's error once, as its own line.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_WIDTH = None if sys.stdout.isatty() else 150
"""Columns of a file or a pipe, which has no width of its own."""

out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False)

Progress = Callable[[str, int, int], None]
"""Reports progress: (activity, done, total)."""


def from_unix_ms(milliseconds: int) -> datetime:
    """A time in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def json_default(value: Any) -> Any:
    """Encode what JSON has no type for: amounts and times as text, so that none is rounded."""
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    raise TypeError(f"no JSON for {type(value).__name__}")


def to_json(value: Any) -> str:
    """Encode ``value`` as JSON on one line, without characters that control a terminal."""
    return escaping.json_text(json.dumps(value, default=json_default, ensure_ascii=False))


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on one line."""
    print(to_json(value))


def print_document(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    print_indented(json.dumps(value, default=json_default, ensure_ascii=False, indent=2))


def print_indented(text: str) -> None:
    """Print a JSON document that is indented already, coloured on a terminal."""
    out.print(JSONHighlighter()(escaping.json_text(text)), soft_wrap=True)


def print_line(text: str, style: str = "") -> None:
    """Print text of any origin: no markup, no wrapping, control characters escaped."""
    out.print(escaping.terminal_text(text), markup=False, style=style, soft_wrap=True)


def display_text(value: Any) -> str:
    """A value as a table shows it: null is empty, amounts lose zeros, times have seconds."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}" if value == round(value, 2) else f"{value.normalize():f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return to_json(value)
    return str(value)


def whole_numbers(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Replace the decimals of columns without any fraction digits by integers.

    PostgreSQL's sum of a bigint is such a numeric: a count, to be shown as 2 and not as 2.00.
    """
    columns = [list(column) for column in zip(*rows, strict=True)]
    for column in columns:
        decimals = [value for value in column if isinstance(value, Decimal)]
        if all(value.as_tuple().exponent == 0 for value in decimals):
            column[:] = [int(value) if isinstance(value, Decimal) else value for value in column]
    return [list(row) for row in zip(*columns, strict=True)]


def table(
    title: str | None,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    caption: str | None = None,
) -> ResultTable:
    """Build a table with numbers on the right; too wide for the terminal, it prints as records.

    Cells are plain text: markup is not interpreted, and control characters are escaped.
    """
    all_rows = list(rows)
    numeric = [
        any(isinstance(row[index], int | float | Decimal) for row in all_rows)
        for index in range(len(columns))
    ]
    cells = [[escaping.terminal_text(display_text(value)) for value in row] for row in all_rows]
    return ResultTable(title, columns, cells, numeric, caption)


def print_records(
    columns: Sequence[str],
    records: Sequence[dict[str, Any]],
    title: str | None = None,
    empty: str = "no rows",
) -> None:
    """Print the named columns of ``records`` as a table, or ``empty`` if there are none."""
    if records:
        out.print(table(title, columns, [[record[name] for name in columns] for record in records]))
    else:
        out.print(empty)


class _Rate(rich_progress.ProgressColumn):
    """Steps a second, over the last 30 s."""

    def render(self, task: rich_progress.Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def progress_bar(*, shown: bool, eta: bool = False) -> Iterator[Progress]:
    """Show a bar on stderr while the block runs, with ``eta`` also the rate and time remaining.

    Nothing is shown where stderr is not a terminal.
    """
    columns: list[rich_progress.ProgressColumn] = [
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
    ]
    if eta:
        columns += [_Rate(), rich_progress.TimeRemainingColumn()]
    is_hidden = not shown or not err.is_terminal
    with rich_progress.Progress(*columns, console=err, transient=True, disable=is_hidden) as bar:
        task = bar.add_task("reading", total=None)

        def update(activity: str, done: int, total: int) -> None:
            bar.update(task, description=activity, completed=done, total=total)

        yield update
