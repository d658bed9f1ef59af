"""``hookline tables``: the two tables, as a person wants to see them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from typer.core import TyperGroup

from hookline.commands.tables_export import export
from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.tables.queries import Rows

_WORDS = ("carts", "customers")

WatchOption = Annotated[bool, typer.Option(help="Show again every second.")]
JsonOption = Annotated[bool, typer.Option("--json", help="All columns, as JSON.")]


class _Words(TyperGroup):
    """Its commands are tables; a word that is none of them gets our own answer."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise CommandError(
                f"no table {args[0]!r}: there is {', '.join(_WORDS)}; any other with --sql"
            )
        return super().resolve_command(ctx, args)


group = typer.Typer(cls=_Words, no_args_is_help=False, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="tables")
    group.command("export")(export)


@group.callback(invoke_without_command=True)
def tables(
    context: typer.Context,
    watch: WatchOption = False,
    sql: Annotated[str | None, typer.Option(help="Any query, through the read-only role.")] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show abandoned carts and customers' lifetime value.

    Examples:
      hookline tables
      hookline tables carts --watch
      hookline tables customers --json | jq '.[].net'
      hookline tables --sql "select source, count(*) from orders group by 1"
      hookline tables export --format csv --out export
    """
    if context.invoked_subcommand is None:
        _show(_WORDS, watch=watch, query=sql, as_json=as_json, data=data)


@group.command()
def carts(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the abandoned carts.

    Examples:
      hookline tables carts
      hookline tables carts --watch
      hookline tables carts --json | jq '.[] | select(.status == "ABANDONED")'
    """
    _show(("carts",), **_told(context, watch=watch, as_json=as_json, data=data))


@group.command()
def customers(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show the customers' lifetime value.

    Examples:
      hookline tables customers
      hookline tables customers --json | jq '.[].net'
    """
    _show(("customers",), **_told(context, watch=watch, as_json=as_json, data=data))


def _told(context: typer.Context, **own: Any) -> dict[str, Any]:
    """Options, told before the table's name or behind it."""
    before = context.parent.params if context.parent is not None else {}
    return {name: value or before.get(name) for name, value in own.items()}


def _show(
    chosen: Sequence[str],
    *,
    watch: bool,
    as_json: bool,
    data: Path | None,
    query: str | None = None,
) -> None:
    from hookline.tables.queries import VIEWS, Reader

    with Reader(find(data)) as reader:
        if query is not None:
            _show_query(reader.ask(query), as_json=as_json)
            return
        if as_json:
            said = {
                word: reader.ask(f"SELECT * FROM {VIEWS[word][0]}").as_dicts()  # noqa: S608 - our own names
                for word in chosen
            }
            output.print_json(said if len(chosen) > 1 else said[chosen[0]])
            return

        def drawn() -> Group:
            found = [(VIEWS[word][0], reader.ask(VIEWS[word][1])) for word in chosen]
            return Group(*(output.table(t, r.columns, r.rows) for t, r in found))

        if not watch:
            output.out.print(drawn())
            return
        with Live(drawn(), console=output.out, auto_refresh=False) as live:
            while True:
                time.sleep(1)
                live.update(drawn(), refresh=True)


def _show_query(answer: "Rows", *, as_json: bool) -> None:
    if as_json:
        output.print_json(answer.as_dicts())
    else:
        output.out.print(output.table(None, answer.columns, answer.rows))
