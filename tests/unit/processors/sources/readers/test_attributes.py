"""Listed fields are kept as attributes, within bounds; all others are noted by name."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.sources import notes
from processors.sources.readers.attributes import (
    _MAX_CACHED,
    MAX_COUNT,
    MAX_LENGTH,
    OMITTED,
    KnownFields,
    attributes,
    merged,
)
from processors.sources.readers.contact import email_hash
from processors.sources.readers.fields import names
from processors.sources.readers.personal_names import is_personal

TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


def listed(kept: str, read: str = "") -> KnownFields:
    return KnownFields(read, kept=kept)


def unknown_of(values: dict[str, Any], known: KnownFields) -> set[str]:
    notes.begin()
    attributes(values, known)
    return {f"{path}{name}" for path, names in notes.unknown_fields() for name in names}


def test_listed_fields_are_kept_under_their_path_and_no_others() -> None:
    values = {
        "size": "S",
        "n": 3,
        "ok": True,
        "plan": {"id": 7, "name": "Box", "owner": "Anna"},
        "steps": [{"id": 1, "note": "for Anna"}],
        "nickname": "Anna",
    }
    known = KnownFields("number", "size n ok plan.id plan.name steps.id", "data.")
    assert attributes(values, known) == {
        "size": "S",
        "n": "3",
        "ok": "true",
        "plan.id": "7",
        "plan.name": "Box",
        "steps[0].id": "1",
    }
    assert unknown_of(values, known) == {"data.nickname", "data.plan.owner", "data.steps[].note"}


def test_known_and_empty_fields_are_left_out() -> None:
    known = listed("b c d e", "a")
    values = {"a": 1, "b": None, "c": "", "d": {}, "e": []}
    assert attributes(values, known) == {}
    assert unknown_of({"a": 1, "f": 2}, known) == {"f"}


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"plan": "Anna"}, {"plan"}),
        ({"plan": ["Anna", {"id": 1}]}, {"plan[]"}),
        ({"size": {"of": "Anna"}}, {"size"}),
        ({"size": [{"of": "Anna"}]}, {"size[]"}),
    ],
)
def test_a_listed_field_in_another_form_than_the_page_shows_is_unknown(
    values: dict[str, Any], unknown: set[str]
) -> None:
    known = listed("size plan.id")
    assert "Anna" not in str(attributes(values, known))
    assert unknown_of(values, known) == unknown


@settings(deadline=None)
@given(st.dictionaries(st.text(), TREE, max_size=80), st.sets(st.text(), max_size=9))
def test_whatever_is_given_only_listed_names_are_kept_and_the_others_are_noted(
    values: dict[str, Any], chosen: set[str]
) -> None:
    names = {name for name in chosen if name and "." not in name and name == "".join(name.split())}
    made = attributes(values, listed(" ".join(names)))
    assert {name.partition("[")[0] for name in made} - {OMITTED} <= {
        name.partition("[")[0] for name in names
    }
    assert values.keys() - names <= unknown_of(values, listed(" ".join(names)))


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
    assert attributes({"size": value}, listed("size")) == {}


def test_more_than_the_bound_is_counted_not_kept() -> None:
    made = attributes({"size": list(range(MAX_COUNT + 1))}, listed("size"))
    assert (len(made), made[OMITTED]) == (MAX_COUNT + 1, "1")
    assert merged({"mine": "1"}, made)[OMITTED] == "2"


def test_a_long_value_is_cut_visibly() -> None:
    assert attributes({"size": "x" * 999}, listed("size"))["size"] == "x" * (MAX_LENGTH - 1) + "…"


def test_lists_in_lists_are_cut_off() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    assert attributes({"a": deep}, listed("a")) == {}


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


def test_more_lists_of_names_than_are_cached_change_no_result() -> None:
    known = listed("size", "known")
    for _ in range(2):
        for number in range(2 * _MAX_CACHED):
            values = {"size": "S", f"other{number}": "no", "known": "no"}
            assert attributes(values, known) == {"size": "S"}
    assert len(known._divided) <= _MAX_CACHED
