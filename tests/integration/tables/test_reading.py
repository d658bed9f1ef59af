"""What analysts read: the page, its queries, the roles, files, stories, trials, predictions."""

import csv
import json
import random
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import yaml
from psycopg.sql import SQL, Identifier

from hookline.analysis import forecast_store
from hookline.analysis.what_if import backtest
from hookline.console.errors import CommandError
from hookline.demo.demo import LATE
from hookline.explain import explain, key_lookup
from hookline.explain.cart_timeline import timeline
from hookline.stack_address import StackAddress
from hookline.tables import histories, queries
from hookline.tables.export import CSV, export
from hookline.tables.parquet import PARQUET
from hookline.tables.queries import Reader
from runtime.settings import Settings
from schemas.events import (
    Change,
    Contact,
    Customer,
    CustomerRef,
    Event,
    PaymentStatus,
    Refund,
    ReportedTotals,
    Scope,
)
from sinks.postgres.migrate import migrate
from tests import dbt_sources, tables_page
from tests.conftest import run_apart
from tests.sink_events import DAY, HOUR, NOON, Tables, cart, line, meta, order

pytestmark = pytest.mark.stack
ANNA, BEN = (CustomerRef(customer_id=name, accepts_marketing=True) for name in ("anna", "ben"))


def _customer(native: str, **fields: Any) -> Event:
    return Customer(
        meta=meta("spiffy", "customer", native, NOON, change=Change.CREATED),
        customer_id=native,
        created_at=NOON,
        **fields,
    )


def _money(amount: str) -> dict[str, Any]:
    return {"amounts": {"items_total": amount, "total": amount}, "items": None}


_REFUND = Refund(
    refund_id="r1",
    status=PaymentStatus.SUCCEEDED,
    refunded_at=NOON + 3 * DAY,
    amount=Decimal(2),
    goods=Decimal(2),
)


def _events() -> list[Event]:
    """Anna buys in January and February; Ben leaves a cart; Cleo's cart comes back."""
    cleo = CustomerRef(customer_id="cleo")
    return [
        _customer("anna", contact=Contact(email="=anna@example.com", name="Anna")),
        _customer(
            "ben",
            reported=(ReportedTotals(scope=Scope.CUSTOMER, revenue=Decimal(50), orders_count=1),),
        ),
        order("o1", NOON + HOUR, customer=ANNA, **_money("100.00")),
        order(
            "o2",
            NOON + 40 * DAY,
            customer=ANNA,
            attributes={"discount_codes": "BACK"},
            **_money("30.00"),
        ),
        order("o3", NOON + DAY, customer=BEN, **_money("20.00")),
        order("o4", NOON + DAY, refunds=(_REFUND,), **_money("7.00")),
        cart("left", NOON + 60 * DAY, [line("v1", 2)], token="t-left", customer=BEN, total="20.00"),
        cart("back", NOON + HOUR, [line("v2")], token="t-back", customer=cleo, total="10.00"),
        order(
            "o5",
            NOON + 3 * HOUR,
            customer=cleo,
            cart_token="t-back",
            **{**_money("10.00"), "items": (line("v2"),)},
        ),
    ]


@pytest.fixture(scope="module")
def settings(live_stack: Any) -> Settings:
    fresh: Settings = live_stack.settings()
    migrate(fresh)
    return fresh


@pytest.fixture(scope="module")
def tables(settings: Settings) -> Tables:
    async def filled() -> Tables:
        async with Tables(settings) as ready:
            await ready.put(_events())
            await ready.passed(NOON + 70 * DAY)
            return ready

    return run_apart(filled())


@pytest.fixture
def address(settings: Settings, live_stack: Any) -> StackAddress:
    readers = live_stack.reader_url, live_stack.postgres.contacts_reader_url
    return StackAddress(settings, "", *readers)


@pytest.fixture
def reader(tables: Tables, address: StackAddress) -> Iterator[Reader]:
    assert tables.settings == address.settings
    with Reader(address) as ready:
        yield ready


def test_the_page_stands_as_the_comments_say(tables: Tables, reader: Reader) -> None:
    with psycopg.connect(tables.settings.database_url) as connection:
        made = tables_page.page(connection, tables.settings.sql_schema)
    assert tables_page.PAGE.read_text() == made
    assert reader.query("SELECT 1").rows == [(1,)]


def test_what_holds_the_watermark_is_told_in_words(tables: Tables, reader: Reader) -> None:
    assert all("watermark is at" in text for (text,) in reader.query(LATE).rows)
    with psycopg.connect(tables.settings.database_url) as connection:
        connection.execute(
            SQL("SET search_path TO {}").format(Identifier(tables.settings.sql_schema))
        )
        connection.execute("SET TIME ZONE 'UTC'")
        connection.execute("DELETE FROM watermark")
        assert connection.execute(LATE).fetchall() == []
        connection.execute("INSERT INTO watermark (state) VALUES ('{}')")
        [(words,)] = connection.execute(LATE)
        assert "at no time yet; last updated" in words
        connection.execute(
            "UPDATE watermark SET at = '2026-01-01 00:00:00+00', since = '2026-01-02 00:00:00+00',"
            " holder = 'processors: webhooks-3'"
        )
        [(words,)] = connection.execute(LATE)
        assert "at 2026-01-01 00:00:00+00, held by processors: webhooks-3 since 2026-" in words
        connection.rollback()


HELD: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "no row": ("", ("sweep", None, None, None), "no sink has swept these tables yet"),
    "no sweep": (
        "'{}', 'sinks: a-1', now(), now() - interval '2 minutes'",
        ("sweep", None, None, 120),
        "no sink has swept since then",
    ),
    "processors": (
        "'{}', 'processors: a-b.hookline.webhooks-11', now() - interval '9 s', now()",
        ("processors", "a-b.hookline.webhooks", 11, 9),
        "processors are behind in partition 11 of a-b.hookline.webhooks",
    ),
    "sinks": (
        "'{}', 'sinks: hookline.orders-0', now() - interval '8 s', now()",
        ("sinks", "hookline.orders", 0, 8),
        "sinks are behind in partition 0 of hookline.orders",
    ),
    "a silence of the ingress": (
        "'{}', 'ingress: senders may still hold back deliveries', now() - interval '7 s', now()",
        ("ingress", None, None, 7),
        "senders may still hold back deliveries",
    ),
    "no heartbeat yet": (
        "'{}', '', NULL, now()",
        ("ingress", None, None, None),
        "no ingress has appended a heartbeat yet",
    ),
    "no heartbeat any more": (
        "%(old beat)s, '', NULL, now()",
        ("ingress", None, None, 60),
        "no ingress has appended a heartbeat since then",
    ),
    "nothing": ("%(beat)s, '', NULL, now()", (None, None, None, None), "nothing: "),
}
_BEAT = """jsonb_build_object('ingresses', jsonb_build_object(
    'newest', (extract(epoch FROM now() - interval '%s s') * 1000)::bigint))"""


@pytest.mark.parametrize("name", HELD)
def test_freshness_is_one_row_that_names_what_holds_the_tables(tables: Tables, name: str) -> None:
    values, expected, sentence = HELD[name]
    with psycopg.connect(tables.settings.database_url) as connection:
        connection.execute(
            SQL("SET search_path TO {}").format(Identifier(tables.settings.sql_schema))
        )
        connection.execute("DELETE FROM watermark")
        if values:
            given = values.replace("%(beat)s", _BEAT % 5).replace("%(old beat)s", _BEAT % 60)
            connection.execute(
                "INSERT INTO watermark (at, state, holder, since, updated_at)"  # noqa: S608 - ours
                f" VALUES (now() - interval '12 s', {given})".encode()
            )
        [(behind, held_by, topic, number, since, reason)] = connection.execute(
            "SELECT extract(epoch FROM behind)::int, held_by, topic, partition,"
            " extract(epoch FROM now() - held_since)::int, reason FROM freshness"
        )
        connection.rollback()
    assert (held_by, topic, number, since) == expected
    assert sentence in reason
    assert behind == (12 if values else None)


_USD = ("spiffy", "main", "USD")
ROWS: dict[int, list[tuple[Any, ...]]] = {
    1: [("spiffy", "main", "left", "spiffy/main/customer:ben", None, 2, Decimal(20), "USD")],
    2: [
        ("spiffy", "main", date(2026, 1, 1), 1, 1, 1, Decimal(1), Decimal(1), False),
        ("spiffy", "main", date(2026, 3, 1), 1, 1, 0, Decimal(1), Decimal(0), True),
    ],
    3: [("spiffy", "main", "USD", 2, 0, Decimal(30), Decimal(10), timedelta(hours=1))],
    4: [
        ("USD", 1, 3, "spiffy/main/customer:anna", 2, Decimal(130), Decimal(65), None, True),
        ("USD", 2, 3, "spiffy/main/customer:ben", 1, Decimal(20), Decimal(20), None, True),
        ("USD", 3, 3, "spiffy/main/customer:cleo", 1, Decimal(10), Decimal(10), None, None),
    ],
    5: [
        (
            "spiffy",
            "main",
            "USD",
            date(2026, 1, 1),
            4,
            Decimal(137),
            None,
            Decimal(2),
            Decimal(135),
            0,
        ),
        ("spiffy", "main", "USD", date(2026, 2, 1), 1, Decimal(30), None, None, Decimal(30), 0),
    ],
    6: [("USD", Decimal(160), Decimal(5), Decimal(165), Decimal(0))],
    7: [
        ("spiffy", "main", "USD", date(2026, 1, 1), 0, 2, Decimal(1), Decimal(120)),
        ("spiffy", "main", "USD", date(2026, 1, 1), 1, 2, Decimal("0.5"), Decimal(30)),
    ],
    8: [
        ("spiffy", "main", "USD", "champion", 1, Decimal(130), 30),
        ("spiffy", "main", "USD", "one-time", 2, Decimal(30), 70),
    ],
    9: [
        ("spiffy/main/customer:ben", "USD", 1, 1, Decimal(20), Decimal(50), Decimal(30)),
    ],
    10: [
        ("spiffy/main/customer:anna", "USD", None, None, "not-run"),
        ("spiffy/main/customer:ben", "USD", None, None, "not-run"),
        ("spiffy/main/customer:cleo", "USD", None, None, "history-incomplete"),
    ],
    11: [
        ("USD", 1, "spiffy/main/customer:anna", 1, 1, 2, Decimal(130), Decimal(65), True),
        ("USD", 2, "spiffy/main/customer:ben", 1, 1, 1, Decimal(20), Decimal(20), True),
        ("USD", 3, "spiffy/main/customer:cleo", 1, 1, 1, Decimal(10), Decimal(10), None),
    ],
    12: [
        (*_USD, date(2026, 1, 1), 4, 2, 0, 2, 0, Decimal(120), None),
        (*_USD, date(2026, 2, 1), 1, 0, 1, 0, 0, None, Decimal(30)),
    ],
    13: [
        ("spiffy/main/customer:ben", 1, date(2026, 1, 2), "SHOP", 1, 40, date(2026, 2, 11), 29),
        ("spiffy/main/customer:cleo", 1, date(2026, 1, 1), "SHOP", 1, 40, date(2026, 2, 10), 30),
    ],
    14: [
        (*_USD, date(2026, 1, 1), 2, Decimal(110), None, Decimal(110), 0, 110, 1, 0, 1, 1, 1),
        (*_USD, date(2026, 1, 2), 2, Decimal(27), None, Decimal(27), 0, 27, 1, 0, 0, 0, 0),
        (*_USD, date(2026, 1, 4), 0, Decimal(0), None, Decimal(0), 2, -2, 0, 0, 0, 0, 0),
        (*_USD, date(2026, 2, 10), 1, Decimal(30), None, Decimal(30), 0, 30, 0, 1, 0, 0, 0),
        (*_USD, date(2026, 3, 2), 0, Decimal(0), None, Decimal(0), 0, 0, 0, 0, 0, 1, 0),
    ],
    15: [(*_USD, date(2026, 1, 4), 1, Decimal(2), Decimal(0), None, Decimal(2))],
    16: [
        (*_USD, date(2026, 1, 1), 4, 1, Decimal(137), 2, 135, Decimal("0.0146")),
        (*_USD, date(2026, 2, 1), 1, 0, Decimal(30), 0, 30, Decimal(0)),
    ],
    17: [(*_USD, "v2", None, None, 1, 1, 1, Decimal(10), None, Decimal(10), Decimal(0), 0)],
    18: [(*_USD, "BACK", 1, 0, None, Decimal(30), 1, 0, 1)],
    19: [
        (*_USD, date(2026, 1, 1), 0, 2, 2, Decimal(120), Decimal(60)),
        (*_USD, date(2026, 1, 1), 1, 2, 1, Decimal(150), Decimal(75)),
    ],
}
"""Query -> its rows; instants of this seed are left out (None)."""


@pytest.mark.parametrize("query", tables_page.queries(), ids=lambda query: query.title)
def test_a_ready_query_gives_what_the_rows_say(reader: Reader, query: tables_page.Query) -> None:
    told = reader.query(query.sql.rstrip().rstrip(";")).rows
    found = [tuple(None if isinstance(v, datetime) else v for v in row) for row in told]
    assert ROWS[query.number] == found


def test_the_page_has_nineteen_queries() -> None:
    assert list(range(1, 20)) == [query.number for query in tables_page.queries()]


def test_the_roles_see_what_the_page_says(tables: Tables) -> None:
    seen = tables.rows(
        "SELECT c.relname, has_table_privilege('hookline_reader', c.oid, 'SELECT'),"
        " has_table_privilege('hookline_contacts_reader', c.oid, 'SELECT'),"
        " has_table_privilege('hookline_contacts_reader', c.oid, 'UPDATE')"
        " FROM pg_class c WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v')",
        tables.settings.sql_schema,
    )
    rights = {name: tuple(can) for name, *can in seen}
    assert rights.pop("customer_contacts") == (False, True, False)
    assert rights.pop("sink_rejects") == (False, False, False)
    assert rights.pop("erasures") == (False, False, False)
    assert set(rights.values()) == {(True, True, False)}


def test_the_dbt_sources_are_as_the_comments_say_and_hide_contact_data(tables: Tables) -> None:
    with psycopg.connect(tables.settings.database_url) as connection:
        made = dbt_sources.text(connection, tables.settings.sql_schema)
    assert dbt_sources.PAGE.read_text() == made
    (source,) = yaml.safe_load(made)["sources"]
    columns = {table["name"]: len(table["columns"]) for table in source["tables"]}
    assert columns.keys() > {"orders", "customer_lifetime_value", "daily_cart_rates", "watermark"}
    assert not columns.keys() & {"customer_contacts", "erasures", "sink_rejects"}
    seen = tables.rows(
        "SELECT c.relname, count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'v') AND attnum > 0"
        " GROUP BY c.relname",
        tables.settings.sql_schema,
    )
    assert columns.items() <= dict(seen).items()


@pytest.mark.parametrize(
    ("query", "expected"), [("SELECT 1; SELECT 2", "one query at a time"), (" -- ", "no query")]
)
def test_what_is_not_one_query_is_refused(reader: Reader, query: str, expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        reader.ask(query)


def test_the_list_names_what_the_role_may_read_and_what_each_holds(reader: Reader) -> None:
    listed = {name: (kind, holds) for name, kind, holds in reader.query(queries.LIST).rows}
    assert listed["shop_days"][0] == "view"
    assert listed["orders"][0] == "table"
    assert all(holds for _, holds in listed.values())
    assert not {"customer_contacts", "sink_rejects"} & listed.keys()


@pytest.mark.parametrize("name", queries.VIEWS)
def test_what_is_shown_of_a_table_has_rows(reader: Reader, name: str) -> None:
    table, query = queries.VIEWS[name]
    assert len(reader.query(query).rows) == reader.count(table)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_holds_every_row_exactly(
    tables: Tables, address: StackAddress, tmp_path: Path
) -> None:
    schema = address.settings.sql_schema
    written = export(address.reader_url, schema, CSV, tmp_path)
    assert {path.stem for path in written} >= {"abandoned_carts", "monthly_cohorts", "orders"}
    assert not {"customer_contacts", "sink_rejects", "fences"} & {path.stem for path in written}
    for path, rows in written.items():
        assert tables.rows(f"SELECT count(*) FROM {path.stem}") == [(rows,)]  # noqa: S608 - ours
        assert len(_rows(path)) == rows
    (back,) = [
        row for row in _rows(tmp_path / "abandoned_carts.csv") if row["native_cart_id"] == "back"
    ]
    assert (back["cart_value"], back["time_to_recover"]) == ("10.0000", "3600.000000")
    assert (back["abandoned_at"], back["is_test"]) == ("2026-01-01T14:00:00.000000Z", "false")
    assert json.loads(back["items"])[0]["variant_id"] == "v2"
    assert not {"layers", "links"} & _rows(tmp_path / "orders.csv")[0].keys()


def test_a_parquet_export_says_the_same(
    address: StackAddress, tables: Tables, tmp_path: Path
) -> None:
    written = export(address.reader_url, address.settings.sql_schema, PARQUET, tmp_path)
    for path, rows in written.items():
        assert pq.read_metadata(path).num_rows == rows
    orders = pq.read_table(tmp_path / "orders.parquet").to_pylist()
    told = tables.rows("SELECT order_key, net, placed_at FROM orders")
    assert sorted(told) == sorted((o["order_key"], o["net"], o["placed_at"]) for o in orders)


def test_contact_data_is_exported_only_where_asked_for(
    tables: Tables, address: StackAddress, tmp_path: Path
) -> None:
    schema, wanted = address.settings.sql_schema, ["customer_contacts"]
    assert tables.rows("SELECT count(*) FROM customer_contacts") == [(1,)]
    with pytest.raises(CommandError, match="--contacts"):
        export(address.reader_url, schema, CSV, tmp_path, wanted)
    with pytest.raises(CommandError, match="the role hookline_contacts_reader"):
        export(address.reader_url, schema, CSV, tmp_path, wanted, contacts=True)
    assert list(tmp_path.iterdir()) == []
    export(address.contacts_reader_url, schema, CSV, tmp_path, wanted, contacts=True)
    (row,) = _rows(tmp_path / "customer_contacts.csv")
    assert (row["name"], row["email"]) == ("Anna", "'=anna@example.com")
    assert (tmp_path / "customer_contacts.csv").stat().st_mode & 0o077 == 0


def test_a_timeline_ends_in_the_stored_rows(reader: Reader) -> None:
    for native in ("left", "back"):
        key = key_lookup.find_key(reader, "carts", native)
        carts, orders = histories.group(reader, key)
        moments = timeline(key, carts, orders, histories.watermark(reader))
        changed: dict[tuple[int, str], Any] = {}
        for moment in moments:
            changed |= {(each.generation, each.name): each.after for each in moment.changes}
        for row in histories.generations(reader, [key]):
            current = {(n, f): v for (n, f), v in changed.items() if n == row.generation}
            assert current == {field: getattr(row, field[1]) for field in current}
            assert changed[row.generation, "status"] == row.status
    assert [moment.kind for moment in moments] == ["cart event", "silence", "order"]
    assert moments[-1].rule == (
        "names this cart by cart-token: closes generation 1, abandoned before, so RECOVERED"
    )
    events = explain.moment_json(
        moments[-1], histories.order_events(reader, ["spiffy/main/order:o5"])
    )
    assert [event["raw_partition"] for event in events["events"]] == [0]


def test_a_customers_story_names_orders_rules_and_events(reader: Reader) -> None:
    explained = explain.customer(reader, key_lookup.find_key(reader, "customers", "main/anna"))
    assert [entity["rules"][1] for entity in explained["orders"]] == [
        "net 100 = gross 100 - discounts 0 - refunded 0",
        "net 30 = gross 30 - discounts 0 - refunded 0",
    ]
    (row,) = explained["rows"]
    assert row["rules"][0] == "net 130 = the net of 2 of 2 counted orders (130)"
    (event,) = explained["orders"][0]["events"]
    assert event["raw_offset"] == (NOON + HOUR) // 1_000_000
    assert "items_total" in event["decides"]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("carts", "lefd", "did you mean spiffy/main/cart:left?"),
        ("customers", "spiffy/main/customer:ann", "did you mean spiffy/main/customer:anna?"),
        ("carts", "%", "no cart '%'"),
    ],
)
def test_a_key_that_is_none_says_what_comes_near(
    reader: Reader, kind: str, text: str, said: str
) -> None:
    with pytest.raises(CommandError) as caught:
        key_lookup.find_key(reader, kind, text)
    assert said in str(caught.value)


def test_the_setting_in_force_gives_the_stored_rows(reader: Reader) -> None:
    """And a longer silence leaves the cart alone whose order came first."""
    counts_by_setting = backtest(reader, [HOUR, 3 * HOUR, 24 * HOUR])
    counts = {
        each // HOUR: (found.carts, found.abandoned, found.came_back, found.at_stake)
        for each, by_currency in counts_by_setting.items()
        for found in by_currency.values()
    }
    assert counts == {
        1: (2, 2, 1, Decimal(30)),
        3: (2, 1, 0, Decimal(20)),
        24: (2, 1, 0, Decimal(20)),
    }
    assert backtest(reader, [HOUR], since=NOON + DAY)[HOUR]["USD"].carts == 1
    assert backtest(reader, [HOUR], shop="spiffy/elsewhere") == {HOUR: {}}


@pytest.fixture
async def repeaters(live_stack: Any) -> AsyncIterator[Tables]:
    """150 customers of a shop of their own, every second of whom comes back."""
    fresh = live_stack.settings()
    migrate(fresh)
    draw = random.Random(11)  # noqa: S311 - a seed that repeats
    events: list[Event] = []
    for number in range(150):
        who = CustomerRef(customer_id=f"c{number}")
        events.append(_customer(f"c{number}"))
        repeats = draw.sample(range(31, 119), draw.randint(1, 4)) if number % 2 else []
        worth = draw.uniform(10, 60)
        for nth, day in enumerate([draw.randint(0, 30), *repeats]):
            amount = f"{worth * draw.uniform(0.5, 1.5):.2f}"
            at = NOON + day * DAY
            events.append(order(f"{number}-{nth}", at, customer=who, **_money(amount)))
    async with Tables(fresh) as ready:
        await ready.put(events)
        await ready.passed(NOON + 120 * DAY)
        yield ready


async def test_predictions_fill_their_columns_and_leave_no_other_row_different(
    repeaters: Tables,
) -> None:
    before = await repeaters.digest()
    (run,) = await forecast_store.predict(repeaters.settings, 0.1)
    assert (run.forecast.customers, run.forecast.repeat_customers) == (150, 75)
    assert run.forecast.reason is None
    filled = repeaters.rows(
        "SELECT count(*) FILTER (WHERE probability_alive BETWEEN 0 AND 1"
        " AND expected_purchases_30d < expected_purchases_90d"
        " AND expected_purchases_90d < expected_purchases_365d"
        " AND discounted_clv <= expected_value_365d), count(*) FROM customer_lifetime_value"
    )
    assert filled == [(150, 150)]
    assert repeaters.rows("SELECT predicted, reason, r > 0 FROM prediction_runs") == [
        (150, None, True)
    ]
    assert await repeaters.digest() == before

    (gated,) = await forecast_store.predict(repeaters.settings, 0.1, (100, 76))
    assert gated.forecast.reason == "too-few-repeat-customers"
    nulls = "SELECT count(*) FROM customer_lifetime_value WHERE probability_alive IS NULL"
    assert repeaters.rows(nulls) == [(150,)]
    assert repeaters.rows("SELECT predicted, reason FROM prediction_runs") == [
        (0, "too-few-repeat-customers")
    ]
