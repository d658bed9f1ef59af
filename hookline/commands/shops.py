"""``hookline shops``: what the shops file was understood to say."""

from pathlib import Path
from typing import Annotated

import typer

from hookline import screen
from hookline.connection import DataOption, find


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def shops(
        file: Annotated[
            Path | None, typer.Option(help="Read this file instead of the running stack's.")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON, without secrets.")] = False,
        data: DataOption = None,
    ) -> None:
        """List the shops and where their webhooks go. Secrets are never shown.

        Examples:
          hookline shops
          hookline shops --file shops.toml
          hookline shops --json
        """
        from ingest.sources import SOURCES  # noqa: PLC0415 - only where it is used
        from schemas.shops import load  # noqa: PLC0415 - only where it is used

        base = "https://<host>"
        if file is None:
            place = find(data)
            file, base = Path(place.settings.shops_file), place.ingress_url
        listed = []
        for shop in load(file).values():
            url = f"{base}/hooks/{shop.source}/{shop.id}"
            url += "/<token>" if shop.proof == "token" else ""
            url += "/<event>" if SOURCES[shop.source].events_in_url else ""
            listed.append(
                {
                    "shop": f"{shop.source}/{shop.id}",
                    "url": url,
                    "proof": shop.proof,
                    "currency": shop.currency,
                    "timezone": shop.timezone,
                    "abandon_after_s": shop.abandon_after,
                    "counts_as_sale": shop.counts_as_sale,
                    "is_test": shop.is_test,
                }
            )
        if as_json:
            screen.print_json(listed)
            return
        columns = ("shop", "url", "currency", "timezone", "abandon_after_s")
        rows = [[entry[column] for column in columns] for entry in listed]
        screen.out.print(screen.table(str(file), columns, rows))
