"""The place where a body breaks: found, and without a letter or a digit of its sender."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.refusals.broken_body import (
    AROUND,
    broken_body,
    failing_byte,
    without_letters,
)

STRUCTURE = set("{}[]()<>:;,.=/\\\"'!?&#*+-_|`~^%$ \t\n\r")
BODIES = st.binary(max_size=400) | st.text(max_size=300).map(str.encode)


@given(body=BODIES, at=st.integers(0, 500))
def test_no_letter_and_no_digit_of_a_body_is_left(body: bytes, at: int) -> None:
    made = broken_body(body, at)
    for part in (made.before, made.failing, made.after):
        assert set(part) <= STRUCTURE | {"x", "0", "\ufffd"}


@given(text=st.text(min_size=1, max_size=300), data=st.data())
def test_the_failing_character_is_the_one_at_the_byte(text: str, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(text) - 1))
    made = broken_body(text.encode(), len(text[:index].encode()))
    assert made.failing == without_letters(text[index].encode())
    assert (made.size, made.is_cut_before) == (len(text.encode()), made.at > AROUND + 3) or (
        made.at <= AROUND + 3
    )
    assert without_letters(text.encode()).startswith(made.before) or made.is_cut_before


@given(body=BODIES, at=st.integers(0, 500))
def test_the_parts_follow_one_another_and_are_short(body: bytes, at: int) -> None:
    made = broken_body(body, at)
    assert made.at <= made.size == len(body)
    assert len(made.before) <= AROUND + 3
    assert len(made.after) <= AROUND
    assert bool(made.failing) == (at < len(body))
    if not made.is_cut_before and not made.is_cut_after:
        whole = made.before + made.failing + made.after
        assert len(whole) <= len(body)


def test_the_byte_that_python_names_is_lit() -> None:
    body = b'{"name": "Anna", "age": 31 "city": "Ulm"}'
    with pytest.raises(json.JSONDecodeError) as broken:
        json.loads(body)
    made = broken_body(body, broken.value.pos)
    assert made.before + "|" + made.failing + "|" + made.after == (
        '{"xxxx": "xxxx", "xxx": 00 |"|xxxx": "xxx"}'
    )


def test_a_body_that_ends_too_early_has_its_end_lit() -> None:
    made = broken_body(b'{"a": [1', 8)
    assert (made.before, made.failing, made.after, made.at) == ('{"x": [0', "", "", 8)


def test_a_path_of_a_byte_is_told_from_that_of_a_field() -> None:
    assert [failing_byte(each) for each in ("@92", "@", "items[0].price", "")] == [
        92, None, None, None,
    ]  # fmt: skip
