"""The ledger of erasures: what it makes of events, of any deliveries and any entries."""

import random
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.events import Cart, Contact, Customer, CustomerContact, CustomerRef, Event, Order
from schemas.json_records import erasures
from schemas.json_records.erasures import NOBODY, PSEUDONYM, Entry, Erasure, Ledger, Rotation, Span
from schemas.keys import entity_key
from tests import example_files
from tests.sink_events import meta

EXAMPLES = [example.run()[1] for example in example_files.examples()]
HASHES = [f"{number:032x}" for number in range(1, 6)]
OLDER = [f"{number:032x}" for number in range(101, 106)]
"""The same addresses under the key before."""
NATIVES = ["1", "2", "3"]
PSEUDONYMS = [f"{PSEUDONYM}{number:032x}" for number in range(3)]
TIMES = st.integers(0, 100)


def key(native: str) -> str:
    return entity_key("spiffy", "main", "customer", native)


@st.composite
def deliveries(draw: st.DrawFn) -> dict[str, Event]:
    """An order or a cart of a customer or a guest, with the customer and its contact or without."""
    at = draw(TIMES)
    native, hashed = draw(st.none() | st.sampled_from(NATIVES)), draw(st.none() | hashes())
    reference = CustomerRef(customer_id=native, email_hash=hashed)
    given_ref = draw(st.sampled_from([None, reference, reference, reference]))
    slots: dict[str, Event] = {
        "order": Order(meta=meta("spiffy", "order", "9", at), order_id="9", customer=given_ref)
    }
    if draw(st.booleans()):
        about = meta("spiffy", "cart", "9", at)
        slots["cart"] = Cart(meta=about, cart_id="9", abandoned=False, customer=given_ref)
    if native is not None and draw(st.booleans()):
        contact = Contact(email=f"{native}@example.com", first_name="Anna")
        before = contact if draw(st.booleans()) else None
        about = meta("spiffy", "customer", native, at)
        slots["customer"] = Customer(
            meta=about, customer_id=native, email_hash=hashed, contact=before
        )
        own = meta("spiffy", "customer", native, at, slot="contact")
        slots["contact"] = CustomerContact(meta=own, customer_id=native, contact=contact)
    return slots


def hashes() -> st.SearchStrategy[str]:
    return st.sampled_from(HASHES + OLDER)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, ...]:
    times = sorted(draw(st.lists(TIMES, min_size=1, max_size=4, unique=True)))
    pairs = [*zip(times[::2], times[1::2], strict=False)]
    found = [Span(PSEUDONYMS[number], *pair) for number, pair in enumerate(pairs)]
    if len(times) % 2:
        found.append(Span(PSEUDONYMS[len(pairs)], times[-1]))
    return tuple(found)


SUBJECTS = st.sampled_from([*HASHES, *OLDER, *map(key, NATIVES)])
ERASED: st.SearchStrategy[Entry] = st.builds(Erasure, subject=SUBJECTS, spans=spans())
ROTATED: st.SearchStrategy[Entry] = st.sampled_from(list(zip(OLDER, HASHES, strict=True))).map(
    lambda pair: Rotation(before=pair[0], hashed=pair[1], at=1)
)
ENTRIES = st.lists(ERASED | ROTATED, max_size=8)


def texts(value: object) -> Iterator[str]:
    """Every text in a record, however deep."""
    yield from _parts(msgspec.to_builtins(value))


def _parts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from _parts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _parts(inner)


def all_texts(slots: dict[str, Event]) -> str:
    return "\n".join(text for event in slots.values() for text in texts(event))


def persons(slots: dict[str, Event]) -> tuple[set[str], set[str]]:
    """The hashes and the customer keys that the events give."""
    hashed, keys = set(), set()
    for event in slots.values():
        holder = event if isinstance(event, Customer | CustomerContact) else event.customer
        if holder is not None and holder.customer_id is not None:
            about = event.meta
            keys.add(entity_key(about.source, about.shop, "customer", holder.customer_id))
        if not isinstance(holder, CustomerContact | None) and holder.email_hash is not None:
            hashed.add(holder.email_hash)
    return hashed, keys


@given(ENTRIES)
def test_every_entry_is_read_back_as_it_was_written(entries: list[Entry]) -> None:
    assert [erasures.decode_or_none(erasures.encode(entry)) for entry in entries] == entries


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"[]", b'{"type":"other"}', b"\xff", b"[" * 10**5,
        b'{"type":"erasure","subject":"","spans":[["erased-1",1]]}',
        b'{"type":"erasure","subject":"a\\u0000","spans":[["erased-1",1]]}',
        b'{"type":"erasure","subject":"a","spans":[["erased-1",1]],"because":"\\u0000"}',
        b'{"type":"erasure","subject":"a","spans":[["\\ud800",1]]}',
        b'{"type":"rotation","before":"","hashed":"b","at":1}',
        b'{"type":"rotation","before":"a","hashed":"b\\u0000","at":1}',
    ],
)  # fmt: skip
def test_a_record_that_is_no_entry_is_passed_over(value: bytes | None) -> None:
    assert erasures.decode_or_none(value) is None


@given(deliveries())
def test_without_entries_nothing_is_changed(slots: dict[str, Event]) -> None:
    assert not NOBODY
    assert NOBODY.applied_to_slots(slots) == slots
    assert {slot: NOBODY.applied(event) for slot, event in slots.items()} == slots


@given(ENTRIES, deliveries())
def test_to_apply_it_again_changes_nothing(entries: list[Entry], slots: dict[str, Event]) -> None:
    ledger = Ledger(entries)
    once = ledger.applied_to_slots(slots)
    assert ledger.applied_to_slots(once) == once
    for event in slots.values():
        applied = ledger.applied(event)
        assert applied is None or ledger.applied(applied) == applied


@given(ENTRIES, deliveries())
def test_it_changes_hashes_and_contact_data_alone(
    entries: list[Entry], slots: dict[str, Event]
) -> None:
    made = Ledger(entries).applied_to_slots(slots)
    assert [*made] == [slot for slot in slots if slot in made]
    assert slots.keys() - made.keys() <= {"contact"}
    for slot, event in made.items():
        assert _bare(event) == _bare(slots[slot])


def _bare(event: Event) -> Event:
    if isinstance(event, CustomerContact):
        return event
    if isinstance(event, Customer):
        return structs.replace(event, email_hash=None, contact=None)
    reference = event.customer
    return structs.replace(
        event, customer=reference and structs.replace(reference, email_hash=None)
    )


@given(ENTRIES, deliveries())
def test_the_slots_are_those_of_the_events_where_all_are_kept(
    entries: list[Entry], slots: dict[str, Event]
) -> None:
    ledger = Ledger(entries)
    made, kept = ledger.applied_to_slots(slots), ledger.applied_to_slots(slots, keeps_slots=True)
    assert [*kept] == [*slots]
    assert {slot: kept[slot] for slot in made} == made
    for slot in kept.keys() - made.keys():
        emptied = kept[slot]
        assert isinstance(emptied, CustomerContact)
        assert emptied.contact == Contact()


@given(ENTRIES, st.sampled_from(EXAMPLES), st.booleans(), st.booleans(), st.randoms())
def test_nothing_of_an_erased_person_is_in_any_field_of_any_example(
    entries: list[Entry],
    slots: dict[str, Event],
    by_hash: bool,
    rotated: bool,
    chance: random.Random,
) -> None:
    given_hashes, given_keys = persons(slots)
    subjects = given_hashes if by_hash and given_hashes else given_hashes | given_keys
    erased: list[Entry] = []
    for subject in sorted(subjects):
        at = subject[::-1] if rotated and subject in given_hashes else subject
        erased.append(Erasure(subject=at, spans=(Span(PSEUDONYMS[0], 1),)))
        if at != subject:  # erased under the key before
            erased.append(Rotation(before=at, hashed=subject, at=1))
    mixed = erased + [each for each in entries if isinstance(each, Erasure)]
    chance.shuffle(mixed)
    made = Ledger(mixed).applied_to_slots(slots)
    left = all_texts(made)
    for hashed in given_hashes:
        assert hashed not in left
    for event in slots.values():
        if isinstance(event, CustomerContact):
            for given_text in {event.contact.email, event.contact.phone} - {None}:
                assert given_text not in left
    assert not any(isinstance(event, CustomerContact) for event in made.values()) or not subjects
    for event in made.values():
        if isinstance(event, Customer):
            assert event.contact is None


@given(ENTRIES, deliveries())
def test_events_of_who_is_not_erased_stay_as_they_are(
    entries: list[Entry], slots: dict[str, Event]
) -> None:
    found, keys = persons(slots)
    both = [{*pair} for pair in zip(OLDER, HASHES, strict=True) if found & {*pair}]
    theirs = keys.union(*both)
    others = Ledger(
        each for each in entries if not isinstance(each, Erasure) or each.subject not in theirs
    )
    if not any(each in all_texts(slots) for each in OLDER):
        assert others.applied_to_slots(slots) == slots


@given(spans(), TIMES)
def test_an_event_stands_under_the_pseudonym_of_its_time(
    given_spans: tuple[Span, ...], at: int
) -> None:
    """For ever, whatever is allowed later; from the last permission on under its own hash."""
    ledger = Ledger([Erasure(subject=HASHES[0], spans=given_spans)])
    found = ledger.name_of(at, HASHES[0], None)
    names = [
        each.pseudonym for each in given_spans if each.allowed_at is None or at < each.allowed_at
    ]
    assert found == (names[0] if names else HASHES[0])


def test_after_people_allow_later_events_have_their_hash_and_contact_again() -> None:
    ledger = Ledger([Erasure(subject=key("1"), spans=(Span(PSEUDONYMS[0], 10, 50),))])
    assert not ledger.erasures[key("1")].is_open
    for at, hashed, is_kept in [(9, PSEUDONYMS[0], False), (49, PSEUDONYMS[0], False),
                                (50, HASHES[0], True)]:  # fmt: skip
        about = meta("spiffy", "customer", "1", at)
        slots: dict[str, Event] = {
            "customer": Customer(meta=about, customer_id="1", email_hash=HASHES[0]),
            "contact": CustomerContact(meta=about, customer_id="1", contact=Contact(phone="1")),
        }
        made = ledger.applied_to_slots(slots)
        customer = made["customer"]
        assert isinstance(customer, Customer)
        assert (customer.email_hash, "contact" in made) == (hashed, is_kept)


@given(st.permutations(range(5)), st.integers(0, 4), st.none() | st.integers(0, 4))
def test_rotations_make_a_chain_to_the_newest_hash(
    order: list[int], asked: int, erased: int | None
) -> None:
    chain = [f"{number:032x}" for number in range(6)]
    entries: list[Entry] = [
        Rotation(before=chain[number], hashed=chain[number + 1], at=number) for number in order
    ]
    if erased is not None:
        spans = (Span(PSEUDONYMS[0], 1),)
        entries.insert(erased, Erasure(subject=chain[erased], spans=spans))
    ledger = Ledger(entries)
    assert ledger.newest_hash(chain[asked]) == chain[-1]
    assert ledger.hashes_of(chain[asked]) == chain[::-1]
    name = chain[-1] if erased is None else PSEUDONYMS[0]
    assert ledger.name_of(5, chain[asked], None) == name
    assert ledger.name_of(5, chain[-1], None) == name


def test_a_change_back_to_an_earlier_key_ends_at_that_one() -> None:
    one, other = HASHES[:2]
    ledger = Ledger(
        [Rotation(before=one, hashed=other, at=1), Rotation(before=other, hashed=one, at=2)]
    )
    assert {ledger.newest_hash(one), ledger.newest_hash(other)} == {one}
    assert set(ledger.hashes_of(other)) == {one, other}


def test_a_key_that_comes_back_after_two_others_is_the_newest() -> None:
    pairs = [("one", "two"), ("two", "three"), ("three", "one")]
    ledger = Ledger(Rotation(before=before, hashed=hashed, at=1) for before, hashed in pairs)
    assert {ledger.newest_hash(each) for each, _ in pairs} == {"one"}
    assert set(ledger.hashes_of("two")) == {"one", "two", "three"}
