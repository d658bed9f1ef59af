"""Bodies are made readable without another change, and in linear time."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.bodies.json_body import cleaned, repaired

ANY = st.text(st.characters(codec="utf-8") | st.sampled_from('\x00\x01\t\n\ufeff"\\'))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY, inner, max_size=4),
    max_leaves=8,
)
UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def expected(value: object) -> object:
    if isinstance(value, str):
        return UNWANTED.sub("\ufffd", value.removeprefix("\ufeff"))
    if isinstance(value, list):
        return [expected(inner) for inner in value]
    if isinstance(value, dict):
        return {expected(key): expected(inner) for key, inner in value.items()}
    return value


@settings(deadline=None)
@given(VALUES, st.booleans(), st.booleans())
def test_only_control_characters_and_marks_change(
    value: object, is_ascii: bool, has_mark: bool
) -> None:
    body = json.dumps(value, ensure_ascii=is_ascii).encode()
    assert json.loads(cleaned(b"\xef\xbb\xbf" * has_mark + body)) == expected(value)
    assert repaired(body) == body


@settings(deadline=None)
@given(st.dictionaries(st.text("ab"), st.text(st.characters() | st.sampled_from("\ud83d\udc00"))))
def test_halves_of_surrogate_pairs_are_replaced_wherever_they_are(value: dict[str, str]) -> None:
    whole = {key: text.encode("utf-16", "surrogatepass") for key, text in value.items()}
    given = json.loads(repaired(json.dumps(value).encode()))
    assert given == {k: t.decode("utf-16", "replace") for k, t in whole.items()} or all(
        "\ufffd" in given[key] or given[key] == text for key, text in value.items()
    )
    json.dumps(given, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 500_000,
        b'"' * 1_000_001,
        b'"\\u0001' * 150_000,
        b'"\\ud83d' * 150_000,
        b'"a' + b"\\" * 1_000_001,
    ],
)
@pytest.mark.timeout(20)
def test_a_hostile_body_takes_linear_time(body: bytes) -> None:
    repaired(cleaned(body))
