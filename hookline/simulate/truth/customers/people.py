"""What is known of each customer besides the orders: creation, consent, the platform's totals."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hookline.simulate.truth.names import CustomerKey, Person, customer_key, person
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, UndecidedError
from hookline.simulate.truth.undecided import Undecided
from hookline.simulate.truth.versions import in_order
from hookline.simulate.world.facts import (
    Change,
    CustomerState,
    Micros,
    Money,
    SimulatedShop,
    SubscriptionState,
)


@dataclass(slots=True)
class Known:
    """A customer. ``created_at``, ``is_contactable``, ``spent``, ``orders``: None is not given."""

    shop: SimulatedShop
    person: Person
    created_at: Micros | None = None
    is_contactable: bool | None = None
    is_deleted: bool = False
    spent: Money | None = None
    orders: int | None = None
    states: list[Received] = field(default_factory=list)


def known_customers(
    received: Iterable[Received], undecided: Undecided
) -> Mapping[CustomerKey, Known]:
    """Gather what all deliveries show of customers, newest state by field."""
    found: dict[CustomerKey, Known] = {}
    for each in received:
        fact = each.fact
        key = customer_key(fact.customer)
        known = found.setdefault(key, Known(fact.shop, person(fact.customer)))
        if isinstance(fact, CustomerState):
            known.states.append(each)
    for key, known in found.items():
        try:
            for each in in_order(known.states):
                _apply(known, each)
        except UndecidedError as error:
            undecided.note(known.shop.key, key, error)
    return found


def _apply(known: Known, each: Received) -> None:
    fact = each.fact
    if not isinstance(fact, CustomerState):
        return
    known.is_deleted = fact.change is Change.DELETED
    if known.is_deleted:
        return
    if fact.accepts_marketing is not None:
        known.is_contactable = fact.accepts_marketing
        if fact.shop.source == "ciklik":
            return  # an opt-in gives nothing else
    known.created_at = fact.customer.created_at
    if fact.spent is not None:
        known.spent = fact.spent
    if fact.orders is not None:
        known.orders = fact.orders


def first_receipts(received: Iterable[Received]) -> Mapping[str, Span]:
    """Return when the first delivery of each shop was received."""
    found: dict[str, Span] = {}
    for each in received:
        own = Span(each.earliest, each.latest)
        known = found.get(each.fact.shop.key, own)
        found[each.fact.shop.key] = Span(min(known.first, own.first), min(known.last, own.last))
    return found


def active_subscriptions(
    received: Iterable[Received], undecided: Undecided
) -> Mapping[CustomerKey, int]:
    """Count the active ones of each customer."""
    states: dict[tuple[str, int], list[Received]] = {}
    for each in received:
        if isinstance(each.fact, SubscriptionState):
            states.setdefault((each.fact.shop.key, each.fact.number), []).append(each)
    counts: dict[CustomerKey, int] = {}
    for (shop, _), own in states.items():
        owner = customer_key(own[0].fact.customer)
        try:
            newest = in_order(own)[-1].fact
        except UndecidedError as error:
            undecided.note(shop, owner, error)
            continue
        active = isinstance(newest, SubscriptionState) and newest.status == "active"
        if active and newest.change is not Change.DELETED:
            counts[owner] = counts.get(owner, 0) + 1
    return counts
