"""``hookline listen``: deliveries as they come."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.options import DataOption, JsonLinesOption, ShopPatternOption
from hookline.console import output
from hookline.stack_address import find_stack

if TYPE_CHECKING:
    from hookline.listen.heard import Heard


def listen(
    shop: ShopPatternOption = None,
    event: Annotated[
        str | None,
        typer.Option(help="Of this platform event, as its platform names it; * for any part."),
    ] = None,
    dead_only: Annotated[
        bool, typer.Option("--dead-only", help="Only deliveries with a dead letter.")
    ] = False,
    seconds: Annotated[
        str | None, typer.Option("--for", metavar="DURATION", help="Stop after: 30s, 5m, 1h.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many deliveries.")
    ] = None,
    as_json: JsonLinesOption = False,
    data: DataOption = None,
) -> None:
    """Show deliveries as they come: verdict, events, rows and how soon they were visible.

    A line for each delivery, once its rows are visible, at most 10 s after its verdict; below it
    the repeated delivery, the refused field, or the events with the rows that they changed. One
    that no processor has come to after 10 s is shown as such, and again with its verdict. Where
    deliveries come faster than rows can be looked up, lines go on without them. Addresses are
    never shown. Ctrl-C stops; the last line, on stderr, counts what was shown.

    Examples:
      hookline listen
      hookline listen --shop spiffy/johns --event 'orders/*'
      hookline listen --dead-only --for 10m
      hookline listen --count 1 --json | jq .verdict.kind
    """
    from hookline.commands.deliveries import listen_screens
    from hookline.console.time_argument import duration
    from hookline.listen.listening import Listener, Options
    from hookline.shops.known import event_note, require_shop

    options = Options(shop, event, dead_only, count, None if seconds is None else duration(seconds))
    stack = find_stack(data)
    require_shop(stack, shop, patterns=True)
    if (note := event_note(event, shop)) is not None:
        output.print_message(note)
    listen_screens.show_waiting(stack)
    show: Callable[[Heard], None] = listen_screens.show
    if as_json:
        show = _print_json
    listener = Listener(stack, options, show)
    has_tables = bool(stack.reader_url)
    try:
        asyncio.run(listener.run(lambda: listen_screens.show_ready(has_tables=has_tables)))
    except KeyboardInterrupt:  # the usual end
        output.print_message("")
    listen_screens.show_totals(listener.totals)


def _print_json(heard: "Heard") -> None:
    output.print_json(heard.as_dict())
