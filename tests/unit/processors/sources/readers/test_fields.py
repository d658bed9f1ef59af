"""One field of a document: the forms it may have, and refusals with its path."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

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
    ("reader", "value", "reason", "path"),
    [
        (text, [], "invalid-payload", "x.a"),
        (text, 2**63, "out-of-range", "x.a"),
        (identifier, "x" * 201, "out-of-range", "x.a"),
        (identifier, 2**64, "out-of-range", "x.a"),
        (identifier, -(2**63) - 1, "out-of-range", "x.a"),
        (identifier, Decimal("1.0"), "invalid-payload", "x.a"),
        (identifier, True, "invalid-payload", "x.a"),
        (required_id, None, "invalid-payload", "x.a"),
        (required_mapping, {}, "invalid-payload", "x.a"),
        (mapping, "text", "invalid-payload", "x.a"),
        (integer, "--5", "invalid-payload", "x.a"),
        (integer, "5 ", "invalid-payload", "x.a"),
        (integer, "٣", "invalid-payload", "x.a"),
        (integer, "9" * 20, "out-of-range", "x.a"),
        (integer, "9" * 21, "invalid-payload", "x.a"),
        (integer, 2**63, "out-of-range", "x.a"),
        (integer, -(2**63) - 1, "out-of-range", "x.a"),
        (integer, Decimal("1e-999999999"), "invalid-payload", "x.a"),
        (integer, Decimal("1e999999999"), "invalid-payload", "x.a"),
        (integer, Decimal("NaN"), "invalid-payload", "x.a"),
        (integer, True, "invalid-payload", "x.a"),
        (units, -1, "invalid-payload", "x.a"),
        (units, 10**9 + 1, "out-of-range", "x.a"),
        (flag, 2, "invalid-payload", "x.a"),
        (flag, "perhaps", "invalid-payload", "x.a"),
        (flag, Decimal(1), "invalid-payload", "x.a"),
        (rows, {}, "invalid-payload", "x.a"),
        (rows, [{}, 7], "invalid-payload", "x.a[1]"),
    ],
)
def test_what_it_cannot_be_is_refused_with_its_path(
    reader: Reader, value: Any, reason: str, path: str
) -> None:
    with pytest.raises(Refused) as caught:
        reader({"a": value}, "a", "x.")
    assert (caught.value.reject.reason.value, caught.value.reject.path) == (reason, path)


def test_an_empty_path_names_the_document() -> None:
    with pytest.raises(Refused) as caught:
        required_mapping({}, "", "")
    assert caught.value.reject.path == "$"
