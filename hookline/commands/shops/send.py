"""``hookline send``: send an example delivery, signed as its platform signs it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hookline.commands.completion import example_names, platforms, starting_with
from hookline.commands.options import DataOption, JsonLinesOption
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import find_stack
from schemas.platforms import PLATFORMS

if TYPE_CHECKING:
    from hookline.send.sender import Answer
    from schemas.shops import Shop


def send(
    platform: Annotated[
        str,
        typer.Argument(
            help=f"One of {', '.join(PLATFORMS)}.", autocompletion=starting_with(platforms)
        ),
    ],
    event: Annotated[
        str | None,
        typer.Argument(
            help="Name of an example; without it, list the examples.",
            autocompletion=example_names,
        ),
    ] = None,
    shop: Annotated[
        str | None, typer.Option(help="The shop's id. [default: the platform's first]")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Change a field; times: now, now-2h, now+5m; {n} is the repetition.",
        ),
    ] = None,
    additions: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="PATH=VALUE", help="The same for a field it lacks."),
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Send this many times.")] = 1,
    file: Annotated[
        Path | None, typer.Option(help="Send this file instead of the example.")
    ] = None,
    tamper: Annotated[
        bool, typer.Option(help="Break the signature or token: expects 401.")
    ] = False,
    malformed: Annotated[
        bool, typer.Option(help="Cut the body in half: accepted, then a dead letter.")
    ] = False,
    retries: Annotated[
        int, typer.Option(min=0, help="Retry this often on 503 and 429, as a platform does.")
    ] = 0,
    as_json: JsonLinesOption = False,
    data: DataOption = None,
) -> None:
    """Send an example delivery, with the signature or token of its platform.

    Exits with 0 if every delivery was accepted (with --tamper: refused).

    Examples:
      hookline send run-free
      hookline send run-free order-created
      hookline send run-free order-created --set data.ordered=now --set data.id=448726
      hookline send shoprocket order-created --set data.id={n} --repeat 100 --retries 5
      hookline send spiffy carts-create --tamper
      hookline send ciklik abandoned_cart --file my-cart.json --shop winebox
    """
    from hookline.send import examples
    from hookline.send import sender as sending
    from hookline.send.json_edits import parse_edit

    if event is None:
        for name in examples.names(platform):
            reason = examples.dead_letter_reason(platform, name)
            output.print_line(f"{name}  (becomes a dead letter: {reason})" if reason else name)
        return
    example = examples.load(platform, event, file)
    stack = find_stack(data)
    chosen = _choose_shop(Path(stack.settings.shops_file), platform, shop)
    unexpected = 0
    with sending.Sender(stack.ingress_url, retries=retries) as sender:
        for number in range(1, repeat + 1):
            edits = [
                parse_edit(text.replace("{n}", str(number)), may_add=may_add)
                for texts, may_add in ((changes, False), (additions, True))
                for text in texts or ()
            ]
            delivery = sending.edited(example, edits, chosen)
            delivery = sending.malformed(delivery) if malformed else delivery
            answer = sender.send(chosen, delivery, tampered=tamper)
            unexpected += answer.is_accepted is tamper
            _show(answer, as_json=as_json)
    if unexpected:
        raise typer.Exit(1)
    if answer.delivery and not as_json:
        hints.show("send", data, delivery=answer.delivery)


def _choose_shop(file: Path, platform: str, shop_id: str | None) -> "Shop":
    """The platform's shop with this id, else its first. Raises CommandError."""
    from schemas.shops import load

    shops = [shop for shop in load(file).values() if shop.source == platform]
    for shop in shops:
        if shop_id in (None, shop.id):
            return shop
    ids = ", ".join(shop.id for shop in shops) or "none of that platform"
    raise CommandError(f"no such shop in {file}: there is {ids}")


def _show(answer: "Answer", *, as_json: bool) -> None:
    if as_json:
        output.print_json(
            {"status": answer.status, "delivery": answer.delivery, "attempts": answer.attempts}
        )
        return
    colour = "green" if answer.is_accepted else "yellow"
    result = f"delivery {answer.delivery}" if answer.delivery else "nothing stored"
    seconds = f"({answer.seconds * 1000:.0f} ms)"
    output.print_parts((str(answer.status), colour), f" {result}  {seconds}")
