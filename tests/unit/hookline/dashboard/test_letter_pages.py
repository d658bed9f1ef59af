"""The pages of dead letters as written: for nobody, for who logged in, with hostile texts."""

import re
from datetime import UTC, datetime, timedelta
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
    "body": {}, "note": None, "broken": None,
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
    "skipped": {HOSTILE: 2}, "error": HOSTILE, "is_cancelled": False, "became": None,
}  # fmt: skip
BECAME: dict[str, Any] = {
    "followed": 100, "waiting": 0, "events": 97, "partly": 1, "refused": 1, "duplicate": 1,
    "letters": ["2:18"], "groups": [GROUP], "note": None,
}  # fmt: skip
REVIEW: dict[str, Any] = {
    "at": NOW, "until": NOW, "until_ms": 17, "total": 300, "groups": [
        {**GROUP, "tried": 20, "would_be_events": 0},
    ], "groups_left_out": 0, "tried": 20, "would_be_events": 0, "would_be_refused": 20,
    "refused_as": [{"reason": "out-of-range", "path": HOSTILE, "letters": 20}], "note": None,
    "rate": 200, "takes": timedelta(seconds=2),
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
        "choices": {
            name: [{"value": each, "letters": 3} for each in values]
            for name, values in (
                ("shops", [HOSTILE]), ("reasons", ["out-of-range"]), ("paths", ["", HOSTILE]),
            )
        },
    }  # fmt: skip
    states = [each.value for each in State]
    return shown("letters/list", visitor, page, given=given, states=states)


def reviewed(visitor: Visitor, given: LetterQuery, **changed: Any) -> str:
    return shown("letters/settle", visitor, {**REVIEW, **changed}, given=given)


def main_button(text: str) -> str:
    [found] = re.findall(r'<button type="submit" class="primary">(\w+) ', text)
    return str(found)


def test_only_who_logged_in_is_shown_the_forms_that_act() -> None:
    for made in (
        lambda who: reviewed(who, LetterQuery()),
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
    text = reviewed(IN, given)
    for name, value in (("shop", "spiffy/johns"), ("reason", "out-of-range"), ("path", ""),
                        ("until", "17")):  # fmt: skip
        assert f'<input type="hidden" name="{name}" value="{value}">' in text
    assert 'name="letter" value="2:17"' in shown("letters/letter", IN, LETTER)


@pytest.mark.parametrize("state", [State.REPLAYED, State.DISCARDED, State.ALL])
def test_letters_that_are_settled_have_no_forms(state: State) -> None:
    assert "/dead-letters/settle" not in listed(IN, LetterQuery(state=state))
    settled = {**LETTER, "state": "replayed", "state_reason": HOSTILE, "state_at": NOW}
    assert "/dead-letters/replay" not in shown("letters/letter", IN, settled)


@pytest.mark.parametrize("state", ["running", "done", "cancelled", "failed"])
def test_a_job_refreshes_itself_while_it_runs_and_can_be_cancelled_then(state: str) -> None:
    text = shown("letters/job", IN, {**JOB, "state": state})
    assert ("every 1s" in text) == ("/cancel" in text) == (state == "running")
    assert "/cancel" not in shown("letters/job", NOBODY, JOB)


def test_a_list_leads_to_what_settling_it_would_do_and_acts_on_nothing_itself() -> None:
    given = LetterQuery(shop="spiffy/johns", reason="out-of-range", path="")
    text = listed(IN, given)
    assert "/dead-letters/settle?shop=spiffy%2Fjohns" in text
    assert "until=17" in text
    assert 'method="post" action="/dead-letters' not in text


def test_where_a_replay_would_be_refused_again_discarding_is_the_main_button() -> None:
    refused = {"adapter": 5, "reason": "out-of-range", "path": "@3", "detail": "", "events": []}
    letter = {**LETTER, "replay_would_give": refused}
    assert main_button(shown("letters/letter", IN, letter)) == "Discard"
    assert main_button(shown("letters/letter", IN, LETTER)) == "Replay"
    assert main_button(reviewed(IN, LetterQuery())) == "Discard"
    assert main_button(reviewed(IN, LetterQuery(), would_be_events=1)) == "Replay"
    # Nothing is known: the replay, which loses nothing, is the main one.
    assert main_button(reviewed(IN, LetterQuery(), tried=0, note=HOSTILE)) == "Replay"


def test_before_many_letters_are_settled_their_count_groups_rate_and_a_dry_run_are_shown() -> None:
    text = reviewed(IN, LetterQuery(), would_be_events=5, would_be_refused=15)
    for part in ("300 letters", "out of range", "5 letters would become events", "of the first 20",
                 "15 letters would be refused again", "At 200 letters a second", "2 s",
                 "refused again: 20 of 20 tried"):  # fmt: skip
        assert part in text, part
    assert "No open letter is left" in reviewed(IN, LetterQuery(), total=0)


def test_one_letter_is_one_letter_on_every_page() -> None:
    one = reviewed(IN, LetterQuery(), total=1, tried=1, would_be_refused=1)
    job = shown("letters/job", IN, {**JOB, "state": "done", "settled": 1})
    for text in (one, job):
        assert "1 letter" in text
        assert not re.search(r"\b1 (letters|events|seconds|bytes)\b", text)


def test_a_job_shows_what_became_of_its_last_replays_and_where_the_refused_ones_are() -> None:
    done = {**JOB, "state": "done", "settled": 300, "became": BECAME}
    text = shown("letters/job", IN, done)
    for part in ("of the last 100 letters", "97", "Refused again", "Not processed yet",
                 '<a href="/dead-letters/2:18">', "Duplicates", "In part"):  # fmt: skip
        assert part in text, part
    assert "every" not in text
    waits = shown("letters/job", IN, {**done, "became": {**BECAME, "waiting": 2}})
    assert "every 3s" in waits
    unread = shown("letters/job", IN, {**done, "became": {"note": HOSTILE}})
    assert "cannot be read now" in unread


def test_of_a_broken_body_the_place_is_shown_with_its_byte() -> None:
    broken = {"at": 92, "size": 310, "before": '{"x": 0', "failing": "x", "after": HOSTILE,
              "is_cut_before": True, "is_cut_after": False}  # fmt: skip
    text = shown("letters/letter", IN, {**LETTER, "path": "@92", "broken": broken})
    assert "byte 92 of 310" in text
    assert "{&#34;x&#34;: 0<mark>x</mark>" in text
    assert "@92" not in text
    ended = shown("letters/letter", IN, {**LETTER, "broken": {**broken, "failing": ""}})
    assert "ends at the mark" in ended


def test_a_refusal_or_an_unreadable_shops_file_stands_where_the_events_would() -> None:
    refused = {"adapter": 5, "reason": "out-of-range", "path": HOSTILE, "detail": HOSTILE,
               "events": []}  # fmt: skip
    assert "refused again" in shown("letters/letter", IN, {**LETTER, "replay_would_give": refused})
    unread = {**LETTER, "replay_would_give": None, "note": HOSTILE}
    assert "shops file cannot be read" in shown("letters/letter", IN, unread)
