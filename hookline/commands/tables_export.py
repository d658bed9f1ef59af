"""``hookline tables export``: write the tables to files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.tables.export import OpenFile


class Format(StrEnum):
    """File formats."""

    CSV = "csv"
    PARQUET = "parquet"


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
