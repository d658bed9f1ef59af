"""Canonical events in, rows out, on a real PostgreSQL."""

import random
from decimal import Decimal
from typing import Any

import pytest

from schemas.events import (
    Change,
    Contact,
    Customer,
    CustomerRef,
    Event,
    LineItem,
    OrderStatus,
    ReportedTotals,
    Scope,
    Shipment,
    ShopSettings,
)
from sinks.postgres.migrate import migrate
from tests.sink_events import DAY, HOUR, MINUTE, NOON, SETTINGS, Tables, cart, line, meta, order

pytestmark = pytest.mark.stack

ANNA = CustomerRef(customer_id="1", email_hash="a" * 64, accepts_marketing=True)
TEES = LineItem(
    line_id="k1",
    product_id="327475578523353102",
    variant_id="v1",
    quantity=3,
    unit_price=Decimal("19.99"),
    line_total=Decimal("59.97"),
)


def run_free(native: str, at: int, **fields: Any) -> Event:
    amounts = {"items_total": "130", "discount_total": "26", "tax_total": "8.32"}
    return order(
        native,
        at,
        source="run-free",
        status=OrderStatus.PLACED,
        customer=ANNA,
        amounts=amounts,
        of_meta={"change": Change.CREATED},
        **fields,
    )


async def test_a_run_free_order_and_its_successor_add_up_for_the_customer(tables: Tables) -> None:
    money = "SELECT gross, discounts, taxes, shipping, net FROM customer_lifetime_value"
    await tables.put([run_free("448725", NOON)])
    assert [(Decimal(130), Decimal(26), Decimal("8.32"), None, Decimal(104))] == tables.rows(
        "SELECT gross, discounts, taxes, shipping, net FROM orders"
    )
    assert [(Decimal(130), Decimal(26), Decimal("8.32"), None, Decimal(104))] == tables.rows(money)
    await tables.put([run_free("448726", NOON + DAY)])
    assert [(Decimal(260), Decimal(52), Decimal("16.64"), None, Decimal(208))] == tables.rows(money)


async def test_shoprocket_tests_pend_and_pay_as_told(tables: Tables) -> None:
    amounts = {"items_total": "12.00", "shipping_total": "9.95", "total": "21.95"}

    def told(native: str, status: OrderStatus, *, is_test: bool = False) -> Event:
        return order(
            native,
            NOON,
            source="shoprocket",
            status=status,
            customer=ANNA,
            amounts=amounts,
            of_meta={"is_test": is_test},
        )

    await tables.put([told("716", OrderStatus.PENDING, is_test=True)])
    assert tables.rows("SELECT is_test, standing, net FROM orders") == [(True, "TEST", None)]
    assert tables.rows("SELECT 1 FROM customer_lifetime_value") == []
    await tables.put([told("717", OrderStatus.PENDING)])
    value = "SELECT pending_revenue, net, shipping, orders_count FROM customer_lifetime_value"
    assert [(Decimal(12), Decimal(0), None, 0)] == tables.rows(value)
    await tables.put([told("718", OrderStatus.PAID)])
    assert [(Decimal(12), Decimal(12), Decimal("9.95"), 1)] == tables.rows(value)


async def test_a_silent_spiffy_cart_is_abandoned_and_its_order_recovers_it(
    tables: Tables,
) -> None:
    await tables.put([cart("eeafa272", NOON, [TEES], token="eeafa272", total="59.97")])
    assert await tables.passed(NOON + HOUR - 1) == 0
    assert tables.rows("SELECT 1 FROM abandoned_carts") == []
    assert await tables.passed(NOON + HOUR) == 1
    row = "SELECT status, item_count, cart_value, order_key, recovered_value FROM abandoned_carts"
    assert [("ABANDONED", 3, Decimal("59.97"), None, None)] == tables.rows(row)
    sold = order("9", NOON + 2 * HOUR, cart_token="eeafa272", items=[TEES])
    await tables.put([sold])
    assert [
        ("RECOVERED", 3, Decimal("59.97"), "spiffy/main/order:9", Decimal("59.97"))
    ] == tables.rows(row)
    assert tables.rows("SELECT record->>'kind' FROM outbox ORDER BY position") == [
        ("ABANDONED",),
        ("RECOVERED",),
    ]


async def test_ciklik_renewals_and_reported_carts_stand_as_told(tables: Tables) -> None:
    settings = ShopSettings(**{**_plain(SETTINGS), "currency": "EUR"})
    of_meta = {"change": Change.CREATED, "settings": settings}

    def told(native: str, items: str, discount: str, successes: int) -> Event:
        return order(
            native,
            NOON,
            source="ciklik",
            status=OrderStatus.COMPLETED,
            customer=ANNA,
            amounts={"items_total": items, "discount_total": discount},
            of_meta=of_meta,
            subscription_id="u-1" if successes > 1 else None,
            successful_transactions=successes,
            currency="EUR",
        )

    await tables.put([told("230129", "50", "0", 1), told("230102", "20", "20", 2)])
    assert [
        ("ciklik/main/order:230102", Decimal(20), Decimal(0), True, "EUR"),
        ("ciklik/main/order:230129", Decimal(50), Decimal(50), False, "EUR"),
    ] == tables.rows("SELECT order_key, gross, net, is_renewal, currency FROM orders ORDER BY 1")
    assert [(Decimal(50), Decimal(0), 2, 0)] == tables.rows(
        "SELECT net, subscription_revenue, orders_count, frequency FROM customer_lifetime_value"
    )
    reported = cart(
        "77",
        NOON + HOUR,
        None,
        source="ciklik",
        abandoned=True,
        created_at=NOON,
        change=Change.REPORTED,
        settings=settings,
    )
    await tables.put([reported])
    assert tables.rows("SELECT detection, status, cart_value FROM abandoned_carts") == [
        ("PLATFORM", "ABANDONED", None)
    ]


async def test_a_gooten_order_stands_in_orders_and_shipments_and_in_no_lifetime_value(
    tables: Tables,
) -> None:
    settings = ShopSettings(**{**_plain(SETTINGS), "counts_as_sale": False})
    amounts = {"items_total": "93.30", "shipping_total": "15.61", "total": "108.91"}
    sent = Shipment(
        meta=meta("gooten", "shipment", "t1", NOON, settings=settings),
        shipment_id="t1",
        order_id="5",
    )
    sold = order(
        "5",
        NOON,
        source="gooten",
        customer=ANNA,
        amounts=amounts,
        of_meta={"settings": settings},
    )
    await tables.put([sold, sent])
    assert [("NOT_A_SALE", Decimal("108.91"), Decimal("15.61"), None)] == tables.rows(
        "SELECT standing, total, shipping_total, net FROM orders"
    )
    assert tables.rows("SELECT order_id FROM shipments") == [("5",)]
    assert tables.rows("SELECT 1 FROM customer_lifetime_value") == []


async def test_a_run_free_cart_outlives_an_old_order_and_ends_with_a_new_one(
    tables: Tables,
) -> None:
    status = "SELECT status, order_key FROM abandoned_carts"
    await tables.put([cart("1", NOON, [line("a")], source="run-free", customer=ANNA)])
    await tables.passed(NOON + HOUR)
    await tables.put([run_free("448725", NOON + HOUR, placed_at=NOON - 900 * DAY)])
    assert tables.rows(status) == [("ABANDONED", None)]
    await tables.put([run_free("448726", NOON + 2 * HOUR)])
    assert tables.rows(status) == [("RECOVERED", "run-free/main/order:448726")]


async def test_any_order_and_any_batches_and_any_repetition_end_in_the_same_rows(
    stack: Any,
) -> None:
    events = _history()
    digests = []
    for seed, size in ((None, 1000), (1, 1), (2, 7), (3, 1000)):
        settings = stack.settings()
        migrate(settings)
        async with Tables(settings) as tables:
            told = list(events)
            if seed is not None:
                shuffle = random.Random(seed)  # noqa: S311 - a seed that repeats
                told += shuffle.sample(events, len(events) // 3)
                shuffle.shuffle(told)
            await tables.put(told, size)
            await tables.passed(NOON + 10 * DAY)
            assert tables.rows("SELECT 1 FROM abandoned_carts")
            assert tables.rows("SELECT 1 FROM customer_lifetime_value")
            digests.append(await tables.digest())
    assert [digests[0]] * 4 == digests


async def test_contact_data_stands_where_the_reader_does_not_see_it(
    tables: Tables,
) -> None:
    person = Customer(
        meta=meta("spiffy", "customer", "1", NOON),
        customer_id="1",
        contact=Contact(email="anna@example.com", name="Anna"),
        reported=(ReportedTotals(scope=Scope.CUSTOMER, revenue=Decimal(500), orders_count=9),),
    )
    await tables.put([person])
    assert tables.rows("SELECT email, name FROM customer_contacts") == [
        ("anna@example.com", "Anna")
    ]
    seen = tables.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'v')"
        " AND NOT has_table_privilege('hookline_reader', c.oid, 'SELECT') ORDER BY 1",
        tables.settings.sql_schema,
    )
    assert seen == [("customer_contacts",), ("erasures",), ("sink_rejects",)]
    told = tables.rows("SELECT customers::text FROM customers")
    assert "anna@example.com" not in str(told)
    assert [(Decimal(500), 9, False)] == tables.rows(
        "SELECT reported_revenue, reported_orders, history_complete FROM customer_lifetime_value"
    )


async def test_every_table_view_and_column_has_a_comment(tables: Tables) -> None:
    bare = tables.rows(
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped"
        " WHERE nspname = %s AND relkind IN ('r', 'v') AND col_description(c.oid, attnum) IS NULL"
        " UNION ALL SELECT c.relname, NULL FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname = %s AND relkind IN ('r', 'v') AND obj_description(c.oid) IS NULL",
        tables.settings.sql_schema,
        tables.settings.sql_schema,
    )
    assert bare == []


def _plain(settings: ShopSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _history() -> list[Event]:
    """Carts, orders and customers that touch each other, some told in part."""
    chance = random.Random(7)  # noqa: S311 - a seed that repeats
    events: list[Event] = []
    for number in range(60):
        at = NOON + chance.randrange(5 * 24 * 60) * MINUTE + number
        who = chance.choice((None, ANNA, CustomerRef(customer_id="2"), CustomerRef(email_hash="b")))
        items = [line(name) for name in chance.sample("abcd", chance.randrange(4))]
        source = chance.choice(("spiffy", "run-free", "ciklik"))
        native = str(chance.randrange(4))
        kind = chance.randrange(4)
        if kind == 0:
            token = f"t{native}"
            events.append(
                cart(native, at, items, source=source, customer=who, token=token, offset=number)
            )
        elif kind == 1:
            events.append(
                order(
                    native,
                    at,
                    source=source,
                    customer=who,
                    items=items,
                    status=chance.choice(list(OrderStatus)),
                    of_meta={"offset": number, "change": chance.choice(list(Change)[1:])},
                    cart_token=f"t{native}",
                    subscription_id=chance.choice((None, "u1")),
                )
            )
        elif kind == 2:
            events.append(
                Customer(
                    meta=meta(source, "customer", "1", at, offset=number),
                    customer_id="1",
                    email_hash=chance.choice((None, "a" * 64, "c" * 64)),
                    accepts_marketing=chance.choice((None, True, False)),
                    created_at=NOON - DAY,
                )
            )
        else:
            events.append(cart(native, at, [], source=source, token=f"t{native}", offset=number))
    return events
