"""Entities in the tables: those of a person, by key or address, and where they came from."""

from collections.abc import Iterable
from dataclasses import dataclass

from hookline.console.errors import CommandError
from hookline.explain.explain import to_datetime
from hookline.people import find, person
from hookline.people.person import Person
from hookline.stack_address import StackAddress
from hookline.tables import reading
from hookline.tables.queries import Reader
from runtime import contact_key
from schemas.erasures import Ledger, Span
from sinks.merge.last_writer import Layers, load

_OF_CUSTOMERS = {
    "carts": "cart_key",
    "orders": "order_key",
    "subscriptions": "subscription_key",
    "payments": "payment_key",
    "shipments": "shipment_key",
    "consents": "consent_key",
}
"""Table -> its key; each has the customer in ``customer_key``."""
_TABLES = {key.removesuffix("_key"): table for table, key in _OF_CUSTOMERS.items()} | {
    "customer": "customers"
}
"""Kind of an entity -> its table."""
NO_ADDRESS = (
    "that is not one e-mail address alone: write it as name@example.com, without a name or blanks"
)


@dataclass(frozen=True, slots=True)
class Entities:
    """The customers of one person, the keys of all that is theirs, and what is to be noted."""

    customers: tuple[str, ...]
    keys: tuple[str, ...]
    notes: tuple[str, ...] = ()


async def of_address(stack: StackAddress, address: str) -> Entities:
    """Return what belongs to an address. Raises CommandError, SettingsError, AnotherKeyError.

    The address is hashed here with the contact key; no message has it.
    """
    settings = stack.settings
    keys = person.contact_keys(settings, await contact_key.recorded(settings))
    try:
        found = person.of_address(address, keys)
    except CommandError:
        raise CommandError(NO_ADDRESS) from None
    ledger = await find.read_ledger(settings)
    return _entities(
        stack, person.on_ledger(found, ledger), ledger, person.ids_of_address(address, keys)
    )


async def of_key(stack: StackAddress, key: str) -> Entities:
    """Return what belongs to a customer's or guest's key, in its own shop."""
    found = person.of_key(key)
    ledger = await find.read_ledger(stack.settings)
    notes = erasure_notes(ledger, person.on_ledger(found, ledger))
    with reading.connect(stack.reader_url, stack.settings.sql_schema) as session:
        keys = _keys(session, [key])
    return Entities((key,), tuple(sorted({key, *keys})), notes)


def _entities(stack: StackAddress, found: Person, ledger: Ledger, ids: list[str]) -> Entities:
    with reading.connect(stack.reader_url, stack.settings.sql_schema) as session:
        found = person.in_tables(found, session, ids)
        shops = session.execute("SELECT source || '/' || shop FROM shops ORDER BY 1").fetchall()
        guests = [f"{shop}/{guest}" for (shop,) in shops for guest in found.guests]
        customers = sorted(found.customers)
        keys = _keys(session, [*customers, *guests])
    return Entities(
        tuple(customers), tuple(sorted({*customers, *keys})), erasure_notes(ledger, found)
    )


def _keys(session: person.Session, customers: list[str]) -> set[str]:
    union = " UNION ".join(
        f"SELECT {key} FROM {table} WHERE customer_key = ANY(%(customers)s)"  # noqa: S608 - our own names
        for table, key in _OF_CUSTOMERS.items()
    )
    return {key for (key,) in session.execute(union.encode(), {"customers": customers}).fetchall()}


def erasure_notes(ledger: Ledger, found: Person) -> tuple[str, ...]:
    """Return sentences about the erasures of a person on the ledger, the oldest first."""
    erasures = [ledger.erasures[each] for each in found.subjects if each in ledger.erasures]
    spans = {span for erasure in erasures for span in erasure.spans}
    return tuple(map(_erased, sorted(spans, key=lambda span: span.erased_at)))


def _erased(span: Span) -> str:
    allowed_at = span.allowed_at
    allowed = "" if allowed_at is None else f", allowed again on {to_datetime(allowed_at):%Y-%m-%d}"
    return (
        f"this person was erased on {to_datetime(span.erased_at):%Y-%m-%d}{allowed}: rows are under"
        f" {span.pseudonym}, and what the raw topic still holds goes by its retention"
    )


def layers(reader: Reader, keys: Iterable[str]) -> list[Layers]:
    """Return the layers of those of these entities that the tables have."""
    found: list[Layers] = []
    for key in keys:
        kind = key.split("/", 2)[-1].partition(":")[0]
        if (table := _TABLES.get(kind)) is not None:
            statement = f"SELECT layers FROM {table} WHERE {kind}_key = %s"  # noqa: S608 - our own names
            found += [load(stored) for (stored,) in reader.query(statement, [key]).rows]
    return found


def origins(of: Iterable[Layers]) -> set[tuple[int, int]]:
    """Return the raw (partition, offset) of the events that decide fields of entities."""
    return {(layer.version[3], layer.version[4]) for layers_ in of for layer in layers_}
