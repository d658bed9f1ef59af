"""Unread fields are kept as attributes, within bounds and without personal data."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources.readers.attributes import (
    _MAX_KEPT_NAMES,
    MAX_COUNT,
    MAX_LENGTH,
    OMITTED,
    _kept_names,
    attributes,
    is_personal,
    merged,
)
from processors.sources.readers.contact import email_hash
from processors.sources.readers.fields import names

NOTHING: frozenset[str] = frozenset()
TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def test_scalars_and_nested_fields_are_kept_under_their_path() -> None:
    values = {
        "size": "S",
        "n": 3,
        "ok": True,
        "plan": {"id": 7, "name": "Box"},
        "steps": [{"id": 1}],
    }
    assert attributes(values, NOTHING) == {
        "size": "S",
        "n": "3",
        "ok": "true",
        "plan.id": "7",
        "plan.name": "Box",
        "steps[0].id": "1",
    }


def test_known_and_empty_fields_are_left_out() -> None:
    assert attributes({"a": 1, "b": None, "c": "", "d": {}, "e": []}, frozenset({"a"})) == {}


@pytest.mark.parametrize(
    "name",
    sorted(
        names(
            """
    first_name lastName name user_name email customerEmail phone user_contact_number
    billing_address address1 city zipCode latitude current_sign_in_ip note order_notes
    comments customer_tax_id receipt_url invoice_link tracking_url TrackingUrl
    giftCardNumber cart_session gender birthday token password item_license_key imageURL
    prénom profiles
    """
        )
    ),
)
def test_a_name_that_speaks_of_a_person_is_personal(name: str) -> None:
    assert is_personal(name)


@pytest.mark.parametrize(
    "name",
    [
        "size",
        "width",
        "posId",
        "discountCode",
        "shipping_name",
        "payment_method_name",
        "invoice_number",
        "vendor",
        "grams",
        "tags",
        "cancel_reason",
        "customer_id",
        "sign_in_count",
        "shipped_count",
    ],
)
def test_a_name_that_speaks_of_a_thing_is_kept(name: str) -> None:
    assert not is_personal(name)


@pytest.mark.parametrize("value", ["a@b.example", "https://x.example/1"])
def test_a_value_that_looks_like_an_address_or_a_link_is_left_out(value: str) -> None:
    assert attributes({"size": value}, NOTHING) == {}


def test_a_person_inside_a_part_is_left_out() -> None:
    values: dict[str, Any] = {"pickup": {"name": "John", "id": 4}, "shipping": {"name": "John"}}
    assert attributes(values, NOTHING) == {"pickup.id": "4"}


def test_more_than_the_bound_is_counted_not_kept() -> None:
    made = attributes({f"size{n}": n for n in range(MAX_COUNT + 5)}, NOTHING)
    assert (len(made), made[OMITTED]) == (MAX_COUNT + 1, "5")
    assert merged({"mine": "1"}, made)[OMITTED] == "6"


def test_a_long_value_is_cut_visibly() -> None:
    assert attributes({"size": "x" * 999}, NOTHING)["size"] == "x" * (MAX_LENGTH - 1) + "…"


@settings(deadline=None)
@given(st.dictionaries(st.text(), TREE, max_size=80))
def test_attributes_are_bounded_whatever_is_given(values: dict[str, Any]) -> None:
    made = attributes(values, NOTHING)
    assert len(made) <= MAX_COUNT + 1
    assert all(len(value) <= MAX_LENGTH for value in made.values())


def test_deep_nesting_is_cut_off() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    assert attributes({"a": deep, "b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}, NOTHING) == {}


@pytest.mark.parametrize(
    "spelling",
    ["Test@RunFree.run", " test@runfree.run ", "TEST@RUNFREE.RUN", "\uff54est@runfree.run"],
)
def test_spellings_of_one_address_have_one_hash(spelling: str) -> None:
    assert email_hash(spelling, b"key") == email_hash("test@runfree.run", b"key") is not None


def test_a_hash_depends_on_the_key_and_nothing_is_hashed_that_is_no_address() -> None:
    assert email_hash("a@b.example", b"one") != email_hash("a@b.example", b"two")
    assert email_hash("a@b.example", b"k" * 100) is not None
    assert [email_hash(value, b"key") for value in (None, "", "XXXX")] == [None, None, None]


def test_a_value_under_a_name_too_general_to_judge_is_left_out() -> None:
    values = {
        "custom": [{"field": "first_name", "value": "Jeanne"}],
        "label": "Jeanne",
        "sub_value": 1,
    }
    assert attributes(values, NOTHING) == {"custom[0].field": "first_name", "sub_value": "1"}


def test_more_lists_of_names_than_are_cached_change_no_result() -> None:
    for _ in range(2):
        for number in range(2 * _MAX_KEPT_NAMES):
            values = {f"size{number}": "S", "email": "no", "known": "no"}
            assert attributes(values, frozenset({"known"})) == {f"size{number}": "S"}
    assert len(_kept_names) <= _MAX_KEPT_NAMES
