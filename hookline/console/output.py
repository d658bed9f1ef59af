"""Terminal output: results on stdout, messages and progress bars on stderr.

All output goes through here: whatever it shows of texts that others wrote, it escapes.
"""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any
from uuid import UUID

from rich import progress as rich_progress
from rich.console import Console, ConsoleOptions, RenderableType
from rich.highlighter import JSONHighlighter
from rich.segment import Segment
from rich.text import Text

from hookline.console.result_table import ResultTable
from runtime.escaping import json_text, one_line, terminal_text

# A command prints a client's error once, as its own line.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_WIDTH = None if sys.stdout.isatty() else 150
"""Columns of a file or a pipe, which has no width of its own."""


class Screen(Console):
    """A terminal, file or pipe that shows plain text: no markup, nothing that steers a terminal.

    Escapes here are the last resort, since they lengthen lines that have been laid out.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, highlight=False, markup=False, emoji=False)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Yield the segments of ``renderable``, those of text escaped."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(terminal_text(segment.text), segment.style)


out = Screen(width=_WIDTH)
err = Screen(stderr=True)

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
    return json_text(json.dumps(value, default=json_default, ensure_ascii=False))


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on one line."""
    print(to_json(value))


def print_item(value: Any, *, is_first: bool) -> None:
    """Print one item of a JSON array that is printed while it is read, on a line."""
    print("[" if is_first else ",\n", to_json(value), sep="", end="")


def print_items_end(*, is_empty: bool) -> None:
    """End the array."""
    print("[]" if is_empty else "]")


def print_document(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    print_indented(json.dumps(value, default=json_default, ensure_ascii=False, indent=2))


def print_indented(text: str) -> None:
    """Print a JSON document that is indented already, coloured on a terminal."""
    out.print(JSONHighlighter()(json_text(text)), soft_wrap=True)


def print_line(text: str, style: str = "") -> None:
    """Print text of any origin: no markup, no wrapping, control characters escaped."""
    out.print(terminal_text(text), style=style, soft_wrap=True)


def print_parts(*parts: str | tuple[str, str]) -> None:
    """Print one line of texts of any origin, each alone or with its style.

    A newline is escaped too: nobody's text looks like a line of ours.
    """
    texts = ((part, "") if isinstance(part, str) else part for part in parts)
    line = Text.assemble(*((one_line(text), style) for text, style in texts))
    out.print(line, soft_wrap=True)


def print_changed(renderable: RenderableType, shown: str) -> str:
    """Print ``renderable`` unless it reads as ``shown``; return how it reads."""
    with out.capture() as captured:
        out.print(renderable)
    text = captured.get()
    if text != shown:
        print(text, end="", flush=True)
    return text


def print_message(text: str) -> None:
    """Print a line to stderr."""
    err.print(terminal_text(text), soft_wrap=True)


def print_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Print the traceback of a bug, as ``sys.excepthook`` does; its message may be a sender's."""
    print_message("".join(traceback.format_exception(kind, error, trace)).rstrip("\n"))


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
    cells = [[terminal_text(display_text(value)) for value in row] for row in all_rows]
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
