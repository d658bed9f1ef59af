"""A body becomes a document with exact numbers, or a reject that names the path."""

from decimal import Decimal
from typing import Any

import pytest

from processors.sources.readers.document import from_json
from processors.sources.readers.refusals import MAX_PATH, Refused


def refused(body: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        from_json(body)
    return caught.value.reject.reason.value, caught.value.reject.path


def test_numbers_are_exact_at_any_size() -> None:
    assert from_json(b'{"a": 327475578523353102, "b": 8.32, "c": 18446744073709551616}') == {
        "a": 327475578523353102,
        "b": Decimal("8.32"),
        "c": 18446744073709551616,
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ("malformed-body", "@0")),
        (b"{", ("malformed-body", "@1")),
        (b'{"a": 1,}', ("malformed-body", "@8")),
        (b'{"a": NaN}', ("malformed-body", "@6")),
        (b'{"a": "\xff"}', ("malformed-body", "@7")),
        (b'{"\xc3\xa9": tru}', ("malformed-body", "@7")),
        (b"{} x", ("malformed-body", "@3")),
        (b'{"a": 1\x01}', ("malformed-body", "@7")),
        (b'{"a": "\\ud800", "b": }', ("malformed-body", "@21")),
        (b"\xef\xbb\xbf{", ("malformed-body", "@4")),
        (b'\xef\xbb\xbf{"a": "\xff"}', ("malformed-body", "@10")),
        (b"\xef\xbb\xbf<order/>", ("unsupported-format", "@0")),
        ('{"a": 1}'.encode("utf-16-be"), ("malformed-body", "@0")),
        (b"\0{\xd9\x42", ("malformed-body", "@2")),
        (b'\0{\0"\xd9B\0"', ("malformed-body", "@4")),
        (b"<order/>", ("unsupported-format", "@0")),
        (b"[1]", ("invalid-payload", "$")),
        (b"null", ("invalid-payload", "$")),
        (b'"text"', ("invalid-payload", "$")),
        (b'{"a": 1e9999999999999999999999}', ("out-of-range", "a")),
        (b'{"x": 1, "a": [' + b"9" * 10_000 + b"]}", ("out-of-range", "a[0]")),
        (b"[" * 100_000, ("out-of-range", "$")),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ("out-of-range", "$")),
        (b'{"a": "\\ud800", "b": ' + b"[" * 100_000, ("out-of-range", "$")),
        (b'{"b": 1.5, "a": 1e9999999999999999999999}', ("out-of-range", "a")),
        (b'{"a": ' + b"9" * 10_000 + b', "b": tru', ("out-of-range", "$")),
        (b'{"a": 1e9999999999999999999999, "b": tru', ("out-of-range", "$")),
    ],
)
def test_what_is_no_document_is_refused_with_its_path(
    body: bytes, expected: tuple[str, str]
) -> None:
    assert refused(body) == expected


def test_an_escaped_backslash_before_u0000_is_no_zero() -> None:
    assert from_json(rb'{"a": "\\u0000"}') == {"a": "\\u0000"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'\xef\xbb\xbf{"a": "x"}', {"a": "x"}),
        (b'{"a": "\xef\xbb\xbfx\xef\xbb\xbf"}', {"a": "x\ufeff"}),
        (b'{"a": "\\ufeffx", "b": "\\"\\ufeff"}', {"a": "x", "b": '"\ufeff'}),
        (b'{"a": "thanks \\ud83d"}', {"a": "thanks \ufffd"}),
        (
            b'{"a": ["\\udc00 and \\ud83d\\ude00", "\\\\ud83d"]}',
            {"a": ["\ufffd and 😀", "\\ud83d"]},
        ),
        (b'{"a": "x\\udbff\\u0041"}', {"a": "x\ufffdA"}),
        (b'{"a": "thanks\\u0000"}', {"a": "thanks\ufffd"}),
        (b'{"a": "\\u0007\\u001F\\u0009\\u000a\\u000D\\t"}', {"a": "\ufffd\ufffd\t\n\r\t"}),
        (b'{"a": "\\u0000\\u00e9\\u0100\\n"}', {"a": "\ufffdé\u0100\n"}),
        (b'{"\\u0000": 1}', {"\ufffd": 1}),
        (b'{"a": "\0\x01\n\t\x7f"}', {"a": "\ufffd\ufffd\n\t\x7f"}),
        (b'{"a": "\xc3\xa9\\ud83d", "b": 8.32}', {"a": "é\ufffd", "b": Decimal("8.32")}),
    ],
)
def test_what_no_table_stores_in_a_text_is_replaced(body: bytes, expected: Any) -> None:
    assert from_json(body) == expected


def test_a_long_path_is_cut_visibly() -> None:
    name = b'{"' + b"k" * 60 + b'": '
    _, path = refused(name * 10 + b"1e9999999999999999999999" + b"}" * 10)
    assert path == ".".join(["k" * 60] * 10)[: MAX_PATH - 1] + "…"


@pytest.mark.parametrize("key", ["ada@example.org", "+15558675309", "Ada Lovelace", "k" * 10_000])
def test_a_key_that_may_be_data_is_not_named_by_a_path(key: str) -> None:
    body = f'{{"orders": {{"{key}": [{{"total": 1e9999999999999999999999}}]}}}}'
    assert refused(body.encode()) == ("out-of-range", "orders.*[0].total")


def test_a_pair_of_surrogates_is_text() -> None:
    assert from_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
