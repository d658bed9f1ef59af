"""``hookline rebuild``: rebuild the tables from the log while the live ones are in use."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline.commands.options import DataOption, JsonOption
from hookline.console import hints, output
from hookline.stack_address import find_stack
from runtime.settings import Settings

if TYPE_CHECKING:
    from sinks.rebuild.shadow_tables import Progress


def rebuild(
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a rebuild that was interrupted.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the live tables, replace nothing.")
    ] = False,
    digest_only: Annotated[
        bool, typer.Option("--digest-only", help="Print a digest of each live table.")
    ] = False,
    accept_log: Annotated[
        bool,
        typer.Option(
            "--accept-log",
            help="Rebuild even if the log is not the one the tables were built from. Data that"
            " only the tables hold is lost.",
        ),
    ] = False,
    as_json: JsonOption = False,
    data: DataOption = None,
) -> None:
    """Rebuild all tables from the canonical topics, then replace the live ones atomically.

    Sinks and readers keep working; signals already sent are not sent again. With --check,
    exits with 1 if a table differs from the log. It makes, swaps and reads all tables, so that
    away from `hookline up` HOOKLINE_DATABASE_URL must be the owner's.

    Examples:
      hookline rebuild
      hookline rebuild --resume
      hookline rebuild --check --json | jq .differing
      hookline rebuild --digest-only
    """
    from runtime import logs

    settings = find_stack(data).owner
    # The progress bar shows the rest.
    logs.configure(replace(settings, log_level="warning"), "rebuild")
    if digest_only:
        _show_digests(asyncio.run(_digests(settings)), as_json=as_json)
        return
    with output.progress_bar(shown=not as_json, eta=True) as update:

        def progress(rebuilt: "Progress") -> None:
            update(rebuilt.waiting or "rebuilding", rebuilt.stored, rebuilt.total)

        result = asyncio.run(_rebuild(settings, progress, resume, check, accept_log))
    if as_json:
        output.print_json(result)
    elif check:
        _show_check(result)
    else:
        _show_swap(result)
        hints.show("rebuild", data)
    if result.get("differing"):
        raise typer.Exit(1)


async def _rebuild(
    settings: Settings,
    progress: "Callable[[Progress], None]",
    resume: bool,
    check: bool,
    accept_log: bool,
) -> dict[str, Any]:
    from sinks.agent import now
    from sinks.rebuild.rebuild import Rebuild

    began = time.monotonic()
    async with Rebuild(settings, now, progress) as work:
        await work.build(resume=resume, accept_log=accept_log)
        if check:
            differing = await work.differing()
            if not differing:
                await work.discard()
            return {"differing": differing, "schema": work.names.shadow if differing else None}
        ended = await work.swap()
    return {
        "records": ended.records,
        "seconds": round(time.monotonic() - began, 1),
        "retold": ended.changed_carts,
        "left": ended.left,
    }


async def _digests(settings: Settings) -> dict[str, str]:
    from runtime.health import Health
    from sinks.postgres.migrate import check_migrated
    from sinks.postgres.session import Database
    from sinks.rebuild import table_digest

    check_migrated(settings)
    database = Database(
        settings,
        Health(),
        "hookline-digest",
        default_transaction_isolation="repeatable read",
        statement_timeout="0",
    )
    try:
        return await database.run(lambda c: table_digest.digests(c, settings.sql_schema))
    finally:
        await database.close()


def _show_digests(digests: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        output.print_json(digests)
    else:
        output.out.print(output.table(None, ("table", "digest"), list(digests.items())))


def _show_check(result: dict[str, Any]) -> None:
    if not result["differing"]:
        output.print_line("every table equals what the log gives", style="bold green")
        return
    names = ", ".join(result["differing"])
    output.print_line(f"these tables differ from the log: {names}", style="bold red")
    output.out.print(
        f"the rebuilt tables stay in schema {result['schema']} until the next rebuild;"
        f" `hookline rebuild --resume` replaces the live tables by them"
    )


def _show_swap(result: dict[str, Any]) -> None:
    output.print_parts(
        (f"rebuilt from {result['records']:,} records in {result['seconds']} s", "bold green"),
        f"; carts whose state changed: {result['retold']:,}",
    )
    if result["left"]:
        output.print_line(result["left"], style="yellow")
