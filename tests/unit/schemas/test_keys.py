"""Names of entities, topics, subjects and schemas."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import schema, schema_text
from schemas.keys import customer_key, entity_key, native_id
from schemas.topics import ORDERS


@given(st.from_regex(r"[a-z0-9.-]+", fullmatch=True), st.text())
def test_the_platforms_own_id_comes_back_out_of_a_key(shop: str, told: str) -> None:
    assert native_id(entity_key("spiffy", shop, "cart", told)) == told


@pytest.mark.parametrize(
    ("customer_id", "email_hash", "expected"),
    [
        ("1", "abc", "run-free/boots/customer:1"),
        ("", "abc", "run-free/boots/customer:"),
        (None, "abc", "run-free/boots/guest:abc"),
        (None, None, None),
    ],
)
def test_a_customer_is_known_by_id_else_as_a_guest(
    customer_id: str | None, email_hash: str | None, expected: str | None
) -> None:
    assert customer_key("run-free", "boots", customer_id, email_hash) == expected


def test_a_topic_and_its_subject_carry_the_prefix() -> None:
    assert (ORDERS.named("t_"), ORDERS.subject("t_")) == (
        "t_hookline.orders",
        "t_hookline.orders-value",
    )


def test_the_registry_is_given_the_schema_without_spare_spaces() -> None:
    text = schema_text("carts")
    assert json.loads(text) == schema("carts")
    assert '": ' not in text
