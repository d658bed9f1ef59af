"""Every connection to PostgreSQL over TLS, with the certificate and the name verified.

Settings: `sslmode=verify-full` and `sslrootcert` in the URL, wherever there is one.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import conninfo
from typer.testing import CliRunner

from hookline.cli import app
from hookline.commands.data.rebuild import _digests
from hookline.local.doctor import services
from hookline.local.process import free_port
from hookline.tables import reading
from hookline.tables.export import CSV, export
from hookline.tables.queries import connected
from runtime.health import Health
from runtime.settings import Settings
from sinks.postgres import rights
from sinks.postgres.migrate import check_migrated, migrate
from sinks.postgres.session import Database, NoLongerWantedError
from tests import ROOT
from tests.postgres_tls import TlsPostgres, binaries

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    binaries()
    folder = tmp_path_factory.mktemp("tls")
    made = TlsPostgres(folder / "postgres", free_port(), folder / "logs")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def owner(server: TlsPostgres) -> Settings:
    settings = Settings(database_url=server.over_tls(server.url))
    migrate(settings)
    return settings


def sink_session(settings: Settings) -> str:
    async def work() -> str:
        database = Database(settings, Health(), "hookline-tls")

        async def look(connection: Any) -> str:
            await rights.check(connection, settings.sql_schema)
            row = await (await connection.execute(SEEN)).fetchone()
            return str(row[0])

        try:
            return await database.run(look)
        finally:
            await database.close()

    return asyncio.run(work())


def operators_session(settings: Settings) -> str:
    async def work() -> str:
        async with connected(settings, "tls") as connection:
            row = await (await connection.execute(SEEN)).fetchone()
            return str(row and row[0])

    return asyncio.run(work())


SEEN = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"


def test_each_way_to_connect_runs_over_tls(server: TlsPostgres, owner: Settings) -> None:
    sink = replace(owner, database_url=server.over_tls(server.sink_url))
    operator = replace(owner, database_url=server.over_tls(server.operator_url))
    reader = server.over_tls(server.reader_url)

    assert sink_session(sink).startswith("TLSv1.")
    assert operators_session(operator).startswith("TLSv1.")
    check_migrated(operator)
    assert "orders" in asyncio.run(_digests(owner))
    (found,) = services._database(operator)
    assert found.level == "ok"
    with reading.connect(reader, owner.sql_schema) as connection:
        assert connection.execute(SEEN).fetchone() is not None
    contacts = server.over_tls(server.contacts_reader_url)
    with reading.connect(contacts, owner.sql_schema, contacts=True) as connection:
        assert connection.execute(SEEN).fetchone() is not None


def test_files_and_tables_are_read_over_tls(
    server: TlsPostgres, owner: Settings, tmp_path: Path
) -> None:
    reader = server.over_tls(server.reader_url)
    assert export(reader, owner.sql_schema, CSV, tmp_path, ["orders"])
    shown = CliRunner(env={"HOOKLINE_READER_URL": reader}).invoke(app, ["tables", "--sql", SEEN])
    assert "TLSv1." in shown.output


def profile() -> dict[str, Any]:
    """The example profile of dbt, with what its variables give."""
    text = (ROOT / "docs" / "dbt" / "profiles.example.yml").read_text()
    output: dict[str, Any] = yaml.safe_load(text)["hookline"]["outputs"]["analytics"]
    return output


def test_the_profile_of_dbt_takes_the_same_settings(server: TlsPostgres) -> None:
    keys = {name for name in profile() if name.startswith("ssl")}
    assert keys == {"sslmode", "sslrootcert"}
    assert "PGSSLMODE" in profile()["sslmode"]
    assert "PGSSLROOTCERT" in profile()["sslrootcert"]
    given = conninfo.conninfo_to_dict(server.over_tls(server.reader_url))
    assert keys < given.keys()


Connect = Callable[[Settings, str], Any]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"host": "127.0.0.1"}, "does not match host name"),
        ({"ca": "other_ca"}, "certificate verify failed"),
    ],
    ids=["name", "authority"],
)
def test_another_name_and_another_authority_are_refused(
    server: TlsPostgres, owner: Settings, wrong: dict[str, str], what: str
) -> None:
    options: dict[str, Any] = {
        name: server.other_ca if value == "other_ca" else value for name, value in wrong.items()
    }
    settings = replace(owner, database_url=server.over_tls(server.operator_url, **options))
    for connect in (migrate, check_migrated, operators_session):
        with pytest.raises(psycopg.OperationalError, match=what):
            connect(settings)
    (found,) = services._database(settings)
    assert (found.level, what in found.message) == ("wrong", True), found.message
    reader = server.over_tls(server.reader_url, **options)
    shown = CliRunner(env={"HOOKLINE_READER_URL": reader}).invoke(app, ["tables", "list"])
    assert what in str(shown.exception)
    assert "is HOOKLINE_READER_URL right?" in str(shown.exception)


def test_a_sink_waits_and_shows_why_a_certificate_is_refused(
    server: TlsPostgres, owner: Settings
) -> None:
    url = server.over_tls(server.sink_url, ca=server.other_ca)
    health = Health()

    async def wait() -> None:
        database = Database(replace(owner, database_url=url), health, "hookline-tls")

        async def never(_: Any) -> None:
            raise AssertionError

        await database.run(never, lambda: not health.unmet)

    with pytest.raises(NoLongerWantedError):
        asyncio.run(wait())
    assert "certificate verify failed" in health.unmet["database"]


def test_a_connection_without_tls_is_refused(server: TlsPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no encryption|rejects"):
        psycopg.connect(f"{server.reader_url}?sslmode=disable")
