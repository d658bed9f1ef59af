"""``hookline dead``: deliveries that no event could be made of, and what to do with them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hookline.console import output
from hookline.errors import CommandError
from hookline.stack_address import DataOption, find

if TYPE_CHECKING:
    from hookline.dead_letters.letters import Choice, Group, Letter
    from hookline.dead_letters.marks import Mark
    from hookline.dead_letters.replay import Progress as Told
    from runtime.settings import Settings

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_COLUMNS = ("letter", "when", "shop", "event", "reason", "path", "detail", "state")
_PAGE = 200
"""Letters of one table on a terminal: a list of millions is shown as it is read."""

Letters = Annotated[
    list[str] | None,
    typer.Argument(help="partition:offset of letters, as `hookline dead list` says."),
]
Shop = Annotated[str | None, typer.Option(help="Of this shop: source/shop, or the shop alone.")]
Reason = Annotated[str | None, typer.Option(help="Refused for this reason.")]
FieldPath = Annotated[
    str | None, typer.Option("--path", help="Refused for this field: items[3].cost or items[].cost")
]
Since = Annotated[
    str | None, typer.Option(help="Since this time, or so long ago: 24h, 7d, 2026-05-01T12:00.")
]
Everything = Annotated[bool, typer.Option("--all", help="All letters that are still open.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="dead", help="Dead letters: deliveries that no event was made of.")


@group.command("list")
def list_letters(
    shop: Shop = None,
    reason: Reason = None,
    path: FieldPath = None,
    since: Since = None,
    by_group: Annotated[
        bool, typer.Option("--group", help="Count them by shop, reason and field path.")
    ] = False,
    settled: Annotated[
        bool, typer.Option("--all", help="Those that were replayed or discarded, too.")
    ] = False,
    as_json: Json = False,
    data: DataOption = None,
) -> None:
    """List dead letters that are still open: where, when, whose, why.

    Examples:
      hookline dead list
      hookline dead list --group
      hookline dead list --shop spiffy/johns --reason invalid-payload --since 24h
      hookline dead list --all --json | jq -r '.[].state' | sort | uniq -c
    """
    settings, choice = find(data).settings, _choice(None, shop, reason, path, since)
    if by_group:
        _show_groups(asyncio.run(_groups(settings, choice, settled=settled)), as_json=as_json)
    else:
        asyncio.run(_list(settings, choice, settled=settled, as_json=as_json))


@group.command()
def show(
    letter: Annotated[str, typer.Argument(help="partition:offset, as `hookline dead list` says.")],
    data: DataOption = None,
) -> None:
    """Show one dead letter: when and by which adapter version it was refused, why, its bytes.

    Examples:
      hookline dead show 2:0
      hookline dead show 2:0 | jq -r .value
    """
    from hookline.dead_letters.letters import place_of

    output.print_json(asyncio.run(_found(find(data).settings, place_of(letter))))


@group.command()
def replay(
    letters: Letters = None,
    shop: Shop = None,
    reason: Reason = None,
    path: FieldPath = None,
    since: Since = None,
    everything: Everything = False,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="At most so many letters a second.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: Json = False,
    data: DataOption = None,
) -> None:
    """Give dead letters to the processors again, after a fix: each is settled once.

    A letter whose delivery is canonical by now, or which was replayed before, is left alone: a
    replay that was interrupted is simply repeated. The event keeps the version of the first
    delivery, so that what was said since then stays.

    Examples:
      hookline dead replay 2:17 3:4
      hookline dead replay --shop spiffy/johns --reason invalid-payload --path 'items[].price'
      hookline dead replay --all --dry-run
      hookline dead replay --all --rate 500
    """
    from hookline.dead_letters.replay import replay as again

    choice = _choice(letters, shop, reason, path, since, everything=everything)
    settings = find(data).settings
    with _bar(shown=not as_json) as progress:
        done = asyncio.run(again(settings, choice, progress, rate=rate, is_rehearsal=dry_run))
    if as_json:
        output.print_json({"replayed": done.replayed, "skipped": done.skipped, "dry_run": dry_run})
        return
    for place, why in done.skipped.items():
        output.out.print(f"left alone: {place}, {why}", markup=False)
    words = "would be replayed" if dry_run else "replayed"
    output.out.print(f"{words}: {len(done.replayed)}, left alone: {len(done.skipped)}")


@group.command()
def discard(
    because: Annotated[str, typer.Option("--because", help="Why, for whoever asks later.")],
    letters: Letters = None,
    shop: Shop = None,
    reason: Reason = None,
    path: FieldPath = None,
    since: Since = None,
    everything: Everything = False,
    as_json: Json = False,
    data: DataOption = None,
) -> None:
    """Mark dead letters as not worth a replay: they are no longer listed as open.

    Nothing is deleted; `hookline dead list --all` shows them with the reason.

    Examples:
      hookline dead discard 2:17 --because 'a test of the sender'
      hookline dead discard --reason malformed-body --since 24h --because 'cut off by a proxy'
    """
    from hookline.dead_letters.letters import discard as mark

    choice = _choice(letters, shop, reason, path, since, everything=everything)
    places = asyncio.run(mark(find(data).settings, choice, because))
    if as_json:
        output.print_json({"discarded": places})
    else:
        output.out.print(f"discarded: {len(places)}")


def _choice(
    letters: list[str] | None,
    shop: str | None,
    reason: str | None,
    path: str | None,
    since: str | None,
    *,
    everything: bool | None = None,
) -> "Choice":
    """The letters meant. ``everything`` None: no choice at all means all of them."""
    from hookline.console.time_argument import milliseconds
    from hookline.dead_letters.letters import Choice, place_of

    is_narrowed = bool(letters or shop or reason or path or since)
    if everything is not None and everything == is_narrowed:
        raise CommandError(
            "name letters (2:17), narrow them with --shop, --reason, --path or --since, or take"
            " --all of them: one of the three"
        )
    return Choice(
        shop=shop,
        reason=reason,
        path=path,
        since_ms=None if since is None else milliseconds(since),
        places=frozenset(map(place_of, letters)) if letters else None,
    )


def _said(letter: "Letter", mark: "Mark | None") -> dict[str, Any]:
    return {
        "letter": letter.place,
        "when": datetime.fromtimestamp(letter.appended_ms / 1000, UTC),
        "shop": letter.shop,
        "event": letter.event,
        "entity": letter.entity,
        "reason": letter.reason,
        "path": letter.path,
        "detail": letter.detail,
        "stage": letter.stage,
        "adapter": letter.adapter,
        "delivery": letter.delivery_id,
        "raw": f"{letter.partition}:{letter.raw_offset}",
        "slot": letter.slot,
        "replay_of": letter.replay_of,
        "state": mark.kind if mark else "open",
        "state_reason": mark.reason if mark else None,
        "state_at": mark.at if mark else None,
    }


async def _list(settings: "Settings", choice: "Choice", *, settled: bool, as_json: bool) -> None:
    from hookline.dead_letters.letters import listed

    page: list[list[Any]] = []
    shown = 0
    async for letter, mark in listed(settings, choice, settled=settled):
        said = _said(letter, mark)
        if as_json:
            # One array, a letter a line, written as it is read.
            print(",\n" if shown else "[", output.json_of(said), sep="", end="")
        else:
            said["detail"] = letter.detail.strip().rpartition("\n")[2]  # of a traceback its end
            page.append([said[column] for column in _COLUMNS])
            if len(page) == _PAGE:
                output.out.print(output.table(None, _COLUMNS, page))
                page.clear()
        shown += 1
    if as_json:
        print("]" if shown else "[]")
    elif page or not shown:
        output.out.print(output.table(None, _COLUMNS, page))


async def _groups(settings: "Settings", choice: "Choice", *, settled: bool) -> "list[Group]":
    from hookline.dead_letters.letters import Groups, listed

    groups = Groups()
    async for letter, _ in listed(settings, choice, settled=settled):
        groups.add(letter)
    return list(groups)


def _show_groups(groups: "list[Group]", *, as_json: bool) -> None:
    said = [
        {
            "letters": each.letters,
            "shop": each.shop,
            "reason": each.reason,
            "path": each.path,
            "oldest": datetime.fromtimestamp(each.oldest_ms / 1000, UTC),
            "newest": datetime.fromtimestamp(each.newest_ms / 1000, UTC),
            "newest_letter": each.newest,
        }
        for each in groups
    ]
    if as_json:
        output.print_json(said)
        return
    columns = ("letters", "shop", "reason", "path", "oldest", "newest", "newest_letter")
    output.out.print(output.table(None, columns, [[each[c] for c in columns] for each in said]))


async def _found(settings: "Settings", place: tuple[int, int]) -> dict[str, Any]:
    from hookline.dead_letters.letters import Choice, listed, require
    from hookline.topics import record_at
    from schemas.topics import DEAD_LETTERS

    choice = Choice(places=frozenset({place}))
    said = [_said(letter, mark) async for letter, mark in listed(settings, choice)]
    require(choice, {place} if said else set())
    return {**said[0], **await record_at(settings, DEAD_LETTERS, *place)}


@contextmanager
def _bar(*, shown: bool) -> "Iterator[Told]":
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=output.err,
        transient=True,
        disable=not shown or not output.err.is_terminal,
    ) as bar:
        task = bar.add_task("reading letters", total=None)

        def progress(what: str, done: int, everything: int) -> None:
            bar.update(task, description=what, completed=done, total=everything)

        yield progress
