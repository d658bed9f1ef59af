"""``hookline what-if``: try other values of abandon_after on past carts."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from hookline.commands.options import DataOption, JsonOption, SinceOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.console.time_argument import milliseconds
from hookline.stack_address import find_stack
from schemas.shops import ShopsError, seconds

if TYPE_CHECKING:
    from hookline.analysis.what_if import WhatIfCounts

_COLUMNS = (
    "abandon_after", "currency", "carts", "abandoned", "rate", "came_back", "ordered",
    "stayed_away", "undecided", "at_stake", "came_back_value", "without_value", "without_link",
)  # fmt: skip
_OF_LINKS = ("came_back", "ordered", "stayed_away", "came_back_value")
"""Columns that are unknown where orders name neither carts nor customers."""
_COUNTS = (
    "carts", "abandoned", "came_back", "ordered", "undecided", "unlinked_carts", "without_link",
)  # fmt: skip
_WIDTH = 48
_SECOND = 1_000_000


def what_if(
    abandon_after: Annotated[
        str, typer.Option(metavar="TIMES", help="Values to try, separated by commas.")
    ] = "30m,1h,4h,24h",
    since: SinceOption = None,
    shop: Annotated[
        str | None, typer.Option(metavar="SOURCE/SHOP", help="Only this shop. [default: all]")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Also save the chart as an image.")
    ] = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Try other values of abandon_after on past carts; nothing is changed.

    Evaluates every cart first seen since --since with each value: how many would have counted as
    abandoned, how many of these customers came back anyway (with an order or without), and the
    value in those carts. With a short value, customers who were only away briefly count too.
    Carts that the platform itself reports as abandoned do not depend on it and are left out.
    Where a shop's orders name neither cart nor customer, who came back is unknown: null, not 0.

    Examples:
      hookline what-if
      hookline what-if --abandon-after 15m,45m,2h --since 30d
      hookline what-if --shop spiffy/johns --png abandoned.png
      hookline what-if --json | jq '.[] | {abandon_after, stayed_away}'
    """
    from hookline.analysis.what_if import backtest
    from hookline.shops.known import require_whole_name
    from hookline.tables.queries import Reader

    settings = _settings(abandon_after)
    first = 0 if since is None else milliseconds(since) * 1000
    if png is not None:
        _chart()
    stack = find_stack(data)
    require_whole_name(stack, shop)
    with Reader(stack) as reader, output.progress_bar(shown=not as_json) as progress:
        outcomes = backtest(reader, list(settings.values()), first, shop, progress)
    by_value = {value: outcomes[micros] for value, micros in settings.items()}
    rows = _rows(by_value)
    totals = {value: _total(currencies.values()) for value, currencies in by_value.items()}
    if png is not None:
        _chart().save(png, totals)
    if as_json:
        output.print_json(rows)
        return
    cells = [[row[column] for column in _COLUMNS] for row in rows]
    columns = [column.replace("_", " ") for column in _COLUMNS]
    output.out.print(output.table("would have counted as abandoned", columns, cells))
    _draw(totals)
    if png is not None:
        output.print_line(f"wrote {png}")


def _settings(text: str) -> dict[str, int]:
    """Parse ``30m,1h`` into microseconds by the text of each value, in ascending order."""
    settings = {}
    for value in filter(None, (part.strip() for part in text.split(","))):
        try:
            settings[value] = int(seconds(value, "") * _SECOND)
        except ShopsError:
            settings[value] = 0
        if settings[value] <= 0:
            raise CommandError(f'--abandon-after {value!r}: write times like "30m,1h,24h"')
    if not settings:
        raise CommandError('--abandon-after: name at least one time, like "30m,1h,24h"')
    return dict(sorted(settings.items(), key=lambda item: item[1]))


def _chart() -> Any:
    try:
        from hookline.analysis import what_if_chart
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise CommandError("--png needs matplotlib: pip install 'hookline[charts]'") from None
    return what_if_chart


def _rows(by_value: "Mapping[str, dict[str | None, WhatIfCounts]]") -> list[dict[str, Any]]:
    rows = []
    for value, by_currency in by_value.items():
        for currency, counts in sorted(by_currency.items(), key=lambda each: each[0] or ""):
            row = {name: getattr(counts, name, None) for name in _COLUMNS}
            row |= {"abandon_after": value, "currency": currency}
            row["rate"] = _share(counts.abandoned, counts.carts)
            if counts.without_value == counts.abandoned:
                row |= {"at_stake": None, "came_back_value": None}
            if counts.is_unlinked:
                row |= dict.fromkeys(_OF_LINKS)
            rows.append(row)
    return rows


def _share(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(Decimal("0.0001")) if whole else None


def _total(outcomes: "Iterable[WhatIfCounts]") -> "WhatIfCounts":
    """Sum the counts over all currencies; amounts of different currencies do not add up."""
    from hookline.analysis.what_if import WhatIfCounts

    total = WhatIfCounts()
    for each in outcomes:
        for name in _COUNTS:
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def _draw(totals: "Mapping[str, WhatIfCounts]") -> None:
    most = max((each.abandoned for each in totals.values()), default=0)
    if not most:
        output.out.print("no cart would have counted as abandoned")
        return
    for value, each in totals.items():
        bar = Text(f"{value:>6}  ")
        for count, style in (
            (each.ordered, "green"),
            (each.came_back - each.ordered, "yellow"),
            (each.stayed_away, "red"),
            (each.without_link, "bright_black"),
        ):
            bar.append("█" * math.ceil(count / most * _WIDTH), style=style)
        bar.append(f"  {each.ordered} + {each.came_back - each.ordered} + {each.stayed_away}")
        if each.without_link:
            bar.append(f" + {each.without_link} unknown")
        output.out.print(bar)
    output.out.print(
        Text.assemble(
            "        ", ("█", "green"), " came back and ordered  ", ("█", "yellow"),
            " came back  ", ("█", "red"), " stayed away",
        )
    )  # fmt: skip
