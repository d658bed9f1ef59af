"""``hookline accept-loss``: processing goes on without raw records that are gone."""

import asyncio
from typing import Annotated

import typer

from hookline.console import output
from hookline.stack_address import DataOption, find


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("accept-loss")
    def accept_loss(
        partition: Annotated[int, typer.Argument(help="Of the raw topic.", min=0)],
        until: Annotated[
            int, typer.Option(help="The first offset that is still there, as /readyz says it.")
        ],
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
        data: DataOption = None,
    ) -> None:
        """Let a partition go on whose raw records were trimmed before they were processed.

        A processor stops such a partition, is not ready and says which offsets are gone. First
        try to bring them back. What is accepted here is kept on hookline.decisions for ever;
        the processor that holds the partition goes on within seconds.

        Examples:
          hookline accept-loss 3 --until 48210
          hookline accept-loss 3 --until 48210 --yes --json
        """
        from hookline.audit.losses import accept, find_lost

        settings = find(data).settings
        lost = asyncio.run(find_lost(settings, partition))
        if lost is not None and lost.until == until and not yes:
            typer.confirm(
                f"{lost.count} deliveries of {lost.topic}/{partition}, offsets {lost.first} to"
                f" {until - 1}, were never processed and are gone. Go on without them?",
                abort=True,
                err=True,
            )
        decision = asyncio.run(accept(settings, partition, lost, until))
        if as_json:
            output.print_json(
                {
                    "partition": partition,
                    "first": decision.first,
                    "until": decision.until,
                    "lost": decision.count,
                }
            )
            return
        output.out.print(
            f"{decision.count} deliveries given up: partition {partition} goes on at {until}"
        )
