"""What a replay would give: the adapters' own answer for every example, private values masked."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from hookline.refusals.preview import preview
from hookline.refusals.reasons import EXPLANATIONS, explained
from processors.outcomes import Origin, dead_letter
from processors.sources.contract import Adapter
from schemas import envelopes
from schemas.envelopes import Reason, Reject
from schemas.raw_delivery import RawDelivery
from tests.example_files import Example, examples, rejects


def letter(example: Example, reason: Reason = Reason.OUT_OF_RANGE) -> Any:
    """The record of a dead letter of an example, as an older adapter would have made it."""
    given = example.delivery().raw
    headers = [
        (envelopes.DELIVERY, given.delivery_id.encode()),
        (envelopes.SOURCE, given.source.encode()),
        (envelopes.SHOP, given.shop.encode()),
        (envelopes.EVENT, given.event.encode()),
        (envelopes.RECEIVED_US, b"%d" % given.received_at),
        (envelopes.CONTENT_TYPE, given.content_type.encode()),
        (envelopes.CONTENT_ENCODING, b"identity"),
        (envelopes.QUERY, given.query.encode()),
    ]
    raw = RawDelivery.of(2, 40, given.appended_ms, given.key, given.body, headers)
    made = dead_letter(Origin(raw, 1, b"0" * 16), Reject(reason, "a.field", "a test"))
    return SimpleNamespace(
        partition=2, offset=17, timestamp=raw.appended_ms, key=made.key, value=made.value,
        headers=made.headers,
    )  # fmt: skip


def shops(example: Example) -> Any:
    shop = example.delivery().shop
    return {(shop.source, shop.id): shop}


@pytest.mark.parametrize("example", examples(), ids=lambda each: each.name)
def test_an_example_would_give_its_events_without_contact_data(example: Example) -> None:
    made = preview(letter(example), shops(example), "a key of sixteen bytes")
    _, slots = example.run()
    assert made.reason is None
    assert [event.slot for event in made.events] == list(slots)
    text = json.dumps(made.as_dict(), default=str)
    assert "@" not in text


@pytest.mark.parametrize("example", rejects(), ids=lambda each: each.name)
def test_what_is_refused_would_be_refused_again(example: Example) -> None:
    made = preview(letter(example), shops(example), "")
    assert (made.reason, made.path) == (
        example.told["reject"]["reason"], example.told["reject"]["path"],
    )  # fmt: skip
    assert made.events == ()


def test_a_shop_that_is_still_missing_is_named() -> None:
    made = preview(letter(examples()[0]), {}, "")
    assert (made.reason, made.path) == ("unknown-shop", "hookline-shop")


def test_a_bug_of_an_adapter_is_a_refusal() -> None:
    example = examples()[0]

    def fails(_: Any) -> Any:
        raise ZeroDivisionError

    broken = {example.delivery().raw.source: Adapter(9, fails, fails)}
    made = preview(letter(example), shops(example), "", broken)
    assert (made.reason, made.adapter) == ("internal-error", 9)


def test_every_reason_has_its_words() -> None:
    assert set(EXPLANATIONS) == set(Reason)
    assert "does not know" in explained("a reason of tomorrow")[0]
