"""What strangers wrote, on a terminal and in JSON."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.escaping import json_text, one_line, terminal_text
from tests.screens import STEERING, TEXTS, steers


@settings(deadline=None)
@given(TEXTS)
def test_a_text_never_steers_a_terminal(text: str) -> None:
    assert not steers(terminal_text(text))
    assert terminal_text(terminal_text(text)) == terminal_text(text)
    assert "\n" not in one_line(text)
    assert not steers(one_line(text))


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "M", "N", "P", "S", "Zs"])))
def test_what_is_shown_stays(text: str) -> None:
    assert terminal_text(text) == text
    assert json_text(text) == text


@settings(deadline=None)
@given(TEXTS)
def test_json_never_steers_a_terminal_and_keeps_its_value(text: str) -> None:
    made = json_text(json.dumps({text: [text]}, ensure_ascii=False, indent=1))
    assert not steers(made)
    made.encode()
    assert json.loads(made) == {text: [text]}


@pytest.mark.parametrize("each", STEERING)
def test_each_character_that_steers_is_shown_as_an_escape(each: str) -> None:
    assert terminal_text(f"a{each}b").isascii()
    assert json_text(f'"a{each}b"').isascii()


def test_escapes_are_those_that_programs_read() -> None:
    assert terminal_text("\x1b[2J\x9b1m\u202e") == r"\x1b[2J\x9b1m\u202e"
    assert json_text('"\x9b\u202e\U000e0041"') == r'"\u009b\u202e\udb40\udc41"'
