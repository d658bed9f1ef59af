"""``docs/truth.md``, made by ``make truth``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tests import ROOT
from tests.answers.history import DAYS, LATEST, SHARES
from tests.answers.kinds import KINDS
from tests.answers.report import NAMES, Column, KindRow

PAGE = ROOT / "docs" / "truth.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- truth -->", "<!-- end of truth -->"
TEMPLATE = Path(__file__).parent / "page.md"


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of a run for the page. ``differences``: of Hookline, in ``compared`` rows."""

    seed: int
    date: str
    versions: Mapping[str, str]
    facts: int
    repeated: int
    malformed: int
    seconds: float
    rate: float
    shops: int
    compared: int
    differences: int
    left_out: int


def text(run: Run, columns: Mapping[str, Column], kinds: Sequence[KindRow]) -> str:
    """Return the page."""
    shares = {name: f"{share:.0%}" for name, share in SHARES.items()}
    shares["broken"] = shares.pop("malformed")
    return TEMPLATE.read_text().format(
        wrong=_wrong(columns),
        kinds=_kinds(kinds),
        compared=f"{run.compared:,}",
        differences=run.differences,
        left_out=run.left_out,
        seed=run.seed,
        date=run.date,
        versions=", ".join(f"{name} {version}" for name, version in run.versions.items()),
        shops=run.shops,
        days=DAYS,
        latest=LATEST,
        seconds=f"{run.seconds:.0f}",
        rate=f"{run.rate:.0f}",
        facts=f"{run.facts:,}",
        repeated=f"{run.repeated:,}",
        malformed=run.malformed,
        **shares,
    )


def write(text_: str) -> None:
    """Write the page, and its figures into README."""
    PAGE.write_text(text_)
    head, _, rest = README.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text(f"{head}{BEGIN}\n{summary(text_)}\n{END}{tail}")


def summary(page: str) -> str:
    """Return the figures of a page for README."""
    tables = page[page.index("## Wrong rows") :].splitlines()
    titles, rows = tables[1].split(" | "), [line.split(" | ") for line in tables[3:8]]
    of_customers, of_carts = titles[1].split()[-1], titles[5].split()[-1]
    wrong = {row[0].removeprefix("| "): (row[1], row[5]) for row in rows}
    ours = wrong.pop(NAMES["hookline"])
    others = ", ".join(f"{name} {customers}" for name, (customers, _) in wrong.items())
    carts = ", ".join(carts for _, carts in wrong.values())
    return (
        f"Wrong customers of {of_customers}: {others}; Hookline {ours[0]}. Wrong carts of"
        f" {of_carts}: {carts}; Hookline {ours[1]}."
    )


def _wrong(columns: Mapping[str, Column]) -> str:
    """Return the table of wrong rows."""
    one = next(iter(columns.values()))
    titles = f"customers, of {one.customers.of:,} | missing | extra | net is off by, in all"
    lines = [
        f"| | {titles} | carts, of {one.carts.of:,} | missing | extra |",
        "|---|--:|--:|--:|---|--:|--:|--:|",
    ]
    for name, title in NAMES.items():
        column = columns[name]
        off = ", ".join(f"{float(sum_):,.2f} {currency}" for currency, sum_ in column.off.items())
        cells: list[object] = [title]
        for each, amounts in ((column.customers, [off or "0"]), (column.carts, [])):
            cells += [len(each.all), len(each.missing), len(each.extra), *amounts]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _kinds(kinds: Sequence[KindRow]) -> str:
    others = [name for name in NAMES if name != "hookline"]
    lines: list[str] = []
    for table in ("customers", "carts"):
        titles = " | ".join(NAMES[name] for name in others)
        lines += [
            f"| {table}: what was wrong | {titles} | example | right | given | off by |",
            "|---|" + "--:|" * len(others) + "---|--:|---|--:|",
        ]
        for row in (each for each in kinds if KINDS[each.kind][0] == table):
            counts = " | ".join(str(row.rows.get(name, 0)) for name in others)
            lines.append(
                f"| {KINDS[row.kind][1]} | {counts} | `{_short(row.key)}` | {row.right} |"
                f" {_given(row.given)} | {_off(row)} |"
            )
        lines.append("")
    return "\n".join(lines).rstrip("\n")


def _short(key: str) -> str:
    """Return a key of which long ids are cut."""
    return re.sub(r"([0-9a-f-]{10})[0-9a-f-]{10,}", r"\1…", key)


def _given(given: Mapping[str, str]) -> str:
    """Say who gives what; those who agree once."""
    by_value: dict[str, list[str]] = {}
    for name, value in given.items():
        by_value.setdefault(value, []).append(NAMES[name].split()[0])
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in by_value.items())


def _off(row: KindRow) -> str:
    off: Fraction | None = row.off
    return "-" if off is None else f"{float(off):,.2f} {row.currency}"


def frame(page: str) -> list[str]:
    """Return what does not depend on a run: all lines but the rows of figures, numbers masked."""
    kept = []
    lines = page.splitlines()
    for line, before in zip(lines, ["", *lines], strict=False):
        is_row = line.startswith("| ") and before.startswith("|")
        if not is_row:
            kept.append(re.sub(r"\d[\d,.]*", "#", line))
    return kept
