"""Ids that must never change: logs and tables contain them."""

import hashlib
import uuid

from hypothesis import given
from hypothesis import strategies as st

from processors import dedupe
from processors.parse import raw_of
from schemas.envelopes import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    DELIVERY,
    EVENT,
    EVENT_NAMESPACE,
    QUERY,
    RECEIVED_US,
    SHOP,
    SOURCE,
    event_id,
)
from schemas.raw_delivery import RawDelivery

WORDS = st.text(max_size=60)
USUAL = (DELIVERY, SOURCE, SHOP, EVENT, RECEIVED_US, CONTENT_TYPE, CONTENT_ENCODING, QUERY)


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


VALUES = st.lists(st.binary(max_size=12), min_size=8, max_size=8)
MORE = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=3)


@given(VALUES, MORE, st.booleans(), st.integers(0, 2**62))
def test_a_raw_delivery_keeps_its_records_headers_as_they_stood(
    values: list[bytes], more: list[tuple[str, bytes]], is_turned: bool, received: int
) -> None:
    known = dict(zip(USUAL, values, strict=True))
    known |= {DELIVERY: b"id", SOURCE: b"spiffy", SHOP: b"s", RECEIVED_US: b"%d" % received}
    headers = [*known.items(), *more]
    if is_turned:
        headers.reverse()
    raw = RawDelivery.of(1, 2, 3, b"key", b"body", headers)
    assert raw.headers == headers
    assert raw_of(raw) is raw
    assert raw == RawDelivery.of(1, 2, 3, b"key", b"body", raw.headers)
    assert (raw.offset, raw.timestamp, raw.delivery_id, raw.received_at) == (2, 3, "id", received)
