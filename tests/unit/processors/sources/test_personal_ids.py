"""An e-mail address or a telephone number in place of an id is hashed before it becomes a key."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.sources.personal_ids import PREFIX, hashed_entity, hashed_id, hashed_key
from tests.example_files import CONTACT_KEY
from tests.unit.processors.sources.deliveries import run, sample

ADDRESS = "anna@example.com"
PHONES = ["+33 6 12 34 56 78", "+33612345678", "06 12 34 56 78", "(030) 1234 5678"]


@pytest.mark.parametrize("native", [ADDRESS, "anna@localhost", *PHONES])
def test_what_is_no_id_is_hashed_with_the_key_and_still_told_apart(native: str) -> None:
    made = hashed_id(native, b"one")
    assert made.startswith(PREFIX)
    assert native not in made
    assert made == hashed_id(native, b"one") != hashed_id(native, b"two")
    assert hashed_id(f"{native}0" if native in PHONES else f"x{native}", b"one") != made
    assert hashed_key(f"spiffy/johns/order:{native}".encode(), b"one").endswith(made.encode())


@pytest.mark.parametrize(
    "native",
    ["716", "0012345678", "2024-0001-22", "eeafa272cebf", "cus_1", "A/7.2", "#1001", "0 1", ""],
)
def test_an_id_stays_what_it_is(native: str) -> None:
    assert hashed_id(native, b"key") == native
    raw = f"spiffy/johns/order:{native}"
    assert (hashed_entity(raw, b"key"), hashed_key(raw.encode(), b"key")) == (raw, raw.encode())


@given(st.text(), st.binary(max_size=99))
def test_hashing_twice_is_hashing_once(native: str, key: bytes) -> None:
    once = hashed_id(native, key)
    assert hashed_id(once, key) == once
    assert "@" not in once


def run_free(native: Any) -> dict[str, Any]:
    body = sample("run-free/order-created")
    body["data"]["id"] = native
    body["data"]["customer"]["id"] = native
    return body


@pytest.mark.parametrize("native", [ADDRESS, *PHONES])
def test_no_event_holds_an_address_in_place_of_an_id(native: str) -> None:
    made = {
        **run("run-free", "", run_free(native)),
        **run("spiffy", "orders/create", {**sample("spiffy/orders-create"), "id": native}),
        "person": run(
            "spiffy", "customers/update", {**sample("spiffy/customers-update"), "id": native}
        )["customer"],
    }
    for event in made.values():
        told = msgspec.to_builtins(event)
        told.pop("contact", None)
        assert native not in str(told)


def test_orders_and_carts_of_one_customer_keep_one_hashed_id() -> None:
    order = run("run-free", "", run_free(ADDRESS))["order"]
    body = sample("run-free/cart-change")
    body["data"]["customer"]["id"] = ADDRESS
    cart = run("run-free", "", body)["cart"]
    expected = hashed_id(ADDRESS, CONTACT_KEY)
    assert order.customer is not None  # type: ignore[union-attr]
    assert order.customer.customer_id == cart.customer.customer_id == expected  # type: ignore[union-attr]
