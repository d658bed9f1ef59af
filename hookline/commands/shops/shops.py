"""``hookline shops``: list and check the shops."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption, UrlOption
from hookline.commands.shops import shops_drift, shops_edit
from hookline.console import output
from hookline.console.errors import CommandError, error_message
from hookline.stack_address import StackAddress, find_stack

if TYPE_CHECKING:
    from hookline.console.output import Progress
    from hookline.shops.check import ShopCheck
    from hookline.shops.traffic import TrafficByShop

group = typer.Typer(no_args_is_help=False, rich_markup_mode=None)

FileOption = Annotated[
    Path | None, typer.Option(help="Read this file instead of the running stack's.")
]
_LISTED = ("shop", "url", "currency", "timezone", "abandon_after_s")
_CHECKED = ("shop", "well", "url", "last_delivery", "deliveries", "failures")


@group.callback(invoke_without_command=True)
def shops(
    context: typer.Context,
    file: FileOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """List, check and change the shops; show drift in their payloads.

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
            f"put options after the command: hookline shops {context.invoked_subcommand} …"
        )


@group.command("list")
def list_shops(
    file: FileOption = None, as_json: JsonOption = False, data: DataOption = None
) -> None:
    """List the shops and their webhook URLs. Secrets are never shown.

    Examples:
      hookline shops list
      hookline shops list --file shops.toml
      hookline shops list --json
    """
    from hookline.shops import webhook_urls
    from schemas.shops import load

    path, stack = _file_and_stack(file, data)
    base = stack.ingress_url if stack else webhook_urls.BASE
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
        output.print_records(_LISTED, listed, str(path))
        if not listed:
            output.print_line(f"{path} lists no shop: add one with `hookline shops add`")


@group.command()
def check(
    file: FileOption = None,
    since: Annotated[
        str,
        typer.Option(help="Count deliveries and dead letters from this time on, or so long ago."),
    ] = "24h",
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show the tokens in the URLs, for pasting.")
    ] = False,
    base: UrlOption = None,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Check each shop: settings, secrets, webhook URL, last delivery, dead letters.

    Exits with 1 if anything is wrong. A secret is wrong if it has less than 96 bits, is one of
    the example's, belongs to two shops, or cannot be resolved on this machine. Without Kafka,
    only the file is checked. Deliveries with a wrong proof are refused and stored nowhere:
    /metrics counts them by platform, hookline_ingress_answers_total. Of the newest events those
    are counted whose body came before: under another topic, or as an earlier state.

    Examples:
      hookline shops check
      hookline shops check --since 7d
      hookline shops check --show-secrets --url https://hooks.example.com
      hookline shops check --file shops.toml --json | jq '.shops[].problems'
    """
    from hookline.console.time_argument import milliseconds
    from hookline.shops import check, webhook_urls

    since_ms = milliseconds(since)
    path, stack = _file_and_stack(file, data)
    checked, broken = check.check(path)
    traffic: TrafficByShop | None = None
    notes = ["only the file was checked, no stack: deliveries are not known"]
    if stack is not None:
        with output.progress_bar(shown=not as_json) as progress:
            traffic, notes = _traffic(stack, since_ms, progress)
    url = base or (stack.ingress_url if stack else webhook_urls.BASE)
    results = [_as_dict(each, url, traffic, show_secrets=show_secrets) for each in checked]
    is_well = not broken and all(result["well"] for result in results)
    if as_json:
        summary = {"file": str(path), "well": is_well, "problems": broken, "notes": notes}
        since_time = output.from_unix_ms(since_ms)
        output.print_json({**summary, "since": since_time, "shops": results})
    else:
        rows = [{**result, "failures": _counts(result["failures"])} for result in results]
        output.print_records(_CHECKED, rows, str(path))
        for result in results:
            for line in (*result["problems"], *result["notes"]):
                output.print_line(f"{result['shop']}: {line}")
        for line in (*broken, *notes):
            output.print_line(line)
    if not is_well:
        raise typer.Exit(1)


def _traffic(
    stack: StackAddress, since_ms: int, progress: "Progress"
) -> "tuple[TrafficByShop | None, list[str]]":
    """Deliveries and dead letters by shop, and notes on what could not be read."""
    from hookline.shops import traffic

    shops: TrafficByShop | None = None
    what = "deliveries"
    try:
        shops = asyncio.run(traffic.read_traffic(stack.settings, since_ms, progress))
        what = "dead letters"
        asyncio.run(traffic.add_open_letters(stack.settings, since_ms, shops))
    except Exception as error:
        if (message := error_message(error)) is None:
            raise
        return shops, [f"{what} could not be read: {message}"]
    return shops, []


def _as_dict(
    checked: "ShopCheck", base: str, traffic: "TrafficByShop | None", *, show_secrets: bool
) -> dict[str, Any]:
    from hookline.shops import webhook_urls
    from hookline.shops.traffic import Traffic

    shop = checked.shop
    name = f"{shop.source}/{shop.id}"
    result: dict[str, Any] = {
        "shop": name,
        "url": webhook_urls.url(base, shop, checked.secret if show_secrets else None),
        "last_delivery": None,
        "deliveries": None,
        "failures": {},
        "seen_before": {},
    }
    problems, notes = list(checked.problems), list(checked.notes)
    if traffic is not None:
        observed = traffic.get(name, Traffic())
        if observed.last_ms is not None:
            result["last_delivery"] = output.from_unix_ms(observed.last_ms)
        result["deliveries"] = observed.deliveries
        result["failures"] = dict(observed.failures)
        result["seen_before"] = dict(observed.seen_before)
        notes += seen_before_notes(observed.seen_before, is_strict=shop.strict_topics)
        if observed.failures:
            problems.append(
                f"open dead letters: {observed.failures.total()} (hookline dead list --shop {name})"
            )
    return {**result, "well": not problems, "problems": problems, "notes": notes}


def seen_before_notes(seen: Mapping[str, int], *, is_strict: bool) -> list[str]:
    """Return a sentence for each kind of body that came before."""
    notes = []
    if count := seen.get("other-topic"):
        remedy = "" if is_strict else "; strict_topics = true holds those that do not show theirs"
        notes.append(
            f"bodies that were stored under another topic before: {count} of the newest events"
            f" (the signature does not cover the topic{remedy})"
        )
    if count := seen.get("state"):
        notes.append(
            f"states that equal an earlier one, not the latest: {count} of the newest events"
            " (a cart put back as it was, or a replay)"
        )
    return notes


def _counts(failures: dict[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in failures.items())


def _file_and_stack(file: Path | None, data: Path | None) -> tuple[Path, StackAddress | None]:
    """The shops file and the stack; no stack if only a file is given.

    Without a stack, HOOKLINE_SHOPS_FILE or ./shops.toml.
    """
    if file is not None and data is None:
        return file, None
    try:
        stack = find_stack(data)
    except CommandError as error:
        path = Path(os.environ.get("HOOKLINE_SHOPS_FILE", "shops.toml"))
        if data is None and path.is_file():
            return path, None
        raise CommandError(f"{error}; or name a shops file with --file") from error
    return file or Path(stack.settings.shops_file), stack


for command in (shops_drift.drift, shops_edit.add, shops_edit.rotate):
    group.command()(command)
