"""The commands that follow a journey, and keys without addresses."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from hookline.journey.logs import Logs
from hookline.journey.model import (
    EventRecord,
    Letter,
    Repeats,
    RowChange,
    RowState,
    Stored,
    Verdict,
    VerdictKind,
)
from hookline.journey.outcomes import Found, Outcome
from hookline.journey.trace import Tracer, next_commands
from hookline.journey.verdict import verdict
from hookline.shops.masked_body import HIDDEN
from runtime.settings import Settings
from schemas import envelopes
from schemas.raw_delivery import RawDelivery
from schemas.topics import DEAD_LETTERS
from tests.unit.hookline.journey.test_model import AT, JOURNEY

LETTER = Letter(Stored("dead", 2, 7, AT), "invalid-payload", "a.b", "", "transform")


def following(verdict: Verdict, **fields: Any) -> tuple[str, ...]:
    return next_commands(replace(JOURNEY, verdict=verdict, events=(), **fields))


def test_each_verdict_leads_on() -> None:
    kinds = VerdictKind
    assert following(Verdict(kinds.PENDING)) == ("hookline status",)
    assert following(Verdict(kinds.MISSING)) == ("hookline audit",)
    repeats = Repeats("2:3", AT, "content")
    assert following(Verdict(kinds.DUPLICATE, repeats=repeats)) == ("hookline journey 2:3",)
    named = replace(repeats, delivery="019a")
    assert following(Verdict(kinds.DUPLICATE, repeats=named)) == ("hookline journey 019a",)
    assert following(Verdict(kinds.DEAD_LETTER, letters=(LETTER,))) == (
        "hookline dead show 2:7",
        "hookline dead replay 2:7 --dry-run",
    )


def test_a_replayed_letter_leads_to_its_replay_and_a_discarded_one_to_no_replay() -> None:
    replayed = replace(LETTER, mark="replayed", replayed_as="2:9")
    assert following(Verdict(VerdictKind.DEAD_LETTER, letters=(replayed,)))[1:] == (
        "hookline journey 2:9",
    )
    discarded = replace(LETTER, mark="discarded")
    assert following(Verdict(VerdictKind.DEAD_LETTER, letters=(discarded,)))[1:] == ()


def test_rows_and_events_lead_to_why_each_key_once_and_quoted() -> None:
    cart = EventRecord(Stored("carts", 0, 1, AT), "carts", "cart", "e", "a/b/cart:it's")
    rows = (
        RowChange("cart_generations", "a/b/cart:it's", RowState.DECIDES, "e"),
        RowChange("customer_lifetime_value", "a/b/customer:1 GBP", RowState.DECIDES, "e"),
    )
    made = next_commands(replace(JOURNEY, events=(cart,), rows=rows))
    assert made == (
        "hookline why carts 'a/b/cart:it'\"'\"'s'",
        "hookline why customers a/b/customer:1",
    )


def tracer(contact_key: str) -> Tracer:
    settings: Any = Settings(contact_key=contact_key)
    nothing: Any = None
    return Tracer(Logs(settings, nothing, {}, nothing))


def test_no_key_shows_an_address() -> None:
    key = b"spiffy/main/customer:anna@example.com"
    assert tracer("").shown_key(key) == f"spiffy/main/customer:{HIDDEN}"
    assert tracer("secret").shown_key(key).startswith("spiffy/main/customer:hashed-")
    assert tracer("").shown_key(b"spiffy/main/order:7") == "spiffy/main/order:7"


def test_no_event_and_no_refusal_shows_an_address() -> None:
    given = [
        (envelopes.DELIVERY, b"019a"), (envelopes.SOURCE, b"spiffy"), (envelopes.SHOP, b"main"),
        (envelopes.EVENT, b"anna@example.com"), (envelopes.RECEIVED_US, b"0"),
    ]  # fmt: skip
    raw = RawDelivery.of(2, 40, 0, b"spiffy/main/order:7", b"{}", given)
    assert tracer("secret").received(raw).event == HIDDEN
    headers = [
        (envelopes.DELIVERY, b"019a"), (envelopes.SLOT, b"dead-letter"),
        (envelopes.SLOTS, b"dead-letter"), (envelopes.RAW_PARTITION, b"2"),
        (envelopes.RAW_OFFSET, b"40"), (envelopes.RAW_TIME, b"0"),
        (envelopes.REASON, b"unknown-event"),
        (envelopes.DETAIL, b"unknown event 'anna@example.com'"),
    ]  # fmt: skip
    record = SimpleNamespace(
        topic="dead", partition=2, offset=7, timestamp=0, headers=headers, value=b""
    )
    found = Found({"dead-letter": Outcome(DEAD_LETTERS, record, dict(headers))})
    [letter] = verdict(found).letters
    assert letter.detail == f"unknown event '{HIDDEN}'"
