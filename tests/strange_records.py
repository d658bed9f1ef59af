"""Hypothesis strategies: what other producers write to our topics, beside records of ours.

Names of ours with any values, whole sets of our headers of which one is spoiled, names that occur
twice or are not UTF-8, values that almost parse; in every codec, between transaction markers.
"""

from typing import Any

from hypothesis import strategies as st

from schemas import envelopes
from schemas.events import CartSignal
from schemas.json_records import decisions, heartbeats
from schemas.json_records.decisions import AcceptedLoss, ContactKey
from schemas.json_records.heartbeats import Heartbeat
from tests import sink_events
from tests.fake_log import NOW_MS, Batch, Record

NAMES = sorted(
    value
    for name, value in vars(envelopes).items()
    if name.isupper() and isinstance(value, str) and value.startswith("hookline-")
)
RAW: dict[str, bytes] = {
    envelopes.DELIVERY: b"0190b7e0-0000-7000-8000-000000000001",
    envelopes.SOURCE: b"spiffy",
    envelopes.SHOP: b"s",
    envelopes.EVENT: b"cart",
    envelopes.RECEIVED_US: b"%d" % (NOW_MS * 1000),
    envelopes.CONTENT_TYPE: b"application/json",
    envelopes.CONTENT_ENCODING: b"identity",
    envelopes.QUERY: b"",
}
OUTCOME: dict[str, bytes] = {
    envelopes.RAW_OFFSET: b"1",
    envelopes.RAW_TIME: b"%d" % NOW_MS,
    envelopes.SLOT: b"cart",
    envelopes.SLOTS: b"cart,customer",
    envelopes.ENTITY: b"spiffy/s/cart:1",
    envelopes.DIGEST: bytes(16),
    envelopes.DELIVERY: RAW[envelopes.DELIVERY],
    envelopes.ADAPTER: b"1",
}
LETTER: dict[str, bytes] = {
    **RAW,
    **OUTCOME,
    envelopes.SLOT: b"dead-letter",
    envelopes.SLOTS: b"dead-letter",
    envelopes.RAW_PARTITION: b"0",
    envelopes.REASON: b"malformed-body",
    envelopes.STAGE: b"parse",
    envelopes.FIELD_PATH: b"a[0].b",
    envelopes.DETAIL: b"",
}
_NUMBERS = ("-1", "0", "1", "7", " 3", "1_0", "1.5", "9" * 19, str(1 << 63), "9" * 30, "9" * 5000)
_TEXTS = ("", "a\0b", "\0", "identity", "gzip", "0:1:5", "0:1", f"0:{'9' * 30}:1", "0:-1:-1", ",",
          "cart", "dead-letter", "duplicate", "foreign-record", "1:17", "," * 70_000)  # fmt: skip
_ODD = st.sampled_from([text.encode() for text in (*_NUMBERS, *_TEXTS)] + [b"\xff\xfe", bytes(16)])
VALUES = st.none() | st.binary(max_size=12) | _ODD
_ANY_NAME = st.sampled_from([name.encode() for name in NAMES]) | st.binary(max_size=4)
_PAIRS = st.lists(st.tuples(_ANY_NAME, VALUES), max_size=4)

DEEP = b"[" * 5_000
BODIES = st.one_of(
    VALUES,
    st.sampled_from([b"content 1", b"state 1", b"content 1 two", b"?", b"!", b"boom"]),
    st.binary(max_size=8).map(lambda body: b"\0\0\0\0" + body),
    st.sampled_from([
        DEEP, b'{"x":' + DEEP, b'{"type":' + DEEP, b'{"type":"\xff"}', b'{"ingress":"\xff"}',
        heartbeats.encode(Heartbeat(ingress="a", started=1, at=-5, healthy=True,
                                    accepted={"a/b": 1 << 62, "": -3, "\0": 1})),
        decisions.encode(AcceptedLoss(partition=-1, first=9, until=3, at=0)),
        decisions.encode(ContactKey(fingerprint="", replaces="x", at=0)),
        *(sink_events.CODEC.encode(event) for event in (
            sink_events.cart("1", sink_events.NOON, []), sink_events.order("1", sink_events.NOON),
        )),
        sink_events.CODEC.encode(CartSignal(
            signal_id="no UUID\0", cart_key="", generation=-1, source="", shop="", abandoned_at=0,
            occurred_at=0, detected_at=0, is_test=False, source_event_id="")),
    ]),
)  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, ours: dict[str, bytes]) -> tuple[tuple[bytes, bytes | None], ...]:
    """Our headers, all or some or none, in order, spoiled in a few places, with others between."""
    pairs: list[tuple[bytes, bytes | None]] = []
    if draw(st.integers(0, 3)):
        pairs = [(name.encode(), value) for name, value in ours.items()]
        for _ in range(draw(st.integers(0, 2))):
            at = draw(st.integers(0, len(pairs) - 1))
            pairs[at] = (pairs[at][0], draw(VALUES))
        if draw(st.booleans()):
            del pairs[draw(st.integers(0, len(pairs) - 1))]
    for pair in draw(_PAIRS):
        pairs.insert(draw(st.integers(0, len(pairs))), pair)
    return tuple(pairs)


def records(ours: dict[str, bytes]) -> st.SearchStrategy[Record]:
    """Records with such headers, any key and any value."""
    return st.builds(Record, VALUES, BODIES, headers(ours))


def logs(ours: dict[str, bytes]) -> st.SearchStrategy[list[Batch]]:
    """Logs of such records; markers anywhere, at the end too."""
    several = st.lists(records(ours), min_size=1, max_size=4).map(tuple)
    batches = st.builds(Batch, several, st.integers(0, 4), st.booleans())
    marker: st.SearchStrategy[Any] = st.just(Batch(()))
    return st.lists(batches | marker, min_size=1, max_size=6)
