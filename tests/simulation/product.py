"""Simulated facts through the product in memory: payload, dedupe, adapter, tables' rules."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any, cast
from uuid import UUID

from hookline.simulate.payloads import render
from hookline.simulate.truth.comparison import Comparison, Difference
from hookline.simulate.truth.expected import Expected, expected
from hookline.simulate.truth.platforms import is_dated
from hookline.simulate.truth.received import Received
from hookline.simulate.world.agenda import steps
from hookline.simulate.world.facts import (
    SECOND,
    Micros,
    OrderState,
    SimulatedShop,
    Step,
    entity_key,
)
from hookline.simulate.world.knobs import Behaviour, Knobs
from ingest import sources
from processors.decide import Decider
from processors.index.partition_index import PartitionIndex
from processors.sources import ADAPTERS
from schemas import envelopes
from schemas.codec import Codec
from schemas.events import RECORDS, Event
from schemas.shops import Shop
from tests.histories.reference import Reference
from tests.histories.running import by_topic
from tests.toy_platform import Record

START = 1_772_366_400 * SECOND
"""2026-03-01T12:00:00Z."""
KNOBS = Knobs(seed=7, start=START, seconds=120, rate=12, shops=3)
ROUGH = replace(
    KNOBS,
    seed=28,
    rate=18,
    shops=2,
    live_share=0.5,
    behaviour=Behaviour(
        guests=0.2,
        same_person=0.2,
        discounts=0.4,
        gift_cards=0.2,
        tests=0.08,
        pays_later=0.3,
        cancels=0.2,
        reinstates=0.5,
        refunds=0.4,
        refunds_again=0.5,
        deletions=0.03,
    ),
)
"""A run with more of what happens seldom."""
AFTERWARDS: Micros = 3600 * SECOND
"""How long after a run its carts have no more limits before them."""
LATE = 0.15
HELD: Micros = 30 * SECOND
"""How late some deliveries of orders are: a state that was sent later has arrived before."""
PURE = ("orders", "refunds", "customer_lifetime_value", "cart_generations", "abandoned_carts")
"""Tables of which the product has a pure form."""
_RECEIPT = 1000
"""Microseconds from sending to receipt."""


def received(sent: Iterable[Step], start: int = START) -> list[Received]:
    """Return the facts that a platform reports, each accepted when it is due."""
    numbers: dict[Any, count[int]] = {}
    found = []
    for step in sent:
        if render(step.fact) is not None:
            number = next(numbers.setdefault(entity_key(step.fact), count(1)))
            first = start + step.due + _RECEIPT
            found.append(Received(step.fact, first, first + 500, number))
    return found


def shop_of(shop: SimulatedShop) -> Shop:
    """Return the shop as ``shops.toml`` has it."""
    return Shop(
        source=shop.source,
        id=shop.id,
        secrets=(shop.secret,),
        currency=shop.currency,
        timezone=shop.timezone,
        abandon_after=shop.abandon_after,
        expire_after=shop.expire_after,
        checkout_grace=shop.checkout_grace,
        taxes_included=shop.taxes_included,
        counts_as_sale=shop.counts_as_sale,
    )


def record(each: Received, offset: int) -> Record:
    """Return the raw record of a fact's delivery, as the ingress makes it."""
    payload, shop = render(each.fact), each.fact.shop
    assert payload is not None
    event, key = sources.read(sources.SOURCES[shop.source], shop.id, payload.event, payload.body)
    headers = {
        envelopes.DELIVERY: str(UUID(int=offset + 1)),
        envelopes.SOURCE: shop.source,
        envelopes.SHOP: shop.id,
        envelopes.EVENT: event,
        envelopes.RECEIVED_US: str(each.earliest),
        envelopes.CONTENT_TYPE: payload.content_type,
        envelopes.QUERY: payload.query,
    }
    return Record(
        offset=offset,
        key=key or b"",
        value=payload.body,
        headers=tuple((name, value.encode()) for name, value in headers.items()),
        timestamp=each.earliest // 1000 + 1,
    )


def events(facts: Sequence[Received]) -> list[Event]:
    """Return the canonical events of all deliveries. Raises AssertionError for a dead letter."""
    codec = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
    shops = {(each.fact.shop.source, each.fact.shop.id): shop_of(each.fact.shop) for each in facts}
    raw = [record(each, offset) for offset, each in enumerate(facts)]
    verdicts = Decider(codec, ADAPTERS, b"key").decide(raw, PartitionIndex(), shops)
    made: list[Event] = []
    for verdict, each in zip(verdicts, facts, strict=True):
        assert verdict.kind != "dead-letter", (verdict.reason, each.fact)
        if verdict.kind == "canonical":
            made += [
                cast("Event", codec.decode(outcome.value or b"")) for outcome in verdict.outcomes
            ]
    return made


def rows(happened: Sequence[Event], watermark: int) -> Mapping[str, list[Mapping[str, Any]]]:
    """Return the rows of the tables, by the product's pure rules."""
    known = Reference()
    for batch in by_topic(happened, 100_000):
        known.put(batch)
    tables = known.tables(watermark)
    for customer in tables["customer_lifetime_value"]:
        month = customer["cohort_month"]
        customer["cohort_month"] = None if month is None else date.fromisoformat(month)
    return {name: list(found) for name, found in tables.items()}


def without_columns(truth: Expected, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Leave only what the pure form of the tables has, too."""
    for name in set(truth.tables) - set(PURE):
        del truth.tables[name]
    for name, own in truth.tables.items():
        has = set(tables[name][0]) if tables[name] else set()
        truth.tables[name] = {
            key: {column: value for column, value in row.items() if column in has}
            for key, row in own.items()
        }


def differences(facts: Sequence[Received], watermark: int) -> tuple[list[Difference], Comparison]:
    """Compare the product's pure rules with the truth."""
    tables, truth = rows(events(facts), watermark), expected(facts, watermark)
    without_columns(truth, tables)
    comparison = Comparison(truth)
    found = [each for name in PURE for each in comparison.table(name, tables[name])]
    return found, comparison


def run(knobs: Knobs = KNOBS) -> list[Received]:
    """Return all accepted facts of a run; a part of the orders' states, with a time, are late."""
    chance = random.Random(knobs.seed)  # noqa: S311 - a seed repeats it
    sent = [
        Step(step.due + HELD, step.fact)
        if _may_be_late(step, knobs) and chance.random() < LATE
        else step
        for step in steps(knobs)
    ]
    return received(sorted(sent, key=lambda step: step.due), knobs.start)


def _may_be_late(step: Step, knobs: Knobs) -> bool:
    """Whether the order's state has a time of its own, before the run: by any clock of a shop."""
    fact = step.fact
    is_dated_order = (
        isinstance(fact, OrderState) and is_dated(fact) and fact.shop.source != "ciklik"
    )
    return is_dated_order and fact.changed_at < knobs.history_ends
