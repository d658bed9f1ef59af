"""``hookline import``: bring a shop's history in from its platform's exports."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hookline.commands.completion import shop_names, starting_with
from hookline.commands.options import DataOption, DryRunOption, JsonOption
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import data_folder, find_stack

if TYPE_CHECKING:
    from hookline.history.check import Checked
    from hookline.history.exports.files import Export
    from hookline.history.importing import Receipt
    from hookline.history.prepare import Preparer
    from schemas.shops import Shop

ShopArgument = Annotated[
    str,
    typer.Argument(
        metavar="PLATFORM/SHOP",
        help="A shop of the shops file.",
        autocompletion=starting_with(shop_names),
    ),
]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE…", help="JSON Lines, a JSON list, or CSV with --map; or .gz."),
]
MapOption = Annotated[
    Path | None,
    typer.Option("--map", metavar="FILE", help="Which CSV column is which field (TOML)."),
]
EventOption = Annotated[
    str, typer.Option(metavar="NAME", help="The platform's event, where objects do not show it.")
]
DatedByOption = Annotated[
    str, typer.Option(metavar="FIELD", help="A field that dates objects without a time.")
]
TakenAtOption = Annotated[
    str | None,
    typer.Option(help="When the platform made the list: dates states without a change time."),
]
_SHOWN = 20


def import_history(
    shop: ShopArgument,
    files: FilesArgument,
    history_from: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="The files hold all since then: history_complete."),
    ] = None,
    mapping: MapOption = None,
    event: EventOption = "",
    dated_by: DatedByOption = "",
    taken_at: TakenAtOption = None,
    dry_run: DryRunOption = False,
    rate: Annotated[
        float | None, typer.Option(min=1, help="Rows a second, at most: spares the workers.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where it is kept how far it came. [default: imports/]"),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the processors, for the receipt.")] = True,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Bring history in from a platform's exports: orders, customers, subscriptions, carts.

    Each object becomes a raw delivery, as if its webhook had come, and dates itself: no cart of
    today comes of it and no signal is sent. Killed, the same command goes on where it stopped.
    Exits with 1 where a row is not in. docs/history.md leads from a file to a lifetime value.

    Examples:
      hookline import spiffy/johns orders.jsonl.gz customers.jsonl.gz --dry-run
      hookline import spiffy/johns orders.jsonl.gz customers.jsonl.gz --history-from 2019-03-01
      hookline import spiffy/johns orders.csv --map orders.toml --rate 5000
      hookline import ciklik/winebox boxes.json --event updated_shippingbox --dated-by sent
    """
    from hookline.history import importing
    from hookline.history.check import check
    from hookline.history.state import StateFile, key_of

    settings = find_stack(data).settings
    found = find_shop(Path(settings.shops_file), shop)
    export, preparer = prepared(found, files, mapping, event, dated_by, taken_at)
    since = None if history_from is None else _day(history_from, found)
    if dry_run:
        with output.progress_bar(shown=not as_json) as progress:
            rows = (preparer.prepare(row) for row in _reported(export, progress))
            checked = check(found, rows)
        _show_check(checked, export, found, as_json=as_json)
        if checked.rejects:
            raise typer.Exit(1)
        if not as_json:
            hints.show("import --dry-run", data, shop=shop, file=str(files[0]))
        return
    key = key_of(shop, files, (event, dated_by, taken_at, history_from), mapping)
    kept = StateFile(
        state or data_folder(data) / "imports" / f"{shop.replace('/', '-')}-{key}.json", key
    )
    with kept.locked(), output.progress_bar(shown=not as_json, eta=True) as progress:
        begun = kept.read() or importing.new_state(key)
        receipt = asyncio.run(
            importing.run(
                settings, export, preparer, begun, kept.write, progress,
                history_from=since, rate=rate, waits=wait,
            )
        )  # fmt: skip
    if as_json:
        output.print_json(receipt.as_dict())
    else:
        _show(receipt, found, asked=since)
    if not receipt.is_whole or receipt.history_from != since:
        raise typer.Exit(1)
    if not as_json:
        hints.show("import", data, shop=shop, file=str(files[0]))


def find_shop(file: Path, name: str) -> "Shop":
    """Return a shop of the shops file. Raises CommandError where there is none of that name."""
    from schemas.shops import load

    shops = load(file, needs_secrets=False)
    shop = shops.get((name.partition("/")[0], name.partition("/")[2]))
    if shop is None:
        known = ", ".join(f"{source}/{id_}" for source, id_ in sorted(shops)) or "none"
        raise CommandError(f"no shop {name} in {file}: there is {known}")
    return shop


def prepared(
    shop: "Shop",
    files: list[Path],
    mapping: Path | None,
    event: str,
    dated_by: str,
    taken_at: str | None,
    *,
    dates_undated: bool = False,
) -> "tuple[Export, Preparer]":
    """Return the export and what prepares its rows, from the options of a command."""
    from hookline.console.time_argument import milliseconds
    from hookline.history.exports import csv_mapping
    from hookline.history.exports.files import Export
    from hookline.history.prepare import Preparer

    for path in files:
        _require_file(path)
    columns = None
    if mapping is not None:
        columns = csv_mapping.load(mapping)
    elif csv := [path for path in files if path.name.removesuffix(".gz").endswith(".csv")]:
        raise CommandError(f"{csv[0]} is CSV: name its columns with --map (docs/history.md)")
    now = time.time_ns() // 1000
    at = None if taken_at is None else milliseconds(taken_at) * 1000
    if at is not None and at > now:
        raise CommandError("--taken-at lies in the future")
    name = event or (columns.event if columns is not None else "")
    preparer = Preparer(
        shop, now, event=name, dated_by=dated_by, taken_at=at, dates_undated=dates_undated
    )
    return Export(files, columns), preparer


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise CommandError(f"{path} is a folder: name the files in it")
    # A redirected stdin is a regular file by its other names, and would be at its end.
    is_stream = path.exists() and not path.is_file()
    if is_stream or str(path) in ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        raise CommandError(f"{path}: a file is needed, since it is read twice: write it to one")
    if not path.exists():
        raise CommandError(f"{path}: no such file")


def _day(text: str, shop: "Shop") -> int:
    """Read a day of the shop's zone, or a time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--history-from: {text!r} is no day such as 2019-03-01") from None
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(shop.timezone))
    if at > datetime.now(UTC):
        raise CommandError("--history-from lies in the future")
    return int(at.timestamp()) * 1_000_000


def _reported(export: "Export", progress: output.Progress) -> Any:
    size, read = export.size, 0

    def report(position: int) -> None:
        nonlocal read
        read = position

    for row in export.rows(report):
        if not row.number % 1000:
            progress("checking", read, size)
        yield row


def _time(micros: int | None, shop: "Shop") -> str:
    """Return a day of the shop's zone, as ``--history-from`` takes it."""
    if micros is None:
        return ""
    at = datetime.fromtimestamp(micros // 1_000_000, ZoneInfo(shop.timezone))
    return f"{at:%Y-%m-%d}"


def _show_check(checked: "Checked", export: "Export", shop: "Shop", *, as_json: bool) -> None:
    rejects = [(export.where(row), reason) for row, reason in checked.rejects]
    if as_json:
        output.print_json(
            {
                "rows": checked.rows,
                "webhooks": dict(checked.webhooks),
                "events": dict(checked.events),
                "first": _time(checked.first, shop) or None,
                "last": _time(checked.last, shop) or None,
                "reasons": dict(checked.reasons),
                "rejected": [{"row": row, "reason": reason} for row, reason in rejects],
            }
        )
        return
    output.print_line(
        f"{checked.rows:,} rows, {_time(checked.first, shop)} to {_time(checked.last, shop)}"
    )
    for name, count in checked.webhooks.most_common():
        output.print_line(f"  {count:>9,}  {name}")
    for topic, count in checked.events.most_common():
        output.print_line(f"  {count:>9,}  events of {topic}")
    _show_rejects(dict(checked.reasons), rejects)
    output.print_line("nothing was written")


def _show_rejects(reasons: dict[str, int], rejects: list[tuple[str, str]]) -> None:
    for reason, count in sorted(reasons.items()):
        output.print_parts((f"  {count:>9,}", "yellow"), f"  not taken: {reason}")
    for row, reason in rejects[:_SHOWN]:
        output.print_line(f"    {row}: {reason}")
    total = sum(reasons.values())
    if more := total - len(rejects[:_SHOWN]):
        listed = "them" if total <= len(rejects) else f"the first {len(rejects):,}"
        output.print_line(f"    and {more:,} more: --json lists {listed}")


def _show(receipt: "Receipt", shop: "Shop", *, asked: int | None) -> None:
    resumed = f", resumed after row {receipt.resumed_after:,}" if receipt.resumed_after else ""
    output.print_line(
        f"import {receipt.import_id} of {receipt.shop}: {receipt.rows:,} rows,"
        f" {receipt.written:,} deliveries, {receipt.seconds:.1f} s, {receipt.rate:,.0f}/s{resumed}"
    )
    found = receipt.outcomes
    if found is not None:
        output.print_line(
            f"{found.canonical:,} canonical ({found.events:,} events),"
            f" {found.duplicates:,} duplicates, {found.dead_letters:,} dead letters"
        )
        if found.open:
            output.print_parts(
                (f"{found.open:,} are not processed yet", "yellow"),
                ": do processors run? `hookline audit` shows when they are",
            )
    if asked is not None:
        if receipt.history_from is None:
            output.print_parts(("no row is good enough to state how far back it reaches", "yellow"))
        else:
            output.print_line(f"the history is whole since {_time(receipt.history_from, shop)}")
    reasons = Counter(receipt.refused)
    reasons.update(found.reasons if found is not None else {})
    _show_rejects(dict(reasons), receipt.rejected)
