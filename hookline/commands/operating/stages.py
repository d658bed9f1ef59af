"""``hookline ingest``, ``process``, ``sink``, ``migrate``: single stages, for containers."""

import asyncio
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hookline.console import output
from hookline.console.errors import CommandError
from runtime.settings import Settings, SettingsError, from_env, misspelt

if TYPE_CHECKING:
    from schemas.shops import Shop

MAX_WORKERS = 64


def _settings(stage: str) -> Settings:
    from runtime import logs
    from runtime.process import own_secrets

    settings = from_env()
    logs.configure(settings, stage)
    for sentence in misspelt():
        logs.get("hookline.settings").warning(sentence)
    if stage in own_secrets.STAGES:
        own_secrets.refuse_foreign(stage)
    return settings


def error_log(stage: str, print_error: Callable[[str], None]) -> Callable[[str], None]:
    """Return what reports the error that ends a stage: as JSON where its logs are JSON.

    Whatever Python itself would print is logged from now on, also before the settings are read.
    """
    from runtime import logs

    given = os.environ.get("HOOKLINE_LOG_FORMAT", "auto")
    log_format = given if given in logs.FORMATS else "auto"
    logs.configure(Settings(log_format=log_format), stage)
    logs.capture_uncaught()
    if logs.is_for_people(log_format, sys.stderr):
        return print_error
    return lambda message: logs.get("hookline").critical(message)


def _read_shops(settings: Settings, *, needs_secrets: bool = True) -> "Collection[Shop]":
    """Read the shops file once, so that a broken one is one line and not a traceback."""
    from schemas.shops import ShopsError, load

    try:
        return load(Path(settings.shops_file), needs_secrets=needs_secrets).values()
    except ShopsError as error:
        raise SettingsError(f"HOOKLINE_SHOPS_FILE: {error}") from error


def ingest(
    workers: int = typer.Option(
        1, "--workers", "-w", min=1, max=MAX_WORKERS,
        help="Processes that share the port; about one a core.",
    ),
) -> None:  # fmt: skip
    """Run the ingress: webhooks in, the raw topic out.

    Answers 200 only after Kafka has acknowledged. Settings come from HOOKLINE_*. Metrics and
    readiness are at HOOKLINE_HEALTH_PORT (a free port unless set, which is logged), with several
    workers those of all; each has pages of its own at the ports after it. Quotas and limits on
    bytes in flight are per worker.

    Examples:
      hookline ingest
      HOOKLINE_PORT=9000 HOOKLINE_BROKERS=kafka:9092 hookline ingest
      HOOKLINE_HEALTH_PORT=9100 hookline ingest --workers 4
    """
    settings = _settings("ingest")
    _read_shops(settings)
    if workers > 1:
        from hookline.local import ingest_workers

        ingest_workers.run(settings, workers)
        return
    from ingest.app import run

    try:
        run(settings)
    except OSError as error:
        raise CommandError(str(error)) from error


def process() -> None:
    """Run one processor: the raw topic in, canonical topics out. Run several to share the work.

    Examples:
      hookline process
      HOOKLINE_HEALTH_PORT=9101 hookline process
    """
    from processors.agent import run
    from runtime.process.own_secrets import refuse_shop_secrets

    settings = _settings("process")
    settings.require_contact_key()
    refuse_shop_secrets(_read_shops(settings, needs_secrets=False))
    run(settings)


def sink() -> None:
    """Run one sink: canonical topics in, tables out. Run several to share the work.

    Its database user needs no more than the role hookline_sink, which `hookline migrate` makes.

    Examples:
      hookline sink
      HOOKLINE_DATABASE_URL=postgresql://hookline_sink@db/hookline hookline sink
    """
    from sinks.agent import run

    run(_settings("sink"))


def migrate() -> None:
    """Upgrade the database's tables to this version. Safe to repeat or to run concurrently.

    Runs as the tables' owner, makes the roles of everybody else and grants them their rights.

    Examples:
      hookline migrate
    """
    from sinks.postgres.migrate import migrate as run_migrations

    applied = run_migrations(_settings("migrate"))
    for name in applied:
        output.out.print(f"applied {name}")
    if not applied:
        output.out.print("the tables already have this version")


def create_topics() -> None:
    """Create the missing topics and register their schemas; change no existing topic.

    Examples:
      hookline topics create
      HOOKLINE_PARTITIONS=24 HOOKLINE_REPLICATION_FACTOR=3 hookline topics create
    """
    from runtime.kafka import topics_admin
    from runtime.registry import schema_ids

    settings = _settings("topics")

    async def both() -> topics_admin.Created:
        result = await topics_admin.create_topics(settings)
        await schema_ids.register(settings)
        return result

    result = asyncio.run(both())
    for name in result.created:
        output.out.print(f"created {name}")
    output.out.print(f"{len(result.unchanged)} topics already exist; schemas are registered")
