"""The set-based SQL of customer_lifetime_value against the pure reference."""

import asyncio
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from schemas.events import (
    Change,
    Customer,
    CustomerRef,
    Event,
    Micros,
    Order,
    OrderStatus,
    ReportedTotals,
    Scope,
    ShopSettings,
)
from schemas.platforms import naming_cart_customers
from sinks.lifetime.order_money import order_money
from sinks.lifetime.order_state import order_state, renewals
from sinks.lifetime.reported_totals import reported_totals
from sinks.merge.last_writer import flatten
from sinks.postgres.migrate import migrate
from tests.layers import merge_record
from tests.lifetime.customers import customer_rows
from tests.lifetime.records import CustomerFacts, CustomerOrder, LifetimeRow
from tests.sink_events import DAY, HOUR, NOON, SETTINGS, Tables, line, meta, order

pytestmark = pytest.mark.stack

FIRST_DELIVERY = NOON - 3 * DAY
WATERMARK = NOON + 40 * DAY
MIDNIGHT = WATERMARK - WATERMARK % DAY
NEW_YORK = ShopSettings(
    **{name: getattr(SETTINGS, name) for name in SETTINGS.__struct_fields__}
    | {"timezone": "America/New_York"}
)
_numbers = itertools.count()

_amounts = strategies.decimals(0, 500, places=2).map(str)
_orders = strategies.fixed_dictionaries(
    {
        "native": strategies.integers(1, 6),
        "at": strategies.integers(0, 400).map(lambda hours: NOON + hours * HOUR),
        "status": strategies.sampled_from(list(OrderStatus)),
        "change": strategies.sampled_from([Change.CREATED, Change.UPDATED, Change.DELETED]),
        "currency": strategies.sampled_from(["USD", "EUR"]),
        "is_test": strategies.sampled_from([False, False, False, True]),
        "taxes_included": strategies.sampled_from([None, False, True]),
        "subscription_id": strategies.sampled_from([None, None, "u"]),
        "transactions": strategies.sampled_from([None, 1, 3]),
        "amounts": strategies.dictionaries(
            strategies.sampled_from(
                ["items_total", "discount_total", "tax_total", "shipping_total", "total",
                 "refunded_total"]
            ),
            _amounts,
        ),
        "revenue": strategies.none() | _amounts.map(Decimal),
        "count": strategies.none() | strategies.integers(0, 9),
    }
)  # fmt: skip


@given(
    told=strategies.lists(_orders, min_size=1, max_size=8, unique_by=lambda each: each["at"]),
    source=strategies.sampled_from(["spiffy", "ciklik"]),
    created_at=strategies.sampled_from([None, NOON - 9 * DAY, NOON]),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_sql_equals_the_pure_reference(
    lifetime_settings: Any, told: list[dict[str, Any]], source: str, created_at: Micros | None
) -> None:
    asyncio.run(_compare(lifetime_settings, told, source, created_at))


@pytest.fixture
def lifetime_settings(stack: Any) -> Any:
    fresh = stack.settings()
    migrate(fresh)
    return fresh


async def _compare(
    stack_settings: Any, told: list[dict[str, Any]], source: str, created_at: Micros | None
) -> None:
    shop = f"shop{next(_numbers)}"
    orders = [_order(each, source, shop, number) for number, each in enumerate(told)]
    person = Customer(
        meta=meta(
            source, "customer", "1", FIRST_DELIVERY, shop=shop, offset=999, settings=NEW_YORK
        ),
        customer_id="1",
        email_hash="a",
        created_at=created_at,
    )
    async with Tables(stack_settings) as tables:
        await tables.passed(WATERMARK)
        await tables.put([person, *orders], 3)
        found = tables.rows(
            "SELECT to_jsonb(each) FROM customer_lifetime_value each WHERE shop = %s"
            " ORDER BY currency",
            shop,
        )
    expected = _reference(orders, person, source, shop)
    assert [_shown(row) for row in expected] == [
        {name: row[name.lower()] for name in LifetimeRow.__slots__} | _normal(row)
        for (row,) in found
    ]


def _order(told: dict[str, Any], source: str, shop: str, number: int) -> Order:
    totals = ReportedTotals(
        scope=Scope.CUSTOMER,
        revenue=told["revenue"],
        orders_count=told["count"],
        currency=told["currency"],
    )
    return order(
        str(told["native"]),
        told["at"],
        source=source,
        status=told["status"],
        customer=CustomerRef(customer_id="1"),
        amounts=told["amounts"],
        items=[line("a")],
        of_meta={
            "shop": shop,
            "change": told["change"],
            "offset": number,
            "is_test": told["is_test"],
            "settings": NEW_YORK,
        },
        currency=told["currency"],
        taxes_included=told["taxes_included"],
        subscription_id=told["subscription_id"],
        successful_transactions=told["transactions"],
        reported=(totals,),
    )


def _reference(orders: list[Order], person: Customer, source: str, shop: str) -> list[LifetimeRow]:
    layers: dict[str, Any] = {}
    for each in orders:
        layers[each.meta.entity] = merge_record(layers.get(each.meta.entity, ()), each)
    states = [order_state(key, source, shop, flatten(merged)) for key, merged in layers.items()]
    again = renewals(states)
    events: list[Event] = [person, *orders]
    return customer_rows(
        CustomerFacts(
            customer_key=f"{source}/{shop}/customer:1",
            source=source,
            shop=shop,
            timezone="America/New_York",
            shop_currency="USD",
            created_at=person.created_at,
            whole_since=FIRST_DELIVERY,
            active_subscriptions=0 if source == "ciklik" else None,
            abandoned_carts_count=0 if source in naming_cart_customers() else None,
            person_key="a",
        ),
        [
            CustomerOrder(
                order_key=state.order_key,
                placed_at=state.placed_at,
                currency=state.currency,
                money=order_money(state),
                is_renewal=state.order_key in again,
                names_subscription=state.subscription_id is not None,
            )
            for state in states
        ],
        [total for event in events for total in reported_totals(event)],
        MIDNIGHT,
    )


_TIMES = ("first_order_at", "last_order_at", "as_of")
_MONEY = (
    "gross", "discounts", "taxes", "shipping", "gift_cards_sold", "refunded", "net",
    "avg_order_value", "pending_revenue", "subscription_revenue", "renewal_revenue",
    "net_less_reported_refunds", "reported_revenue",
    "reported_refunded", "reported_delta", "monetary",
)  # fmt: skip


def _shown(row: LifetimeRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in LifetimeRow.__slots__}


def _normal(row: dict[str, Any]) -> dict[str, Any]:
    """Times and money of a JSON row as the reference has them."""
    shown: dict[str, Any] = {}
    for name in _TIMES:
        at = row[name]
        shown[name] = None if at is None else _micros(at)
    for name in _MONEY:
        shown[name] = None if row[name] is None else Decimal(str(row[name]))
    return shown


def _micros(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * 1_000_000


async def test_a_count_of_transactions_stored_earlier_says_nothing_of_orders(
    tables: Tables,
) -> None:
    """Rows of early adapters' events stay as they are until a rebuild; what they count is known."""
    people: list[Event] = [
        Customer(
            meta=meta(source, "customer", "1", NOON),
            customer_id="1",
            created_at=NOON,
            reported=(ReportedTotals(scope=Scope.CUSTOMER, revenue=Decimal(9), orders_count=0),),
        )
        for source in ("ciklik", "spiffy")
    ]
    await tables.put(people)
    tables.execute("UPDATE reported_totals SET orders_count = 3, orders_version = '[9]'")
    await tables.passed(NOON + DAY)
    found = tables.rows(
        "SELECT source, reported_orders, history_complete FROM customer_lifetime_value ORDER BY 1"
    )
    assert found == [("ciklik", None, True), ("spiffy", 3, False)]
