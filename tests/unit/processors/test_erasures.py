"""Erased persons and a changed contact key, in what a processor decides and in which order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from processors import erasures as erasures_module
from processors.decide import Decider, Verdict
from processors.erasures import ProcessorErasures
from processors.index.outcome_headers import parse_outcome_headers
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from processors.sources.contact_keys import ChangedKey
from processors.sources.readers.contact import email_hash
from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch
from schemas import envelopes
from schemas.envelopes import Outcome
from schemas.events import Contact, Customer, CustomerContact, Event
from schemas.json_records import erasures
from schemas.json_records.erasures import PSEUDONYM, Entry, Erasure, Ledger, Rotation, Span
from schemas.keys import entity_key
from schemas.topics import CONTACTS, CUSTOMERS, ERASURES
from tests import example_files
from tests.example_files import CONTACT_KEY, SHOPS, Example
from tests.toy_platform import CODEC
from tests.unit.processors.test_agent import PARTITION, House, house

__all__ = ["house"]

PERSON = f"{PSEUDONYM}{7:032x}"
EXAMPLES = {example.name: example for example in example_files.examples()}
CREATED = EXAMPLES["run-free/customer-created"]
WITH_CONTACT = sorted(name for name, each in EXAMPLES.items() if "contact" in each.run()[1])
NEW_KEY = b"the key after the rotation"


def of_hash(slots: dict[str, Event]) -> str:
    """The hash that the events give."""
    for event in slots.values():
        holder = event if isinstance(event, Customer) else getattr(event, "customer", None)
        if (hashed := getattr(holder, "email_hash", None)) is not None:
            return str(hashed)
    raise ValueError("no event gives a hash")


def erased(*subjects: str) -> list[Entry]:
    return [Erasure(subject=each, spans=(Span(PERSON, 1),)) for each in subjects]


def decider(*entries: Entry, key: bytes = CONTACT_KEY) -> Decider:
    return Decider(CODEC, ADAPTERS, key, ledger=Ledger(entries))


def decide(rule: Decider, example: Example, index: PartitionIndex | None = None) -> list[Verdict]:
    raw = example.delivery().raw
    shops = {(example.platform, "demo"): SHOPS[example.platform]}
    return rule.decide([raw], PartitionIndex() if index is None else index, shops)


def written(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Slot -> event of what is to be written."""
    return {
        parse_outcome_headers(outcome.headers).slot: CODEC.decode(outcome.value)
        for verdict in verdicts
        for outcome in verdict.outcomes
    }


def slots_of(outcome: Outcome) -> tuple[str, ...]:
    return parse_outcome_headers(outcome.headers).slots


@given(st.sampled_from(WITH_CONTACT), st.booleans())
def test_a_delivery_of_an_erased_person_gives_its_events_under_the_pseudonym_and_no_contact(
    name: str, by_hash: bool
) -> None:
    made = EXAMPLES[name].run()[1]
    contact = made["contact"]
    assert isinstance(contact, CustomerContact)
    platform = EXAMPLES[name].platform
    if by_hash and any(isinstance(e, Customer) and e.email_hash for e in made.values()):
        subject = of_hash({"customer": made["customer"]})
    else:
        subject = entity_key(platform, "demo", "customer", contact.customer_id)
    [verdict] = decide(decider(*erased(subject)), EXAMPLES[name])
    events = written([verdict])
    assert verdict.kind == "canonical"
    assert [*events] == [slot for slot in made if slot != "contact"]
    assert all(slots_of(outcome) == tuple(events) for outcome in verdict.outcomes)
    for outcome in verdict.outcomes:
        assert outcome.topic != CONTACTS.name
        for text in (contact.contact.email, contact.contact.phone):
            assert text is None or text.encode() not in outcome.value


def test_nobody_elses_delivery_is_changed_by_a_ledger() -> None:
    others = erased(*(f"{number:032x}" for number in range(50)), "run-free/demo/customer:0")
    for example in EXAMPLES.values():
        assert decide(decider(*others), example) == decide(decider(), example)


@pytest.mark.parametrize("name", WITH_CONTACT)
@pytest.mark.parametrize("present", ["customer", "contact"])
def test_a_delivery_begun_before_the_person_was_erased_is_completed_without_contact_data(
    name: str, present: str
) -> None:
    example, index = EXAMPLES[name], PartitionIndex()
    made = example.run()[1]
    contact = made["contact"]
    assert isinstance(contact, CustomerContact)
    for outcome in decide(decider(), example)[0].outcomes:
        read = parse_outcome_headers(outcome.headers)
        if read.slot == present:
            index.add(read)
    subject = entity_key(example.platform, "demo", "customer", contact.customer_id)
    rule = decider(*erased(subject))
    [verdict] = decide(rule, example, index)
    events = written([verdict])
    assert (verdict.kind, verdict.reason) == ("canonical", "")
    assert [*events] == [slot for slot in made if slot != present]
    assert {slots_of(outcome) for outcome in verdict.outcomes} == {tuple(made)}
    if present == "customer":
        assert events["contact"].contact == Contact()
    elif made["customer"].email_hash is not None:  # type: ignore[union-attr]
        assert events["customer"].email_hash == PERSON
    for outcome in verdict.outcomes:
        index.add(parse_outcome_headers(outcome.headers))
    assert decide(rule, example, index) == []


def test_a_delivery_written_without_contact_is_complete_whatever_the_ledger_says_later() -> None:
    index = PartitionIndex()
    subject = of_hash(CREATED.run()[1])
    for outcome in decide(decider(*erased(subject)), CREATED)[0].outcomes:
        assert slots_of(outcome) == ("customer",)
        index.add(parse_outcome_headers(outcome.headers))
    assert decide(decider(), CREATED, index) == []


@given(st.text(min_size=1), st.binary(min_size=1, max_size=80), st.binary(min_size=1, max_size=80))
def test_a_key_that_replaces_another_hashes_as_itself_and_notes_both(
    name: str, key: bytes, before: bytes
) -> None:
    address, changed = f"{name}@example.com", ChangedKey.of(key, before)
    hashed = email_hash(address, changed)
    assert hashed == email_hash(address, key)
    assert changed.take_hashed() == {email_hash(address, before): hashed}
    assert changed.take_hashed() == {}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_with_two_keys_events_are_those_of_the_new_one_and_every_hash_is_noted(name: str) -> None:
    changed = ChangedKey.of(NEW_KEY, CONTACT_KEY)
    both = decide(decider(key=changed), EXAMPLES[name])
    assert both == decide(decider(key=NEW_KEY), EXAMPLES[name])
    noted = changed.take_hashed()
    texts = [outcome.value for outcome in decide(decider(), EXAMPLES[name])[0].outcomes]
    news = [outcome.value for outcome in both[0].outcomes]
    for before, hashed in noted.items():
        assert any(before.encode() in text for text in texts)
        assert any(hashed.encode() in text for text in news)
    try:
        old, new = of_hash(EXAMPLES[name].run()[1]), of_hash(written(both))
    except ValueError:
        return
    assert noted[old] == new


class Changing:
    """A processor with two keys. ``sent``: topics in the order of the sends."""

    def __init__(self, house: House, path: Path) -> None:
        self.house, self.sent = house, list[tuple[str, bytes]]()
        stage, send = house.stage, house.log.send
        settings = Settings(
            contact_key=NEW_KEY.decode(), contact_key_before=CONTACT_KEY.decode(),
            state_dir=str(path),
        )  # fmt: skip
        self.erasures = stage._erasures = ProcessorErasures(settings, house.health)
        stage._decider = Decider(
            CODEC, ADAPTERS, self.erasures.contact_key, ledger=self.erasures.ledger
        )
        stage._shops = SimpleNamespace(  # type: ignore[assignment]
            shops={(CREATED.platform, "demo"): SHOPS[CREATED.platform]}
        )

        async def noted(partition: int, outcomes: Any, is_current: Any) -> Any:
            self.sent += [(each.topic, each.value) for each in outcomes]
            return await send(partition, outcomes, is_current)

        house.log.send = noted  # type: ignore[method-assign]

    async def handle(self, offset: int, *, copy: int = 0) -> None:
        raw = CREATED.delivery().raw
        raw = structs.replace(
            raw, partition=0, offset=offset, body=raw.body + b" " * copy, delivery_id=f"d-{offset}"
        )
        await self.house.stage.handle(
            Batch(
                PARTITION, [raw], offset, offset + 1, 1,
                lambda: self.house.is_current, lambda: 0.0,
            )
        )  # fmt: skip


HASHED = of_hash(CREATED.run()[1])


@pytest.fixture
def changing(house: House, tmp_path: Path) -> Changing:
    return Changing(house, tmp_path)


async def test_the_rotation_is_on_the_ledger_before_the_first_event_with_the_new_hash(
    changing: Changing,
) -> None:
    await changing.handle(0)
    [topic, *others] = [topic for topic, _ in changing.sent]
    assert (topic, set(others)) == (ERASURES.name, {CUSTOMERS.name, CONTACTS.name})
    entry = erasures.decode_or_none(changing.sent[0][1])
    assert isinstance(entry, Rotation)
    assert (entry.before, changing.erasures.ledger.newest_hash(HASHED)) == (HASHED, entry.hashed)
    customer = CODEC.decode(changing.sent[1][1])
    assert isinstance(customer, Customer)
    assert customer.email_hash == entry.hashed
    changing.sent.clear()
    await changing.handle(1, copy=1)
    assert {topic for topic, _ in changing.sent} == {CUSTOMERS.name, CONTACTS.name}


async def test_who_was_erased_under_the_hash_before_is_so_under_the_new_one(
    changing: Changing,
) -> None:
    for entry in erased(HASHED):
        changing.erasures.ledger.add(entry)
    await changing.handle(0)
    [(first, _), (topic, value)] = changing.sent
    assert (first, topic) == (ERASURES.name, CUSTOMERS.name)
    customer = CODEC.decode(value)
    assert isinstance(customer, Customer)
    assert customer.email_hash == PERSON


async def test_no_event_follows_a_rotation_where_the_partition_went_to_another_meanwhile(
    changing: Changing,
) -> None:
    def lose() -> None:
        changing.house.is_current = False

    changing.house.log.after = lose
    await changing.handle(0)
    assert [topic for topic, _ in changing.sent] == [ERASURES.name]


async def test_what_is_appended_to_the_ledger_holds_for_the_next_delivery(
    changing: Changing,
) -> None:
    await changing.handle(0)
    customer = CODEC.decode(changing.sent[1][1])
    assert isinstance(customer, Customer)
    for entry in erased(entity_key("run-free", "demo", "customer", customer.customer_id)):
        changing.erasures.ledger.add(entry)
    changing.sent.clear()
    await changing.handle(1, copy=1)
    [(topic, value)] = changing.sent
    assert topic == CUSTOMERS.name
    assert PERSON.encode() in value


async def test_the_ledger_is_followed_whatever_goes_wrong_and_the_page_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erasures_module, "PAUSE", 0.001)
    health = Health()
    followed = ProcessorErasures(Settings(contact_key="key"), health)
    errors: list[Exception] = [KafkaConnectionError("away"), OSError("cut"), ValueError("a bug")]
    seen, end = list[str](), asyncio.Event()

    async def read() -> list[Entry]:
        seen.extend(health.unmet.values())
        if errors:
            raise errors.pop(0)
        end.set()
        return []

    monkeypatch.setattr(followed._reader, "read", read)
    following = asyncio.create_task(followed.run())
    await end.wait()
    following.cancel()
    assert len(seen) == 3
    assert all(each.startswith("the ledger of erasures cannot be read: ") for each in seen)
    assert health.is_ready


def test_headers_of_erased_events_are_those_of_any_other() -> None:
    [verdict] = decide(decider(*erased(HASHED)), CREATED)
    [outcome] = verdict.outcomes
    assert dict(outcome.headers)[envelopes.ENTITY] == CREATED.key().encode()
