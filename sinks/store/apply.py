"""One batch of events into the tables, inside a transaction that the caller holds.

Take the locks, read the stored rows, merge the events into them and write the result; then
refold the carts and recompute the customers that changed.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from schemas.events import Micros
from sinks.carts.links import fold_keys
from sinks.lifetime.order_money import order_money
from sinks.lifetime.order_state import OrderState, order_state, order_state_of_event
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS, PaymentRefund, payment_refund
from sinks.merge.last_writer import Flat, Layers, flatten, load, merge
from sinks.postgres.copy_rows import Table
from sinks.store import cart_groups, customer_projection, entity_locks, order_rows
from sinks.store.entity_rows import (
    CONTACTS,
    ENTITIES,
    ORDERS,
    PAYMENTS,
    TOTALS,
    contact_row,
    owner,
    payment_order,
    totals_row,
)
from sinks.store.order_rows import ORDER_ITEMS, REFUNDS, item_rows, order_row, refund_rows
from sinks.store.write_plan import Contribution, WritePlan, customer_lock_key

Connection = AsyncConnection[Any]
_ACTIVITIES = Table(
    "cart_activity",
    "event_id",
    (
        ("event_id", "uuid"), ("cart_key", "text"), ("occurred_at", "timestamptz"),
        ("activity", "jsonb"), ("raw_partition", "integer"), ("raw_offset", "bigint"),
    ),
)  # fmt: skip
_DELETIONS = """
    SELECT customer_key, layers FROM customers
    WHERE customer_key = ANY(%b) AND layers @? '$[*][2].contact_deleted'
"""


@dataclass(frozen=True, slots=True)
class _Merged:
    """Entities of one table: as stored, and with the batch merged in."""

    before: Mapping[str, Layers]
    after: Mapping[str, Layers]


async def apply(
    connection: Connection,
    batch: WritePlan,
    extra: frozenset[str],
    clock: Callable[[], Micros],
    *,
    emit_signals: bool = True,
) -> None:
    """Write a planned batch; any order and any repetition of events end in the same rows.

    ``extra``: keys to lock besides those of the plan. ``emit_signals``: whether changes of carts
    go to the outbox. Raises MoreKeysError when stored rows need further keys: the caller rolls
    back and retries with them in ``extra``.
    """
    customers = set(await entity_locks.take_shops(connection, batch.shops))
    wanted = dict.fromkeys(extra, False) | batch.locks
    carried = await entity_locks.take(connection, wanted)
    locked = set(wanted)

    refunded = await _store_payments(connection, batch, locked)
    customers |= await _store_orders(connection, batch, refunded, locked)
    for name in ENTITIES:
        if name not in ("orders", "payments") and name in batch.contributions:
            customers |= await _store(connection, name, batch.contributions[name], locked)
    await store_contacts(connection, batch.contributions.get(CONTACTS.name))
    await _store_totals(connection, batch)
    await _store_activities(connection, batch)

    entity_locks.require(map(customer_lock_key, customers), locked)
    owners = [customer for customer in customers if customer_lock_key(customer) in carried]
    if carried:
        customers |= await cart_groups.refold(
            connection, carried, owners, locked, clock, emit_signals=emit_signals
        )
        entity_locks.require(map(customer_lock_key, customers), locked)
    await customer_projection.recompute(connection, customers)


async def _merged(
    connection: Connection, table: Table, contributions: Mapping[str, Sequence[Contribution]]
) -> _Merged:
    query = sql.SQL("SELECT {key}, layers FROM {table} WHERE {key} = ANY(%b)").format(
        key=sql.Identifier(table.key), table=sql.Identifier(table.name)
    )
    cursor = await connection.execute(query, [list(contributions)])
    before = {key: load(layers) async for key, layers in cursor}
    after: dict[str, Layers] = {}
    for key, events in contributions.items():
        layers = before.get(key, ())
        for at, event_id, fields in events:
            layers = merge(layers, at, event_id, fields)
        if layers:
            after[key] = layers
    return _Merged(before, after)


async def _store(
    connection: Connection,
    name: str,
    contributions: Mapping[str, Sequence[Contribution]],
    locked: set[str],
) -> set[str]:
    """Write entities whose rows follow from their own events; return their customers."""
    entity = ENTITIES[name]
    merged = await _merged(connection, entity.table, contributions)
    if name == "carts":  # an order of a link that the cart had may now close another cart
        stored = merged.before.items()
        entity_locks.require(
            (link for key, layers in stored for link in _links(key, flatten(layers))), locked
        )
    rows = (
        entity.row(key, layers, *([_links(key, flatten(layers))] if name == "carts" else ()))
        for key, layers in merged.after.items()
    )
    await entity.table.replace(connection, merged.before, rows)
    if name == "customers":
        return set(merged.after)
    if name == "subscriptions":
        return _owners(merged.before) | _owners(merged.after)
    return set()


async def _store_totals(connection: Connection, batch: WritePlan) -> None:
    if contributions := batch.contributions.get(TOTALS.name):
        merged = await _merged(connection, TOTALS, contributions)
        rows = (totals_row(key, layers) for key, layers in merged.after.items())
        await TOTALS.replace(connection, merged.before, rows)


async def store_contacts(
    connection: Connection, contributions: Mapping[str, Sequence[Contribution]] | None
) -> None:
    """Write contact data, without what is as old as the customer's deletion; after customers."""
    if not contributions:
        return
    merged = await _merged(connection, CONTACTS, contributions)
    cursor = await connection.execute(_DELETIONS, [list(contributions)])
    after = dict(merged.after)
    async for key, stored in cursor:
        deletion = next(each for each in load(stored) if "contact_deleted" in each.fields)
        after[key] = tuple(
            layer for layer in after.get(key, ()) if layer.version > deletion.version
        )
    rows = (contact_row(key, layers) for key, layers in after.items() if layers)
    await CONTACTS.replace(connection, merged.before, rows)


async def _store_payments(connection: Connection, batch: WritePlan, locked: set[str]) -> set[str]:
    """Write payments; return the orders whose refunds they change, on platforms that do so."""
    contributions = batch.contributions.get("payments")
    if not contributions:
        return set()
    merged = await _merged(connection, PAYMENTS.table, contributions)
    rows = (PAYMENTS.row(key, layers) for key, layers in merged.after.items())
    await PAYMENTS.table.replace(connection, merged.before, rows)
    changed: set[str] = set()
    for key, layers in merged.after.items():
        if key.partition("/")[0] in REFUNDS_FROM_PAYMENTS:
            before = _refund_of(key, merged.before.get(key, ()))
            after = _refund_of(key, layers)
            if before != after:
                changed.update(order for order, _ in (*before, *after))
    entity_locks.require(changed, locked)
    return changed


def _refund_of(key: str, layers: Layers) -> tuple[tuple[str, PaymentRefund], ...]:
    """Return the order that a payment names, with what it gave back; empty where it gave none."""
    if not layers:
        return ()
    fields = flatten(layers)
    order, refund = payment_order(key, fields), payment_refund(fields)
    return () if order is None or refund is None else ((order, refund),)


async def _store_activities(connection: Connection, batch: WritePlan) -> None:
    rows = {
        event.event_id: [
            event.event_id,
            key,
            event.at,
            event,
            event.raw_partition,
            event.raw_offset,
        ]
        for key, activities in batch.activities.items()
        for event in activities
    }
    if rows:
        cursor = await connection.execute(
            "SELECT event_id::text FROM cart_activity"
            " WHERE cart_key = ANY(%b) AND event_id = ANY(%b::uuid[])",
            [list(batch.activities), list(rows)],
        )
        stored = {event_id async for (event_id,) in cursor}
        await _ACTIVITIES.append(
            connection, [row for event_id, row in rows.items() if event_id not in stored]
        )


async def _store_orders(
    connection: Connection, batch: WritePlan, refunded: Collection[str], locked: set[str]
) -> set[str]:
    """Write orders with their money, lines and refunds; return the customers to recompute.

    ``refunded``: orders that payments of the batch change, whether they are stored or not.
    """
    contributions = dict.fromkeys(refunded, ()) | batch.contributions.get("orders", {})
    if not contributions:
        return set()
    merged = await _merged(connection, ORDERS.table, contributions)
    states = _states(batch, merged.after, merged.before)
    await order_rows.add_payments(connection, states)
    before = {key: _state(key, layers) for key, layers in merged.before.items()}
    entity_locks.require((key for state in before.values() for key in _order_locks(state)), locked)

    subscriptions = {
        subscription
        for state in (*states.values(), *before.values())
        if (subscription := state.subscription_key) is not None
    }
    renewed, flipped = await order_rows.mark_renewals(connection, subscriptions, states)
    # Carts that these orders closed, or now may close, are refolded as well.
    entity_locks.require((key for state in flipped for key in _order_locks(state)), locked)
    money = {key: order_money(state) for key, state in states.items()}
    rows = (
        order_row(key, layers, states[key], money[key], is_renewal=key in renewed)
        for key, layers in merged.after.items()
    )
    refunds = (
        row
        for key, layers in merged.after.items()
        for row in refund_rows(layers, states[key], money[key])
    )
    items = (item for key, layers in merged.after.items() for item in item_rows(key, layers))
    await ORDERS.table.replace(connection, merged.before, rows)
    await ORDER_ITEMS.replace(connection, merged.before, items)
    await REFUNDS.replace(connection, merged.before, refunds)
    owners = {state.customer_key for state in (*states.values(), *before.values(), *flipped)}
    return {customer for customer in owners if customer is not None}


def _states(
    batch: WritePlan, after: Mapping[str, Layers], before: Container[str]
) -> dict[str, OrderState]:
    states = {}
    for key, layers in after.items():
        # A new order with one event: cheaper than the same state from its layers.
        only_event = None if key in before else batch.orders.get(key)
        states[key] = (
            _state(key, layers) if only_event is None else order_state_of_event(key, only_event)
        )
    return states


def _state(key: str, layers: Layers) -> OrderState:
    source, shop, _ = key.split("/", 2)
    return order_state(key, source, shop, flatten(layers))


def _order_locks(state: OrderState) -> set[str]:
    """Return the link keys that guard a stored order."""
    keys = set(state.fold_keys)
    if state.source in REFUNDS_FROM_PAYMENTS:
        keys.add(state.order_key)
    if (customer := state.customer_key) is not None:
        keys.add(customer_lock_key(customer))
    if (subscription := state.subscription_key) is not None:
        keys.add(subscription)
    return keys


def _links(key: str, fields: Flat) -> list[str]:
    source, shop, _ = key.split("/", 2)
    return sorted(fold_keys(source, shop, fields))


def _owners(entities: Mapping[str, Layers]) -> set[str]:
    owners = {owner(key, flatten(layers)) for key, layers in entities.items()}
    return {customer for customer in owners if customer is not None}
