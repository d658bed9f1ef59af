"""Apicurio Registry with its data in a file database."""

import httpx

from hookline.local.process import Child
from hookline.local.servers import fetch, java
from hookline.local.servers.server import Server

HEAP = "256m"


class Registry(Server):
    """A schema registry on ``port`` with the Confluent API under ``url``."""

    name = "registry"

    @property
    def url(self) -> str:
        """The base URL of the Confluent-compatible API."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def options(self) -> list[str]:
        """Return the options that say how it listens."""
        return [f"-Dquarkus.http.port={self.port}"]

    def prepare(self) -> Child:
        """Describe the process; it creates its database file."""
        home = fetch.ensure(fetch.REGISTRY)
        # WRITE_DELAY=0: a schema id once returned survives kill -9.
        database = f"jdbc:h2:file:{self.directory}/registry;WRITE_DELAY=0"
        command = java.command(
            HEAP,
            self.directory / "tmp",
            [
                "-Dquarkus.http.host=127.0.0.1",
                # Any port for its management pages, which are not used.
                "-Dquarkus.management.host=127.0.0.1",
                "-Dquarkus.management.port=0",
                "-Dquarkus.log.level=WARN",
                '-Dquarkus.log.category."io.apicurio".level=WARN',
                "-Dquarkus.http.access-log.enabled=false",
                "-Dquarkus.log.console.color=false",
                "-Dapicurio.storage.sql.kind=h2",
                f"-Dapicurio.datasource.url={database}",
                *self.options(),
                "-jar",
                str(home / "quarkus-run.jar"),
            ],
        )
        environment = java.environment()
        return Child(
            self.name, command, self.log, environment=environment, directory=self.directory
        )

    def is_ready(self) -> bool:
        """Whether the API lists its subjects."""
        try:
            with httpx.Client(trust_env=False, timeout=2) as client:
                return client.get(f"{self.url}/subjects").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
