"""``hookline shops``: which there are, whether they are well, what changed in what they send."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands import shops_drift, shops_edit
from hookline.console import output
from hookline.errors import CommandError, sentence
from hookline.stack_address import DataOption, Place, find

if TYPE_CHECKING:
    from hookline.console.output import Told
    from hookline.shops.check import Checked
    from hookline.shops.traffic import Shops

group = typer.Typer(no_args_is_help=False, rich_markup_mode=None)

FileOption = Annotated[
    Path | None, typer.Option(help="Read this file instead of the running stack's.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
BaseOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="What the platforms see before /hooks/."),
]
_LISTED = ("shop", "url", "currency", "timezone", "abandon_after_s")
_CHECKED = ("shop", "well", "url", "last_delivery", "deliveries", "failures")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="shops")
    shops_drift.register(group)
    shops_edit.register(group)


@group.callback(invoke_without_command=True)
def shops(
    context: typer.Context,
    file: FileOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List, check and change the shops; say what drifted in their payloads.

    Examples:
      hookline shops
      hookline shops check
      hookline shops add run-free
      hookline shops rotate run-free/lakeside
      hookline shops drift run-free/lakeside --since 7d
    """
    if context.invoked_subcommand is None:
        list_shops(file, as_json, data)
    elif file or as_json or data:
        raise CommandError(
            f"options stand behind the command: hookline shops {context.invoked_subcommand} …"
        )


@group.command("list")
def list_shops(
    file: FileOption = None, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """List the shops and where their webhooks go. Secrets are never shown.

    Examples:
      hookline shops list
      hookline shops list --file shops.toml
      hookline shops list --json
    """
    from hookline.shops import webhook_urls
    from schemas.shops import load

    path, place = _place(file, data)
    base = place.ingress_url if place else webhook_urls.BASE
    listed = [
        {
            "shop": f"{shop.source}/{shop.id}",
            "url": webhook_urls.url(base, shop),
            "proof": shop.proof,
            "currency": shop.currency,
            "timezone": shop.timezone,
            "abandon_after_s": shop.abandon_after,
            "counts_as_sale": shop.counts_as_sale,
            "is_test": shop.is_test,
        }
        for shop in load(path).values()
    ]
    if as_json:
        output.print_json(listed)
    else:
        _print(str(path), _LISTED, listed)


@group.command()
def check(
    file: FileOption = None,
    since: Annotated[
        str, typer.Option(help="Deliveries and dead letters since this time, or so long ago.")
    ] = "24h",
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show the tokens in the URLs, to paste them.")
    ] = False,
    base: BaseOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Check each shop: settings, secrets, the URL to paste, its last delivery, its dead letters.

    Ends with 1 if anything is wrong. A secret is wrong if it is worth less than 96 bits, is
    known from the example, belongs to two shops, or cannot be resolved on this machine. Without
    Kafka it checks the file alone and says so. Deliveries without proof are refused before it is
    known whose they are: /metrics counts them by platform, hookline_ingress_answers_total.

    Examples:
      hookline shops check
      hookline shops check --since 7d
      hookline shops check --show-secrets --url https://hooks.example.com
      hookline shops check --file shops.toml --json | jq '.shops[].problems'
    """
    from hookline.console.time_argument import milliseconds
    from hookline.shops import check, webhook_urls

    since_ms = milliseconds(since)
    path, place = _place(file, data)
    checked, broken = check.check(path)
    seen: Shops | None = None
    notes = ["a file was named, no stack: deliveries were not looked for"]
    if place is not None:
        with output.reading(shown=not as_json) as progress:
            seen, notes = _look(place, since_ms, progress)
    url = base or (place.ingress_url if place else webhook_urls.BASE)
    said = [_said(each, url, seen, show_secrets=show_secrets) for each in checked]
    is_well = not broken and all(one["well"] for one in said)
    if as_json:
        told = {"file": str(path), "well": is_well, "problems": broken, "notes": notes}
        output.print_json({**told, "since": _time(since_ms), "shops": said})
    else:
        _print(str(path), _CHECKED, [{**one, "failures": _spelled(one)} for one in said])
        for one in said:
            for word in ("problems", "notes"):
                for line in one[word]:
                    output.out.print(f"{one['shop']}: {line}", markup=False, soft_wrap=True)
        for line in (*broken, *notes):
            output.out.print(line, markup=False, soft_wrap=True)
    if not is_well:
        raise typer.Exit(1)


def _look(place: Place, since_ms: int, progress: "Told") -> "tuple[Shops | None, list[str]]":
    """What Kafka tells, and what could not be looked at."""
    from hookline.shops import traffic

    try:
        found = asyncio.run(traffic.look(place.settings, since_ms, progress))
    except Exception as error:
        if (line := sentence(error)) is None:
            raise
        return None, [f"deliveries could not be looked for: {line}"]
    try:
        asyncio.run(traffic.count_failures(place.settings, since_ms, found))
    except Exception as error:
        if (line := sentence(error)) is None:
            raise
        return found, [f"dead letters could not be looked for: {line}"]
    return found, []


def _said(
    each: "Checked", base: str, seen: "Shops | None", *, show_secrets: bool
) -> dict[str, Any]:
    from hookline.shops import webhook_urls
    from hookline.shops.traffic import Traffic

    name = f"{each.shop.source}/{each.shop.id}"
    said: dict[str, Any] = {
        "shop": name,
        "url": webhook_urls.url(base, each.shop, each.secret if show_secrets else None),
        "last_delivery": None,
        "deliveries": None,
        "failures": {},
    }
    problems = list(each.problems)
    if seen is not None:
        observed = seen.get(name, Traffic())
        said["last_delivery"] = None if observed.last_ms is None else _time(observed.last_ms)
        said["deliveries"] = observed.deliveries
        said["failures"] = dict(observed.failures)
        if observed.failures:
            problems.append(
                f"open dead letters: {observed.failures.total()} (hookline dead list --shop {name})"
            )
    return {**said, "well": not problems, "problems": problems, "notes": each.notes}


def _spelled(said: dict[str, Any]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in said["failures"].items())


def _place(file: Path | None, data: Path | None) -> tuple[Path, Place | None]:
    """The shops file and the stack; none where a file alone was named."""
    if file is not None and data is None:
        return file, None
    place = find(data)
    return file or Path(place.settings.shops_file), place


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _print(title: str, columns: tuple[str, ...], said: list[dict[str, Any]]) -> None:
    rows = [[one[column] for column in columns] for one in said]
    output.out.print(output.table(title, columns, rows))
