"""What ``hookline tables`` shows: tables, the answer to a query, a view that refreshes itself."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from rich.console import Group
from rich.live import Live

from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import StackAddress, find_stack

if TYPE_CHECKING:
    from hookline.console.result_table import ResultTable
    from hookline.tables.queries import Reader, Rows


def show(
    chosen: Sequence[str],
    *,
    watch: bool,
    as_json: bool,
    data: Path | None,
    query: str | None = None,
    contacts: bool = False,
) -> None:
    """Print the chosen tables, or the answer to ``query``; with ``watch`` anew every second."""
    if watch and (as_json or query is not None):
        raise CommandError("--watch shows tables: leave out --json and --sql")
    from hookline.tables.queries import VIEWS, Reader

    stack = find_stack(data)
    with Reader(stack, contacts=contacts) as reader:
        if query is not None:
            _show_query(reader.ask(query), as_json=as_json)
            return
        if as_json:
            rows = {
                name: reader.query(f"SELECT * FROM {VIEWS[name][0]}").as_dicts()  # noqa: S608 - our own names
                for name in chosen
            }
            output.print_json(rows if len(chosen) > 1 else rows[chosen[0]])
            return

        def tables() -> Group:
            return Group(*(_view(reader, stack, *VIEWS[name]) for name in chosen))

        if not watch:
            output.out.print(tables())
            return
        _watch(tables)


def _watch(tables: Callable[[], Group]) -> NoReturn:
    """Show the tables anew every second; in a file or a pipe, whenever they have changed."""
    if not output.out.is_terminal:
        shown = ""
        while True:
            shown = output.print_changed(tables(), shown)
            time.sleep(1)
    with Live(tables(), console=output.out, auto_refresh=False) as live:
        while True:
            time.sleep(1)
            live.update(tables(), refresh=True)


def _view(reader: "Reader", stack: StackAddress, table: str, query: str) -> "ResultTable":
    from hookline.tables import waiting

    answer = reader.query(query)
    if answer.rows:
        caption = f"{len(answer.rows):,} of {reader.count(table):,} rows"
    else:
        caption = waiting.sentence(reader, table, Path(stack.settings.shops_file))
    return output.table(table, answer.columns, answer.rows, caption)


def _show_query(answer: "Rows", *, as_json: bool) -> None:
    if as_json:
        output.print_json(answer.as_dicts())
    else:
        output.out.print(output.table(None, answer.columns, output.whole_numbers(answer.rows)))
