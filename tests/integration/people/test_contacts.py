"""Contact data: its own topic, kept for weeks, and the table that is its record."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from runtime.kafka import topics_admin
from runtime.settings import Settings
from schemas.events import Change, Contact, Customer, CustomerContact, Event
from schemas.topics import CONTACTS
from sinks.rebuild.rebuild import Rebuild
from tests.canonical_log import Worker, append
from tests.sink_events import CODEC, HOUR, NOON, Tables, meta

pytestmark = pytest.mark.stack

ROWS = "SELECT customer_key, first_name, email, phone FROM customer_contacts ORDER BY 1"


@pytest.fixture
def settings(stack: Any, prepared: Callable[[Settings], Settings]) -> Settings:
    return prepared(stack.settings())


def customer(native: str, at: int, change: Change = Change.UPDATED, **fields: Any) -> Customer:
    about = meta("spiffy", "customer", native, at, change=change)
    return Customer(meta=about, customer_id=native, **fields)


def contact(native: str, at: int, **fields: str) -> CustomerContact:
    about = meta("spiffy", "customer", native, at, slot="contact")
    return CustomerContact(meta=about, customer_id=native, contact=Contact(**fields))


def key(native: str) -> str:
    return f"spiffy/main/customer:{native}"


async def rebuilt(settings: Settings) -> None:
    async with Rebuild(settings, lambda: NOON + HOUR, codec=CODEC) as work:
        await work.build()
        await work.swap()


async def trim(settings: Settings) -> int:
    """Delete all that the topic of contacts holds, as its retention does; how many records."""
    name, lost = settings.topic(CONTACTS), 0
    async with topics_admin.admin_client(settings) as client:
        for number in range(settings.partitions):
            [low] = (
                await client.delete_records({TopicPartition(name, number): RecordsToDelete(-1)})
            ).values()
            lost += low
    return lost


EVENTS: dict[str, list[Event]] = {
    "old": [customer("1", NOON, contact=Contact(first_name="Anna", phone="1"))],
    "new": [contact("1", NOON + HOUR, email="anna@example.com", phone="2")],
    "gone": [customer("2", NOON + HOUR, Change.DELETED), contact("2", NOON, first_name="Ben")],
}


@pytest.mark.parametrize("names", [("old", "new", "gone"), ("gone", "new", "old")])
async def test_records_before_and_after_the_change_of_schema_meet_in_one_row(
    tables: Tables, names: tuple[str, ...]
) -> None:
    for name in names:
        await tables.put(EVENTS[name])
        await tables.put(reversed(EVENTS[name]))
    assert tables.rows(ROWS) == [(key("1"), "Anna", "anna@example.com", "2")]
    assert "anna@" not in str(tables.rows("SELECT customers::text FROM customers"))


async def test_a_rebuild_keeps_the_contacts_that_the_log_no_longer_holds(
    settings: Settings, tables: Tables
) -> None:
    people: list[Event] = [customer(native, NOON) for native in "123"]
    people += [contact(native, NOON, first_name=f"N{native}", phone="1") for native in "123"]
    await append(settings, people)
    async with Worker(settings) as worker:
        await worker.store()
    assert await trim(settings) == 3
    newer: list[Event] = [
        contact("1", NOON + HOUR, phone="2"),
        customer("2", NOON + HOUR, Change.DELETED),
    ]
    await append(settings, newer)
    async with Worker(settings) as worker:  # nothing of the trimmed log is missed
        await worker.store()
    expected = [(key("1"), "N1", None, "2"), (key("3"), "N3", None, "1")]
    assert tables.rows(ROWS) == expected
    digests = await tables.digest()
    await rebuilt(settings)
    assert tables.rows(ROWS) == expected
    assert digests == await tables.digest()


async def test_sinks_go_on_where_contacts_were_trimmed_before_they_were_stored(
    settings: Settings, tables: Tables
) -> None:
    await append(settings, [customer("1", NOON), contact("1", NOON, first_name="Anna")])
    assert await trim(settings) == 1
    await append(settings, [contact("1", NOON + HOUR, phone="2")])
    async with Worker(settings) as worker:
        assert await worker.store() == 2
    assert tables.rows(ROWS) == [(key("1"), None, None, "2")]
