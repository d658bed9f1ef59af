"""The failing value is shown where it is a number, flag, date or currency, and no person's."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hookline.refusals.failing_value import LONGEST, may_be_shown, with_failing_value
from hookline.refusals.lit_body import lit, steps
from hookline.shops import masked_body
from processors.sources.readers.personal_names import is_personal

PERSONAL = ("email", "first_name", "shipping_address", "phone", "dob", "note", "customer_name")
PLAIN = ("price", "total", "ordered", "created_at", "quantity", "currency", "thing", "financial")
NUMBERS = (
    st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda each: +each)
    | st.decimals(places=6, min_value=0, max_value=10**6).map(str)
)
FIRST = datetime(1000, 1, 1)  # noqa: DTZ001 - strategies take it so
DATES = st.datetimes(FIRST).map(
    lambda each: each.strftime("%Y/%m/%d %H:%M:%S" if each.second % 2 else "%d.%m.%Y")
)


def shown(document: Any, path: str) -> Any:
    """The lines of a document around a failing path, and those of them that are lit."""
    made = with_failing_value(masked_body.masked_document(document), document, path)
    lines = lit(made, path).lines
    return "\n".join(each.text for each in lines), [each.text for each in lines if each.is_lit]


@given(value=NUMBERS | DATES | st.booleans(), name=st.sampled_from(PERSONAL), deep=st.booleans())
def test_a_value_under_a_personal_name_is_never_shown(value: Any, name: str, deep: bool) -> None:
    inner: Any = {"price": value} if deep else value
    path = f"data.{name}.price" if deep else f"data.{name}"
    document = {"data": {name: inner}}
    assert not may_be_shown(value, steps(path))
    masked = masked_body.masked_document(document)
    assert with_failing_value(masked, document, path) is masked


@given(
    words=st.lists(st.text("anberglosüЖ", min_size=6), min_size=1),
    between=st.sampled_from([" ", "", ", ", "-", " 7 ", "12.50"]),
    number=st.sampled_from(["", "12.50 ", "EUR ", "2024-01-01 ", "€"]),
    name=st.sampled_from(PLAIN),
)
def test_a_free_text_is_never_shown(words: list[str], between: str, number: str, name: str) -> None:
    text = between.join(words)
    assert not may_be_shown(f"{number}{text}", steps(f"items[0].{name}"))
    assert not may_be_shown(f"{text} {number}", steps(f"items[0].{name}"))


@given(local=st.text("anberg.+", min_size=1), name=st.sampled_from(PLAIN))
def test_an_address_is_never_shown(local: str, name: str) -> None:
    assert not may_be_shown(f"{local}@example.com", steps(name))


@given(digits=st.integers(10**7, 10**19 - 1), prefix=st.sampled_from(["", "+", "00", "0", "EUR "]))
def test_what_may_be_a_telephone_or_card_is_shown_under_the_name_of_an_amount_alone(
    digits: int, prefix: str
) -> None:
    assert not may_be_shown(f"{prefix}{digits}", ("thing",))
    if not prefix:
        assert not may_be_shown(digits, ("thing",))
        assert may_be_shown(digits, ("items", 0, "price"))


@given(value=NUMBERS | DATES, name=st.sampled_from(["price", "total", "created_at"]))
def test_a_number_or_date_is_shown_as_it_was_sent_and_is_lit(value: Any, name: str) -> None:
    assume(len(str(value)) <= LONGEST)
    document = {"data": {"items": [{"note": "x"}, {name: value, "email": "a@b.c"}]}}
    text, marked = shown(document, f"data.items[1].{name}")
    [line] = marked
    spelled = f'"{value}"' if isinstance(value, str) else str(value)
    assert f'"{name}": {spelled}' in line
    assert "a@b.c" not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("price", "12,50 EUR"), ("price", "€12.00"), ("price", "1,234.567891234"), ("total", "NaN"),
        ("price", Decimal("1E+400")), ("price", "-0.00000000001"), ("ordered", "31/12/2024"),
        ("ordered", "Mon, 02 Jan 2006 15:04:05 GMT"), ("ordered", "2024-13-45T99:99:99Z"),
        ("currency_code", "EURO"), ("currency", "eur"), ("paid", "yes"), ("count", 10**25),
    ],
)  # fmt: skip
def test_spellings_of_numbers_dates_and_currencies_are_shown(name: str, value: Any) -> None:
    assert may_be_shown(value, ("data", name))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("price", "Anna Berg"), ("state", "Bavaria"), ("price", "9" * (LONGEST + 1)), ("", 5),
        ("price", {"a": 1}), ("items", [1]), ("handle", "+49 151 1234567"), ("thing", "ANN"),
    ],
)  # fmt: skip
def test_what_has_no_known_form_stays_masked(path: str, value: Any) -> None:
    assert not may_be_shown(value, steps(path))


def test_a_field_that_was_cut_off_or_is_not_there_changes_nothing() -> None:
    document = {"items": [{"price": n} for n in range(200)], "a b": {"price": 5}}
    masked = masked_body.masked_document(document)
    for path in ("items[199].price", "items[7].cost", "a b.price", "items.price", "$"):
        assert with_failing_value(masked, document, path) == masked


def test_the_names_of_these_tests_are_judged_as_they_claim() -> None:
    assert all(map(is_personal, PERSONAL))
    assert not any(map(is_personal, PLAIN))
