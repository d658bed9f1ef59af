"""Dead letters: read, filtered, grouped, and the headers of a replay."""

from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hookline.console.errors import CommandError
from hookline.console.time_argument import milliseconds
from hookline.dead_letters.letters import (
    DeadLetter,
    LetterFilter,
    group_letters,
    parse_letter,
    parse_letter_id,
    path_pattern,
)
from hookline.dead_letters.replay_record import replay_headers
from schemas import envelopes
from schemas.raw_delivery import RawDelivery

LETTER = DeadLetter(
    partition=2,
    offset=17,
    appended_ms=5_000,
    received_us=3_999_000,
    delivery_id="d-1",
    shop="spiffy/johns",
    event="orders/create",
    entity="spiffy/johns/order:1",
    stage="validate",
    reason="invalid-payload",
    path="items[3].price",
    detail="not a number",
    adapter="4",
    raw_offset=40,
    slot=None,
    replay_of=None,
)
HEADERS = (
    (envelopes.DELIVERY, b"d-1"),
    (envelopes.SOURCE, b"spiffy"),
    (envelopes.SHOP, b"johns"),
    (envelopes.EVENT, b"orders/create"),
    (envelopes.RECEIVED_US, b"3999000"),
    (envelopes.CONTENT_TYPE, b"application/json"),
    (envelopes.RAW_OFFSET, b"40"),
    (envelopes.RAW_TIME, b"4000"),
    (envelopes.SLOT, envelopes.DEAD_SLOT.encode()),
    (envelopes.SLOTS, envelopes.DEAD_SLOT.encode()),
    (envelopes.ENTITY, b"spiffy/johns/order:1"),
    (envelopes.DIGEST, b"0" * 16),
    (envelopes.ADAPTER, b"4"),
    (envelopes.RAW_PARTITION, b"2"),
    (envelopes.STAGE, b"validate"),
    (envelopes.REASON, b"invalid-payload"),
    (envelopes.FIELD_PATH, b"items[3].price"),
    (envelopes.DETAIL, b"not a number"),
    ("__connect.errors.topic", b"hookline.webhooks"),
)


def test_a_record_reads_as_the_letter_that_it_is() -> None:
    record = SimpleNamespace(partition=2, offset=17, timestamp=5_000, headers=HEADERS)
    assert parse_letter(record) == LETTER


def test_a_letter_of_one_slot_names_it() -> None:
    headers = {**dict(HEADERS), envelopes.SLOT: b"payment", envelopes.SLOTS: b"order,payment"}
    record = SimpleNamespace(partition=2, offset=17, timestamp=5_000, headers=headers.items())
    assert parse_letter(record).slot == "payment"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (LetterFilter(), True),
        (LetterFilter(shop="spiffy/johns"), True),
        (LetterFilter(shop="johns"), True),
        (LetterFilter(shop="john"), False),
        (LetterFilter(reason="invalid-payload"), True),
        (LetterFilter(reason="invalid"), False),
        (LetterFilter(path="items[3].price"), True),
        (LetterFilter(path="items[].price"), True),
        (LetterFilter(path="items[4].price"), False),
        (LetterFilter(since_ms=5_000), True),
        (LetterFilter(since_ms=5_001), False),
        (LetterFilter(ids=frozenset({(2, 17)})), True),
        (LetterFilter(ids=frozenset({(2, 18)})), False),
        (LetterFilter(shop="johns", reason="too-large"), False),
    ],
)
def test_a_filter_matches_what_meets_all_its_conditions(
    wanted: LetterFilter, expected: bool
) -> None:
    assert wanted.matches(LETTER) is expected


async def test_letters_of_one_cause_are_one_group_whatever_their_positions() -> None:
    async def letters() -> AsyncIterator[tuple[DeadLetter, None]]:
        yield LETTER, None
        yield replace(LETTER, offset=18, path="items[12].price", appended_ms=9_000), None
        yield replace(LETTER, offset=19, path="items[1].price", appended_ms=1_000), None
        yield replace(LETTER, offset=20, reason="malformed-body", path="@312"), None

    largest, other = await group_letters(letters())
    assert (largest.letters, largest.path, largest.newest) == (3, "items[].price", "2:18")
    assert (largest.oldest_ms, largest.newest_ms) == (1_000, 9_000)
    assert (other.letters, other.path) == (1, "@")


async def test_groups_of_one_size_are_in_the_order_of_their_names() -> None:
    async def letters() -> AsyncIterator[tuple[DeadLetter, None]]:
        for shop in ("spiffy/johns", "ciklik/winebox", "run-free/lakeside"):
            yield replace(LETTER, shop=shop), None

    shops = [group.shop for group in await group_letters(letters())]
    assert shops == ["ciklik/winebox", "run-free/lakeside", "spiffy/johns"]


def test_positions_leave_a_path_but_names_stay() -> None:
    assert path_pattern("data.items[0].options[12].sku2") == "data.items[].options[].sku2"


def test_a_replay_is_the_same_delivery_at_its_original_coordinates() -> None:
    replayed = RawDelivery.of(2, 99, 70_000, b"k", b"{}", replay_headers(HEADERS, "2:17"))
    first = RawDelivery.of(2, 40, 4_000, b"k", b"{}", HEADERS[:6])
    assert replayed.version_origin == first.version_origin == (2, 40, 4_000)
    assert replayed.delivery_id == first.delivery_id
    assert replayed.received_at == first.received_at
    assert replayed.replay_of == "2:17"


def test_a_replay_carries_nothing_of_what_became_of_the_delivery() -> None:
    names = [name for name, _ in replay_headers(HEADERS, "2:17")]
    raw = [name for name, _ in HEADERS[:6]]
    assert names == [*raw, envelopes.ORIGINAL, envelopes.REPLAY_OF]


def test_a_replay_that_was_refused_again_keeps_the_first_coordinates() -> None:
    again = [(envelopes.ORIGINAL, b"2:40:4000"), (envelopes.REPLAY_OF, b"2:17"), *HEADERS]
    replayed = dict(replay_headers(again, "2:30"))
    assert replayed[envelopes.ORIGINAL] == b"2:40:4000"
    assert replayed[envelopes.REPLAY_OF] == b"2:30"


@pytest.mark.parametrize("text", ["", "2", "2:", "a:1", "2:1:3", "-1:2"])
def test_text_that_names_no_letter_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="hookline dead list"):
        parse_letter_id(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:01", 60_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01Z", 1_000),
        ("90s", 10_000),
        ("1m", 40_000),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, expected: int) -> None:
    assert milliseconds(text, clock=lambda: 100.0) == expected


def test_what_is_no_time_is_refused_with_examples() -> None:
    with pytest.raises(CommandError, match="write"):
        milliseconds("yesterday")
