"""The dbt project of ``docs/dbt``: built on real tables, as an analyst's role does it.

dbt lives in an environment of its own, which `make test` and `make dbt` create.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo
from psycopg.sql import SQL, Composed, Identifier, Literal

from runtime.settings import Settings
from schemas.events import Change, Customer, CustomerRef, Event, PaymentStatus, Refund
from sinks.postgres.migrate import migrate
from sinks.rebuild import swap
from tests import ROOT, dbt_sources
from tests.conftest import run_apart
from tests.histories.everything import everything
from tests.histories.history import histories
from tests.histories.running import by_topic
from tests.histories.stored import database
from tests.sink_events import DAY, HOUR, NOON, Tables, cart, line, meta, order

DBT = ROOT / ".venv-dbt" / "bin" / "dbt"
SINGULAR = {path.stem for path in (dbt_sources.PROJECT / "tests").glob("*.sql")}
ROLE = """
    CREATE ROLE analyst LOGIN PASSWORD {} IN ROLE hookline_reader;
    CREATE SCHEMA analytics AUTHORIZATION analyst;
"""

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not DBT.exists(), reason="dbt is not installed: `make dbt` installs it and runs these tests"
    ),
]

ANNAS: dict[str, list[tuple[Any, ...]]] = {
    "SELECT orders_count, gross, discounts, refunded, net FROM analytics.customer_value"
    " WHERE shop = 'dbt'": [(2, 130, 10, 25, 95)],
    "SELECT customers, net FROM analytics.people WHERE person_key ~ '/dbt/'": [(1, 95)],
    "SELECT number, is_first, days_since_previous, net FROM analytics.numbered_orders"
    " WHERE shop = 'dbt' ORDER BY number": [
        (1, True, None, 65),
        (2, False, 3, 30),
        (None, None, None, 7),
    ],
    "SELECT orders, gross, net_before_refunds, refunded, net FROM analytics.shop_days"
    " WHERE shop = 'dbt' ORDER BY day": [(1, 7, 7, 0, 7), (1, 100, 90, 0, 90), (1, 30, 30, 25, 5)],
    "SELECT refunds, goods, net_effect FROM analytics.refunds_by_day WHERE shop = 'dbt'": [
        (1, 25, 25)
    ],
    "SELECT product_id, units, net_before_refunds FROM analytics.products"
    " WHERE shop = 'dbt' ORDER BY product_id": [("pmug", 3, 30), ("ptee", 4, 90)],
    "SELECT code, orders, discounts, new_customers FROM analytics.discount_codes"
    " WHERE shop = 'dbt' ORDER BY code": [("SPRING", 2, 10, 1), ("VIP", 1, 10, 1)],
    "SELECT months_since, customers, cumulative_net FROM analytics.cohort_value"
    " WHERE shop = 'dbt' ORDER BY months_since": [(0, 1, 95), (1, 1, 95), (2, 1, 95)],
    "SELECT carts, abandoned, recovered, recovery_rate FROM analytics.cart_recovery"
    " WHERE shop = 'dbt'": [(1, 1, 1, 1)],
}
"""Query -> what it gives of the events of ``_annas``."""
OFF_BY_ONE = {
    "cohort_value": "cumulative_net",
    "daily_cart_rates": "recovered",
    "discount_codes": "orders",
    "order_sequence": "number",
    "people": "net",
    "product_sales": "units",
    "refunds_by_day": "net_effect",
    "shop_days": "net",
}
"""View -> a column that is wrong by one, in every row."""
WRONG_VIEW = """
    ALTER VIEW hookline.{view} RENAME TO {renamed};
    CREATE VIEW hookline.{view} AS
        SELECT (jsonb_populate_record(v, jsonb_build_object({name}, v.{column} + 1))).*
        FROM hookline.{renamed} v;
    GRANT SELECT ON hookline.{view} TO hookline_reader;
"""
PLANTED = """
    UPDATE hookline.customer_lifetime_value SET net = net + 1
        WHERE customer_key = 'spiffy/dbt/customer:anna';
    UPDATE hookline.orders SET refunded = refunded - 1
        WHERE order_key = 'spiffy/dbt/order:o1';
    DELETE FROM hookline.orders WHERE order_key = 'spiffy/dbt/order:o2';
    UPDATE hookline.cart_generations SET status = 'FORGOTTEN' WHERE shop = 'dbt';
    INSERT INTO analytics.numbered_orders
        SELECT * FROM analytics.numbered_orders WHERE order_key = 'spiffy/dbt/order:o1';
    UPDATE analytics.shop_days SET net = net + 1, day = NULL WHERE shop = 'dbt';
"""
FOUND = {
    "net_is_gross_less_discounts_less_refunds": "orders.refunded - 1",
    "relationships_stg_order_items_order_key__order_key__ref_stg_orders_": "the deleted order",
    "unique_numbered_orders_order_key": "the order that is there twice",
    "not_null_shop_days_day": "days without a date",
}
"""Generic test -> the planted row that it finds."""


@dataclass(frozen=True)
class Dbt:
    """The project and a database, as the role ``analyst`` has them."""

    settings: Settings
    environment: dict[str, str]
    folder: Path

    def run(self, *arguments: str) -> tuple[int, dict[str, str]]:
        """Run a command of dbt: its exit code, and node -> status."""
        done = subprocess.run(
            [DBT, "--quiet", *arguments, "--threads", "2", "--profiles-dir", self.folder,
             "--target-path", self.folder / "target", "--log-path", self.folder / "logs"],
            cwd=dbt_sources.PROJECT, env=self.environment,
            capture_output=True, text=True, check=False, timeout=350,
        )  # fmt: skip
        print(done.stdout, done.stderr)
        results = json.loads((self.folder / "target" / "run_results.json").read_text())["results"]
        return done.returncode, {
            each["unique_id"].split(".")[2]: str(each["status"]) for each in results
        }

    def execute(self, query: str | Composed) -> list[tuple[Any, ...]]:
        """Run statements as the owner of the database; the rows, if it is a query."""
        with psycopg.connect(self.settings.database_url, autocommit=True) as connection:
            given = query.encode() if isinstance(query, str) else query
            cursor = connection.execute(given)
            return cursor.fetchall() if cursor.description else []

    def planted(self) -> "Dbt":
        """The same on a copy of the database."""
        self.execute("CREATE DATABASE planted TEMPLATE hookline")
        url = conninfo.make_conninfo(self.settings.database_url, dbname="planted")
        return replace(
            self,
            settings=replace(self.settings, database_url=url),
            environment={**self.environment, "PGDATABASE": "planted"},
        )


def _annas() -> list[Event]:
    """Anna's two orders, one partly refunded, with codes; a cart that came back."""
    anna = CustomerRef(customer_id="anna")
    here: dict[str, Any] = {"of_meta": {"shop": "dbt"}}
    refund = Refund(
        refund_id="r1",
        status=PaymentStatus.SUCCEEDED,
        refunded_at=NOON + 3 * DAY,
        amount=Decimal(25),
        goods=Decimal(25),
    )
    return [
        order("o0", NOON - DAY, amounts={"items_total": "7.00", "total": "7.00"}, **here),
        Customer(
            meta=meta("spiffy", "customer", "anna", NOON, change=Change.CREATED, shop="dbt"),
            customer_id="anna",
            created_at=NOON,
        ),
        cart("c1", NOON, [line("tee", 4, "25.00")], token="t1", customer=anna, shop="dbt"),
        order(
            "o1",
            NOON + 5 * HOUR,
            customer=anna,
            cart_token="t1",
            items=[line("tee", 4, "25.00")],
            amounts={"items_total": "100.00", "discount_total": "10.00", "total": "90.00"},
            attributes={"discount_codes": "Spring, VIP"},
            refunds=(refund,),
            **here,
        ),
        order(
            "o2",
            NOON + 3 * DAY,
            customer=anna,
            items=[line("mug", 3)],
            amounts={"items_total": "30.00", "total": "30.00"},
            attributes={"discount_codes": "spring"},
            **here,
        ),
    ]


async def _fill(settings: Settings) -> None:
    scripted = [event for history in histories().values() for event in history.events]
    events = [*scripted, *everything(1000, seed=3), *_annas()]
    async with Tables(settings) as tables:
        for batch in by_topic(events, 1000):
            await tables.put_batch(batch)
        await tables.passed(NOON + 60 * DAY)


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dbt]:
    """All scripted histories, a thousand drawn events and Anna's, in a PostgreSQL of its own."""
    folder, password = tmp_path_factory.mktemp("dbt"), secrets.token_urlsafe()
    with database(tmp_path_factory.mktemp("postgres")) as settings:
        migrate(settings)
        run_apart(_fill(settings))
        shutil.copy(dbt_sources.PROJECT / "profiles.example.yml", folder / "profiles.yml")
        server = conninfo.conninfo_to_dict(settings.database_url)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PGHOST": str(server["host"]),
            "PGPORT": str(server["port"]),
            "PGPASSWORD": password,
        }
        project = Dbt(settings, environment, folder)
        project.execute(SQL(ROLE).format(Literal(password)))
        yield project


@pytest.fixture(scope="module")
def built(dbt: Dbt) -> Dbt:
    """The project after ``dbt build``."""
    code, results = dbt.run("build")
    unlike = {name: it for name, it in results.items() if it not in ("success", "pass")}
    assert (code, unlike) == (0, {})
    assert set(results) >= SINGULAR
    return dbt


def test_the_role_and_the_schema_are_those_of_the_readme() -> None:
    readme = (dbt_sources.PROJECT / "README.md").read_text()
    for statement in ROLE.strip().splitlines():
        assert statement.strip().replace("{}", "'…'") in readme


def test_every_model_builds_all_tests_pass_and_annas_numbers_come_out(built: Dbt) -> None:
    assert {query: built.execute(query) for query in ANNAS} == ANNAS


def test_every_table_and_column_is_explained_in_the_analysts_database(built: Dbt) -> None:
    unexplained = built.execute("""
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'analytics'::regnamespace AND a.attnum > 0 AND NOT attisdropped
            AND (coalesce(obj_description(c.oid), '') = ''
                OR coalesce(col_description(c.oid, a.attnum), '') = '')
    """)
    assert unexplained == []


def test_nothing_of_it_depends_on_tables_that_a_rebuild_replaces(built: Dbt) -> None:
    assert built.execute(swap._DEPENDENTS.replace("%s", "'hookline'").replace("%%", "%")) == []


def test_wrong_rows_and_wrong_views_are_found_by_the_tests_that_guard_them(built: Dbt) -> None:
    wrong = built.planted()
    for view, column in OFF_BY_ONE.items():
        names = {
            "view": Identifier(view),
            "renamed": Identifier(f"{view}_before"),
            "name": Literal(column),
            "column": Identifier(column),
        }
        wrong.execute(SQL(WRONG_VIEW).format(**names))
    wrong.execute(PLANTED)
    code, results = wrong.run("test")
    failed = {name for name, status in results.items() if status == "fail"}
    assert code == 1
    assert failed >= SINGULAR | set(FOUND)
    assert "error" not in results.values()
