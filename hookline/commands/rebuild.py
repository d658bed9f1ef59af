"""``hookline rebuild``: the tables made anew from the log, while the live ones are in use."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hookline.console import output
from hookline.stack_address import DataOption, find
from runtime.settings import Settings

if TYPE_CHECKING:
    from sinks.rebuild.shadow_tables import Progress as Stored

_RATE_OVER = 5.0
"""Seconds that the rate shown looks back, at least."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def rebuild(
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on with a rebuild that was ended.")
        ] = False,
        check: Annotated[
            bool, typer.Option("--check", help="Compare with the live tables, replace nothing.")
        ] = False,
        digest_only: Annotated[
            bool, typer.Option("--digest-only", help="A digest of each table as it stands.")
        ] = False,
        accept_log: Annotated[
            bool,
            typer.Option(
                "--accept-log",
                help="Also from a log that is not the one the tables were made of: what only"
                " the tables know is given up.",
            ),
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
        data: DataOption = None,
    ) -> None:
        """Make all tables anew from the canonical topics, then swap them in one transaction.

        The sinks go on writing, and readers reading; signals already sent are not sent again.
        With --check the status is 1 where a table differs from what the log gives.

        Examples:
          hookline rebuild
          hookline rebuild --resume
          hookline rebuild --check --json | jq .differing
          hookline rebuild --digest-only
        """
        from runtime import logs

        settings = find(data).settings
        # The bar shows what goes well, and what is waited for.
        logs.configure(replace(settings, log_level="warning"), "rebuild")
        if digest_only:
            _show_digests(asyncio.run(_digests(settings)), as_json=as_json)
            return
        with _bar(shown=not as_json and output.err.is_terminal) as progress:
            said = asyncio.run(_rebuild(settings, progress, resume, check, accept_log))
        if as_json:
            output.print_json(said)
        elif check:
            _show_check(said)
        else:
            _show_swap(said)
        if said.get("differing"):
            raise typer.Exit(1)


async def _rebuild(
    settings: Settings,
    progress: "Callable[[Stored], None]",
    resume: bool,
    check: bool,
    accept_log: bool,
) -> dict[str, Any]:
    from sinks.agent import now
    from sinks.rebuild.rebuild import Rebuild

    began = time.monotonic()
    async with Rebuild(settings, now, progress) as work:
        await work.fold(resume=resume, accept_log=accept_log)
        if check:
            differing = await work.differing()
            if not differing:
                await work.forget()
            return {"differing": differing, "schema": work.names.shadow if differing else None}
        ended = await work.swap()
    return {
        "records": ended.records,
        "seconds": round(time.monotonic() - began, 1),
        "retold": ended.retold,
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
        return await database.run(lambda c: table_digest.tables(c, settings.sql_schema))
    finally:
        await database.close()


@contextmanager
def _bar(*, shown: bool) -> "Iterator[Callable[[Stored], None]]":
    with Progress(
        TextColumn("rebuilding"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[yellow]{task.fields[waiting]}[/]"),
        console=output.err,
        transient=True,
        disable=not shown,
    ) as bar:
        task = bar.add_task("rebuild", total=None, rate="", waiting="")
        since, count, rate = time.monotonic(), 0, ""

        def progress(said: "Stored") -> None:
            nonlocal since, count, rate
            moment = time.monotonic()
            if moment - since >= _RATE_OVER:
                rate = f"{(said.stored - count) / (moment - since):,.0f}/s"
                since, count = moment, said.stored
            bar.update(
                task, completed=said.stored, total=said.total, rate=rate, waiting=said.waiting
            )

        yield progress


def _show_digests(found: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        output.print_json(found)
    else:
        output.out.print(output.table(None, ("table", "digest"), list(found.items())))


def _show_check(said: dict[str, Any]) -> None:
    if not said["differing"]:
        output.out.print("[bold green]every table is what the log gives[/]")
        return
    names = ", ".join(said["differing"])
    output.out.print(f"[bold red]differ from what the log gives: {names}[/]")
    output.out.print(
        f"what the log gives stands in schema {said['schema']} until the next rebuild;"
        f" `hookline rebuild --resume` puts it in the place of the live tables"
    )


def _show_swap(said: dict[str, Any]) -> None:
    output.out.print(
        f"[bold green]rebuilt from {said['records']:,} records in {said['seconds']} s[/];"
        f" carts shown otherwise than before: {said['retold']:,}"
    )
    if said["left"]:
        output.out.print(f"[yellow]{said['left']}[/]")
