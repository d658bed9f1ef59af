"""``hookline accept-loss``: resume a partition that lost raw records."""

import asyncio
from typing import Annotated

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import output
from hookline.stack_address import find_stack


def accept_loss(
    partition: Annotated[int, typer.Argument(help="Partition of the raw topic.", min=0)],
    until: Annotated[
        int, typer.Option(help="The first offset that is still there, as shown by /readyz.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Resume a partition after raw records were trimmed before they were processed.

    A processor stops such a partition, is not ready and shows which offsets are gone. First
    try to restore them. The loss accepted here is recorded on hookline.decisions for ever;
    the processor that owns the partition resumes within seconds.

    Examples:
      hookline accept-loss 3 --until 48210
      hookline accept-loss 3 --until 48210 --yes --json
    """
    from hookline.audit.losses import accept, find_lost_range

    settings = find_stack(data).settings
    lost = asyncio.run(find_lost_range(settings, partition))
    if lost is not None and lost.until == until and not yes:
        typer.confirm(
            f"{lost.count} deliveries of {lost.topic}/{partition}, offsets {lost.first} to"
            f" {until - 1}, were never processed and are gone. Resume without them?",
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
        f"{decision.count} deliveries lost: partition {partition} resumes at offset {until}"
    )
