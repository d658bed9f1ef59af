"""One person: what is known of them, found in the tables and on the ledger."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from hookline.console.errors import CommandError
from processors.sources.personal_ids import PREFIX, hashed_id
from processors.sources.readers.contact import email_hash
from runtime.settings import Settings
from schemas.json_records.erasures import PSEUDONYM, Ledger

Session = psycopg.Connection[Any]
_OF_CUSTOMERS = (
    "customers",
    "carts",
    "orders",
    "payments",
    "shipments",
    "subscriptions",
    "consents",
)
_GUEST, _CUSTOMER = "guest:", "customer:"
_KEY_PARTS = 3
_NO_ADDRESS = re.compile(r'^mailto:|[\s<>,;"]|@.*@', re.IGNORECASE | re.DOTALL)
"""What is around an address, or between two of them."""


@dataclass(frozen=True, slots=True)
class Person:
    """What identifies one person. Pseudonyms: hashes, keys of customers (source/shop/customer:id).

    ``pseudonyms`` are those of the ledger. The rest is personal data, for as far as it is known.
    """

    hashes: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    pseudonyms: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    streets: frozenset[str] = frozenset()

    @property
    def subjects(self) -> list[str]:
        """What the ledger names the person by."""
        return [*sorted(self.hashes), *sorted(self.customers)]

    @property
    def guests(self) -> list[str]:
        """How the keys of the person as a guest end, in any shop."""
        return [f"{_GUEST}{each}" for each in sorted(self.hashes | self.pseudonyms)]

    def is_customer(self, key: str | None) -> bool:
        """Whether a customer's key is the person's, by id or as a guest."""
        return key is not None and (key in self.customers or _end(key) in self.guests)


def _end(key: str) -> str:
    return key.split("/", 2)[-1]


def of_key(text: str) -> Person:
    """Return the person of a customer's key. Raises CommandError for what is no key."""
    key = text.strip()
    parts = key.split("/", 2)
    end = parts[-1]
    if len(parts) < _KEY_PARTS or not all(parts) or end in (_GUEST, _CUSTOMER):
        raise CommandError(_no_key(text))
    if end.startswith(_CUSTOMER):
        return Person(customers=frozenset({key}))
    if not end.startswith(_GUEST):
        raise CommandError(_no_key(text))
    name = end.removeprefix(_GUEST)
    if name.startswith(PSEUDONYM):
        return Person(pseudonyms=frozenset({name}))
    return Person(hashes=frozenset({name}))


def _no_key(text: str) -> str:
    shown = "an e-mail address" if "@" in text and "/" not in text else "that"
    return (
        f"{shown} is no key of a customer: write source/shop/customer:id, as"
        " `hookline tables customers --json` shows it, or give an address with --email"
    )


def of_address(address: str, keys: Sequence[str]) -> Person:
    """Return the person of an address: its hash by each contact key. Raises CommandError."""
    check_address(address)
    hashes = [email_hash(address, key.encode()) for key in keys]
    return Person(
        hashes=frozenset(each for each in hashes if each), addresses=frozenset({address.strip()})
    )


def check_address(text: str) -> None:
    """Refuse what is more or less than one address. Raises CommandError, without the text.

    Its hash would be nobody's, so the person would not be found.
    """
    address = unicodedata.normalize("NFKC", text.strip())  # as it is hashed
    if "@" not in address:
        raise CommandError("--email is no e-mail address: write one with an @")
    if _NO_ADDRESS.search(address) or not address.isprintable():
        raise CommandError(
            "--email is not one e-mail address alone: write it as name@example.com, without a name,"
            ' blanks, <, >, a comma, ;, " or mailto:'
        )


def ids_of_address(address: str, keys: Sequence[str]) -> list[str]:
    """Return what the address is as an id of a customer, hashed (``customer:hashed-…``)."""
    bare = address.strip()
    spellings = {address, bare, bare.lower(), bare.casefold()}
    made = {hashed_id(each, key.encode()) for each in spellings for key in keys}
    return sorted(f"{_CUSTOMER}{each}" for each in made if each.startswith(PREFIX))


def on_ledger(person: Person, ledger: Ledger) -> Person:
    """Add what the ledger has of the person: hashes by other keys, all subjects of an erasure."""
    hashes, customers, pseudonyms = (
        set(person.hashes),
        set(person.customers),
        set(person.pseudonyms),
    )
    before = -1
    while before != (before := len(hashes) + len(customers) + len(pseudonyms)):
        hashes |= {ledger.newest_hash(each) for each in hashes}
        hashes |= {old for old in ledger.rotations if ledger.newest_hash(old) in hashes}
        for subject, erasure in ledger.erasures.items():
            own = {span.pseudonym for span in erasure.spans}
            if subject in hashes or subject in customers or own & pseudonyms:
                pseudonyms |= own
                (customers if "/" in subject else hashes).add(subject)
    return replace(
        person,
        hashes=frozenset(hashes),
        customers=frozenset(customers),
        pseudonyms=frozenset(pseudonyms),
    )


def in_tables(person: Person, session: Session, ids: Sequence[str] = ()) -> Person:
    """Add the person's other customers, in all shops: those with the same newest hash.

    ``ids``: ends of keys that are the person's too.
    """
    named = session.execute(
        "SELECT person_key FROM customers WHERE customer_key = ANY(%s) AND person_key IS NOT NULL",
        [sorted(person.customers)],
    ).fetchall()
    hashes = person.hashes | {each for (each,) in named if not each.startswith(PSEUDONYM)}
    same = session.execute(
        "SELECT customer_key FROM customers WHERE person_key = ANY(%s)", [sorted(hashes)]
    ).fetchall()
    found = {key for (key,) in same}
    if ids:
        union = " UNION ".join(
            f"SELECT customer_key FROM {table}"  # noqa: S608 - our own names
            " WHERE split_part(customer_key, '/', 3) = ANY(%(ids)s)"
            for table in _OF_CUSTOMERS
        )
        found |= {key for (key,) in session.execute(union.encode(), {"ids": list(ids)}).fetchall()}
    customers = {key for key in found if _end(key).startswith(_CUSTOMER)}
    return replace(person, hashes=hashes, customers=person.customers | customers)


def with_contacts(person: Person, contacts: Session) -> Person:
    """Add what ``customer_contacts`` holds of the person."""
    rows = contacts.execute(
        "SELECT first_name, last_name, name, email, phone FROM customer_contacts"
        " WHERE customer_key = ANY(%s)",
        [sorted(person.customers)],
    ).fetchall()
    for row in rows:
        person = with_contact(person, *row)
    return person


def with_contact(
    person: Person,
    first: str | None,
    last: str | None,
    name: str | None,
    email: str | None,
    phone: str | None,
) -> Person:
    """Add contact data of one of the person's customers."""
    whole = f"{first} {last}" if first and last else last
    return replace(
        person,
        addresses=person.addresses | {each for each in (email,) if each},
        names=person.names | {each for each in (name, whole) if each},
        phones=person.phones | {each for each in (phone,) if each},
    )


def contact_keys(settings: Settings, recorded: str | None) -> list[str]:
    """Return the keys that hash addresses: the one in force, and that before it where given.

    ``recorded``: the fingerprint of the log's key. Raises SettingsError, AnotherKeyError.
    """
    from runtime import contact_key

    settings.require_contact_key()
    keys = [each for each in (settings.contact_key, settings.contact_key_before) if each]
    if recorded is not None and recorded not in map(contact_key.fingerprint, keys):
        contact_key.check(settings.contact_key, recorded)
    return keys


def with_given(
    person: Person, names: Iterable[str], phones: Iterable[str], streets: Iterable[str]
) -> Person:
    """Add what the operator gave."""
    return replace(
        person,
        names=person.names | frozenset(names),
        phones=person.phones | frozenset(phones),
        streets=person.streets | frozenset(streets),
    )
