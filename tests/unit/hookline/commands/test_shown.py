"""What commands print of records and dead letters."""

from typing import Any

import pytest

from hookline.commands.deliveries import dead_screens, topics

LETTER: dict[str, Any] = {
    "letter": "2:17",
    "partition": 2,
    "offset": 17,
    "when": None,
    "shop": "spiffy/johns",
    "reason": "invalid-payload",
    "detail": "line one\nline two",
    "slot": None,
    "appended": 1_767_225_600_000,
    "key": "spiffy/johns:1",
    "headers": {"source": "spiffy"},
    "value": '{"id":1,"price":19.90,"name":"\\u001b[2J"}',
}


def test_a_letter_is_shown_as_fields_and_an_indented_body(
    capsys: pytest.CaptureFixture[str],
) -> None:
    dead_screens.show_letter(LETTER)
    lines = capsys.readouterr().out.splitlines()
    assert "letter    2:17" in lines
    assert "detail    line one" in lines
    assert "          line two" in lines
    assert "appended  2026-01-01 00:00:00" in lines
    assert "source  spiffy" in lines
    assert '  "price": 19.90,' in lines
    assert not any(line.startswith("slot") for line in lines)


@pytest.mark.parametrize("body", ["<order>", "{", "plain"])
def test_a_body_that_is_not_json_is_shown_as_it_is(
    body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dead_screens.show_letter({**LETTER, "value": body})
    assert capsys.readouterr().out.splitlines()[-1] == body


def test_times_of_records_are_iso() -> None:
    record = {"placed_at": 1_767_225_600_000_000, "meta": {"version_at": 1}, "quantity": 3}
    assert topics._with_times(record) == {
        "placed_at": "2026-01-01T00:00:00Z",
        "meta": {"version_at": "1970-01-01T00:00:00.000001Z"},
        "quantity": 3,
    }
    assert topics._with_times({"ended_at": 10**30, "at": [None]}) == {
        "ended_at": 10**30, "at": [None]
    }  # fmt: skip
