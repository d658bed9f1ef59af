"""Ids that must never change: they stand in logs and tables."""

import hashlib
import uuid

from hypothesis import given
from hypothesis import strategies as st

from processors import dedupe
from schemas.envelopes import EVENT_NAMESPACE, event_id

WORDS = st.text(max_size=60)


@given(st.uuids().map(str) | WORDS, WORDS)
def test_an_event_id_is_the_uuid5_of_delivery_and_slot(delivery: str, slot: str) -> None:
    expected = str(uuid.uuid5(EVENT_NAMESPACE, f"{delivery}/{slot}"))
    assert expected == event_id(delivery, slot)


@given(st.tuples(WORDS, WORDS, WORDS, WORDS), st.binary(max_size=300))
def test_a_digest_is_blake2b_over_parts_with_their_lengths_and_the_body(
    parts: tuple[str, str, str, str], body: bytes
) -> None:
    said = b"".join(len(raw).to_bytes(4, "big") + raw for raw in map(str.encode, parts))
    expected = hashlib.blake2b(said + body, digest_size=16).digest()
    assert expected == dedupe.digest(*parts, body)
