"""``hookline tables``: show the two tables or the answer to a query, or write tables to files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from hookline.commands.options import DataOption, JsonOption
from hookline.commands.tables.tables_screens import show
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.tables.export import OpenFile

_TABLES = ("carts", "customers")
_NAMES = (*_TABLES, "people", "days", "coverage", "freshness")

ContactsOption = Annotated[bool, typer.Option("--contacts", help="Run --sql as that reader.")]
WatchOption = Annotated[bool, typer.Option(help="Refresh every second.")]
AllColumnsOption = Annotated[bool, typer.Option("--json", help="Print all columns as JSON.")]


class Format(StrEnum):
    """File formats."""

    CSV = "csv"
    PARQUET = "parquet"


class _TableGroup(TyperGroup):
    """A command group whose unknown commands are reported as unknown tables."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            raise CommandError(
                f"no table {args[0]!r}: there is {', '.join(_NAMES)}; `hookline tables list` names"
                " all, --sql reads any"
            )
        return super().resolve_command(ctx, args)


group = typer.Typer(cls=_TableGroup, no_args_is_help=False, rich_markup_mode=None)


@group.callback(invoke_without_command=True)
def tables(
    context: typer.Context,
    watch: WatchOption = False,
    sql: Annotated[str | None, typer.Option(help="Run one query with the read-only role.")] = None,
    contacts: ContactsOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show abandoned carts and customers' lifetime value.

    Reads with HOOKLINE_READER_URL, or as the reader of `hookline up`, and with no other URL.

    Examples:
      hookline tables
      hookline tables carts --watch
      hookline tables customers --json | jq '.[].net'
      hookline tables --sql "select source, count(*) from orders group by 1"
      hookline tables export --format csv --out export
    """
    name = context.invoked_subcommand
    if name is not None and (sql is not None or contacts):
        raise CommandError(f"--sql and --contacts ask by themselves: leave out {name!r}")
    if watch and name in ("list", "export"):
        raise CommandError(f"--watch shows tables: leave it out before {name!r}")
    if name is None:
        show(_TABLES, watch=watch, as_json=as_json, data=data, query=sql, contacts=contacts)


@group.command()
def carts(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show the abandoned carts.

    Examples:
      hookline tables carts
      hookline tables carts --watch
      hookline tables carts --json | jq '.[] | select(.status == "ABANDONED")'
    """
    show(("carts",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command()
def customers(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show the customers' lifetime value.

    Examples:
      hookline tables customers
      hookline tables customers --json | jq '.[].net'
    """
    show(("customers",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command()
def people(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show people: the customers of one e-mail address, in all shops, as one.

    Examples:
      hookline tables people
    """
    show(("people",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command()
def days(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show each shop's days: orders, net, refunds, customers and carts, the newest first.

    ``unknown`` are customers who may be new: not their whole history is known.

    Examples:
      hookline tables days
    """
    show(("days",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command("list")
def list_all(
    context: typer.Context, as_json: AllColumnsOption = False, data: DataOption = None
) -> None:
    """List every table and view, with what it holds.

    Examples:
      hookline tables list
    """
    from hookline.tables.queries import LIST

    options = _options(context, as_json=as_json, data=data)
    show((), watch=False, query=LIST, **options)


@group.command()
def coverage(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show by shop what is missing from the tables, deliveries that became dead letters too.

    ``unreported`` is what the platform never reports.

    Examples:
      hookline tables coverage
      hookline tables coverage --json | jq '.[] | select(.dead_letters_open > 0)'
      hookline tables --sql "select * from dead_letters_by_day where open > 0"
    """
    show(("coverage",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command()
def freshness(
    context: typer.Context,
    watch: WatchOption = False,
    as_json: AllColumnsOption = False,
    data: DataOption = None,
) -> None:
    """Show up to when the tables are whole, and why not further.

    A row can be there earlier: before ``whole_until`` none is missing. While nothing holds it, it
    is 10 to 20 seconds behind, 40 to 50 where topics have replicas.

    Examples:
      hookline tables freshness
      hookline tables freshness --watch
      hookline tables freshness --json | jq -r '.[0].reason'
    """
    show(("freshness",), **_options(context, watch=watch, as_json=as_json, data=data))


@group.command()
def export(
    kind: Annotated[Format, typer.Option("--format", help="File format.")] = Format.CSV,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A table or view; repeat for several. [default: all]"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the files.")] = Path(
        "export"
    ),
    contacts: Annotated[
        bool,
        typer.Option("--contacts", help="Include contact data: names, addresses, phone numbers."),
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Write the tables and views to files, one each, from a single snapshot.

    Amounts are exact, times UTC, durations in seconds, documents JSON; no cell of a CSV file is
    a formula. Files contain no contact data without --contacts, which uses the role
    hookline_contacts_reader (HOOKLINE_CONTACTS_READER_URL for a stack elsewhere).

    Examples:
      hookline tables export
      hookline tables export --format parquet --out /data/hookline
      hookline tables export --table abandoned_carts --table rfm_segments
      hookline tables export --table customer_contacts --contacts
    """
    from hookline.tables.export import export as write

    opens = _opens(kind)
    stack = find_stack(data)
    with output.progress_bar(shown=not as_json) as progress:
        written = write(
            stack.contacts_reader_url if contacts else stack.reader_url,
            stack.settings.sql_schema,
            opens,
            out,
            table or (),
            contacts=contacts,
            progress=progress,
        )
    if as_json:
        output.print_json([{"file": str(path), "rows": rows} for path, rows in written.items()])
        return
    rows = [(str(path), count) for path, count in written.items()]
    output.out.print(output.table(None, ("file", "rows"), rows))


def _opens(kind: Format) -> "tuple[str, OpenFile]":
    if kind is Format.CSV:
        from hookline.tables.export import CSV

        return CSV
    try:
        from hookline.tables.parquet import PARQUET
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise CommandError(
            "Parquet needs pyarrow: pip install 'hookline[parquet]', or take --format csv"
        ) from None
    return PARQUET


def _options(context: typer.Context, **own: Any) -> dict[str, Any]:
    """Options given after the table's name or before it."""
    before = context.parent.params if context.parent is not None else {}
    return {name: value or before.get(name) for name, value in own.items()}
