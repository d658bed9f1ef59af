"""``hookline reconcile``: a platform's own list against the tables."""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.data.import_history import (
    DatedByOption,
    EventOption,
    FilesArgument,
    MapOption,
    ShopArgument,
    TakenAtOption,
    find_shop,
    prepared,
)
from hookline.commands.options import DataOption, JsonOption, SinceOption
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.history.compare import Comparison

_SHOWN = 20
_VISIBLE = 60.0
"""Seconds that sinks may take to show what was repaired."""


def reconcile(
    shop: ShopArgument,
    files: FilesArgument,
    since: SinceOption = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Import what is missing or different, compare again.")
    ] = False,
    at_most: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="SHARE", help="Repair only if no more is missing."),
    ] = 0.2,
    mapping: MapOption = None,
    event: EventOption = "",
    dated_by: DatedByOption = "",
    taken_at: TakenAtOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Compare a platform's own list of orders or customers with the tables.

    Shows what is missing here, what the list lacks, what differs and in which field, and the
    share of what the platform never sent. Nothing personal is printed. Exits with 1 where a
    difference remains.

    Examples:
      hookline reconcile spiffy/johns orders.jsonl
      hookline reconcile spiffy/johns orders.jsonl --since 7d --repair
      hookline reconcile shoprocket/corner orders.csv --map orders.toml --json
    """
    from hookline.console.time_argument import milliseconds
    from hookline.history import importing
    from hookline.history.reconcile import compare
    from hookline.tables import reading

    stack = find_stack(data)
    settings = stack.settings
    found = find_shop(Path(settings.shops_file), shop)
    export, preparer = prepared(
        found, files, mapping, event, dated_by, taken_at, dates_undated=True
    )
    at = None if since is None else milliseconds(since) * 1000
    listed_at = preparer.taken_at
    made_at = listed_at or int(max(path.stat().st_mtime for path in files) * 1_000_000)

    def compared(patience: float = 0) -> "Comparison":
        with (
            reading.connect(stack.reader_url, settings.sql_schema) as connection,
            output.progress_bar(shown=not as_json) as progress,
        ):
            is_whole = _wait_until_whole(connection, made_at, patience, progress)
            result = compare(connection, export, preparer, progress, at, listed_at)
            result.is_whole = is_whole
            return result

    first = result = compared(_VISIBLE)
    receipt: Any = None
    if repair and result.to_import:
        _require_likely(result, at_most)
        with output.progress_bar(shown=not as_json) as progress:
            receipt = asyncio.run(
                importing.run(
                    settings, export, preparer, importing.new_state(""), lambda _: None, progress,
                    only=result.to_import,
                )
            )  # fmt: skip
        deadline = time.monotonic() + _VISIBLE
        while (result := compared()).to_import and time.monotonic() < deadline:
            time.sleep(0.5)
    if as_json:
        repaired = None if receipt is None else receipt.as_dict()
        output.print_json({"found": first.as_dict(), "repair": repaired, "left": result.as_dict()})
    else:
        _show(first)
        if receipt is not None:
            output.print_line(f"{receipt.written:,} rows imported as {receipt.import_id}; then:")
            _show(result)
    if not result.is_equal:
        raise typer.Exit(1)
    if not as_json:
        hints.show("reconcile", data)


def _wait_until_whole(connection: Any, at: int, patience: float, progress: output.Progress) -> bool:
    """Wait until the tables have all that was received before the list was made."""
    from hookline.history.reconcile import whole_until

    began = time.monotonic()
    while (until := whole_until(connection)) is None or until < at:
        waited = time.monotonic() - began
        if waited >= patience:
            return False
        progress("until the tables have what came before the list", int(waited), int(patience))
        time.sleep(0.5)
    return True


def _require_likely(result: "Comparison", at_most: float) -> None:
    """Raise CommandError where so much is missing that something else is the likelier cause."""
    if not result.is_whole:
        raise CommandError(
            "the tables lack deliveries that were received before the list was made (hookline"
            " tables freshness): what is on its way is not missing; repair once they have caught up"
        )
    share = result.lost_share or 0.0
    if share > at_most:
        raise CommandError(
            f"{share:.0%} of the list is missing here: is it this shop's list? --at-most 1 repairs"
            " it all the same"
        )


def _warn(result: "Comparison") -> None:
    if not result.rows:
        output.print_parts(("the list is empty", "yellow"), ": was the export whole?")
    if not result.is_whole:
        output.print_parts(
            ("the tables lack deliveries that were received before the list was made", "yellow"),
            ": hookline tables freshness shows what holds them; what is on its way looks missing",
        )


def _show(result: "Comparison") -> None:
    _warn(result)
    share = result.lost_share
    output.print_line(
        f"{result.compared:,} compared of {result.rows:,} rows: {result.alike:,} alike,"
        f" {len(result.missing_here):,} missing here, {len(result.different):,} different,"
        f" {len(result.older_here):,} older here, {len(result.missing_there):,} not in the list"
    )
    if share is not None:
        output.print_line(f"of {share:.2%} of the list a delivery is missing here")
    for key in sorted(result.missing_here)[:_SHOWN]:
        output.print_line(f"  missing here   {key}")
    for key, (_, names) in sorted(result.different.items())[:_SHOWN]:
        output.print_line(f"  different      {key}  {', '.join(names)}")
    for key in sorted(result.older_here)[:_SHOWN]:
        output.print_line(f"  older here     {key}")
    for key in result.missing_there[:_SHOWN]:
        output.print_line(f"  not in the list  {key}")
    if result.newer_here:
        output.print_line(
            f"{result.newer_here:,} differ but are newer here; --taken-at states when the list was"
            " made, where its rows do not"
        )
    for count, what in (
        (result.repeated, "rows repeat another"),
        (result.other, "rows are carts, which no list shows as they were"),
        (result.before_since, "rows are before --since"),
    ):
        if count:
            output.print_line(f"{count:,} {what}")
    for reason, count in sorted(result.refused.items()):
        output.print_parts((f"{count:,} rows not taken", "yellow"), f": {reason}")
