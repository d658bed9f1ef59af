"""``hookline journey``: the way of one delivery, or the deliveries of an order, cart or person."""

import asyncio
from typing import Annotated

import typer

from hookline.commands.options import DataOption, JsonOption, SinceOption
from hookline.console import output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack


def journey(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="A delivery id, a raw partition:offset, a key, an id or an e-mail address; - reads"
            " it from standard input, where no process list shows it.",
        ),
    ],
    maximum: Annotated[
        int, typer.Option("--max", min=1, max=1000, help="Deliveries of a list, the newest.")
    ] = 20,
    since: SinceOption = None,
    with_body: Annotated[
        bool, typer.Option("--body", help="Also the delivery's body, private values masked.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Follow a delivery: received, raw record, verdict, events, rows with their rules, signals.

    Each with its time and the wait before it. The id that the ingress answered is enough: it holds
    the time of receipt, so that only a moment of the log is read, and no index is needed. A key or
    an id shows why the rows of that order, cart or customer are as they are, as `hookline why`
    does, then its deliveries, the newest first; a customer's also those of its orders and carts.
    An e-mail address is hashed with HOOKLINE_CONTACT_KEY and never shown. Exits with 1 where
    nothing is found.

    Examples:
      hookline journey 019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071
      hookline journey 2:17 --body
      hookline journey spiffy/johns/order:450789469
      hookline journey spiffy/johns/cart:eeafa --json | jq -r '.stories[].summary[]'
      hookline journey lakeside/1 --since 7d --json | jq '.deliveries[].verdict.kind'
      hookline journey - < address.txt
    """
    from hookline.commands.deliveries import journey_screens
    from hookline.console.time_argument import milliseconds
    from hookline.journey.model import Missing
    from hookline.journey.search import Options, search

    options = Options(maximum, None if since is None else milliseconds(since), with_body)
    with output.progress_bar(shown=not as_json, eta=True) as progress:
        answer = asyncio.run(search(find_stack(data), _given(text), options, progress))
    if as_json:
        output.print_json(answer.as_dict())
    else:
        journey_screens.show(answer)
    if isinstance(answer, Missing):
        raise typer.Exit(1)


def _given(text: str) -> str:
    if text != "-":
        return text
    given = typer.get_text_stream("stdin").readline().strip()
    if not given:
        raise CommandError("standard input is empty: write what to look for as the first line")
    return given
