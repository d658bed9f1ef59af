"""What one search text names, and that an address is in no message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.console.errors import CommandError
from hookline.journey.search_text import (
    Address,
    DeliveryId,
    EntityKey,
    HashedAddress,
    NativeId,
    RawPosition,
    SearchText,
    parse,
)
from ingest.ids import uuid7
from schemas.envelopes import event_id

DELIVERY = "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071"
NAMED: dict[str, SearchText] = {
    DELIVERY: DeliveryId(DELIVERY, 0x019A2B3C4D5E),
    f"  {DELIVERY.upper()}\n": DeliveryId(DELIVERY, 0x019A2B3C4D5E),
    "2:17": RawPosition(2, 17),
    "hookline.webhooks:2:17": RawPosition(2, 17, "hookline.webhooks"),
    "hookline.webhooks 2:17": RawPosition(2, 17, "hookline.webhooks"),
    f"person:{'0f' * 16}": HashedAddress(("0f" * 16,)),
    f"person:{'0f' * 16},customer:hashed-{'1e' * 16}": HashedAddress(
        ("0f" * 16,), (f"customer:hashed-{'1e' * 16}",)
    ),
    "spiffy/johns/order:7": EntityKey("spiffy/johns/order:7"),
    "ciklik/wine/subscription:a/b": EntityKey("ciklik/wine/subscription:a/b"),
    "johns/7": NativeId("johns/7"),
    "eeafa272": NativeId("eeafa272"),
    "anna@example.com": Address("anna@example.com"),
    "johns/anna@example.com": Address("johns/anna@example.com"),
    "spiffy/johns/customer:anna@example.com": EntityKey("spiffy/johns/customer:anna@example.com"),
}


@pytest.mark.parametrize("text", NAMED)
def test_a_text_names_one_thing(text: str) -> None:
    assert parse(text) == NAMED[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to look for"),
        ("\x1b[2J", "nothing to look for"),
        (event_id(DELIVERY, "order"), "the id of an event"),
        ("0190b7e0-0000-4000-8000-000000000001", "version 7, not 4"),
    ],
)
def test_what_cannot_be_found_is_refused_with_the_way_on(text: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        parse(text)


def test_a_customer_and_a_guest_are_persons_and_an_order_is_none() -> None:
    assert EntityKey("a/b/customer:1").is_person
    assert EntityKey("a/b/guest:0f").is_person
    assert not EntityKey("a/b/order:1").is_person


@given(st.integers(0, 2**62 - 1), st.integers(0, 2**62 - 1))
def test_every_id_of_the_ingress_is_a_delivery(at: int, random: int) -> None:
    assert isinstance(parse(uuid7(at, random).decode()), DeliveryId)


def test_an_address_is_not_in_its_own_name() -> None:
    assert "anna" not in repr(parse("anna@example.com"))
    assert "anna" not in f"{parse('anna@example.com')}"
