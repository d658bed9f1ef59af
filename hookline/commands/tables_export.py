"""``hookline tables export``: the tables as files."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.tables.export import Opens


class Format(StrEnum):
    """Kinds of files."""

    CSV = "csv"
    PARQUET = "parquet"


def export(
    kind: Annotated[Format, typer.Option("--format", help="Kind of files.")] = Format.CSV,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A table or view; again for more. [default: all]"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.")] = Path("export"),
    contacts: Annotated[
        bool, typer.Option("--contacts", help="Contact data too: names, addresses, telephones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was written, as JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Write the tables and views into files, one each, all as of one moment.

    Amounts are exact, instants UTC, spans of time in seconds, documents JSON; no cell of a CSV
    file is a formula. Without --contacts there is no contact data in them: that takes the role
    hookline_contacts_reader (HOOKLINE_CONTACTS_READER_URL where the stack is elsewhere).

    Examples:
      hookline tables export
      hookline tables export --format parquet --out /data/hookline
      hookline tables export --table abandoned_carts --table rfm_segments
      hookline tables export --table customer_contacts --contacts
    """
    from hookline.tables.export import export as write

    opens = _opens(kind)
    place = find(data)
    with output.reading(shown=not as_json) as progress:
        written = write(
            place.contacts_reader_url if contacts else place.reader_url,
            place.settings.sql_schema,
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


def _opens(kind: Format) -> "tuple[str, Opens]":
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
