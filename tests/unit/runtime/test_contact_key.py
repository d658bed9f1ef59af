"""The contact key's fingerprint, and which one of a log counts."""

import hashlib
import hmac
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.contact_key import (
    AnotherKeyError,
    check,
    check_rotation,
    fingerprint,
    missing_before,
)
from runtime.settings import Settings
from schemas.json_records import decisions
from schemas.json_records.decisions import (
    AcceptedLoss,
    ContactKey,
    Decision,
    key_in_force,
    keys_in_force,
)

KEY = "the key of the tests"


def record(fingerprint: str, replaces: str | None = None) -> ContactKey:
    return ContactKey(fingerprint=fingerprint, replaces=replaces, at=1)


def test_the_fingerprint_is_a_keyed_hash_of_a_constant_and_not_of_the_key_itself() -> None:
    whole = hmac.new(KEY.encode(), b"hookline contact key v1", hashlib.sha256).hexdigest()
    assert fingerprint(KEY) == whole[:16] == "b9cd5e2dea386579"


@given(st.text(min_size=16))
def test_the_recorded_key_is_accepted(key: str) -> None:
    check(key, fingerprint(key))


def test_another_key_is_refused_with_the_setting_both_fingerprints_and_what_to_do() -> None:
    found = fingerprint("the key that was lost")
    with pytest.raises(AnotherKeyError) as refused:
        check(KEY, found)
    message = str(refused.value)
    for part in ("HOOKLINE_CONTACT_KEY", fingerprint(KEY), found, "restore", "hookline accept-key"):
        assert part in message
    assert KEY not in message


@pytest.mark.parametrize(
    ("given_key", "recorded", "hint"),
    [
        (f"{KEY}\n", KEY, "without the line break"),
        (f"{KEY}\r\n", KEY, "without the line break"),
        (KEY, f"{KEY}\n", "with a line break"),
    ],
)
def test_a_key_that_differs_by_a_line_break_is_refused_with_that_hint(
    given_key: str, recorded: str, hint: str
) -> None:
    with pytest.raises(AnotherKeyError, match=hint):
        check(given_key, fingerprint(recorded))


def test_of_two_keys_recorded_at_once_the_first_counts() -> None:
    assert key_in_force([record("a"), record("b")]) == "a"


def test_a_change_counts_only_where_it_replaces_the_key_in_force() -> None:
    assert key_in_force([record("a"), record("b", "a")]) == "b"
    assert key_in_force([record("a"), record("b", "x")]) == "a"
    assert key_in_force([record("a"), record("b", "a"), record("c", "a")]) == "b"
    assert key_in_force([record("a"), record("b", "a"), record("a", "b")]) == "a"


def test_a_log_without_a_key_has_none_and_other_decisions_change_nothing() -> None:
    loss = AcceptedLoss(partition=1, first=2, until=3, at=4)
    assert key_in_force([]) is None
    assert key_in_force([loss]) is None
    assert key_in_force([loss, record("a"), loss]) == "a"


KEYS = st.sampled_from("abc")
CHANGES: st.SearchStrategy[list[Decision]] = st.lists(
    st.builds(record, KEYS, st.none() | KEYS), max_size=8
)


@given(CHANGES)
def test_recording_the_key_in_force_again_changes_nothing(log: list[Decision]) -> None:
    found = key_in_force(log)
    if found is not None:
        assert key_in_force([*log, record(found)]) == found


@given(CHANGES, KEYS, KEYS)
def test_of_two_processors_that_start_on_any_log_both_find_the_same_key(
    log: list[Decision], one: str, other: str
) -> None:
    assert key_in_force([*log, record(one), record(other)]) in {one, key_in_force(log)}


@given(CHANGES)
def test_of_all_keys_that_were_in_force_the_last_one_is_so_now(log: list[Decision]) -> None:
    keys = keys_in_force(log)
    assert (keys[-1] if keys else None) == key_in_force(log)
    assert all(
        keys_in_force(log[:end]) == keys[: len(keys_in_force(log[:end]))] for end in range(8)
    )


NEW = "the key after the rotation"


def test_both_keys_are_accepted_once_the_new_one_is_recorded_as_what_replaces_the_other() -> None:
    check_rotation(NEW, KEY, [fingerprint(KEY), fingerprint(NEW)])
    check_rotation(NEW, KEY, ["another", fingerprint(KEY), fingerprint(NEW)])


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ([fingerprint(KEY)], "run `hookline people rotate-key`"),
        ([fingerprint(NEW), fingerprint(KEY)], "run `hookline people rotate-key`"),
        ([fingerprint(NEW)], "which was never the key of this log"),
        ([], "which was never the key of this log"),
    ],
)
def test_a_key_before_is_refused_where_the_log_does_not_know_the_change(
    keys: list[str], sentence: str
) -> None:
    with pytest.raises(AnotherKeyError, match=sentence) as refused:
        check_rotation(NEW, KEY, keys)
    message = str(refused.value)
    assert fingerprint(KEY) in message
    assert KEY not in message
    assert NEW not in message


def test_a_worker_that_knows_losses_alone_passes_over_a_key() -> None:
    value = decisions.encode(record("a"))
    with pytest.raises(msgspec.MsgspecError):  # which the reader of that version logs and skips
        msgspec.json.Decoder(AcceptedLoss).decode(value)
    assert decisions.decode(value) == record("a")


def test_a_key_that_was_replaced_is_refused_with_both_settings_and_no_way_to_lose_persons() -> None:
    old, new = "the key of before", "the key that replaced it"
    with pytest.raises(AnotherKeyError) as refused:
        check(old, fingerprint(new), [fingerprint(old)])
    said = str(refused.value)
    assert "HOOKLINE_CONTACT_KEY_BEFORE" in said
    assert "accept-key" not in said


@pytest.mark.parametrize(
    ("age", "before", "is_missing"),
    [(1, "", True), (28, "", True), (30, "", False), (1, "the key of before", False)],
)
def test_the_key_before_is_missed_until_nothing_in_the_log_can_need_it(
    age: int, before: str, is_missing: bool
) -> None:
    at = int((time.time() - age * 86_400) * 1e6)
    first = ContactKey(fingerprint="a", at=0)
    settings = Settings(contact_key="the key that replaced it", contact_key_before=before)
    changed = missing_before(settings, [first, ContactKey(fingerprint="b", replaces="a", at=at)])
    assert (changed is not None) is is_missing
    assert missing_before(settings, [first]) is None
