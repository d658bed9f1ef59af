"""A letter's fields and headers hold nothing by which a person is known."""

from types import SimpleNamespace

import pytest

from hookline.dead_letters.letters import parse_letter
from hookline.refusals.detail import described
from runtime.settings import Settings
from schemas import envelopes

ADDRESS = "anna@example.com"


@pytest.mark.parametrize("person", [ADDRESS, "+1 555 0100 200"])
def test_no_field_and_no_header_of_a_letter_shows_whom_a_sender_named(person: str) -> None:
    headers = [
        (envelopes.DELIVERY, b"019a"), (envelopes.SLOT, b"dead-letter"),
        (envelopes.SLOTS, b"dead-letter"), (envelopes.RAW_PARTITION, b"2"),
        (envelopes.RAW_OFFSET, b"40"), (envelopes.RAW_TIME, b"0"),
        (envelopes.SOURCE, b"spiffy"), (envelopes.SHOP, b"johns"),
        (envelopes.REASON, b"unknown-event"),
        (envelopes.EVENT, person.encode()),
        (envelopes.DETAIL, f"unknown event {person!r}".encode()),
        (envelopes.ENTITY, f"spiffy/johns/customer:{person}".encode()),
        (envelopes.CONTENT_TYPE, f"text/plain; name={person}".encode()),
        (envelopes.SHOP_HEADER, person.encode()),
        (envelopes.QUERY, f"who={person}".encode()),
    ]  # fmt: skip
    record = SimpleNamespace(
        partition=2, offset=7, timestamp=0, headers=headers, value=b"{}", key=b""
    )
    letter = parse_letter(record)
    assert letter is not None
    made = described(Settings(shops_file="/nowhere/shops.toml"), letter, None, record)
    assert person not in str(made)
    assert made.fields["entity"] == "spiffy/johns/customer:[an address]"


def test_an_id_stays_however_long_its_number_is() -> None:
    headers = [
        (envelopes.DELIVERY, b"019a"), (envelopes.SLOT, b"dead-letter"),
        (envelopes.SLOTS, b"dead-letter"), (envelopes.RAW_PARTITION, b"2"),
        (envelopes.RAW_OFFSET, b"40"), (envelopes.RAW_TIME, b"0"),
        (envelopes.REASON, b"unknown-event"),
        (envelopes.ENTITY, b"spiffy/johns/order:5678901234567"),
    ]  # fmt: skip
    record = SimpleNamespace(
        partition=2, offset=7, timestamp=0, headers=headers, value=b"{}", key=b""
    )
    letter = parse_letter(record)
    assert letter is not None
    made = described(Settings(shops_file="/nowhere/shops.toml"), letter, None, record)
    assert made.fields["entity"] == made.headers[envelopes.ENTITY] == (
        "spiffy/johns/order:5678901234567"
    )  # fmt: skip
