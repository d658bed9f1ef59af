"""One field of a document: the forms it may have, notes and refusals with its path."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from processors.sources import notes
from processors.sources.readers.fields import (
    flag,
    identifier,
    integer,
    mapping,
    required_id,
    required_mapping,
    rows,
    text,
    units,
)
from processors.sources.readers.refusals import Refused

Reader = Callable[..., Any]


@pytest.mark.parametrize(
    ("reader", "value", "expected"),
    [
        (text, "x", "x"),
        (text, "", None),
        (text, None, None),
        (text, True, "true"),
        (text, False, "false"),
        (text, 7, "7"),
        (text, Decimal("1.50"), "1.50"),
        (identifier, "716", "716"),
        (identifier, " \t", None),
        (identifier, 2**64 - 1, "18446744073709551615"),
        (identifier, -(2**63), "-9223372036854775808"),
        (identifier, "x" * 200, "x" * 200),
        (identifier, "45255590281516.0", "45255590281516"),
        (identifier, Decimal("45255590281516.0"), "45255590281516"),
        (identifier, Decimal("4.5255590281516E+13"), "45255590281516"),
        (identifier, Decimal("-0.0"), "0"),
        (identifier, "1.5", "1.5"),
        (identifier, "v1.0", "v1.0"),
        (integer, "5.0", 5),
        (integer, 5, 5),
        (integer, "-5", -5),
        (integer, "", None),
        (integer, Decimal("3.0"), 3),
        (integer, Decimal("3E+2"), 300),
        (integer, 2**63 - 1, 2**63 - 1),
        (units, "3", 3),
        (units, 0, 0),
        (units, None, None),
        (units, 10**9, 10**9),
        (flag, True, True),
        (flag, 1, True),
        (flag, 0, False),
        (flag, "YES", True),
        (flag, "no", False),
        (flag, "", None),
        (mapping, {"a": 1}, {"a": 1}),
        (mapping, [], {}),
        (mapping, "", {}),
        (mapping, None, {}),
        (rows, [], []),
        (rows, [{}], [{}]),
        (rows, "", None),
        (rows, None, None),
    ],
)
def test_a_field_is_read_as_what_it_means(reader: Reader, value: Any, expected: Any) -> None:
    assert reader({"a": value}, "a", "x.") == expected


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        (text, []),
        (text, 2**63),
        (identifier, "x" * 201),
        (identifier, 2**64),
        (identifier, -(2**63) - 1),
        (identifier, Decimal("1.5")),
        (identifier, Decimal("1e999999999")),
        (identifier, Decimal("1e-999999999")),
        (identifier, Decimal("NaN")),
        (identifier, True),
        (integer, "--5"),
        (integer, "5 "),
        (integer, "٣"),
        (integer, "9" * 20),
        (integer, "9" * 21),
        (integer, 2**63),
        (integer, -(2**63) - 1),
        (integer, Decimal("1.5")),
        (integer, Decimal("1e-999999999")),
        (integer, Decimal("1e999999999")),
        (integer, Decimal("NaN")),
        (integer, True),
        (units, -1),
        (units, 10**9 + 1),
        (flag, 2),
        (flag, "perhaps"),
        (flag, Decimal(1)),
        (rows, {}),
    ],
)
def test_what_it_cannot_be_counts_as_not_given_and_is_noted(reader: Reader, value: Any) -> None:
    notes.begin()
    assert reader({"a": value}, "a", "x.") is None
    assert notes.current() == {"unread:x.a": value}


def test_what_is_no_object_counts_as_an_empty_one_and_is_noted() -> None:
    notes.begin()
    assert mapping({"a": "text"}, "a", "x.") == {}
    assert rows({"b": [{"c": 1}, 7, None, {}]}, "b", "x.") == [{"c": 1}, {}]
    assert notes.current() == {"unread:x.a": "text", "unread:x.b[1]": 7}


@pytest.mark.parametrize("value", [-1, -(10**9), "-3", Decimal("-2.0")])
def test_a_quantity_below_0_is_one_where_that_is_allowed(value: Any) -> None:
    assert units({"a": value}, "a", "x.", signed=True) == int(value)


@pytest.mark.parametrize(
    ("reader", "value", "reason"),
    [
        (required_id, None, "invalid-payload"),
        (required_id, " ", "invalid-payload"),
        (required_id, "x" * 201, "out-of-range"),
        (required_id, 2**64, "out-of-range"),
        (required_id, Decimal("1.5"), "invalid-payload"),
        (required_id, [], "invalid-payload"),
        (required_mapping, {}, "invalid-payload"),
        (required_mapping, 5, "invalid-payload"),
    ],
)
def test_a_missing_identifier_is_refused_with_its_path(
    reader: Reader, value: Any, reason: str
) -> None:
    with pytest.raises(Refused) as caught:
        reader({"a": value}, "a", "x.")
    assert (caught.value.reject.reason.value, caught.value.reject.path) == (reason, "x.a")


def test_an_unusable_id_gives_way_to_the_other_one() -> None:
    assert required_id({"uuid": 1.5, "id": 7}, "uuid", fallback="id") == "7"


def test_the_notes_of_a_delivery_are_bounded() -> None:
    notes.begin()
    for number in range(100):
        flag({"a": "perhaps"}, "a", f"rows[{number}].")
    assert len(notes.current()) == notes.MAX_NOTES


def test_an_empty_path_names_the_document() -> None:
    with pytest.raises(Refused) as caught:
        required_mapping({}, "", "")
    assert caught.value.reject.path == "$"
