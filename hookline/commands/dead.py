"""``hookline dead``: deliveries that no event could be made of."""

import asyncio
from typing import Annotated, Any

import typer

from hookline import screen
from hookline.connection import DataOption, find
from hookline.errors import CommandError

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="dead", help="Dead letters: deliveries that no event was made of.")


async def _letters(data: Any) -> list[dict[str, Any]]:
    from hookline.topics import tail  # noqa: PLC0415 - only where it is used
    from schemas.topics import DEAD_LETTERS  # noqa: PLC0415 - only where it is used

    settings = find(data).settings
    return [r async for r in tail(settings, DEAD_LETTERS, from_start=True, follow=False)]


@group.command("list")
def list_letters(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    data: DataOption = None,
) -> None:
    """List dead letters: where, whose, why.

    Examples:
      hookline dead list
      hookline dead list --json | jq -r '.[].reason' | sort | uniq -c
    """
    from schemas import envelopes  # noqa: PLC0415 - only where it is used

    listed = []
    for letter in asyncio.run(_letters(data)):
        said = letter["headers"]
        listed.append(
            {
                "letter": f"{letter['partition']}:{letter['offset']}",
                "shop": f"{said.get(envelopes.SOURCE)}/{said.get(envelopes.SHOP)}",
                "event": said.get(envelopes.EVENT),
                "reason": said.get(envelopes.REASON),
                "path": said.get(envelopes.FIELD_PATH),
                "detail": said.get(envelopes.DETAIL),
                "delivery": said.get(envelopes.DELIVERY),
            }
        )
    if as_json:
        screen.print_json(listed)
        return
    columns = ("letter", "shop", "event", "reason", "path", "detail")
    screen.out.print(screen.table(None, columns, [[e[c] for c in columns] for e in listed]))


@group.command()
def show(
    letter: Annotated[str, typer.Argument(help="partition:offset, as `hookline dead list` says.")],
    data: DataOption = None,
) -> None:
    """Show one dead letter: its headers and the original bytes.

    Examples:
      hookline dead show 2:0
    """
    for found in asyncio.run(_letters(data)):
        if f"{found['partition']}:{found['offset']}" == letter:
            screen.print_json(found)
            return
    raise CommandError(f"no dead letter {letter}: `hookline dead list` names them")
