"""What goes onto the ledger, whose delivery a body is, and what a page shows."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.commands.data.people_screens import REMAINS, show_receipt
from hookline.console.errors import CommandError
from hookline.people import person as people
from hookline.people import rotate
from hookline.people.deliveries import names_id
from hookline.people.erase import (
    allowing,
    erasing,
    gone_by,
    new_ones,
    not_applied,
    who_is_erased,
)
from hookline.people.export import check_folder
from hookline.people.page import page
from hookline.people.person import Person
from processors.sources.readers.contact import email_hash
from runtime.contact_key import fingerprint
from runtime.settings import Settings, SettingsError
from schemas.json_records.erasures import Entry, Erasure, Ledger, Rotation, Span
from schemas.topics import ALL

KEY, NEW = "the key that is in force", "the key that comes after it"
HASH, OLD = "a" * 32, "b" * 32
ANNA = "spiffy/main/customer:1"
PERSON = Person(hashes=frozenset({HASH}), customers=frozenset({ANNA}))
SETTINGS = Settings(contact_key=NEW, contact_key_before=KEY)


def on(*entries: Entry) -> Ledger:
    return Ledger(entries)


def test_all_subjects_of_a_person_get_one_pseudonym() -> None:
    entries = erasing(PERSON, on(), "asked", 5)
    assert [each.subject for each in entries] == [HASH, ANNA]
    (pseudonym,) = {each.spans[0].pseudonym for each in entries}
    assert pseudonym.startswith("erased-")
    assert len(pseudonym) == 7 + 32
    assert {each.because for each in entries} == {"asked"}
    assert erasing(PERSON, on(), "", 5)[0].spans[0].pseudonym != pseudonym


def test_who_is_erased_already_is_not_erased_twice_and_new_subjects_join() -> None:
    (first,) = erasing(Person(hashes=frozenset({HASH})), on(), "", 5)
    again = erasing(PERSON, on(first), "later", 9)
    assert again[0] is first
    assert again[1].spans == (Span(first.spans[0].pseudonym, 9),)
    assert new_ones(again, on(first)) == [again[1]]
    assert new_ones(again, on(*again)) == []


def test_the_receipt_names_the_person_and_the_first_erasure_of_those_that_are_open() -> None:
    first = erasing(PERSON, on(), "", 5_000_000)
    at = datetime.fromtimestamp(5, UTC)
    made = who_is_erased(first, first)
    assert made == {
        "erased_at": at,
        "was_erased_before": False,
        "pseudonyms": [first[0].spans[0].pseudonym],
        "customers": [ANNA],
        "hashes": [HASH],
    }
    assert who_is_erased(first, []) == {**made, "was_erased_before": True}
    more = erasing(replace(PERSON, hashes=frozenset({HASH, OLD})), on(*first), "", 9_000_000)
    again = who_is_erased(more, new_ones(more, on(*first)))
    assert again == {**made, "was_erased_before": True, "hashes": [HASH, OLD]}


def test_the_receipt_shows_when_and_that_the_platform_sends_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entries = erasing(PERSON, on(), "", 5_000_000)
    receipt = {
        **who_is_erased(entries, []),
        "deleted": {},
        "dead_letters_discarded": [],
        "ledger_entries": 2,
        "ledger_entries_written": 0,
        "last_copy_in_the_log_gone_by": datetime(2026, 1, 1, tzinfo=UTC),
        "remains": list(REMAINS),
    }
    show_receipt(receipt)
    shown = capsys.readouterr().out
    assert "already erased on 1970-01-01 00:00 UTC" in shown
    for each in (entries[0].spans[0].pseudonym, ANNA, "keyed hashes: 1", "stop it at the platform"):
        assert each in shown
    show_receipt({**receipt, "was_erased_before": False})
    assert "already" not in capsys.readouterr().out


def test_who_was_allowed_again_gets_a_further_span() -> None:
    erased = erasing(PERSON, on(), "", 5)
    allowed = allowing(PERSON, on(*erased), 7)
    assert [each.spans[-1].allowed_at for each in allowed] == [7, 7]
    assert not any(each.is_open for each in allowed)
    assert allowing(PERSON, on(*allowed), 8) == []
    anew = erasing(PERSON, on(*allowed), "", 9)
    assert [len(each.spans) for each in anew] == [2, 2]
    assert all(each.is_open for each in anew)
    assert anew[0].spans[0] == allowed[0].spans[0]
    assert anew[0].spans[1].pseudonym != allowed[0].spans[0].pseudonym


def test_the_ledger_leads_from_one_subject_to_all_and_over_rotations() -> None:
    erased = erasing(PERSON, on(), "", 5)
    ledger = on(*erased, Rotation(before=OLD, hashed=HASH, at=1))
    found = people.on_ledger(Person(customers=frozenset({ANNA})), ledger)
    assert found.hashes == {HASH, OLD}
    assert found.customers == {ANNA}
    assert found.pseudonyms == {erased[0].spans[0].pseudonym}
    by_name = people.on_ledger(Person(pseudonyms=found.pseudonyms), ledger)
    assert by_name == found
    other = Person(customers=frozenset({"spiffy/main/customer:2"}))
    assert people.on_ledger(other, ledger) == other


def test_a_key_names_a_customer_or_a_guest() -> None:
    assert people.of_key(f" {ANNA} ") == Person(customers=frozenset({ANNA}))
    assert people.of_key(f"spiffy/main/guest:{HASH}") == Person(hashes=frozenset({HASH}))
    erased = people.of_key("spiffy/main/guest:erased-1")
    assert erased == Person(pseudonyms=frozenset({"erased-1"}))
    assert people.of_key("spiffy/main/customer:a/b:c").customers == {"spiffy/main/customer:a/b:c"}


@pytest.mark.parametrize("text", ["1", "main/1", "anna@example.com", "a/b/cart:1", "a/b/customer:"])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CommandError, match="no key of a customer") as raised:
        people.of_key(text)
    assert "anna" not in str(raised.value)


def test_a_person_is_a_customer_by_id_and_a_guest_in_any_shop() -> None:
    own = Person(
        hashes=frozenset({HASH}), customers=frozenset({ANNA}), pseudonyms=frozenset({"erased-1"})
    )
    for key in (ANNA, f"a/b/guest:{HASH}", "a/b/guest:erased-1"):
        assert own.is_customer(key)
    for key in (None, "spiffy/main/customer:2", "other/main/customer:1", f"a/b/guest:{OLD}"):
        assert not own.is_customer(key)


def test_an_address_is_known_by_each_key_and_as_an_id() -> None:
    found = people.of_address(" Anna@Example.com ", [KEY, NEW])
    assert found.hashes == {email_hash("anna@example.com", each.encode()) for each in (KEY, NEW)}
    ids = people.ids_of_address("Anna@example.com", [KEY])
    assert len(ids) == 2  # as it is given, and in small letters
    assert all(each.startswith("customer:hashed-") for each in ids)
    with pytest.raises(CommandError, match="no e-mail address"):
        people.of_address("anna", [KEY])


@pytest.mark.parametrize(
    "text",
    [
        "Anna Berg <anna@example.com>", "<anna@example.com>", "mailto:anna@example.com",
        "MAILTO:anna@example.com", "anna@example.com,", "anna@example.com; ben@example.com",
        "anna@ben@example.com", '"anna"@example.com', "an na@example.com", "\uff1canna@example.com",
        "anna@example.com\nben", "anna\u200b@example.com", "anna@example.com\uff20example.com",
    ],
)  # fmt: skip
def test_an_address_in_another_form_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(CommandError, match="not one e-mail address alone") as raised:
        people.of_address(text, [KEY])
    assert text not in str(raised.value)


@given(
    st.text(alphabet="abcAB019.+-_é", min_size=1),
    st.sampled_from([*' \t\n<>,;"@', "\u00a0", "\u2003", "\uff1b"]),
    st.text(alphabet="abcAB019.-é", min_size=1),
    st.integers(0, 40),
)
def test_an_address_with_anything_that_no_plain_one_has_is_refused(
    local: str, odd: str, domain: str, at: int
) -> None:
    address = f"{local}@{domain}"
    people.check_address(f" {address}\n")
    middle = 1 + at % (len(address) - 1)
    with pytest.raises(CommandError, match="not one e-mail address alone"):
        people.check_address(address[:middle] + odd + address[middle:])


@pytest.mark.parametrize(
    ("body", "event", "is_named"),
    [
        (b'{"customer":{"name":"x","id":17}}', "orders/create", True),
        (b'{"customer_id":"17"}', "", True),
        (b'{"order":{"customerId":17}}', "", True),
        (b'{"id":17}', "customers/update", True),
        (b'{"data":{"id":17}}', "customer.updated", True),
        (b"<order><customer><id>17</id></customer></order>", "", True),
        (b'{"customer":{"id":17', "", True),
        (b'{"id":17,"price":17}', "orders/create", False),
        (b'{"customer":{"id":170,"orders":[{"id":17}]}}', "", False),
        (b'{"id":1,"address":{"id":17}}', "customers/update", False),
        (b'{"customer":{"id":"117"}}', "", False),
        (b"<line><id>17</id></line>", "", False),
    ],
)
def test_a_short_id_counts_where_a_field_of_a_customer_has_it(
    body: bytes, event: str, is_named: bool
) -> None:
    assert names_id(body, event, ["17"]) is is_named


def test_a_long_id_counts_anywhere_as_a_word() -> None:
    assert names_id(b'{"buyer":"8801234567"}', "", ["8801234567"])
    assert not names_id(b'{"buyer":"88012345678"}', "", ["8801234567"])


def test_the_last_copy_is_gone_after_the_longest_retention_and_a_segment() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    assert (gone_by(day) - day).days == 29
    assert all(each.retention for each in ALL if each.is_personal)


def test_a_rotation_gives_each_address_once_and_skips_what_is_none() -> None:
    made = rotate.of_addresses(
        ["anna@x.com", " ANNA@x.com", "no address", "ben@x.com"], SETTINGS, 3
    )
    assert len(made) == 2
    assert made[0].before == email_hash("anna@x.com", KEY.encode())
    assert made[0].hashed == email_hash("anna@x.com", NEW.encode())
    ledger = on(*made)
    assert new_ones(made, ledger) == []
    assert new_ones(rotate.of_addresses(["anna@x.com"], SETTINGS, 9), ledger) == []


@pytest.mark.parametrize(
    ("changes", "recorded", "sentence"),
    [
        ({"contact_key_before": ""}, fingerprint(KEY), "HOOKLINE_CONTACT_KEY_BEFORE is not set"),
        ({"contact_key": ""}, fingerprint(KEY), "HOOKLINE_CONTACT_KEY is not set"),
        ({"contact_key": KEY}, fingerprint(KEY), "is the same key as"),
        ({}, fingerprint("any other"), "but the key in force is"),
        ({}, None, "no key is in force yet"),
    ],
)
def test_a_rotation_that_cannot_be_is_refused_in_a_sentence(
    changes: dict[str, Any], recorded: str | None, sentence: str
) -> None:
    with pytest.raises((CommandError, SettingsError), match=sentence) as raised:
        rotate.check(replace(SETTINGS, **changes), recorded)
    assert KEY not in str(raised.value)
    assert NEW not in str(raised.value)


def test_a_rotation_can_begin_and_be_repeated() -> None:
    for key in (KEY, NEW):
        assert rotate.check(SETTINGS, fingerprint(key)) == fingerprint(key)


def test_the_page_escapes_what_it_shows_and_has_no_script() -> None:
    bad = "<script>alert(1)</script>\x1b[2J\u202e&\"'"
    document = {
        "person": {"customers": [bad], "hashes": [], "pseudonyms": []},
        "tables": {"orders": [{bad: bad, "layers": {"a": bad}}], bad: [{"a": None}]},
        "topics": {bad: [{"appended": 0, "key": bad, "headers": {bad: bad}, "value": bad}]},
        "named_in_data_of_others": [{"location": bad, "at": "1:2"}],
    }
    made = page(document, datetime(2026, 1, 1, tzinfo=UTC))
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert not {"\x1b", "\u202e"} & set(made)
    assert "default-src 'none'" in made
    assert "http" not in made.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("running", "sentence"),
    [
        (0, "1 of 3 entries of the ledger are applied to the tables, and no sink runs: start one"),
        (1, "1 sink runs, and it has applied no entry for 120 s: look at `hookline status`"),
        (4, "4 sinks run, and none has applied an entry for 120 s: look at `hookline status`"),
    ],
)
def test_who_waits_in_vain_learns_how_many_sinks_run(running: int, sentence: str) -> None:
    assert sentence in not_applied(1, 3, running, 120.2)


@pytest.mark.parametrize("name", ["person.json", "person.html"])
def test_an_earlier_export_is_not_overwritten(tmp_path: Path, name: str) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / name).write_text("of Anna")
    with pytest.raises(CommandError, match="another folder with --to"):
        check_folder(tmp_path)


def test_an_entry_names_no_address() -> None:
    person = people.of_address("anna@example.com", [KEY])
    for entry in erasing(person, on(), "asked", 1):
        assert isinstance(entry, Erasure)
        assert b"anna" not in entry.key
        assert "anna" not in str(entry)
