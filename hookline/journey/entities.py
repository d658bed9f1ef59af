"""Entities in the tables: those of a person, by key or address, and where they came from."""

from collections.abc import Iterable
from dataclasses import dataclass

from hookline.console.errors import CommandError
from hookline.explain.explain import to_datetime
from hookline.journey.search_text import (
    Address,
    EntityKey,
    HashedAddress,
    NativeId,
    SearchText,
)
from hookline.people import find, person
from hookline.people.person import Person
from hookline.stack_address import StackAddress
from hookline.tables import reading
from hookline.tables.queries import Reader
from processors.sources.personal_ids import hashed_id, is_personal_id
from runtime import contact_key
from schemas.json_records.erasures import Ledger, Span
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
    return await of_hashes(stack, await hashed(stack, address))


async def hashed(stack: StackAddress, address: str) -> HashedAddress:
    """Hash an address with the contact key, and with that before it where one is set.

    Raises CommandError, SettingsError, AnotherKeyError.
    """
    settings = stack.settings
    settings.require_contact_key()  # before Kafka is asked: what to set is known without it
    keys = person.contact_keys(settings, await contact_key.recorded(settings))
    try:
        found = person.of_address(address, keys)
    except CommandError:
        raise CommandError(NO_ADDRESS) from None
    return HashedAddress(tuple(sorted(found.hashes)), tuple(person.ids_of_address(address, keys)))


async def of_hashes(stack: StackAddress, address: HashedAddress) -> Entities:
    """Return what belongs to an address that is hashed already."""
    ledger = await find.read_ledger(stack.settings)
    found = person.on_ledger(Person(hashes=frozenset(address.hashes)), ledger)
    return _entities(stack, found, ledger, list(address.ids))


async def without_address(stack: StackAddress, wanted: SearchText, text: str) -> str:
    """Return a text that finds the same and holds no address and no telephone number.

    Raises CommandError, SettingsError, AnotherKeyError.
    """
    if isinstance(wanted, Address):
        return (await hashed(stack, wanted.text)).text
    if isinstance(wanted, EntityKey | NativeId):
        is_key = isinstance(wanted, EntityKey)
        head, mark, native = text.partition(":") if is_key else text.rpartition("/")
        if is_personal_id(native):
            stack.settings.require_contact_key()
            return f"{head}{mark}{hashed_id(native, stack.settings.contact_key.encode())}"
    return text


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
