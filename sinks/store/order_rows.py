"""Rows of orders, of their lines and of their refunds; what other rows decide in them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from psycopg import AsyncConnection

from sinks.lifetime.order_money import OrderMoney
from sinks.lifetime.order_state import OrderState, order_state, renewals
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS, PaymentRefund, payment_refund
from sinks.merge.last_writer import Layers, flatten, load
from sinks.postgres.copy_rows import Table
from sinks.store.entity_rows import ORDERS

Connection = AsyncConnection[Any]

_T, _B, _N = "text", "boolean", "numeric"
_AT, _ID = "timestamptz", "uuid"
_LINE = (
    ("line_id", _T), ("product_id", _T), ("variant_id", _T), ("sku", _T), ("name", _T),
    ("quantity", "bigint"), ("unit_price", _N), ("line_total", _N), ("discount", _N), ("tax", _N),
    ("is_gift_card", _B), ("status_word", _T),
)  # fmt: skip
_LINE_FIELDS = tuple(column for column, _ in _LINE)
ORDER_ITEMS = Table(
    "order_items",
    "order_key",
    (("order_key", _T), ("position", "integer"), ("source_event_id", _ID), *_LINE),
)
REFUNDS = Table(
    "refunds",
    "order_key",
    (
        ("order_key", _T), ("position", "integer"), ("refund_id", _T), ("customer_key", _T),
        ("source", _T), ("shop", _T), ("currency", _T), ("refunded_at", _AT), ("goods", _N),
        ("shipping", _N), ("tax", _N), ("goodwill", _N), ("net_effect", _N), ("basis", _T),
        ("is_counted", _B), ("timezone", _T), ("source_event_id", _ID),
    ),
)  # fmt: skip
_SIBLINGS = """
    SELECT order_key, source, shop, layers, is_renewal FROM orders
    WHERE subscription_key = ANY(%b) AND order_key <> ALL(%b)
"""
_PAYMENTS = "SELECT order_key, layers FROM payments WHERE order_key = ANY(%b)"
_FLIP = "UPDATE orders SET is_renewal = NOT is_renewal WHERE order_key = ANY(%b)"


def order_row(
    key: str, layers: Layers, state: OrderState, money: OrderMoney, *, is_renewal: bool
) -> list[Any]:
    """Return an order's row, with its money."""
    return ORDERS.row(
        key,
        layers,
        state.customer_key,
        state.subscription_key,
        sorted(state.fold_keys),
        state.is_draft,
        is_renewal,
        state.placed_at,
        state.currency,
        state.timezone,
        money.taxes_included,
        money.tax_basis._value_,
        money.revenue_status._value_,
        money.gross,
        money.discounts,
        money.taxes,
        money.shipping,
        money.gift_cards_sold,
        money.refunded,
        money.net,
        money.pending,
        money.total,
        money.refunds_observable,
        money.reason,
    )


def item_rows(order_key: str, layers: Layers) -> Iterator[list[Any]]:
    """Yield the rows of an order's lines."""
    event_id = layers[0].event_id
    for position, line in enumerate(flatten(layers).get("items") or (), start=1):
        yield [order_key, position, event_id, *map(line.get, _LINE_FIELDS)]


def refund_rows(layers: Layers, state: OrderState, money: OrderMoney) -> Iterator[list[Any]]:
    """Yield the rows of an order's refunds, oldest first."""
    for position, refund in enumerate(money.refund_effects, start=1):
        yield [
            state.order_key,
            position,
            refund.refund_id,
            state.customer_key,
            state.source,
            state.shop,
            state.currency,
            refund.refunded_at,
            refund.goods,
            refund.shipping,
            refund.tax,
            refund.goodwill,
            refund.net_effect,
            refund.basis._value_,
            refund.is_counted,
            state.timezone,
            layers[0].event_id,
        ]


async def add_payments(connection: Connection, states: dict[str, OrderState]) -> None:
    """Add what payments gave back to the orders of platforms whose payments decide that."""
    keys = [key for key, state in states.items() if state.source in REFUNDS_FROM_PAYMENTS]
    if not keys:
        return
    refunds: defaultdict[str, list[PaymentRefund]] = defaultdict(list)
    async for key, layers in await connection.execute(_PAYMENTS, [keys]):
        if (refund := payment_refund(flatten(load(layers)))) is not None:
            refunds[key].append(refund)
    for key, given in refunds.items():
        given.sort(key=lambda refund: refund.payment_id)
        states[key] = msgspec.structs.replace(states[key], payments=tuple(given))


async def mark_renewals(
    connection: Connection, subscriptions: Iterable[str], states: Mapping[str, OrderState]
) -> tuple[frozenset[str], list[OrderState]]:
    """Return the keys of the subscriptions' renewals, and the stored orders that this flipped."""
    keys = list(subscriptions)
    if not keys:
        return frozenset(), []
    siblings: dict[str, tuple[OrderState, bool]] = {}
    cursor = await connection.execute(_SIBLINGS, [keys, list(states)])
    async for key, source, shop, layers, is_renewal in cursor:
        siblings[key] = order_state(key, source, shop, flatten(load(layers))), is_renewal
    renewed = renewals([*states.values(), *(state for state, _ in siblings.values())])
    flipped = [state for key, (state, was) in siblings.items() if was != (key in renewed)]
    if flipped:
        await connection.execute(_FLIP, [[state.order_key for state in flipped]])
    return renewed, flipped
