"""Masked bodies: shape, ids, times, amounts and states; nothing that shows who somebody is."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hookline.shops.masked_body import masked
from tests import ROOT

BODY = {
    "id": 448726,
    "status": "paid",
    "created_at": "2026-01-01T12:00:00Z",
    "total": "19.99",
    "currency": "GBP",
    "note": "please ring twice",
    "customer": {
        "id": 6,
        "email": "anna@example.com",
        "first_name": "Anna",
        "phone": 15855008509,
        "handle": "anna-berg",
    },
    "shipping_address": {"id": 1, "zip": 14580, "lines": ["1688 Lake Rd"]},
    "items": [{"sku": "s-1", "title": "Example T-Shirt", "quantity": 2}],
    "is_test": False,
    "cancelled_at": None,
    "anna@example.com": "x",
}


def test_ids_times_amounts_and_states_are_shown_and_all_else_is_masked() -> None:
    assert masked(json.dumps(BODY).encode()) == {
        "id": 448726,
        "status": "paid",
        "created_at": "2026-01-01T12:00:00Z",
        "total": "19.99",
        "currency": "GBP",
        "note": "[text of 17]",
        "customer": {
            "id": 6,
            "email": "[text of 16]",
            "first_name": "[text of 4]",
            "phone": "[number of 11]",
            "handle": "[text of 9]",
        },
        "shipping_address": {"id": "[number of 1]", "zip": "[number of 5]",
                             "lines": ["[text of 12]"]},
        "items": [{"sku": "s-1", "title": "[text of 15]", "quantity": 2}],
        "is_test": False,
        "cancelled_at": None,
        "*": "[text of 1]",
    }  # fmt: skip


def test_an_id_that_is_an_address_or_a_telephone_number_is_masked() -> None:
    body = {"id": "anna@example.com", "customer_id": "+44 20 7946 0018", "order_id": "A-7"}
    assert masked(json.dumps(body).encode()) == {
        "id": "[text of 16]", "customer_id": "[text of 16]", "order_id": "A-7",
    }  # fmt: skip


def test_xml_is_masked_alike_and_what_is_no_document_is_not_shown() -> None:
    body = b"<order><id type='integer'>7</id><email>anna@example.com</email></order>"
    assert masked(body) == {"id": 7, "email": "[text of 16]"}
    assert masked(b"anna@example.com") == "[16 bytes: malformed-body at @0]"
    assert "anna" not in str(masked(b"<anna"))


@given(st.text(alphabet="anberg@. ", min_size=3).filter(lambda text: "@" in text))
def test_no_text_with_an_address_is_shown_whatever_its_field(text: str) -> None:
    for name in ("id", "status", "sku", "reason", "other"):
        shown: Any = masked(json.dumps({name: text}).encode())
        assert text not in shown.values()


def test_no_personal_text_of_any_example_is_shown() -> None:
    examples = ROOT / "tests" / "examples"
    names = {"email", "phone", "firstName", "lastName", "first_name", "last_name", "street", "city"}
    seen = 0
    for path in examples.glob("*/*.json"):
        if path.name.endswith(".expected.json"):
            continue
        body = path.read_bytes()
        try:
            document = json.loads(body)
        except ValueError:
            continue
        shown = json.dumps(masked(body), default=str)
        for text in texts_of(document, names):
            seen += 1
            assert f'"{text}"' not in shown, (path.name, text)
    assert seen > 50


def texts_of(value: Any, names: set[str]) -> set[str]:
    if isinstance(value, list):
        return set().union(*(texts_of(each, names) for each in value))
    if not isinstance(value, dict):
        return set()
    found = {v for k, v in value.items() if k in names and isinstance(v, str) and len(v) > 2}
    return found.union(*(texts_of(each, names) for each in value.values()))
