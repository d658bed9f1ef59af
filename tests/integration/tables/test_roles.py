"""What each role may do in PostgreSQL, one attempt and one missing right at a time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql
from typer.testing import CliRunner

from hookline.analysis.forecast_store import predict
from hookline.audit import ledger
from hookline.cli import app
from hookline.console.errors import error_message
from hookline.local.process import free_port
from hookline.local.servers.postgres import Postgres, binaries
from hookline.tables.queries import connected
from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Partition
from schemas.events import CustomerRef
from sinks.agent import Sinks
from sinks.dead_letters import count_store, letters
from sinks.postgres import rights, roles
from sinks.postgres.migrate import migrate
from sinks.postgres.rights import MissingRightError
from sinks.postgres.session import Database
from sinks.store import entity_locks, stored_offsets
from tests import ROOT
from tests.conftest import run_apart
from tests.sink_events import CODEC, HOUR, NOON, Tables, cart, line, order

pytestmark = pytest.mark.stack

PREFIX = "roles_"

ANNA = CustomerRef(customer_id="1")

FORBIDDEN = (
    "CREATE TABLE mine (n int)", "CREATE TEMP TABLE mine (n int)", "CREATE SCHEMA mine",
    "DROP TABLE outbox", "ALTER TABLE orders ADD COLUMN mine int", "TRUNCATE orders",
    "ALTER SCHEMA {schema} RENAME TO gone", "DROP SCHEMA {schema} CASCADE",
    "CREATE INDEX ON orders (net)", "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON orders EXECUTE FUNCTION tsvector_update_trigger()",
    "ALTER TABLE orders OWNER TO CURRENT_USER", "COMMENT ON TABLE orders IS 'mine'",
    "INSERT INTO schema_migrations (name, digest) VALUES ('9999_mine', 'x')",
    "DELETE FROM schema_migrations", "CREATE ROLE mine", "CREATE DATABASE mine",
    "ALTER ROLE hookline PASSWORD 'mine'", "SET ROLE hookline",
    "SET SESSION AUTHORIZATION hookline",
    "COPY orders TO PROGRAM 'id'", "COPY orders FROM PROGRAM 'id'", "COPY orders TO '/tmp/mine'",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT lo_create(0)",
    "SELECT lo_import('/etc/passwd')", "SELECT lo_export(1, '/tmp/mine')",
    "CREATE EXTENSION dblink", "SELECT passwd FROM pg_shadow", "SELECT pg_reload_conf()",
    "ALTER SYSTEM SET work_mem = '1GB'", "SELECT pg_notify('a', 'b')", "CHECKPOINT",
)  # fmt: skip
"""What no role but the owner may do."""
NO_WRITES = (
    "INSERT INTO fences (topic, partition) VALUES ('t', 0)", "UPDATE orders SET net = 1",
    "DELETE FROM orders", "DELETE FROM outbox", "DELETE FROM carts",
    "UPDATE customer_lifetime_value SET net = 1",
)  # fmt: skip
"""What besides them neither readers nor operators may do."""


@pytest.fixture(scope="module")
def settings(postgres: Postgres) -> Settings:
    fresh = Settings(database_url=postgres.url, prefix=PREFIX)
    migrate(fresh)
    return fresh


def url(postgres: Postgres, role: str) -> str:
    urls: dict[str, str] = {
        roles.SINK: postgres.sink_url,
        roles.OPERATOR: postgres.operator_url,
        roles.READER: postgres.reader_url,
        roles.CONTACTS_READER: postgres.contacts_reader_url,
    }
    return urls[role]


def session(settings: Settings, where: str = "") -> psycopg.Connection[Any]:
    """A session in the schema of the settings, writing where its role may."""
    connection = psycopg.connect(where or settings.database_url, autocommit=True)
    connection.execute("SET default_transaction_read_only = off")
    name = sql.Identifier(settings.sql_schema)
    connection.execute(sql.SQL("SET search_path TO {}").format(name))
    return connection


@pytest.mark.parametrize("role", roles.ALL)
def test_no_role_may_do_what_only_the_owner_may(
    settings: Settings, postgres: Postgres, role: str
) -> None:
    reading = role in (roles.READER, roles.CONTACTS_READER)
    attempts = [*FORBIDDEN, *(NO_WRITES if role != roles.SINK else ())]
    if reading:
        attempts += ["SELECT pg_advisory_lock(1)", "SELECT pg_terminate_backend(1)"]
    if role != roles.CONTACTS_READER:
        attempts += ["SELECT * FROM customer_contacts"] if role != roles.SINK else []
    passed = []
    with session(settings, url(postgres, role)) as connection:
        for attempt in attempts:
            text = sql.SQL(attempt).format(schema=sql.Identifier(settings.sql_schema))
            try:
                connection.execute(text)
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
                continue
            passed.append(attempt)
    assert passed == []


def test_what_migrate_grants_is_the_same_after_it_ran_again(settings: Settings) -> None:
    def granted() -> list[tuple[Any, ...]]:
        with session(settings) as connection:
            return connection.execute(
                "SELECT relname, relacl::text FROM pg_class"
                " WHERE relnamespace = to_regnamespace(%s) ORDER BY 1",
                [settings.sql_schema],
            ).fetchall()

    before = granted()
    assert migrate(settings) == []
    assert granted() == before


@pytest.fixture
def sink_settings(settings: Settings, postgres: Postgres) -> Settings:
    return replace(settings, database_url=postgres.sink_url)


def test_the_sinks_role_is_enough_for_a_sinks_work(sink_settings: Settings) -> None:
    async def work() -> list[tuple[Any, ...]]:
        async with Tables(sink_settings) as tables:
            bought = [line("a")]
            await tables.put([cart("c", NOON, bought, customer=ANNA)])
            assert await tables.passed(NOON + 2 * HOUR) == 1
            await tables.put([order("9", NOON + 3 * HOUR, customer=ANNA, items=bought)])
            return tables.rows("SELECT status, (SELECT count(*) FROM orders) FROM abandoned_carts")

    assert run_apart(work()) == [("ABANDONED", 1)]


def test_a_sink_may_end_the_session_of_one_that_was_stopped(sink_settings: Settings) -> None:
    fence = Partition("stopped", 0)

    async def work() -> None:
        stopped, successor = (
            Database(sink_settings, Health(), f"hookline-sinks-{name}") for name in ("old", "new")
        )
        held = asyncio.Event()

        async def hold(connection: psycopg.AsyncConnection[Any]) -> None:
            await stored_offsets.move(connection, [stored_offsets.Move(fence, 0, 1)], None)
            held.set()
            await asyncio.sleep(60)

        await stopped.run(lambda c: stored_offsets.take_over(c, [fence], stopped.name))
        holding = asyncio.ensure_future(stopped.run(hold))
        await held.wait()
        taken = await successor.run(lambda c: stored_offsets.take_over(c, [fence], successor.name))
        assert taken == {fence: stored_offsets.StoredOffset(0)}
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await stopped.close()
        await successor.close()

    run_apart(work())


@contextmanager
def revoked(settings: Settings, what: str) -> Iterator[None]:
    """Take one right from the sinks."""
    right = what.format(schema=settings.sql_schema)
    with session(settings) as connection:
        connection.execute(f"REVOKE {right} FROM {roles.SINK}".encode())
        try:
            yield
        finally:
            connection.execute(f"GRANT {right} TO {roles.SINK}".encode())


async def start(settings: Settings) -> None:
    sinks = Sinks(CODEC, in_background=False)
    try:
        await sinks.start(settings, Health())
    finally:
        await sinks.stop()


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("USAGE ON SCHEMA {schema}", "USAGE on the schema {schema}"),
        *(
            (f"{right} ON {{schema}}.orders", f"{right} on the table {{schema}}.orders")
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
        ),
        ("SELECT ON {schema}.schema_migrations", "SELECT on the table {schema}.schema_migrations"),
        ("INSERT ON {schema}.outbox", "INSERT on the table {schema}.outbox"),
        (
            "EXECUTE ON FUNCTION pg_try_advisory_lock(bigint)",
            "EXECUTE on the function pg_try_advisory_lock(bigint)",
        ),
    ],
)
def test_a_sink_names_the_right_that_it_lacks(
    sink_settings: Settings, settings: Settings, what: str, named: str
) -> None:
    name = named.format(schema=settings.sql_schema)
    with revoked(settings, what), pytest.raises(MissingRightError) as refused:
        run_apart(start(sink_settings))
    sentence = str(refused.value)
    assert f"it lacks the right {name}; grant it with `GRANT " in sentence
    assert sentence.startswith("PostgreSQL refuses hookline_sink:")
    assert len(sentence.splitlines()) == 1

    grant = sentence.partition("`")[2].partition("`")[0]
    with session(settings) as connection:
        connection.execute(grant.encode())  # the remedy is a statement that the owner can run
    run_apart(start(sink_settings))


def test_a_right_that_is_taken_from_a_running_sink_is_named(
    sink_settings: Settings, settings: Settings
) -> None:
    async def work() -> None:
        async with Tables(sink_settings) as tables:
            await tables.put([order("1", NOON)])
            with revoked(settings, "UPDATE ON {schema}.fences"):
                await tables.put([order("2", NOON)])

    with pytest.raises(MissingRightError, match=r"the right UPDATE on the table \S+\.fences"):
        run_apart(work())


def test_a_function_that_is_missing_before_the_session_is_open_is_named(
    sink_settings: Settings, settings: Settings
) -> None:
    what = "EXECUTE ON FUNCTION set_config(text, text, boolean)"
    with revoked(settings, what), pytest.raises(MissingRightError, match="function set_config"):
        run_apart(start(sink_settings))


def test_a_sink_that_owns_the_tables_is_known_as_such(
    settings: Settings, sink_settings: Settings
) -> None:
    async def owner(of: Settings) -> str | None:
        database = Database(of, Health(), "hookline-test")
        try:
            return await database.run(lambda c: rights.owned_by(c, of.sql_schema))
        finally:
            await database.close()

    assert run_apart(owner(settings)) == "hookline"
    assert run_apart(owner(sink_settings)) is None


def test_the_operators_role_is_enough_for_what_its_commands_write(
    settings: Settings, postgres: Postgres
) -> None:
    operator = replace(settings, database_url=postgres.operator_url)
    topic = f"{settings.prefix}letters"

    async def work() -> list[Any]:
        async with connected(operator, "test") as connection:
            group = letters.group_of("spiffy", "main", "order:1", "invalid-payload", NOON)
            letter = letters.Letter(1, "id", group, NOON)
            await count_store.mark(connection, Partition(topic, 0), [letter], "discarded", "why")
            entry = ledger.Entry(0, 5, {})
            await ledger.write(connection, operator.sql_schema, topic, 0, [entry])
            assert await ledger.read(connection, topic, 0) == [entry]
            async with connection.transaction():  # as predict does where a model fits
                await entity_locks.share_shops(connection, [("spiffy", "main")])
                await entity_locks.take(connection, {"spiffy/main/customer:1": False})
        return list(await predict(operator, 0.1))

    run_apart(work())


def test_what_makes_tables_is_for_the_owner_and_says_so(
    settings: Settings, postgres: Postgres
) -> None:
    environment = {
        "HOOKLINE_BROKERS": "127.0.0.1:9",
        "HOOKLINE_PREFIX": settings.prefix,
    }
    for role in (roles.SINK, roles.OPERATOR, roles.READER):
        own = {**environment, "HOOKLINE_DATABASE_URL": url(postgres, role)}
        for command in (["rebuild"], ["rebuild", "--check"], ["migrate"]):
            ended = CliRunner(env=own).invoke(app, command)
            assert ended.exception is not None
            sentence = error_message(ended.exception) or ""
            assert len(sentence.splitlines()) == 1, ended.exception
            assert "may not" in sentence or "permission denied" in sentence, sentence


class Bare(Postgres):
    """A server with the database alone, as the image of PostgreSQL makes it."""

    def is_ready(self) -> bool:
        try:
            with psycopg.connect(self.url.rpartition("/")[0] + "/postgres") as connection:
                connection.autocommit = True
                connection.execute("CREATE DATABASE hookline")
        except psycopg.errors.DuplicateDatabase:
            return True
        except psycopg.OperationalError:
            return False
        return True


def test_what_compose_runs_on_a_new_volume_makes_the_roles(tmp_path: Path) -> None:
    import subprocess  # noqa: PLC0415 - only here

    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    script = tmp_path / "roles.sql"
    script.write_text(compose["configs"]["roles"]["content"])
    names = {
        name
        for name in compose["services"]["postgres"]["environment"]
        if name.endswith("_PASSWORD") and name != "POSTGRES_PASSWORD"
    }
    server = Bare(tmp_path / "postgres", free_port(), tmp_path / "logs")
    server.start()
    try:
        psql = [str(binaries() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script)]
        done = subprocess.run(
            [*psql, server.url], capture_output=True, text=True, check=False, timeout=60,
            env={name: name.lower() for name in names},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        settings = Settings(database_url=server.url)
        migrate(settings)
        for role in roles.ALL:
            own = role.removeprefix("hookline_") + "_password"
            where = f"postgresql://{role}:{own}@127.0.0.1:{server.port}/hookline"
            with psycopg.connect(where) as connection:
                connection.execute("SELECT count(*) FROM hookline.orders")
            if role == roles.SINK:
                run_apart(start(replace(settings, database_url=where)))
            for other in ("registry", "postgres"):
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(f"{where.rpartition('/')[0]}/{other}")
        registry = f"postgresql://registry:registry_password@127.0.0.1:{server.port}"
        with psycopg.connect(f"{registry}/registry") as connection:
            connection.execute("CREATE TABLE mine (n int)")
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            psycopg.connect(f"{registry}/hookline")
    finally:
        server.stop()
