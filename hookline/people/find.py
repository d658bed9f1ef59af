"""Finds the person whom a command is about: in the tables, on the ledger, in contact data."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Self

import psycopg
from psycopg import sql

from hookline.console.output import Progress
from hookline.people import person as people
from hookline.people.person import Person, Session
from hookline.people.topic_scan import read_topics
from hookline.stack_address import StackAddress
from hookline.tables import reading
from runtime import contact_key
from runtime.erasures import LedgerReader
from runtime.settings import Settings
from schemas.events import CustomerContact
from schemas.json_records.erasures import Ledger
from schemas.topics import CONTACTS


@dataclass(frozen=True, slots=True)
class Who:
    """The person whom a command is about: a customer's key, an address, or both."""

    customer: str | None
    email: str | None


class Found:
    """A person, the ledger as it is now, and sessions that see one snapshot of the tables.

    ``contacts`` is None where contact data is not read.
    """

    def __init__(self, stack: StackAddress, *, contacts: bool) -> None:
        self._stack = stack
        self._with_contacts = contacts
        self._open = ExitStack()
        self.person = Person()
        self.ledger = Ledger()
        self.session: Session
        self.contacts: Session | None = None

    async def __aenter__(self) -> Self:
        if self._with_contacts:  # first: the message names the URL that is missing
            self.contacts = self._open.enter_context(contacts_session(self._stack))
        self.session = self._open.enter_context(operator_session(self._stack.settings))
        self.ledger = await read_ledger(self._stack.settings)
        return self

    @property
    def sessions(self) -> list[Session]:
        """The operator's session, and that of the contacts' reader if there is one."""
        return [each for each in (self.session, self.contacts) if each is not None]

    async def __aexit__(self, *_: object) -> None:
        self._open.close()

    async def look_up(self, who: Who, progress: Progress | None = None) -> Person:
        """Find the person of a customer's key, an address, or both.

        With ``progress`` contact data is looked for in the log too: of who was deleted by the
        platform, or erased, the table holds none.

        Raises CommandError, SettingsError, AnotherKeyError.
        """
        customer, email = who.customer, who.email
        person, ids = Person(), list[str]()
        if customer is not None:
            person = people.of_key(customer)
        if email is not None:
            settings = self._stack.settings
            keys = people.contact_keys(settings, await contact_key.recorded(settings))
            by_address = people.of_address(email, keys)
            ids = people.ids_of_address(email, keys)
            person = Person(
                hashes=person.hashes | by_address.hashes,
                customers=person.customers,
                pseudonyms=person.pseudonyms,
                addresses=by_address.addresses,
            )
        person = people.on_ledger(person, self.ledger)
        person = people.in_tables(person, self.session, ids)
        person = people.on_ledger(person, self.ledger)
        if self.contacts is not None:
            person = people.with_contacts(person, self.contacts)
        if progress is not None:
            person = await with_contact_events(person, self._stack.settings, progress)
        self.person = person
        return person


async def with_contact_events(person: Person, settings: Settings, progress: Progress) -> Person:
    """Add the contact data of the person that the log still has."""
    async for seen in read_topics(settings, [CONTACTS], "reading contacts", progress):
        if isinstance(seen.event, CustomerContact) and seen.customer in person.customers:
            given = seen.event.contact
            person = people.with_contact(
                person, given.first_name, given.last_name, given.name, given.email, given.phone
            )
    return person


async def read_ledger(settings: Settings) -> Ledger:
    """Read the whole ledger. Raises KafkaError."""
    reader = LedgerReader(settings)
    try:
        await reader.read()
    finally:
        await reader.close()
    return reader.ledger


@contextmanager
def operator_session(settings: Settings) -> Iterator[Session]:
    """Open a session of the operator that reads, in one snapshot. Raises psycopg.Error."""
    with psycopg.connect(
        settings.database_url, application_name="hookline-people", connect_timeout=10
    ) as connection:
        _begin(connection, settings)
        yield connection
        connection.rollback()


@contextmanager
def contacts_session(stack: StackAddress) -> Iterator[Session]:
    """Open a session of the contacts' reader, in one snapshot. Raises CommandError."""
    url, schema = stack.contacts_reader_url, stack.settings.sql_schema
    with reading.connect(url, schema, contacts=True) as connection:
        connection.autocommit = False
        _begin(connection, stack.settings)
        yield connection
        connection.rollback()


def _begin(connection: Session, settings: Settings) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    schema = sql.Identifier(settings.sql_schema)
    connection.execute(sql.SQL("SET LOCAL search_path TO {}").format(schema))
    connection.execute("SET LOCAL statement_timeout TO 0")  # as long as the tables are large
    connection.execute("SET LOCAL TimeZone TO 'UTC'")
