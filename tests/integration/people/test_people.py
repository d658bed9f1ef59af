"""Of two persons with interleaved data one is found, given what is held, erased, allowed again."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.console.errors import CommandError
from hookline.people import erase, rotate, verify
from hookline.people.find import Found, Who
from hookline.people.search import Search
from hookline.stack_address import StackAddress
from processors.outcomes import Origin, dead_letter
from processors.parse import raw_of
from processors.sources.readers.contact import email_hash
from runtime import contact_key
from runtime.health import Health
from runtime.kafka.producer import new_producer
from runtime.registry.schema_ids import load_codec
from runtime.settings import Settings
from schemas.envelopes import Reason, Reject
from schemas.events import (
    TOPIC_OF,
    CartSignal,
    Contact,
    Customer,
    CustomerContact,
    CustomerRef,
    Event,
    Payment,
    SignalKind,
)
from schemas.json_records.erasures import Ledger
from schemas.topics import BY_RECORD, CART_SIGNALS, DEAD_LETTERS, WEBHOOKS
from sinks.erasure.follower import ErasureFollower
from tests.canonical_log import Worker
from tests.conftest import LiveStack, run_apart
from tests.raw import Raw, append, records
from tests.sink_events import HOUR, NOON, cart, line, meta, order, record

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

KEY, NEW = "the key that is in force", "the key that comes after it"
ANNA, BEN = "anna.berg@example.com", "ben.tal@example.com"
ANNA_KEYS = {"spiffy/main/customer:1", "run-free/lake/customer:7"}


def hashed(address: str, key: str = KEY) -> str:
    return email_hash(address, key.encode()) or ""


def customer(source: str, shop: str, native: str, address: str, name: str) -> Iterator[Event]:
    first, last = name.split()
    about = meta(source, "customer", native, NOON, shop=shop)
    yield Customer(meta=about, customer_id=native, email_hash=hashed(address), created_at=NOON)
    contact = Contact(first_name=first, last_name=last, email=address, phone=PHONES[address])
    slot = meta(source, "customer", native, NOON, shop=shop, slot="contact")
    yield CustomerContact(meta=slot, customer_id=native, contact=contact)


PHONES = {ANNA: "+49 30 1234567", BEN: "+49 30 7654321"}


def events() -> Iterator[Event]:
    """Anna is a customer of two shops and a guest; Ben once orders to Anna's address."""
    money: dict[str, Any] = {"amounts": {"items_total": "10.00", "total": "10.00"}}
    ours = CustomerRef(customer_id="1", email_hash=hashed(ANNA))
    theirs = CustomerRef(customer_id="2", email_hash=hashed(BEN))
    guest = CustomerRef(email_hash=hashed(ANNA))
    gift = CustomerRef(customer_id="2", email_hash=hashed(ANNA))
    yield from customer("spiffy", "main", "1", ANNA, "Anna Berg")
    yield from customer("spiffy", "main", "2", BEN, "Benedikt Quist")
    yield from customer("run-free", "lake", "7", ANNA, "Anna Berg")
    for number, who in enumerate((ours, theirs, guest, gift), start=1):
        yield order(f"o{number}", NOON + number, customer=who, items=[line("a")], **money)
        yield Payment(
            meta=meta("spiffy", "payment", f"p{number}", NOON + number),
            payment_id=f"p{number}",
            order_id=f"o{number}",
        )
    lake = {"shop": "lake"}
    who = CustomerRef(customer_id="7", email_hash=hashed(ANNA))
    yield order("o5", NOON, source="run-free", customer=who, items=[], of_meta=lake, **money)
    yield cart("c1", NOON + HOUR, [line("a")], customer=ours)
    yield cart("c2", NOON + HOUR, [line("a")], customer=theirs)


def body(event: Event) -> bytes:
    """What the platform sent: of some compressed, of some escaped."""
    native = event.meta.entity.rpartition(":")[2]
    if isinstance(event, Customer):
        address = ANNA if event.email_hash == hashed(ANNA) else BEN
        text = json.dumps({"id": native, "email": address.upper(), "phone": PHONES[address]})
        return gzip.compress(text.encode()) if native == "1" else text.encode()
    given = getattr(event, "customer", None)
    if native == "o4":
        return json.dumps({"id": native, "customer": {"id": 2}, "ship_to": ANNA}).encode()
    return json.dumps({"id": native, "customer": {"id": given and given.customer_id}}).encode()


def raws() -> list[Raw]:
    found = []
    for event in events():
        if not isinstance(event, CustomerContact):
            about, native = event.meta, event.meta.entity.split("/", 2)[2]
            raw = Raw(about.source, about.shop, native, body(event), about.source_event)
            found.append(replace(raw, delivery_id=about.delivery_id))
    return found


LETTERS = {
    "of Anna": json.dumps({"email": "anna.berg\\u0040example.com"}).replace("\\\\", "\\"),
    "of Ben": json.dumps({"email": BEN}),
    "of both": json.dumps([ANNA, BEN]),
    "by id": json.dumps({"customer": {"id": "1"}}),
}


@dataclass
class House:
    settings: Settings
    stack: StackAddress
    letters: dict[str, str]
    environment: dict[str, str]
    owner_url: str

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(
            app, ["people", *arguments], env=self.environment, input=stdin, catch_exceptions=True
        )

    def ask(self, *arguments: str, status: int = 0, stdin: str | None = None) -> Any:
        """The JSON that a command prints."""
        result = self.run(*arguments, "--json", stdin=stdin)
        assert result.exit_code == status, (result.output, result.exception)
        assert ANNA not in result.output.lower()
        return json.loads(result.stdout)

    def rows(self, query: str) -> list[Any]:
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(f"SET search_path TO {self.settings.sql_schema}")
            return [row[0] for row in connection.execute(query.encode()).fetchall()]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sinks of these tests are in no group."""
    monkeypatch.setattr(erase, "_WITHOUT_SINKS", 40.0)


@pytest.fixture
def house(stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path) -> House:
    (tmp_path / "state").mkdir()
    owned = prepared(stack.settings(contact_key=KEY, state_dir=str(tmp_path / "state")))
    letters = run_apart(fill(owned))
    settings = replace(owned, database_url=stack.postgres.operator_url)
    contacts = stack.postgres.contacts_reader_url
    return House(
        settings,
        StackAddress(settings, "", stack.reader_url, contacts),
        letters,
        {**settings.environment(), "HOOKLINE_CONTACTS_READER_URL": contacts},
        owned.database_url,
    )


async def fill(settings: Settings) -> dict[str, str]:
    """The log, the tables and the dead letters; their names."""
    await contact_key.claim(settings)
    sent = [
        Raw("spiffy", "main", f"letter:{number}", text.encode(), "odd")
        for number, text in enumerate(LETTERS.values())
    ]
    await append(settings, [*raws(), *sent])
    codec = await load_codec(settings)
    names: dict[str, str] = {}
    producer = new_producer(settings, linger_ms=0)
    await producer.start()
    try:
        for event in events():
            topic = settings.topic(BY_RECORD[TOPIC_OF[type(event)]])
            made = record(topic, 0, event, codec.encode(event))
            number = zlib.crc32(made.key) % settings.partitions
            headers = list(made.headers)
            await producer.send(topic, made.value, made.key, partition=number, headers=headers)
        for customer_key in ("spiffy/main/customer:1", "spiffy/main/customer:2"):
            value = codec.encode(signal(customer_key))
            await producer.send(settings.topic(CART_SIGNALS), value, b"spiffy/main/cart:c")
        by_body = {text.encode(): name for name, text in LETTERS.items()}
        for fetched in await records(settings, [settings.topic(WEBHOOKS)]):
            if fetched.value not in by_body:
                continue
            origin = Origin(raw_of(fetched), 1, b"0" * 16)
            letter = dead_letter(origin, Reject(Reason.INVALID_PAYLOAD, "items", "odd", "parse"))
            topic = settings.topic(DEAD_LETTERS)
            sending = await producer.send(topic, letter.value, letter.key, headers=letter.headers)
            at = await sending
            names[by_body[fetched.value]] = f"{at.partition}:{at.offset}"
    finally:
        await producer.stop()
    await applied(settings)
    return names


def signal(customer_key: str) -> CartSignal:
    return CartSignal(
        signal_id=customer_key, kind=SignalKind.ABANDONED, cart_key="spiffy/main/cart:c",
        generation=1, source="spiffy", shop="main", customer_key=customer_key,
        abandoned_at=NOON, occurred_at=NOON, detected_at=NOON, is_test=False, source_event_id="",
    )  # fmt: skip


async def applied(settings: Settings) -> None:
    """Let a sink apply the ledger and store what the log holds."""
    follower = ErasureFollower(settings, Health(), lambda: NOON + 2 * HOUR)
    await follower.catch_up()
    await follower.close()
    async with Worker(settings, codec=None, clock=lambda: NOON + 2 * HOUR) as worker:
        await worker.store()


async def forgotten(house: House, who: Who) -> dict[str, Any]:
    """Erase a person; sinks start again and again meanwhile."""

    def quiet(*_: object) -> None: ...

    planned = await erase.plan(house.stack, who, "asked", quiet)
    work = asyncio.ensure_future(erase.carry_out(house.stack, planned, quiet))
    while not work.done():
        await asyncio.sleep(0.5)
        await applied(replace(house.settings, database_url=house.owner_url))
    return await work


def personal(found: list[dict[str, Any]]) -> set[str]:
    return {each["location"] for each in found if each["is_personal"]}


def test_a_person_is_found_in_every_place_and_given_all_of_it_and_nothing_of_others(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "state" / "note").write_text("kept of anna.berg%40example.com")
    found = house.ask("verify", "--email", "-", "--name", "Anna Berg", status=1, stdin=ANNA)
    assert personal(found) == {
        "hookline.webhooks", "hookline.dead-letters", "hookline.contacts",
        "customer_contacts.email", "customer_contacts.phone", "customer_contacts.layers",
        str(tmp_path / "state" / "note"),
    }  # fmt: skip
    stays = {each["location"]: each["stays"] for each in found}
    assert stays["hookline.webhooks"].startswith("until 20")
    assert (stays["hookline.orders"], stays["orders.email_hash"]) == (
        "for ever",
        "as long as the row",
    )

    written = house.ask("export", "--email", "-", "--to", str(tmp_path / "out"), stdin=ANNA)
    assert {Path(each).stat().st_mode & 0o777 for each in written["files"]} == {0o600}
    text = (tmp_path / "out" / "person.json").read_text()
    again = house.run("export", "--customer", "spiffy/main/customer:2", "--to", f"{tmp_path}/out")
    assert "exists, an earlier export: give another folder with --to" in str(again.exception)
    assert (tmp_path / "out" / "person.json").read_text() == text
    given = json.loads(text)
    assert set(given["person"]["customers"]) == ANNA_KEYS
    tables, topics = given["tables"], given["topics"]
    assert {row["order_key"] for row in tables["orders"]} == {
        "spiffy/main/order:o1", "spiffy/main/order:o3", "run-free/lake/order:o5",
    }  # fmt: skip
    assert {row["payment_key"] for row in tables["payments"]} == {
        "spiffy/main/payment:p1", "spiffy/main/payment:p3",
    }  # fmt: skip
    assert len(tables["order_items"]) == 2
    assert {row["customer_key"] for row in tables["customer_contacts"]} == ANNA_KEYS
    assert len(tables["carts"]) == 1
    assert len(topics["hookline.cart-signals"]) == 1
    # A delivery each: two customers, three orders, two payments, a cart, and letters.
    assert len(topics["hookline.webhooks"]) == 8 + 2
    letters = {f"{each['partition']}:{each['offset']}" for each in topics["hookline.dead-letters"]}
    assert letters == {house.letters["of Anna"], house.letters["by id"]}
    page = (tmp_path / "out" / "person.html").read_text()
    for of_ben in (
        BEN,
        PHONES[BEN],
        "Benedikt",
        "Quist",
        hashed(BEN),
        "customer:2",
        ":o2",
        ":o4",
        ":p4",
    ):
        for made in (text, page):
            assert of_ben.lower() not in made.lower(), of_ben
    assert "anna.berg@example.com" in page.lower()

    # Whatever verify finds is given, or named as data of somebody else.
    named = {(each["location"], each["at"]) for each in given["named_in_data_of_others"]}
    assert ("hookline.dead-letters", house.letters["of both"]) in named
    assert ("orders", "1 rows") in named
    for topic, seen in positions(house).items():
        in_export = {f"{each['partition']}:{each['offset']}" for each in topics.get(topic, ())}
        assert seen <= in_export | {at for location, at in named if location == topic}, topic


def positions(house: House) -> dict[str, set[str]]:
    """Topic -> partition:offset of all records that verify finds."""

    async def look() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        async with Found(house.stack, contacts=True) as person:
            search = Search(await person.look_up(Who(None, ANNA)))
        async for seen, _ in verify.records(house.settings, search, lambda *_: None):
            found.setdefault(seen.topic.name, set()).add(seen.location)
        return found

    return run_apart(look())


def test_who_is_forgotten_leaves_money_and_pseudonyms_and_can_come_back(house: House) -> None:
    others = house.rows("SELECT customers::text FROM customers WHERE customer_id = '2'")
    net = house.rows("SELECT sum(net) FROM orders")
    receipt = run_apart(forgotten(house, Who("spiffy/main/customer:1", None)))
    assert receipt["deleted"]["customer_contacts"] == 2
    assert set(receipt["dead_letters_discarded"]) == {
        house.letters[name] for name in ("of Anna", "of both", "by id")
    }
    assert receipt["ledger_entries"] == 3  # a hash and two customers
    assert house.rows("SELECT sum(net) FROM orders") == net
    assert house.rows("SELECT customers::text FROM customers WHERE customer_id = '2'") == others
    assert house.rows("SELECT email FROM customer_contacts") == [BEN]

    found = house.ask("verify", "--email", ANNA, "--phone", PHONES[ANNA], status=1)
    assert {each.partition(".")[0] for each in personal(found)} == {"hookline"}  # the log's month
    named = {each["location"] for each in found if each["what"] == "pseudonym of the erasure"}
    hashed_at = {each["location"] for each in found if each["what"] == "keyed hash"}
    assert {"orders.layers", "customers.layers"} <= named
    assert not {"orders.layers", "customers.layers"} & hashed_at
    # Run again, it finds all on the ledger, by any of the person's names, and waits for nothing.
    again = house.ask("forget", "--email", ANNA)
    assert (again["ledger_entries"], again["ledger_entries_written"]) == (3, 0)
    assert again["deleted"] == receipt["deleted"]
    # The receipt names who it was, and when: on the ledger, not now.
    assert (receipt["was_erased_before"], again["was_erased_before"]) == (False, True)
    assert again["erased_at"] == receipt["erased_at"].isoformat()
    assert set(again["customers"]) == ANNA_KEYS
    assert again["hashes"] == [hashed(ANNA)]
    assert again["pseudonyms"] == receipt["pseudonyms"]
    assert house.ask("allow", "--customer", "run-free/lake/customer:7") == {"ledger_entries": 3}
    assert house.ask("allow", "--customer", "run-free/lake/customer:7") == {"ledger_entries": 0}


def test_a_customer_who_comes_while_the_ledger_is_written_is_erased_too(house: House) -> None:
    owned = replace(house.settings, database_url=house.owner_url)
    run_apart(forgotten(house, Who("spiffy/main/customer:1", None)))
    run_apart(decided_before(owned, list(customer("spiffy", "main", "9", ANNA, "Anna Berg"))))
    assert ANNA in house.rows("SELECT email FROM customer_contacts")
    receipt = run_apart(forgotten(house, Who("spiffy/main/customer:1", None)))
    assert (receipt["ledger_entries"], receipt["ledger_entries_written"]) == (4, 1)
    assert house.rows("SELECT email FROM customer_contacts") == [BEN]


async def decided_before(settings: Settings, made: list[Event]) -> None:
    """Append events of a processor that had not read the ledger, and store them."""
    codec = await load_codec(settings)
    producer = new_producer(settings, linger_ms=0)
    await producer.start()
    try:
        for event in made:
            topic = settings.topic(BY_RECORD[TOPIC_OF[type(event)]])
            kept = record(topic, 0, event, codec.encode(event))
            await producer.send(topic, kept.value, kept.key, headers=list(kept.headers))
    finally:
        await producer.stop()
    await applied(settings)


def test_nobody_is_erased_without_a_yes_and_without_a_sink_the_command_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = house.run("forget", "--email", ANNA, stdin="n\n")
    assert asked.exit_code == 1
    assert "Erase this person for good?" in asked.output
    assert "open dead letters: 2" in asked.output or "open dead letters: 3" in asked.output
    assert ANNA not in asked.output
    alone = house.run("forget", "--email", ANNA, stdin="")
    assert "so --yes is needed" in str(alone.exception)
    assert house.ask("allow", "--email", ANNA) == {"ledger_entries": 0}
    monkeypatch.setattr(erase, "_POLL", 0.05)
    entries = erase.erasing(
        run_apart(person_of(house, Who(None, "nobody@example.com"))), Ledger(), "", 1
    )
    with pytest.raises(CommandError, match=r"0 of 1 entries .* no sink runs"):
        run_apart(erase.wait_applied(house.settings, entries, lambda *_: None, patience=0.2))


async def person_of(house: House, who: Who) -> Any:
    async with Found(house.stack, contacts=False) as found:
        return await found.look_up(who)


def test_the_key_is_rotated_and_again_after_a_kill(house: House) -> None:
    settings = replace(house.settings, contact_key=NEW, contact_key_before=KEY)
    stack = replace(house.stack, settings=settings)

    async def rotated() -> dict[str, Any]:
        planned = await rotate.plan(stack)
        work = asyncio.ensure_future(rotate.carry_out(stack, planned, lambda *_: None))
        await asyncio.sleep(0.5)
        await applied(replace(settings, database_url=house.owner_url))
        return await work

    done = run_apart(rotated())
    assert (done["addresses"], done["written"]) == (2, 2)
    assert run_apart(contact_key.recorded(settings)) == contact_key.fingerprint(NEW)
    keys = house.rows("SELECT DISTINCT person_key FROM customers WHERE person_key IS NOT NULL")
    assert set(keys) == {hashed(ANNA, NEW), hashed(BEN, NEW)}
    again = run_apart(rotated())
    assert (again["addresses"], again["written"]) == (2, 0)
    # By the old key and the new one the same person is found.
    person = run_apart(person_of(replace(house, stack=stack), Who(None, ANNA)))
    assert person.customers == ANNA_KEYS
    assert person.hashes == {hashed(ANNA), hashed(ANNA, NEW)}
    wrong = replace(settings, contact_key="a third key, long enough", contact_key_before=KEY)
    with pytest.raises(CommandError, match="the key in force is"):
        run_apart(rotate.plan(replace(stack, settings=wrong)))


def test_a_missing_url_is_named_and_so_is_one_of_the_plain_reader(house: House) -> None:
    who = ("--customer", "spiffy/main/customer:2")
    shown = house.run("verify", *who).output  # who was found is on the screen
    assert "customers: spiffy/main/customer:2; keyed hashes: 1" in shown
    house.environment["HOOKLINE_CONTACTS_READER_URL"] = house.stack.reader_url
    message = str(house.run("verify", *who).exception)
    assert "hookline_reader cannot read customer_contacts" in message
    assert "give HOOKLINE_CONTACTS_READER_URL the role hookline_contacts_reader" in message
    house.environment["HOOKLINE_CONTACTS_READER_URL"] = ""
    house.environment |= {"HOOKLINE_CONTACT_KEY": NEW, "HOOKLINE_CONTACT_KEY_BEFORE": KEY}
    who = ("--customer", "spiffy/main/customer:1")
    for command in (("verify", *who), ("export", *who), ("rotate-key",)):
        result = house.run(*command)
        assert isinstance(result.exception, CommandError)
        assert "HOOKLINE_CONTACTS_READER_URL is not set" in str(result.exception)
