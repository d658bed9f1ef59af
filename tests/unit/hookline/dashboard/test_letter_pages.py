"""The pages of dead letters as written: for nobody, for who logged in, with hostile texts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hookline.dashboard.app import Tab
from hookline.dashboard.letters.query import LetterQuery
from hookline.dashboard.login.door import Visitor
from hookline.dashboard.templates import TEMPLATES
from hookline.dead_letters.listing import State
from tests.screens import steers

HOSTILE = "<script>alert(1)</script>\"'\x1b[2J\u202e\u200b"
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOBODY = Visitor()
MAY_LOG_IN = Visitor(can_log_in=True, has_password=True)
IN = Visitor("operator", "0" * 64, can_log_in=True, has_password=True)
LETTER: dict[str, Any] = {
    "at": NOW, "letter": "2:17", "when": NOW, "shop": HOSTILE, "event": HOSTILE,
    "entity": HOSTILE, "reason": "out-of-range", "path": HOSTILE, "detail": f"{HOSTILE}\nlast",
    "stage": "transform", "adapter": "4", "delivery": HOSTILE, "raw": "2:40", "slot": HOSTILE,
    "replay_of": "2:3", "state": "open", "state_reason": None, "state_at": None,
    "meaning": "A value.", "remedy": "Run `this`.", "headers": {HOSTILE: HOSTILE},
    "body": {}, "note": None,
    "lit": {"lines": [{"text": HOSTILE, "is_lit": True}, {"text": "}", "is_lit": False}],
            "is_exact": True},
    "replay_would_give": {
        "adapter": 5, "reason": None, "path": None, "detail": None,
        "events": [{"slot": HOSTILE, "topic": "orders", "record": {HOSTILE: HOSTILE}}],
    },
}  # fmt: skip
GROUP = {
    "letters": 3, "shop": HOSTILE, "reason": "out-of-range", "path": HOSTILE, "oldest": NOW,
    "newest": NOW, "newest_letter": "2:17", "meaning": "A value.",
}  # fmt: skip
JOB: dict[str, Any] = {
    "at": NOW, "id": "abcd", "action": "replay", "user": HOSTILE, "state": "running",
    "chosen": {"filter": {"shop": HOSTILE, "reason": "out-of-range", "path": HOSTILE},
               "until": NOW, "rate": 50.0, "because": HOSTILE},
    "started_at": NOW, "ended_at": None, "what": HOSTILE, "done": 1, "total": 3, "settled": 1,
    "skipped": {HOSTILE: 2}, "error": HOSTILE, "is_cancelled": False,
}  # fmt: skip


def shown(template: str, visitor: Visitor, page: dict[str, Any], **values: Any) -> str:
    tab = Tab("dead-letters", "Dead letters")
    text = TEMPLATES.get_template(f"{template}.html").render(
        tabs=(tab,), tab=tab, path="/dead-letters", query="", version="1", visitor=visitor,
        login_query="next=%2Fdead-letters", fresh=None, page=page, **values,
    )  # fmt: skip
    assert "<script>alert" not in text
    assert not steers(text.replace("\n", " "))
    return text


def listed(visitor: Visitor, given: LetterQuery) -> str:
    page = {
        "at": NOW, "until_ms": 17, "total": 3, "groups": [GROUP], "groups_left_out": 0,
        "letters": [LETTER], "older": "1:2:3",
    }  # fmt: skip
    choices = {"shops": [HOSTILE], "reasons": ["out-of-range"], "paths": ["", HOSTILE],
               "states": [each.value for each in State]}  # fmt: skip
    return shown("letters/list", visitor, page, given=given, choices=choices)


def test_only_who_logged_in_is_shown_the_forms_that_act() -> None:
    for made in (
        lambda who: listed(who, LetterQuery()),
        lambda who: shown("letters/letter", who, LETTER),
    ):
        assert 'method="post" action="/dead-letters' not in made(NOBODY) + made(MAY_LOG_IN)
        assert "--hash-password" in made(NOBODY)
        assert '/login?next=%2Fdead-letters"' in made(MAY_LOG_IN)
        text = made(IN)
        for action in ("replay", "discard"):
            assert f'method="post" action="/dead-letters/{action}"' in text
        assert text.count(f'name="token" value="{"0" * 64}"') == 3  # logging out has one too


def test_a_form_acts_on_the_letters_that_are_shown() -> None:
    given = LetterQuery(shop="spiffy/johns", reason="out-of-range", path="")
    text = listed(IN, given)
    for name, value in (("shop", "spiffy/johns"), ("reason", "out-of-range"), ("path", ""),
                        ("until", "17")):  # fmt: skip
        assert f'<input type="hidden" name="{name}" value="{value}">' in text
    assert 'name="letter" value="2:17"' in shown("letters/letter", IN, LETTER)


@pytest.mark.parametrize("state", [State.REPLAYED, State.DISCARDED, State.ALL])
def test_letters_that_are_settled_have_no_forms(state: State) -> None:
    assert "/dead-letters/replay" not in listed(IN, LetterQuery(state=state))
    settled = {**LETTER, "state": "replayed", "state_reason": HOSTILE, "state_at": NOW}
    assert "/dead-letters/replay" not in shown("letters/letter", IN, settled)


@pytest.mark.parametrize("state", ["running", "done", "cancelled", "failed"])
def test_a_job_refreshes_itself_while_it_runs_and_can_be_cancelled_then(state: str) -> None:
    text = shown("letters/job", IN, {**JOB, "state": state})
    assert ("every 1s" in text) == ("/cancel" in text) == (state == "running")
    assert "/cancel" not in shown("letters/job", NOBODY, JOB)


def test_a_refusal_or_an_unreadable_shops_file_stands_where_the_events_would() -> None:
    refused = {"adapter": 5, "reason": "out-of-range", "path": HOSTILE, "detail": HOSTILE,
               "events": []}  # fmt: skip
    assert "refused again" in shown("letters/letter", IN, {**LETTER, "replay_would_give": refused})
    unread = {**LETTER, "replay_would_give": None, "note": HOSTILE}
    assert "shops file cannot be read" in shown("letters/letter", IN, unread)
