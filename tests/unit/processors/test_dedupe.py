"""When a delivery is a repeat: the pure rule."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.dedupe import (
    BODY_BYTES,
    DIGEST_BYTES,
    UNSIGNED_EVENTS,
    PriorOutcome,
    digest,
    repeats,
)
from processors.sources.contract import Rule

HOUR = 3_600_000
A, B, BELOW = b"a" * 16, b"b" * 16, b"0" * 16
AS_READ = bytes(bytearray(A))
"""A's digest as it comes back from a log: equal, and another object."""

THEN = 1_772_366_400_000
"""A broker's append time, in milliseconds."""
WINDOW, RETRY = 72 * 3600, 900


def verdict(
    rule: Rule,
    appended_ms: int,
    same: PriorOutcome | None = None,
    latest: PriorOutcome | None = None,
) -> PriorOutcome | None:
    return repeats(rule, A, appended_ms, same, latest, WINDOW, RETRY)


@pytest.mark.parametrize(
    ("rule", "age_ms", "latest_digest", "is_repeat"),
    [
        (Rule.CONTENT, 0, B, True),
        (Rule.CONTENT, 72 * HOUR, B, True),
        (Rule.CONTENT, 72 * HOUR + 1, A, False),
        (Rule.STATE, 0, A, True),
        (Rule.STATE, 900_000, A, True),
        (Rule.STATE, 900_001, A, False),
        (Rule.STATE, 0, AS_READ, True),
        (Rule.STATE, 0, B, False),
        (Rule.STATE, 0, BELOW, False),
        # A broker's clock may step back: a "later" outcome is near enough.
        (Rule.CONTENT, -HOUR, B, True),
        (Rule.STATE, -HOUR, A, True),
    ],
)
def test_content_asks_for_the_same_digest_and_state_for_the_latest_one(
    rule: Rule, age_ms: int, latest_digest: bytes, is_repeat: bool
) -> None:
    same = PriorOutcome(1, THEN, A)
    latest = PriorOutcome(2, THEN, latest_digest)
    expected = same if rule is Rule.CONTENT else latest
    assert verdict(rule, THEN + age_ms, same, latest) == (expected if is_repeat else None)


def test_a_cart_that_goes_a_b_a_says_three_things() -> None:
    first, second = PriorOutcome(1, THEN, A), PriorOutcome(2, THEN + 1000, B)
    assert verdict(Rule.STATE, THEN + 2000, same=first, latest=second) is None


def test_without_a_prior_outcome_a_delivery_is_new() -> None:
    assert verdict(Rule.CONTENT, 0) is None
    assert verdict(Rule.STATE, 0) is None


def test_a_digest_is_sixteen_bytes_of_length_prefixed_parts() -> None:
    parts = b"".join(len(p).to_bytes(4, "big") + p for p in (b"ciklik", b"box", b"e", b"q=1"))
    expected = hashlib.blake2b(parts + b"{}", digest_size=16).digest()
    assert digest("ciklik", "box", "e", "q=1", b"{}") == expected
    assert len(expected) == DIGEST_BYTES


def test_where_the_event_is_unsigned_a_digest_begins_with_the_bodys_own_half() -> None:
    assert {"spiffy"} == UNSIGNED_EVENTS
    one, other = (digest("spiffy", "johns", event, "", b"{}") for event in ("a", "b"))
    assert one[:BODY_BYTES] == other[:BODY_BYTES]
    assert one[BODY_BYTES:] != other[BODY_BYTES:]
    assert len(one) == DIGEST_BYTES
    for different in (
        digest("spiffy", "janes", "a", "", b"{}"),
        digest("spiffy", "johns", "a", "", b""),
    ):
        assert different[:BODY_BYTES] != one[:BODY_BYTES]


PARTS = st.tuples(
    st.one_of(st.just("spiffy"), st.text()), st.text(), st.text(), st.text(), st.binary()
)


@given(PARTS, PARTS)
def test_two_deliveries_have_one_digest_only_if_their_content_is_the_same(
    left: tuple[str, str, str, str, bytes], right: tuple[str, str, str, str, bytes]
) -> None:
    assert (digest(*left) == digest(*right)) == (left == right)


@given(st.text(min_size=1), st.text(min_size=1))
def test_parts_do_not_run_into_each_other(left: str, right: str) -> None:
    together = digest(left + right, "", "", "", b"")
    apart = digest(left, right, "", "", b"")
    assert together != apart
