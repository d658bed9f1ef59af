"""``hookline dead``: list, show, replay and discard dead letters."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.deliveries import dead_screens
from hookline.commands.options import (
    DataOption,
    DryRunOption,
    JsonOption,
    ShopOption,
    SinceOption,
)
from hookline.console import hints, output
from hookline.console.errors import CommandError
from hookline.stack_address import StackAddress, find_stack
from schemas.envelopes import Reason

if TYPE_CHECKING:
    from hookline.dead_letters.letters import LetterFilter
    from hookline.refusals.preview import Preview
    from runtime.settings import Settings

group = typer.Typer(
    help="Dead letters: deliveries that could not become events.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LettersArgument = Annotated[
    list[str] | None,
    typer.Argument(help="partition:offset of letters, as in `hookline dead list`."),
]
ReasonOption = Annotated[Reason | None, typer.Option(help="Refused for this reason.")]
FieldPathOption = Annotated[
    str | None, typer.Option("--path", help="Refused for this field: items[3].cost or items[].cost")
]
AllOpenOption = Annotated[bool, typer.Option("--all", help="All letters that are still open.")]


@group.command("list")
def list_letters(
    shop: ShopOption = None,
    reason: ReasonOption = None,
    path: FieldPathOption = None,
    since: SinceOption = None,
    by_group: Annotated[
        bool, typer.Option("--group", help="Count them by shop, reason and field path.")
    ] = False,
    settled: Annotated[
        bool, typer.Option("--all", help="Also those replayed or discarded.")
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List dead letters that are still open: position, time, shop and reason.

    Examples:
      hookline dead list
      hookline dead list --group
      hookline dead list --shop spiffy/johns --reason invalid-payload --since 24h
      hookline dead list --all --json | jq -r '.[].state' | sort | uniq -c
    """
    from hookline.dead_letters.letters import group_letters, read_letters

    stack = find_stack(data)
    settings, choice = stack.settings, _choice(stack, None, shop, reason, path, since)
    if by_group:
        letters = read_letters(settings, choice, settled=settled)
        dead_screens.show_groups(asyncio.run(group_letters(letters)), as_json=as_json)
    else:
        newest = asyncio.run(
            dead_screens.show_letters(settings, choice, settled=settled, as_json=as_json)
        )
        if newest is not None and not as_json:
            hints.show("dead list", data, letter=newest)


@group.command()
def show(
    letter: Annotated[str, typer.Argument(help="partition:offset, as in `hookline dead list`.")],
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Show one dead letter: reason, time, adapter version and the original body.

    Examples:
      hookline dead show 2:0
      hookline dead show 2:0 --json | jq -r .value
    """
    from hookline.dead_letters.letters import parse_letter_id

    found = asyncio.run(_one_letter(find_stack(data).settings, parse_letter_id(letter)))
    if as_json:
        output.print_json(found)
    else:
        dead_screens.show_letter(found)
        hints.show("dead show", data, letter=letter)


@group.command()
def replay(
    letters: LettersArgument = None,
    shop: ShopOption = None,
    reason: ReasonOption = None,
    path: FieldPathOption = None,
    since: SinceOption = None,
    everything: AllOpenOption = False,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="At most so many letters a second.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Process dead letters again, after a fix: each is settled once.

    Letters whose delivery is canonical by now, or which were replayed before, are skipped, so an
    interrupted replay is simply run again. The event keeps the version of the first delivery:
    it does not overwrite newer values. A dry run of named letters also shows the events that each
    would give, private values masked.

    Examples:
      hookline dead replay 2:17 3:4
      hookline dead replay 2:17 --dry-run
      hookline dead replay --shop spiffy/johns --reason invalid-payload --path 'items[].price'
      hookline dead replay --all --dry-run
      hookline dead replay --all --rate 500
    """
    from hookline.dead_letters.replay import replay as replay_letters

    stack = find_stack(data)
    choice = _choice(stack, letters, shop, reason, path, since, everything=everything)
    settings = stack.settings
    with output.progress_bar(shown=not as_json) as progress:
        done = asyncio.run(replay_letters(settings, choice, progress, rate=rate, dry_run=dry_run))
    would = _previews(settings, done.replayed) if dry_run and letters else {}
    if as_json:
        answer = {"replayed": done.replayed, "skipped": done.skipped, "dry_run": dry_run}
        events = {name: each.as_dict() for name, each in would.items()}
        output.print_json({**answer, "would_give": events} if would else answer)
        return
    for name, each in would.items():
        dead_screens.show_preview(name, each)
    for position, cause in done.skipped.items():
        output.print_line(f"skipped: {position}, {cause}")
    verb = "would be replayed" if dry_run else "replayed"
    output.out.print(f"{verb}: {len(done.replayed)}, skipped: {len(done.skipped)}")
    hints.show("dead replay --dry-run" if dry_run else "dead replay", data)


@group.command()
def discard(
    because: Annotated[str, typer.Option("--because", help="The reason, kept with the mark.")],
    letters: LettersArgument = None,
    shop: ShopOption = None,
    reason: ReasonOption = None,
    path: FieldPathOption = None,
    since: SinceOption = None,
    everything: AllOpenOption = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Mark dead letters that need no replay: they are no longer listed as open.

    Nothing is deleted; `hookline dead list --all` still shows them, with the reason.

    Examples:
      hookline dead discard 2:17 --because 'a test of the sender'
      hookline dead discard --reason malformed-body --since 24h --because 'cut off by a proxy'
    """
    from hookline.dead_letters.letters import discard as discard_letters

    stack = find_stack(data)
    choice = _choice(stack, letters, shop, reason, path, since, everything=everything)
    positions = asyncio.run(discard_letters(stack.settings, choice, because))
    if as_json:
        output.print_json({"discarded": positions})
    else:
        output.out.print(f"discarded: {len(positions)}")


def _previews(settings: "Settings", names: list[str]) -> "dict[str, Preview]":
    from hookline.dead_letters.letters import parse_letter_id
    from hookline.refusals.detail import previews

    return asyncio.run(previews(settings, frozenset(map(parse_letter_id, names))))


def _choice(
    stack: StackAddress,
    letters: list[str] | None,
    shop: str | None,
    reason: str | None,
    path: str | None,
    since: str | None,
    *,
    everything: bool | None = None,
) -> "LetterFilter":
    """Build the filter. With ``everything`` None, no option at all chooses all letters.

    Raises CommandError unless exactly one of letters, filters and --all is given, and for a shop
    that there is not.
    """
    from hookline.console.time_argument import milliseconds
    from hookline.dead_letters.letters import LetterFilter, parse_letter_id
    from hookline.shops.known import require_shop

    is_narrowed = bool(letters or shop or reason or path or since)
    if everything is not None and everything == is_narrowed:
        raise CommandError(
            "name letters (2:17), filter with --shop, --reason, --path or --since, or choose all"
            " with --all: exactly one of the three"
        )
    try:
        require_shop(stack, shop)
    except CommandError:  # of a shop that was removed, letters may be there that nobody counted yet
        if not asyncio.run(_has_letters(stack.settings, LetterFilter(shop=shop))):
            raise
    return LetterFilter(
        shop=shop,
        reason=reason,
        path=path,
        since_ms=None if since is None else milliseconds(since),
        ids=frozenset(map(parse_letter_id, letters)) if letters else None,
    )


async def _has_letters(settings: "Settings", choice: "LetterFilter") -> bool:
    from hookline.dead_letters.letters import read_letters

    return bool([letter async for letter, _ in read_letters(settings, choice)])


async def _one_letter(settings: "Settings", position: tuple[int, int]) -> dict[str, Any]:
    from hookline.dead_letters.letters import LetterFilter, read_letters, require_found
    from hookline.dead_letters.listing import as_dict
    from hookline.topics.records import record_at
    from schemas.topics import DEAD_LETTERS

    choice = LetterFilter(ids=frozenset({position}))
    letters = [as_dict(letter, mark) async for letter, mark in read_letters(settings, choice)]
    require_found(choice, {position} if letters else set())
    return {**letters[0], **await record_at(settings, DEAD_LETTERS, *position)}
