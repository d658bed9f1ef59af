"""The stages alone, as a container or a service manager runs them."""

import asyncio

import typer

from hookline.console import output
from runtime.settings import Settings, from_env

_PANEL = "Stages alone"
MOST_WORKERS = 64


def _settings(stage: str) -> Settings:
    from runtime import logs

    settings = from_env()
    logs.configure(settings, stage)
    return settings


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command(rich_help_panel=_PANEL)
    def ingest(
        workers: int = typer.Option(
            1, "--workers", "-w", min=1, max=MOST_WORKERS,
            help="Processes that share the port; about one for each core.",
        ),
    ) -> None:  # fmt: skip
        """Run the ingress: webhooks in, the raw topic out.

        Answers 200 only after Kafka has acknowledged. Settings come from HOOKLINE_*. Each of
        several workers has pages of its own: at HOOKLINE_HEALTH_PORT and the ports behind it,
        or at free ports that the log tells. Quotas and bytes in flight are each worker's own.

        Examples:
          hookline ingest
          HOOKLINE_PORT=9000 HOOKLINE_BROKERS=kafka:9092 hookline ingest
          HOOKLINE_HEALTH_PORT=9100 hookline ingest --workers 4
        """
        if workers > 1:
            from hookline.local import ingest_workers

            ingest_workers.run(_settings("ingest"), workers)
            return
        from ingest.app import run

        run(_settings("ingest"))

    @app.command(rich_help_panel=_PANEL)
    def process() -> None:
        """Run one processor: the raw topic in, canonical topics out. Start more to share the work.

        Examples:
          hookline process
          HOOKLINE_HEALTH_PORT=9101 hookline process
        """
        from processors.agent import run

        run(_settings("process"))

    @app.command(rich_help_panel=_PANEL)
    def sink() -> None:
        """Run one sink: canonical topics in, tables out. Start more to share the work.

        Examples:
          hookline sink
          HOOKLINE_DATABASE_URL=postgresql://db/hookline hookline sink
        """
        from sinks.agent import run

        run(_settings("sink"))

    @app.command(rich_help_panel=_PANEL)
    def migrate() -> None:
        """Bring the database's tables up to this version. Safe to run twice, or at once.

        Examples:
          hookline migrate
        """
        from sinks.postgres.migrate import migrate as apply

        applied = apply(_settings("migrate"))
        for name in applied:
            output.out.print(f"applied {name}")
        if not applied:
            output.out.print("the tables are those of this version already")


def create_topics() -> None:
    """Create the topics and register their schemas; change nothing that stands.

    Examples:
      hookline topics create
      HOOKLINE_PARTITIONS=24 HOOKLINE_REPLICATION_FACTOR=3 hookline topics create
    """
    from runtime import registry
    from runtime.kafka import topics_admin

    settings = _settings("topics")

    async def both() -> topics_admin.Created:
        made = await topics_admin.create_topics(settings)
        await registry.register(settings)
        return made

    made = asyncio.run(both())
    for name in made.created:
        output.out.print(f"created {name}")
    output.out.print(f"{len(made.unchanged)} topics stood already; schemas are registered")
