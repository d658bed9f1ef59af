"""One batch of events into the tables, inside a transaction that the caller holds.

Take the locks, read the stored rows, merge the events into them and write the result; then
refold the carts and recompute the customers that changed.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from schemas.events import Micros
from sinks.carts.links import fold_keys
from sinks.lifetime.order_state import OrderState, order_state, order_state_of_event, renewals
from sinks.merge.last_writer import Flat, Layers, flatten, load, merge
from sinks.postgres.copy_rows import Table
from sinks.store import cart_groups, customer_projection, entity_locks
from sinks.store.entity_rows import (
    CONTACTS,
    ENTITIES,
    ORDER_ITEMS,
    ORDERS,
    TOTALS,
    contact_row,
    item_rows,
    order_row,
    owner,
    totals_row,
)
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
_SIBLINGS = """
    SELECT order_key, source, shop, layers, is_renewal FROM orders
    WHERE subscription_key = ANY(%b) AND order_key <> ALL(%b)
"""
_FLIP = "UPDATE orders SET is_renewal = NOT is_renewal WHERE order_key = ANY(%b)"


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

    customers |= await _store_orders(connection, batch, locked)
    for name in ENTITIES:
        if name != "orders" and name in batch.contributions:
            customers |= await _store(connection, name, batch.contributions[name], locked)
    await _store_layers(connection, CONTACTS, batch, contact_row)
    await _store_layers(connection, TOTALS, batch, totals_row)
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


async def _store_layers(
    connection: Connection, table: Table, batch: WritePlan, row: Callable[[str, Layers], list[Any]]
) -> None:
    if contributions := batch.contributions.get(table.name):
        merged = await _merged(connection, table, contributions)
        rows = (row(key, layers) for key, layers in merged.after.items())
        await table.replace(connection, merged.before, rows)


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


async def _store_orders(connection: Connection, batch: WritePlan, locked: set[str]) -> set[str]:
    """Write orders with their money and lines; return the customers to recompute."""
    contributions = batch.contributions.get("orders")
    if not contributions:
        return set()
    merged = await _merged(connection, ORDERS.table, contributions)
    states = _states(batch, merged.after, merged.before)
    before = {key: _state(key, layers) for key, layers in merged.before.items()}
    entity_locks.require((key for state in before.values() for key in _order_locks(state)), locked)

    subscriptions = {
        subscription
        for state in (*states.values(), *before.values())
        if (subscription := state.subscription_key) is not None
    }
    renewed, flipped = await _renewals(connection, subscriptions, states)
    rows = (
        order_row(key, layers, states[key], is_renewal=key in renewed)
        for key, layers in merged.after.items()
    )
    items = (item for key, layers in merged.after.items() for item in item_rows(key, layers))
    await ORDERS.table.replace(connection, merged.before, rows)
    await ORDER_ITEMS.replace(connection, merged.before, items)
    owners = {state.customer_key for state in (*states.values(), *before.values(), *flipped)}
    return {customer for customer in owners if customer is not None}


async def _renewals(
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
