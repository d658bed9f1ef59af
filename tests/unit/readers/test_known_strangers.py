"""Records that once ended a stage or a command: each is counted and stops nothing."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hookline.audit.tally import HeaderIds, PartitionTally
from hookline.dead_letters import replay, replay_record
from hookline.dead_letters.letters import parse_letter
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.parse import raw_of
from runtime.stage import Partition
from schemas import envelopes
from schemas.events import CartSignal
from schemas.json_records import decisions, heartbeats
from schemas.topics import CARTS
from sinks.log import is_outcome
from sinks.outbox.relay import Relay
from sinks.store.batch_writer import Writer
from tests import toy_platform
from tests.sink_events import CODEC, NOON, FakeRecord, batch
from tests.strange_records import DEEP, LETTER, OUTCOME, RAW
from tests.toy_platform import SHOPS, Record


@pytest.mark.parametrize(
    "value", [b'{"x":' + DEEP, b'{"ingress":"\xff"}', b'{"type":"\xff"}', None]
)
def test_json_that_no_decoder_stands_is_no_heartbeat_and_no_decision(value: bytes | None) -> None:
    assert heartbeats.decode_or_none(value) is None
    assert decisions.decode_or_none(value) is None


def delivered(**changed: Any) -> Any:
    headers = {**RAW, **{f"hookline-{name}": value for name, value in changed.items()}}
    return Record(7, b"key", b"?", tuple(headers.items()))


def test_a_delivery_with_a_further_header_without_a_value_becomes_a_dead_letter() -> None:
    record = delivered(other=None)
    decider = Decider(CODEC, {"spiffy": toy_platform.adapter()}, b"key")
    [verdict] = decider.decide([record], PartitionIndex(), SHOPS)
    assert verdict.kind == "dead-letter"
    assert None not in dict(verdict.outcomes[0].headers).values()
    assert not raw_of(record).is_foreign


@pytest.mark.parametrize(
    "changed",
    [
        {"received-us": b"-1"},
        {"received-us": b"9" * 25},
        {"replay-of": b"0:1", "original": b"0:%s:1" % (b"9" * 25)},
        {"replay-of": b"0:1", "original": b"0:-1:1"},
    ],
)
def test_a_delivery_of_a_time_or_an_offset_that_cannot_be_is_foreign(changed: Any) -> None:
    assert raw_of(delivered(**changed)).is_foreign


def test_shops_whose_names_read_alike_are_counted_together_and_can_be_stored() -> None:
    ids = HeaderIds()
    shops = [ids.shop(b"x", name) for name in (b"\xff", b"\xfe", b"\0", b"a", b"\xff")]
    tally = PartitionTally(0, 5, 5, ids)
    tally.add_raw(np.arange(5), np.array(shops), np.zeros(5, np.bool_))
    counted = {shop: count.accepted for shop, count in tally.result().shops.items()}
    assert counted == {"x/\ufffd": 4, "x/a": 1}


def test_an_outcome_of_more_slots_than_can_be_counted_is_none_of_ours() -> None:
    with pytest.raises(ValueError, match="is not among 70001"):
        HeaderIds().slot(b"", b"," * 70_000)


@pytest.mark.parametrize("signal_id", ["", "no UUID", "a\0b"])
def test_a_signal_without_an_id_of_ours_is_passed_over(signal_id: str) -> None:
    relay = Relay.__new__(Relay)
    relay._codec = CODEC
    signal = CartSignal(
        signal_id=signal_id, cart_key="", generation=1, source="", shop="", abandoned_at=0,
        occurred_at=0, detected_at=0, is_test=False, source_event_id="",
    )  # fmt: skip
    assert relay._signal_id(SimpleNamespace(offset=1, value=CODEC.encode(signal))) is None


@pytest.mark.parametrize("name", [envelopes.RAW_PARTITION, envelopes.RAW_TIME, envelopes.REASON])
def test_a_dead_letter_that_lacks_what_a_replay_needs_is_none_of_ours(name: str) -> None:
    headers = {key: value for key, value in LETTER.items() if key != name}
    assert parse_letter(as_letter(headers)) is None
    assert parse_letter(as_letter(LETTER)) is not None


def test_a_dead_letter_of_any_delivery_id_can_be_marked() -> None:
    letter = parse_letter(as_letter({**LETTER, envelopes.DELIVERY: b"a\0b"}))
    assert letter is not None
    assert letter.delivery_id == "a\ufffdb"


def test_a_dead_letter_that_names_no_shop_is_not_replayed() -> None:
    letter = parse_letter(as_letter({**LETTER, envelopes.SHOP: b""}))
    assert letter is not None
    assert not replay._names_a_shop(letter)
    kept = replay_record.replay_headers([*LETTER.items(), ("other", None)], "0:1")
    assert "other" not in dict(kept)


def as_letter(headers: dict[str, bytes]) -> Any:
    return SimpleNamespace(partition=0, offset=1, timestamp=5, headers=tuple(headers.items()))


@pytest.mark.parametrize("value", [b"\0\0\0\xff\xffnewer", b"\0\0\0\0\x05of another topic"])
async def test_a_record_with_some_headers_of_ours_is_set_aside_without_the_registry(
    value: bytes,
) -> None:
    async def learn(_schema_id: int, _name: str) -> None:
        raise AssertionError("the registry is away")

    headers = {**OUTCOME, envelopes.DIGEST: b"short"}
    foreign = FakeRecord(CARTS.name, 0, 0, b"k", value, tuple(headers.items()))
    writer = Writer(None, CODEC, lambda: NOON, learn=learn)  # type: ignore[arg-type]
    prepared = await writer.prepare([batch(Partition(CARTS.name, 0), 0, [foreign])])
    assert (len(prepared.refused), prepared.decoded) == (1, [])


@pytest.mark.parametrize("name", [envelopes.RAW_OFFSET, envelopes.SLOTS, envelopes.DELIVERY])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_only_all_headers_of_an_outcome_make_one(name: str, value: bytes | None) -> None:
    assert is_outcome(OUTCOME.items())
    assert not is_outcome({**OUTCOME, name: value}.items())
