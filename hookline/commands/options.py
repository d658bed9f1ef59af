"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from hookline.commands.completion import shop_names, starting_with

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder of `hookline up`. [default: $HOOKLINE_DATA, else .hookline]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(help="From this time on, or so long ago: 24h, 7d, 2026-05-01T12:00."),
]
ShopOption = Annotated[
    str | None,
    typer.Option(
        help="Of this shop: source/shop, or the shop alone.",
        autocompletion=starting_with(shop_names),
    ),
]
ShopPatternOption = Annotated[
    str | None,
    typer.Option(
        help="Of this shop: source/shop, or the shop alone; * for any part.",
        autocompletion=starting_with(shop_names),
    ),
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="What the platforms see before /hooks/."),
]
