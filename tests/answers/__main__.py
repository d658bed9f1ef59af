"""``make truth``: the same deliveries, five answers.

make truth                          all of it, and docs/truth.md
make truth SEED=7                   another history
python -m tests.answers             the same without writing the page
"""

import argparse
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hookline.console.errors import CommandError
from hookline.simulate.truth.verify import NotQuietError
from tests import ROOT
from tests.answers import history, kinds, page, report
from tests.answers.history import History
from tests.answers.pipelines import plain, warehouse
from tests.answers.report import NAMES, Column, KindRow

SEED = 25


def main() -> int:
    """Run everything once; 1 if a row of Hookline differs from the truth."""
    parser = argparse.ArgumentParser(
        prog="make truth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=SEED, help="of the history")
    parser.add_argument("--seconds", type=float, default=history.SECONDS, help="how long it sends")
    parser.add_argument("--rate", type=float, default=history.RATE, help="deliveries a second")
    parser.add_argument("--write", action="store_true", help="write docs/truth.md")
    chosen = parser.parse_args()
    console = Console()
    if not warehouse.PYTHON.exists():
        console.print("DuckDB is not installed: `make truth` installs it")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="hookline-truth-"))
    try:
        found = history.gather(
            chosen.seed, folder, console.print, seconds=chosen.seconds, rate=chosen.rate
        )
    except (CommandError, NotQuietError) as error:
        console.print(f"[red]{error}[/]\nlogs: {folder}", highlight=False)
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    answers = {
        "hookline": found.hookline,
        "plain": plain.answer(found.deliveries, found.shops, found.as_of),
        "dbt": warehouse.answer(warehouse.DBT, found.deliveries, found.shops, found.as_of),
        "faust": found.faust,
        "streaming": warehouse.answer(
            warehouse.STREAMING, found.deliveries, found.shops, found.as_of
        ),
    }
    columns = {name: report.column(found.truth, answer) for name, answer in answers.items()}
    log = kinds.log_of(found.truth, found.deliveries, found.shops)
    rows = report.kind_rows(found.truth, answers, log)
    _show(console, columns, rows)
    _show_ours(console, found)
    if chosen.write:
        run = _run(found, chosen.seconds, chosen.rate)
        page.write(page.text(run, columns, rows))
        console.print(f"wrote {page.PAGE.relative_to(ROOT)} and its figures in README.md")
    ours = columns["hookline"]
    return int(bool(found.differences or ours.customers.all or ours.carts.all))


def _run(found: History, seconds: float, rate: float) -> page.Run:
    return page.Run(
        seed=found.seed,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        versions={
            "Hookline": version("hookline"),
            "Faust": version("faust-streaming"),
            "DuckDB": warehouse.version(),
        },
        facts=found.figures["facts"],
        repeated=found.figures["repeated"],
        malformed=found.figures["malformed"],
        seconds=seconds,
        rate=rate,
        shops=len(found.shops),
        compared=found.expected.rows,
        differences=len(found.differences),
        left_out=len(found.truth.open_keys),
    )


def _show(console: Console, columns: dict[str, Column], rows: list[KindRow]) -> None:
    """Print the wrong rows, and the kinds."""
    one = columns["hookline"]
    table = Table(title="Wrong rows (missing, extra)")
    for title in ("", f"customers, of {one.customers.of}", f"carts, of {one.carts.of}", "off by"):
        table.add_column(title)
    for name, title in NAMES.items():
        column = columns[name]
        cells = [
            f"{len(each.all)} ({len(each.missing)}, {len(each.extra)})"
            for each in (column.customers, column.carts)
        ]
        sums = [f"{float(amount):,.2f} {currency}" for currency, amount in column.off.items()]
        table.add_row(title, *cells, "  ".join(sums))
    console.print(table)
    for row in rows:
        counts = ", ".join(f"{NAMES[name]} {count}" for name, count in row.rows.items())
        off = "" if row.off is None else f", off by {float(row.off):,.2f} {row.currency}"
        given = "; ".join(f"{NAMES[name]}: {value}" for name, value in row.given.items())
        console.print(f"[bold]{kinds.KINDS[row.kind][1]}[/]\n  {counts}", highlight=False)
        console.print(f"  {row.key}: {row.right}; {given}{off}", highlight=False)


def _show_ours(console: Console, found: History) -> None:
    """Print every field of Hookline's that differs: there should be none."""
    for each in found.differences[:20]:
        console.print(f"[red]{each}[/]", highlight=False)
    console.print(
        f"Hookline: {found.expected.rows:,} rows compared in every column,"
        f" {len(found.differences)} differences, {len(found.truth.open_keys)} left open"
    )


if __name__ == "__main__":
    sys.exit(main())
