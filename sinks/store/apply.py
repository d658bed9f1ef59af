"""One batch of events into the tables, inside a transaction that the caller holds.

Locks first, then everything that stands is read, merged with what the events tell, and
written; carts and customers that this touched are folded and summed anew.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection, sql

from schemas.events import Micros
from sinks.carts.links import fold_keys
from sinks.lifetime.customers import OrderState, order_state, renewals, state_of
from sinks.merge.last_writer import Flat, Layers, flatten, load, merge
from sinks.postgres.arrays import texts
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
from sinks.store.write_plan import Plan, Told, lock_of

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
    WHERE subscription_key = ANY(%s) AND order_key <> ALL(%s)
"""
_FLIP = "UPDATE orders SET is_renewal = NOT is_renewal WHERE order_key = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Merged:
    """Entities of one table: as they stood, and with what the batch tells."""

    before: Mapping[str, Layers]
    after: Mapping[str, Layers]

    @property
    def stored(self) -> list[str]:
        """Keys that have a row already."""
        return list(self.before)


async def apply(
    connection: Connection,
    batch: Plan,
    extra: frozenset[str],
    clock: Callable[[], Micros],
    *,
    tells: bool = True,
) -> None:
    """Store what a plan's events tell; any order and any repetition end in the same rows.

    ``extra``: keys to lock beside the events' own. ``tells``: whether what changed for carts
    goes to the outbox. Raises MoreKeysError when stored rows name
    others: the caller rolls back and comes again with them in ``extra``.
    """
    customers = set(await entity_locks.take_shops(connection, batch.shops))
    wanted = dict.fromkeys(extra, False) | batch.locks
    carried = await entity_locks.take(connection, wanted)
    locked = set(wanted)

    customers |= await _store_orders(connection, batch, locked)
    for name in ENTITIES:
        if name != "orders" and name in batch.told:
            customers |= await _store(connection, name, batch.told[name], locked)
    await _store_apart(connection, CONTACTS, batch, contact_row)
    await _store_apart(connection, TOTALS, batch, totals_row)
    await _store_activities(connection, batch)

    entity_locks.require(map(lock_of, customers), locked)
    owners = [customer for customer in customers if lock_of(customer) in carried]
    if carried:
        customers |= await cart_groups.refold(
            connection, carried, owners, locked, clock, tells=tells
        )
        entity_locks.require(map(lock_of, customers), locked)
    await customer_projection.recompute(connection, customers)


async def _merged(
    connection: Connection, table: Table, told: Mapping[str, Sequence[Told]]
) -> Merged:
    query = sql.SQL("SELECT {key}, layers FROM {table} WHERE {key} = ANY(%s)").format(
        key=sql.Identifier(table.key), table=sql.Identifier(table.name)
    )
    cursor = await connection.execute(query, [texts(told)])
    before = {key: load(layers) async for key, layers in cursor}
    after: dict[str, Layers] = {}
    for key, said in told.items():
        layers = before.get(key, ())
        for at, event_id, fields in said:
            layers = merge(layers, at, event_id, fields)
        after[key] = layers
    return Merged(before, after)


async def _store(
    connection: Connection,
    name: str,
    told: Mapping[str, Sequence[Told]],
    locked: set[str],
) -> set[str]:
    """Entities whose rows follow from their own events; returns the customers they touch."""
    entity = ENTITIES[name]
    merged = await _merged(connection, entity.table, told)
    if name == "carts":  # orders of a link given up may now close another cart
        was = merged.before.items()
        entity_locks.require(
            (link for key, old in was for link in _links(key, flatten(old))), locked
        )
    rows = (
        entity.row(key, layers, *([_links(key, flatten(layers))] if name == "carts" else ()))
        for key, layers in merged.after.items()
    )
    await entity.table.replace(connection, merged.stored, rows)
    if name == "customers":
        return set(merged.after)
    if name == "subscriptions":
        return _owners(merged.before) | _owners(merged.after)
    return set()


async def _store_apart(
    connection: Connection,
    table: Table,
    batch: Plan,
    row: Callable[[str, Layers], list[Any]],
) -> None:
    if told := batch.told.get(table.name):
        merged = await _merged(connection, table, told)
        rows = (row(key, layers) for key, layers in merged.after.items())
        await table.replace(connection, merged.stored, rows)


async def _store_activities(connection: Connection, batch: Plan) -> None:
    rows = {
        each.event_id: [each.event_id, key, each.at, each, each.raw_partition, each.raw_offset]
        for key, activities in batch.activities.items()
        for each in activities
    }
    if rows:
        cursor = await connection.execute(
            "SELECT event_id::text FROM cart_activity"
            " WHERE cart_key = ANY(%s) AND event_id = ANY(%s::uuid[])",
            [texts(batch.activities), texts(rows)],
        )
        known = {event_id async for (event_id,) in cursor}
        await _ACTIVITIES.append(
            connection, [row for event_id, row in rows.items() if event_id not in known]
        )


async def _store_orders(connection: Connection, batch: Plan, locked: set[str]) -> set[str]:
    """Orders with what they are worth; returns the customers that they touch."""
    told = batch.told.get("orders")
    if not told:
        return set()
    merged = await _merged(connection, ORDERS.table, told)
    states = _states(batch, merged.after, merged.before)
    was = {key: _state(key, layers) for key, layers in merged.before.items()}
    entity_locks.require((key for state in was.values() for key in _order_locks(state)), locked)

    subscriptions = {
        subscription
        for state in (*states.values(), *was.values())
        if (subscription := state.subscription_key) is not None
    }
    renewed, flipped = await _renewals(connection, subscriptions, states)
    rows = (
        order_row(key, layers, states[key], is_renewal=key in renewed)
        for key, layers in merged.after.items()
    )
    items = (item for key, layers in merged.after.items() for item in item_rows(key, layers))
    await ORDERS.table.replace(connection, merged.stored, rows)
    await ORDER_ITEMS.replace(connection, merged.stored, items)
    owners = {state.customer_key for state in (*states.values(), *was.values(), *flipped)}
    return {customer for customer in owners if customer is not None}


async def _renewals(
    connection: Connection, subscriptions: Iterable[str], states: Mapping[str, OrderState]
) -> tuple[frozenset[str], list[OrderState]]:
    """Keys of all renewals of the subscriptions, and the stored orders that turned with them."""
    wanted = list(subscriptions)
    if not wanted:
        return frozenset(), []
    siblings: dict[str, tuple[OrderState, bool]] = {}
    cursor = await connection.execute(_SIBLINGS, [texts(wanted), texts(states)])
    async for key, source, shop, layers, is_renewal in cursor:
        siblings[key] = order_state(key, source, shop, flatten(load(layers))), is_renewal
    renewed = renewals([*states.values(), *(state for state, _ in siblings.values())])
    turned = [state for key, (state, was) in siblings.items() if was != (key in renewed)]
    if turned:
        await connection.execute(_FLIP, [texts(state.order_key for state in turned)])
    return renewed, turned


def _states(
    batch: Plan, after: Mapping[str, Layers], before: Container[str]
) -> dict[str, OrderState]:
    states = {}
    for key, layers in after.items():
        only = None if key in before else batch.orders.get(key)
        states[key] = _state(key, layers) if only is None else state_of(key, only)
    return states


def _state(key: str, layers: Layers) -> OrderState:
    source, shop, _ = key.split("/", 2)
    return order_state(key, source, shop, flatten(layers))


def _order_locks(state: OrderState) -> set[str]:
    """Keys that guard an order as it stands."""
    keys = set(state.fold_keys)
    if (customer := state.customer_key) is not None:
        keys.add(lock_of(customer))
    if (subscription := state.subscription_key) is not None:
        keys.add(subscription)
    return keys


def _links(key: str, told: Flat) -> list[str]:
    source, shop, _ = key.split("/", 2)
    names = ("customer_id", "email_hash", "cart_token", "cart_id")
    return sorted(fold_keys(source, shop, **{name: told.get(name) for name in names}))


def _owners(entities: Mapping[str, Layers]) -> set[str]:
    owners = {owner(key, flatten(layers)) for key, layers in entities.items()}
    return {customer for customer in owners if customer is not None}
