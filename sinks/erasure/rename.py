"""Entities stored again under another hash, by the code that stores their events.

An event's hash is replaced in the layers that it gave, then the rows are made of these anew: the
result is that of the same events with the other hash. A guest's rows move to the key of that hash.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import AsyncConnection, sql

from schemas.events import Micros
from schemas.json_records.erasures import PSEUDONYM, Ledger, is_pseudonym
from schemas.keys import customer_key, entity_key
from sinks.carts.links import link_keys
from sinks.merge.last_writer import Flat, Layer, Layers, flatten, load
from sinks.store import apply, customer_projection
from sinks.store.entity_rows import ENTITIES, TOTALS, payment_order
from sinks.store.write_plan import WritePlan, customer_lock_key

Connection = AsyncConnection[Any]
_HASHED = """
    SELECT {key}, layers FROM {table}
    WHERE email_hash = ANY(%(hashes)b) OR customer_key = ANY(%(customers)b)
"""
_LAYERS = """
    UPDATE {table} SET layers = new.layers
    FROM unnest(%(keys)b::text[], %(layers)s::jsonb[]) AS new (key, layers) WHERE {key} = new.key
"""
_TOTALS = "SELECT total_key, customer_key, layers FROM reported_totals WHERE customer_key = ANY(%b)"
_LINKS = """
    DELETE FROM link_keys
    WHERE split_part(split_part(link_key, '/', 3), ':', 1) = 'email'
      AND split_part(split_part(link_key, '/', 3), ':', 2) = ANY(%b)
"""
_SIGNALS = """
    UPDATE outbox SET record = jsonb_set(
        CASE WHEN record->>'customer_key' LIKE '%%/guest:' || old
            THEN jsonb_set(record, '{customer_key}',
                to_jsonb(replace(record->>'customer_key', old, new)))
            ELSE record END,
        '{person_key}', CASE WHEN new LIKE %(pseudonym)s THEN 'null' ELSE to_jsonb(new) END)
    FROM unnest(%(old)s::text[], %(new)s::text[]) AS renamed (old, new)
    WHERE record->>'person_key' = old
"""
"""Signals that are still to be sent."""
_NOW = 1 << 62
"""A time after every span of an erasure that has ended."""


@dataclass(frozen=True, slots=True)
class Names:
    """What may be stored again: all that has ``hashes`` or is of ``customers`` (keys).

    ``ledger``: all entries about them, by which their hashes are named.
    """

    ledger: Ledger
    hashes: Collection[str]
    customers: Collection[str]

    def renamed(self, key: str, layers: Layers) -> Layers:
        """Return an entity's layers under the names that the ledger has for their hashes."""
        source, shop, _ = key.split("/", 2)
        owner = customer_key(source, shop, flatten(layers).get("customer_id"), None)
        return tuple(self._layer(layer, owner) for layer in layers)

    def _layer(self, layer: Layer, owner: str | None) -> Layer:
        hashed = layer.fields.get("email_hash")
        name = self.ledger.name_of(received_at(layer), hashed, owner)
        if name == hashed:
            return layer
        return layer._replace(fields={**layer.fields, "email_hash": name})

    def of_contact(self, customer: str, hashed: str | None, layer: Layer) -> Layer | None:
        """Return a layer of contact data under its newest hash; None where it is erased.

        ``hashed``: the customer's hash, for contact data that has none.
        """
        own = layer.fields.get("email_hash") or hashed
        return None if self.covers(received_at(layer), own, customer) else self._layer(layer, None)

    def newest(self, hashed: str) -> str:
        """Return what a hash of an event that comes now is called."""
        return self.ledger.name_of(_NOW, hashed, None) or hashed

    def is_erased(self, hashed: str) -> bool:
        """Whether any event of this hash is of an erased person."""
        return self.ledger.pseudonym(0, *self.ledger.hashes_of(hashed)) is not None

    def covers(self, at: Micros, hashed: str | None, customer: str) -> bool:
        """Whether an event received then is of an erased person."""
        return self.ledger.pseudonym(at, customer) is not None or is_pseudonym(
            self.ledger.name_of(at, hashed, customer)
        )


def received_at(layer: Layer) -> Micros:
    """Return when a layer's delivery was received: milliseconds later it was appended."""
    return layer.version[2]


async def rename(
    connection: Connection, names: Names, extra: frozenset[str], clock: Callable[[], Micros]
) -> Counter[str]:
    """Store again what has these hashes or customers; return the rows by table.

    No other transaction may store events meanwhile. Raises MoreKeysError: the caller rolls back
    and repeats it with these keys in ``extra``.
    """
    plan, moved, changed = WritePlan(), dict[str, str](), Counter[str]()
    for table, entity in ENTITIES.items():
        found = await _entities(connection, table, names)
        renamed = {
            key: named
            for key, layers in found.items()
            if (named := names.renamed(key, layers)) != layers
        }
        for key, layers in renamed.items():
            _lock(plan, table, key, (flatten(found[key]), flatten(layers)))
            guest = _guest(key, layers) if table == "customers" else None
            if guest is not None and guest != key:
                moved[key] = guest
                plan.contributions[table][guest].extend(_contributions(layers))
            else:
                plan.contributions[table][key].extend(())
        await _save(connection, entity.table.name, entity.table.key, renamed)
        changed[table] += len(renamed)
    await _move_totals(connection, plan, moved)
    await connection.execute("DELETE FROM customers WHERE customer_key = ANY(%b)", [list(moved)])
    await apply.apply(connection, plan, extra, clock, emit_signals=False)
    await customer_projection.recompute(connection, moved)
    gone_hashes = {old: new for old in names.hashes if (new := names.newest(old)) != old}
    await _rename_signals(connection, gone_hashes)
    gone = await connection.execute(_LINKS, [list(gone_hashes)])
    changed["link_keys"] += gone.rowcount
    return +changed


async def _entities(connection: Connection, table: str, names: Names) -> dict[str, Layers]:
    key = sql.Identifier(ENTITIES[table].table.key)
    query = sql.SQL(_HASHED).format(key=key, table=sql.Identifier(table))
    subjects = {"hashes": list(names.hashes), "customers": list(names.customers)}
    cursor = await connection.execute(query, subjects)
    return {key: load(layers) async for key, layers in cursor}


def _lock(plan: WritePlan, table: str, key: str, states: Iterable[Flat]) -> None:
    """Add the keys of what an entity was linked by, and will be."""
    source, shop, _ = key.split("/", 2)
    keys = {customer_lock_key(key)}
    for fields in states:
        hashed, customer = fields.get("email_hash"), fields.get("customer_id")
        keys.update(link_keys(source, shop, customer, hashed, fields.get("cart_token")))
        if table == "orders":
            keys.update(link_keys(source, shop, cart_id=fields.get("cart_id")))
        if (owner := customer_key(source, shop, customer, hashed)) is not None:
            keys.add(customer_lock_key(owner))
        if (subscription := fields.get("subscription_id")) is not None:
            keys.add(entity_key(source, shop, "subscription", subscription))
        if table == "payments" and (order := payment_order(key, fields)) is not None:
            keys.add(order)
    for each in keys:
        plan.locks[each] = plan.locks.get(each, False) or table == "carts"


def _guest(key: str, layers: Layers) -> str | None:
    """Return the key of a guest's row under the hash in its layers; None for another customer."""
    source, shop, native = key.split("/", 2)
    if not native.startswith("guest:"):
        return None
    return customer_key(source, shop, None, flatten(layers).get("email_hash"))


def _contributions(layers: Layers) -> list[Any]:
    return [(layer.version, layer.event_id, layer.fields) for layer in layers]


async def _save(connection: Connection, table: str, key: str, layers: Mapping[str, Layers]) -> None:
    query = sql.SQL(_LAYERS).format(table=sql.Identifier(table), key=sql.Identifier(key))
    texts = [msgspec.json.encode(each).decode() for each in layers.values()]
    await connection.execute(query, {"keys": list(layers), "layers": texts})


async def _rename_signals(connection: Connection, hashes: Mapping[str, str]) -> None:
    old, new = list(hashes), list(hashes.values())
    await connection.execute(_SIGNALS, {"old": old, "new": new, "pseudonym": f"{PSEUDONYM}%"})


async def _move_totals(connection: Connection, plan: WritePlan, moved: Mapping[str, str]) -> None:
    cursor = await connection.execute(_TOTALS, [list(moved)])
    stored = [(key, customer, load(layers)) async for key, customer, layers in cursor]
    for key, customer, layers in stored:
        currency = key.partition(" ")[0]
        plan.contributions[TOTALS.name][f"{currency} {moved[customer]}"].extend(
            _contributions(layers)
        )
    gone = [key for key, _, _ in stored]
    await connection.execute("DELETE FROM reported_totals WHERE total_key = ANY(%b)", [gone])
