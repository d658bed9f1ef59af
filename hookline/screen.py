"""What a terminal shows: one console for results, one for words beside them."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from rich import box
from rich.console import Console
from rich.table import Table

_WIDE = None if sys.stdout.isatty() else 150
"""Columns where nobody looks at a terminal: a file or a pipe has no edge."""

out = Console(highlight=False, width=_WIDE)
err = Console(stderr=True, highlight=False)


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
    """A table as a person wants to see it; numbers to the right."""
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
        drawn.add_row(*(shown(value) for value in row))
    return drawn
