"""Every query of the analyst's board on real tables, as the role that can only read."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hookline.local.servers.postgres import Postgres
from runtime.settings import Settings
from sinks.postgres.migrate import migrate
from tests.boards import analyst
from tests.boards.board import Panel
from tests.conftest import run_apart
from tests.integration.desk.test_dashboard import CONTACT, events
from tests.sink_events import Tables

pytestmark = pytest.mark.stack

PANELS = [panel for panel in analyst.BOARD.panels if panel.queries]
MAY_BE_EMPTY = {"Discount codes", "Predicted", "Refunds by day"}
"""Of which these shops have nothing."""


@pytest.fixture(scope="module")
def settings(postgres: Postgres) -> Settings:
    fresh = Settings(
        database_url=postgres.url, prefix="boards_", contact_key="the key of the tests"
    )
    migrate(fresh)

    async def filled() -> None:
        async with Tables(fresh) as ready:
            [(now,)] = ready.rows("SELECT (extract(epoch FROM now()) * 1000000)::bigint")
            ready.now = now
            made = list(events(now))
            for kind in ("Customer", "Cart", "Order"):
                await ready.put(each for each in made if type(each).__name__ == kind)
            await ready.passed(now)
            ready.execute(
                "INSERT INTO dead_letter_counts (source, shop, day, kind, reason, letters,"
                " replayed, discarded, first_received_at, last_received_at) VALUES"
                " ('spiffy', 'main', current_date, 'order', 'too-large', 7, 2, 1, now(), now())"
            )

    run_apart(filled())
    return fresh


@pytest.fixture
def reader(settings: Settings, postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres.reader_url) as connection:
        yield connection
    del settings


def run(connection: psycopg.Connection[Any], settings: Settings, query: str) -> Any:
    """The cursor of a query as Grafana would ask it, with its macros and choices filled in."""
    filled = re.sub(
        r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '300 days' AND now()", query
    )
    filled = filled.replace("${shop:sqlstring}", "'spiffy/main','spiffy/other'")
    filled = filled.replace("${currency:sqlstring}", "'USD'")
    assert "$" not in filled
    return connection.execute(filled.replace("hookline.", f"{settings.sql_schema}.").encode())


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_a_query_runs_as_the_reader_and_finds_what_is_there(
    reader: psycopg.Connection[Any], settings: Settings, panel: Panel
) -> None:
    for query in panel.queries:
        cursor = run(reader, settings, query.text)
        names = [column.name for column in cursor.description]
        assert len(names) == len(set(names))
        rows = cursor.fetchall()
        assert rows or panel.title in MAY_BE_EMPTY
        assert not [word for word in CONTACT if word in str(rows)]
        if panel.kind == "stat":
            assert len(rows) == 1
        if panel.kind == "timeseries":
            assert names[0] == "time"
            times = [row[0] for row in rows]
            assert times == sorted(times)


def test_the_choices_offer_what_is_there(
    reader: psycopg.Connection[Any], settings: Settings
) -> None:
    offered = {
        choice.name: [row[0] for row in run(reader, settings, choice.query)]
        for choice in analyst.BOARD.choices
    }
    assert offered == {"currency": ["USD", "EUR"], "shop": ["spiffy/main", "spiffy/other"]}
