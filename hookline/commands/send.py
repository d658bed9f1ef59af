"""``hookline send``: an example delivery, proved as its platform proves."""

from pathlib import Path
from typing import Annotated

import typer

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find
from schemas.platforms import PLATFORMS


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def send(
        platform: Annotated[str, typer.Argument(help=f"One of {', '.join(PLATFORMS)}.")],
        event: Annotated[
            str | None, typer.Argument(help="An example's name; lists them if not told.")
        ] = None,
        shop: Annotated[
            str | None, typer.Option(help="The shop's id. [default: the platform's first]")
        ] = None,
        changes: Annotated[
            list[str] | None,
            typer.Option(
                "--set",
                metavar="PATH=VALUE",
                help="Change the example; times: now, now-2h, now+5m; {n} is the repetition.",
            ),
        ] = None,
        repeat: Annotated[int, typer.Option(min=1, help="Send so many times.")] = 1,
        file: Annotated[
            Path | None, typer.Option(help="Send this file as if it were the example.")
        ] = None,
        tamper: Annotated[bool, typer.Option(help="Break the proof: 401 is expected.")] = False,
        malformed: Annotated[
            bool, typer.Option(help="Cut the body in its middle: accepted, then a dead letter.")
        ] = False,
        retries: Annotated[
            int, typer.Option(min=0, help="Send again on 503 and 429, as a platform does.")
        ] = 0,
        as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
        data: DataOption = None,
    ) -> None:
        """Send an example delivery, proved as its platform proves it.

        Ends with 0 when every delivery was accepted (with --tamper: refused).

        Examples:
          hookline send run-free
          hookline send run-free order-created
          hookline send run-free order-created --set data.ordered=now --set data.id=448726
          hookline send shoprocket order-created --set data.id={n} --repeat 100 --retries 5
          hookline send spiffy carts-create --tamper
          hookline send ciklik abandoned_cart --file my-cart.json --shop winebox
        """
        import hookline.send.sender as sending
        from hookline.send import examples
        from hookline.send.json_edits import parse_edit
        from schemas.shops import load

        if event is None:
            for name in examples.names(platform):
                print(name)
            return
        example = examples.sample(platform, event, file)
        place = find(data)
        known = [s for s in load(Path(place.settings.shops_file)).values() if s.source == platform]
        chosen = next((s for s in known if shop in (None, s.id)), None)
        if chosen is None:
            there = ", ".join(s.id for s in known) or "none of that platform"
            raise CommandError(f"no such shop in {place.settings.shops_file}: there is {there}")
        wrong = 0
        with sending.Sender(place.ingress_url, retries=retries) as sender:
            for number in range(1, repeat + 1):
                edits = [parse_edit(c.replace("{n}", str(number))) for c in changes or []]
                one = sending.edited(example, edits, chosen)
                one = sending.malformed(one) if malformed else one
                answer = sender.send(chosen, one, tampered=tamper)
                wrong += answer.is_accepted is tamper
                if as_json:
                    output.print_json(
                        {
                            "status": answer.status,
                            "delivery": answer.delivery,
                            "attempts": answer.attempts,
                        }
                    )
                else:
                    colour = "green" if answer.is_accepted else "yellow"
                    said = f"delivery {answer.delivery}" if answer.delivery else "nothing stored"
                    output.out.print(
                        f"[{colour}]{answer.status}[/] {said}  ({answer.seconds * 1000:.0f} ms)"
                    )
        if wrong:
            raise typer.Exit(1)
