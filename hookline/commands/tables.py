"""``hookline tables``: the two tables, as a person wants to see them."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live

from hookline import screen
from hookline.connection import DataOption, find
from hookline.errors import CommandError

if TYPE_CHECKING:
    from hookline.rows import Rows


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def tables(
        which: Annotated[
            str | None, typer.Argument(help="carts or customers; both if not told.")
        ] = None,
        watch: Annotated[bool, typer.Option(help="Show again every second.")] = False,
        sql: Annotated[
            str | None, typer.Option(help="Any query, through the read-only role.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="All columns, as JSON.")] = False,
        data: DataOption = None,
    ) -> None:
        """Show abandoned carts and customers' lifetime value.

        Examples:
          hookline tables
          hookline tables carts --watch
          hookline tables customers --json | jq '.[].net'
          hookline tables --sql "select source, count(*) from orders group by 1"
        """
        from hookline.rows import VIEWS, Reader  # noqa: PLC0415 - only where it is used

        if which is not None and which not in VIEWS:
            raise CommandError(f"no table {which!r}: there is {', '.join(VIEWS)}")
        chosen = [which] if which else list(VIEWS)
        with Reader(find(data)) as reader:
            if sql is not None:
                _show_query(reader.ask(sql), as_json=as_json)
                return
            if as_json:
                said = {
                    word: reader.ask(f"SELECT * FROM {VIEWS[word][0]}").as_dicts()  # noqa: S608 - our own names
                    for word in chosen
                }
                screen.print_json(said[which] if which else said)
                return

            def drawn() -> Group:
                found = [(VIEWS[word][0], reader.ask(VIEWS[word][1])) for word in chosen]
                return Group(*(screen.table(t, r.columns, r.rows) for t, r in found))

            if not watch:
                screen.out.print(drawn())
                return
            with Live(drawn(), console=screen.out, auto_refresh=False) as live:
                while True:
                    time.sleep(1)
                    live.update(drawn(), refresh=True)


def _show_query(answer: "Rows", *, as_json: bool) -> None:
    if as_json:
        screen.print_json(answer.as_dicts())
    else:
        screen.out.print(screen.table(None, answer.columns, answer.rows))
