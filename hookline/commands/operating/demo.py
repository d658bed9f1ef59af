"""``hookline demo``: a fresh stack that turns webhooks of five platforms into rows."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option(help="Check every expected row, stop everything, exit with 0 or 1.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="An empty folder to use and keep. [default: a temporary one]"),
    ] = None,
) -> None:
    """Watch webhooks of five platforms become rows, through real servers on this machine.

    Starts `hookline up` in a fresh folder, sends the platforms' example deliveries with a
    retry, a tampered and a malformed one, and lets two carts be abandoned and recovered.
    Downloads Kafka, the registry and Java the first time (about 250 MB).

    Examples:
      hookline demo
      hookline demo --once
    """
    from hookline.demo.demo import Demo

    raise typer.Exit(0 if Demo(once=once, data=data).run() else 1)
