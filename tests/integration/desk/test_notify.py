"""`hookline notify` on real tables: what it reports, once, and when it is over."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from hookline.local.servers.postgres import Postgres
from runtime.settings import Settings
from schemas.events import Event
from sinks.postgres.migrate import migrate
from tests.conftest import run_apart
from tests.receivers import Receiver, receiving, taking_mail
from tests.sink_events import HOUR, Tables, order

pytestmark = pytest.mark.stack

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SILENT_FOR = 4
"""Hours since the shop's newest delivery."""


@pytest.fixture(scope="module")
def settings(postgres: Postgres) -> Settings:
    fresh = Settings(
        database_url=postgres.url, prefix="notify_", contact_key="the key of the tests"
    )
    migrate(fresh)
    return fresh


@pytest.fixture
def tables(settings: Settings) -> Iterator[Tables]:
    """A shop that sent an order an hour for five weeks, until some hours ago."""

    async def filled() -> Tables:
        async with Tables(settings) as ready:
            [(now,)] = ready.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
            ready.now = now
            hours = range(SILENT_FOR, 35 * 24)
            await ready.put(delivered(f"o{hour}", now - hour * HOUR) for hour in hours)
            return ready

    ready = run_apart(filled())
    swept(ready)
    yield ready
    ready.execute("TRUNCATE orders, dead_letter_counts, watermark, fences")


def delivered(native: str, at: int) -> Event:
    return order(native, at, amounts={"items_total": "5.00", "total": "5.00"})


async def put(tables: Tables, event: Event) -> None:
    await tables.put([event])
    await tables.database.close()


def swept(tables: Tables, holder: str = "", held_for: str = "0 seconds") -> None:
    """The tables are whole up to now, and ingresses are heard."""
    tables.execute("DELETE FROM watermark")
    later = "now() + interval '1 hour'"  # nothing is late while this test runs
    beat = f"(extract(epoch FROM {later}) * 1000)::bigint"
    tables.execute(
        "INSERT INTO watermark (at, holder, since, updated_at, state)"  # noqa: S608 - our own
        f" VALUES (now() - %s::interval, %s, now() - %s::interval, {later},"
        f" jsonb_build_object('ingresses', jsonb_build_object('newest', {beat})))",
        held_for,
        holder,
        held_for,
    )


def environment(postgres: Postgres, settings: Settings, folder: Path, url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOOKLINE_READER_URL": postgres.reader_url,
        "HOOKLINE_PREFIX": settings.prefix,
        "HOOKLINE_STATE_DIR": str(folder),
        "HOOKLINE_DASHBOARD_URL": "https://desk.example.com",
        "HOOKLINE_NOTIFY_URL": url,
        "HOOKLINE_NOTIFY_SECRET": SECRET,
        "HOOKLINE_NOTIFY_EXPECTED": "2",
        "HOOKLINE_NOTIFY_INTERVAL": "0.2",
        "HOOKLINE_NOTIFY_SHOPS_INTERVAL": "0.2",
        "HOOKLINE_NOTIFY_UNREACHABLE": "0.1",
    }


COMMAND = [sys.executable, "-P", "-m", "hookline", "notify"]


def looked_once(env: dict[str, str], *options: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [*COMMAND, "--once", "--json", *options],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@contextmanager
def watching(env: dict[str, str], log: Path) -> Iterator[None]:
    """Run it until the end of the block; it must end well."""
    with (
        log.open("w") as out,
        subprocess.Popen(COMMAND, env=env, stdout=out, stderr=out) as running,
    ):
        try:
            yield
        finally:
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0, log.read_text()


def message(receiver: Receiver) -> tuple[str, str, str | None]:
    """Type, alert and shop of the next message, its signature verified."""
    headers, body = receiver.next()
    Verifier(SECRET).verify(body, headers)
    document = json.loads(body)
    kind = document["type"].rpartition(".")[2]
    return kind, document["data"]["alert"], document["data"]["shop"]


def test_a_shop_that_goes_silent_is_reported_and_that_it_delivers_again(
    postgres: Postgres, settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    with receiving() as receiver, taking_mail() as mail:
        env = {
            **environment(postgres, settings, tmp_path, receiver.url),
            "HOOKLINE_NOTIFY_SMTP_URL": f"smtp://127.0.0.1:{mail.port}",
            "HOOKLINE_NOTIFY_FROM": "hookline@example.com",
            "HOOKLINE_NOTIFY_TO": "operator@example.com",
        }
        with watching(env, tmp_path / "log"):
            assert message(receiver) == ("raised", "shop-silent", "spiffy/main")
            mailed = mail.next()
            assert "https://desk.example.com/shops/spiffy/main" in mailed.get_content()
            run_apart(put(tables, delivered("again", tables.now)))
            assert message(receiver) == ("resolved", "shop-silent", "spiffy/main")
            assert mail.next()["Subject"].startswith("[hookline] resolved: shop-silent spiffy/main")
        assert receiver.requests.empty()
        assert mail.mails.empty()


def test_what_was_not_taken_is_sent_by_the_next_process_with_its_id_and_no_second_time(
    postgres: Postgres, settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    del tables
    with receiving() as receiver:
        env = environment(postgres, settings, tmp_path, receiver.url)
        receiver.answers = [500]
        status, found, error = looked_once(env)
        assert (status, "could not be delivered: 1 for webhook" in error) == (1, True)
        assert [each["alert"] for each in found["open"]] == ["shop-silent"]
        assert found["waiting"] == {"webhook": 1}
        (refused, _), (status, found, _) = receiver.next(), looked_once(env)
        (taken, _) = receiver.next()
        assert (status, found["waiting"]) == (0, {})
        assert refused["webhook-id"] == taken["webhook-id"]
        assert looked_once(env)[0] == 0
        assert receiver.requests.empty()


def test_tables_that_are_held_and_dead_letters_are_reported_and_no_silence_meanwhile(
    postgres: Postgres, settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    swept(tables, "sinks: hookline.orders-3", "10 minutes")
    tables.execute(
        "INSERT INTO dead_letter_counts (source, shop, day, kind, reason, letters, replayed,"
        " discarded, first_received_at, last_received_at) VALUES ('gooten', 'main', (now() AT TIME"
        " ZONE 'UTC')::date, 'order', 'invalid-payload', 7, 0, 0, now(), now())"
    )
    with receiving() as receiver:
        env = environment(postgres, settings, tmp_path, receiver.url)
        _, found, _ = looked_once(env)
        assert {each["alert"] for each in found["open"]} == {
            "tables-behind", "tables-held", "dead-letters", "shop-failures",
        }  # fmt: skip
        swept(tables)
        tables.execute("UPDATE dead_letter_counts SET discarded = 7")
        _, found, _ = looked_once(env)
        assert [each["alert"] for each in found["open"]] == ["shop-silent"]
        kinds = [message(receiver)[:2] for _ in range(receiver.requests.qsize())]
        assert sorted(kinds) == [
            *(("raised", alert) for alert in ("dead-letters", "shop-failures", "shop-silent",
                                              "tables-behind", "tables-held")),
            *(("resolved", alert) for alert in ("dead-letters", "shop-failures", "tables-behind",
                                                "tables-held")),
        ]  # fmt: skip


def test_a_database_that_is_away_is_reported_and_nothing_else_ends_meanwhile(
    postgres: Postgres, settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    del tables
    with receiving() as receiver:
        env = environment(postgres, settings, tmp_path, receiver.url)
        with watching(env, tmp_path / "log"):
            assert message(receiver)[:2] == ("raised", "shop-silent")
            postgres.stop()
            assert message(receiver)[:2] == ("raised", "tables-unreachable")
            postgres.start()
            assert message(receiver)[:2] == ("resolved", "tables-unreachable")
        assert receiver.requests.empty()
        assert "hookline_reader:" not in (tmp_path / "log").read_text()


def test_two_processes_do_not_share_a_folder_and_a_test_message_needs_none(
    postgres: Postgres, settings: Settings, tables: Tables, tmp_path: Path
) -> None:
    del tables
    with receiving() as receiver:
        env = environment(postgres, settings, tmp_path, receiver.url)
        with watching(env, tmp_path / "log"):
            message(receiver)
            status, _, error = looked_once(env)
            assert (status, "another `hookline notify` has" in error) == (1, True)
            tried = subprocess.run([*COMMAND, "--test", "--json"], env=env, capture_output=True,
                                   text=True, check=True)  # fmt: skip
            assert message(receiver)[:2] == ("test", "test")
        [result] = json.loads(tried.stdout)
        assert (result["channel"], result["problem"]) == ("webhook", None)


def test_a_user_who_may_write_is_not_read_with(
    postgres: Postgres, settings: Settings, tmp_path: Path
) -> None:
    with receiving() as receiver:
        env = environment(postgres, settings, tmp_path, receiver.url)
        env["HOOKLINE_READER_URL"] = postgres.url
        env["HOOKLINE_NOTIFY_UNREACHABLE"] = "0.000001"
        looked_once(env)
        _, found, _ = looked_once(env)
        [away] = found["open"]
        assert away["alert"] == "tables-unreachable"
        assert "refused to read as" in away["what"]


def test_no_message_holds_a_column_of_persons(settings: Settings) -> None:
    """The queries name no table but those of shops, counts and times."""
    from hookline.notify.conditions import pipeline, shops  # noqa: PLC0415

    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f"SET search_path TO {settings.sql_schema}")
        for query in (pipeline.FRESHNESS, pipeline.LETTERS, shops.ARRIVED, shops.FAILED):
            columns = {each.name for each in connection.execute(query.encode()).description or ()}
            assert columns <= {
                "at", "whole_until", "behind", "held_by", "topic", "partition", "held_since",
                "reason", "swept_at", "open", "first_at", "shops", "source", "shop", "hour",
                "deliveries", "newest",
            }  # fmt: skip
