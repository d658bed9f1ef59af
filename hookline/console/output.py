"""What a terminal shows: one console for results, one for words beside them."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from hookline.console import escaping

# A command prints a client's error once, as its own line.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_WIDE = None if sys.stdout.isatty() else 150
"""Columns where nobody looks at a terminal: a file or a pipe has no edge."""

out = Console(highlight=False, width=_WIDE)
err = Console(stderr=True, highlight=False)

Told = Callable[[str, int, int], None]
"""Takes progress: what is done, how much of it, of how much."""


def plain(value: Any) -> Any:
    """A value as JSON holds it: amounts and times as text, so that nothing is rounded."""
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode(errors="replace")
    raise TypeError(f"no JSON for {type(value).__name__}")


def json_of(value: Any) -> str:
    """One JSON document on one line, for a machine."""
    return json.dumps(value, default=plain, ensure_ascii=False)


def print_json(value: Any) -> None:
    """Print one JSON document on one line."""
    print(json_of(value))


def shown(value: Any) -> str:
    """A value for a person: nothing for null, amounts without spare zeros, seconds of times."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}" if value == round(value, 2) else f"{value.normalize():f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        return json.dumps(value, default=plain, ensure_ascii=False)
    return str(value)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table as a person wants to see it; numbers to the right.

    Cells are plain text: markup and control characters in them are shown, never heeded.
    """
    made = list(rows)
    drawn = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for index, column in enumerate(columns):
        numbers = any(isinstance(row[index], int | float | Decimal) for row in made)
        drawn.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in made:
        drawn.add_row(*(Text(escaping.line(shown(value))) for value in row))
    return drawn


@contextmanager
def reading(*, shown: bool) -> Iterator[Told]:
    """A bar for long reading, beside the result and gone after it; none where nobody looks."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
        disable=not shown or not err.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=None)

        def progress(what: str, done: int, everything: int) -> None:
            bar.update(task, description=what, completed=done, total=everything)

        yield progress
