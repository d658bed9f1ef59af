"""``hookline what-if``: another abandon_after, tried on what happened."""

import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from hookline.console import output
from hookline.console.time_argument import milliseconds
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find
from schemas.shops import ShopsError, seconds

if TYPE_CHECKING:
    from hookline.analysis.what_if import Outcome

_COLUMNS = (
    "abandon_after", "currency", "carts", "abandoned", "rate", "came_back", "ordered",
    "stayed_away", "undecided", "at_stake", "came_back_value", "without_value",
)  # fmt: skip
_WIDTH = 48
_SECOND = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("what-if")(what_if)


def what_if(
    abandon_after: Annotated[
        str, typer.Option(metavar="TIMES", help="Silences to try, with commas between.")
    ] = "30m,1h,4h,24h",
    since: Annotated[
        str | None, typer.Option(help="Only carts first seen since then. [default: all]")
    ] = None,
    shop: Annotated[
        str | None, typer.Option(metavar="SOURCE/SHOP", help="Only this shop. [default: all]")
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="The chart as a picture.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data: DataOption = None,
) -> None:
    """Try other settings of abandon_after on all that happened; nothing is changed.

    Folds every cart of the log anew with each: how many would have been called abandoned, how
    many of these came back by themselves afterwards (with an order or without), what lay in
    them. A short silence calls carts abandoned whose customers were only away for a moment.
    Carts that their platform reports abandoned know no setting and are left out.

    Examples:
      hookline what-if
      hookline what-if --abandon-after 15m,45m,2h --since 30d
      hookline what-if --shop spiffy/johns --png abandoned.png
      hookline what-if --json | jq '.[] | {abandon_after, stayed_away}'
    """
    from hookline.analysis.what_if import backtest
    from hookline.tables.queries import Reader

    settings = _settings(abandon_after)
    first = 0 if since is None else milliseconds(since) * 1000
    if png is not None:
        _chart()
    with Reader(find(data)) as reader, output.reading(shown=not as_json) as progress:
        outcomes = backtest(reader, list(settings.values()), first, shop, progress)
    named = {word: outcomes[micros] for word, micros in settings.items()}
    rows = _rows(named)
    totals = {word: _total(found.values()) for word, found in named.items()}
    if png is not None:
        _chart().save(png, totals)
    if as_json:
        output.print_json(rows)
        return
    shown = [[row[column] for column in _COLUMNS] for row in rows]
    columns = [column.replace("_", " ") for column in _COLUMNS]
    output.out.print(output.table("would have been called abandoned", columns, shown))
    _draw(totals)
    if png is not None:
        output.out.print(f"{png} is written", markup=False)


def _settings(text: str) -> dict[str, int]:
    found = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        try:
            found[word] = int(seconds(word, "") * _SECOND)
        except ShopsError:
            found[word] = 0
        if found[word] <= 0:
            raise CommandError(f'--abandon-after {word!r}: write times like "30m,1h,24h"')
    if not found:
        raise CommandError('--abandon-after: name at least one time, like "30m,1h,24h"')
    return dict(sorted(found.items(), key=lambda each: each[1]))


def _chart() -> Any:
    try:
        from hookline.analysis import what_if_chart
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise CommandError(
            "a picture needs matplotlib: pip install 'hookline[charts]', or leave --png out"
        ) from None
    return what_if_chart


def _rows(named: "Mapping[str, dict[str | None, Outcome]]") -> list[dict[str, Any]]:
    return [
        {
            "abandon_after": word,
            "currency": currency,
            "carts": found.carts,
            "abandoned": found.abandoned,
            "rate": _share(found.abandoned, found.carts),
            "came_back": found.came_back,
            "ordered": found.ordered,
            "stayed_away": found.stayed_away,
            "undecided": found.undecided,
            "at_stake": found.at_stake if found.without_value < found.abandoned else None,
            "came_back_value": found.came_back_value
            if found.without_value < found.abandoned
            else None,
            "without_value": found.without_value,
        }
        for word, by_currency in named.items()
        for currency, found in sorted(by_currency.items(), key=lambda each: each[0] or "")
    ]


def _share(part: int, whole: int) -> Decimal | None:
    return (Decimal(part) / whole).quantize(Decimal("0.0001")) if whole else None


def _total(found: Any) -> "Outcome":
    """Carts over all currencies: counts add up, values never do."""
    from hookline.analysis.what_if import Outcome

    total = Outcome()
    for each in found:
        for name in ("carts", "abandoned", "came_back", "ordered", "undecided"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
    return total


def _draw(totals: "Mapping[str, Outcome]") -> None:
    most = max((each.abandoned for each in totals.values()), default=0)
    if not most:
        output.out.print("no cart would have been called abandoned")
        return
    for word, each in totals.items():
        bar = Text(f"{word:>6}  ")
        for count, style in (
            (each.ordered, "green"),
            (each.came_back - each.ordered, "yellow"),
            (each.stayed_away, "red"),
        ):
            bar.append("█" * math.ceil(count / most * _WIDTH), style=style)
        bar.append(f"  {each.ordered} + {each.came_back - each.ordered} + {each.stayed_away}")
        output.out.print(bar)
    output.out.print(
        Text.assemble(
            "        ", ("█", "green"), " came back and ordered  ", ("█", "yellow"),
            " came back  ", ("█", "red"), " stayed away",
        )
    )  # fmt: skip
