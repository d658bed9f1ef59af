"""A body becomes a document with exact numbers, or a reject that names the path."""

from decimal import Decimal

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
        (b'{"a": "\x01"}', ("malformed-body", "@7")),
        (b"{} x", ("malformed-body", "@3")),
        (b"\xef\xbb\xbf{}", ("malformed-body", "@0")),
        ('{"a": 1}'.encode("utf-16-be"), ("malformed-body", "@0")),
        (b"\0{\xd9\x42", ("malformed-body", "@2")),
        (b'\0{\0"\xd9B\0"', ("malformed-body", "@4")),
        (b"<order/>", ("unsupported-format", "@0")),
        (b"[1]", ("invalid-payload", "$")),
        (b"null", ("invalid-payload", "$")),
        (b'"text"', ("invalid-payload", "$")),
        (b'{"a": [{"b": "\\ud800"}]}', ("out-of-range", "a[0].b")),
        (b'{"a": "\\udc00 and more"}', ("out-of-range", "a")),
        (b'{"a": {"b": ["x", "\\u0000"]}}', ("out-of-range", "a.b[1]")),
        (b'{"\\u0000": 1}', ("out-of-range", "$")),
        (b'{"a": 1e9999999999999999999999}', ("out-of-range", "a")),
        (b'{"x": 1, "a": [' + b"9" * 10_000 + b"]}", ("out-of-range", "a[0]")),
        (b"[" * 100_000, ("out-of-range", "$")),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ("out-of-range", "$")),
        (b'{"a": "\\ud800", "b": ' + b"[" * 100_000, ("out-of-range", "$")),
        (b'{"a":' + b"[" * 300 + b'"\\ud800"' + b"]" * 300 + b"}", ("malformed-body", "@312")),
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


def test_a_long_path_is_cut_visibly() -> None:
    _, path = refused(b'{"' + b"k" * 10_000 + b'": "\\u0000"}')
    assert path == "k" * (MAX_PATH - 1) + "…"


def test_a_pair_of_surrogates_is_text() -> None:
    assert from_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
