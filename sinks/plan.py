"""What a batch of events asks of the tables: contributions to entities, keys to lock. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from schemas.events import (
    TOPIC_OF,
    Cart,
    Consent,
    Customer,
    CustomerRef,
    Event,
    Meta,
    Order,
    Scope,
    Subscription,
)
from schemas.keys import customer_key, entity_key
from sinks.cart_links import link_keys
from sinks.carts import Activity, activity
from sinks.lifetime import reported_totals
from sinks.merge import Fields, Version, told, version

CONTACTS = "customer_contacts"
TOTALS = "reported_totals"

Told = tuple[Version, str, Fields]
"""(version, event id, fields) of one event about one entity."""


@dataclass(slots=True)
class Shop:
    """What a batch tells of a shop: the receipt of the earliest delivery in it."""

    first_received_at: int


@dataclass(slots=True)
class Plan:
    """What events ask of the tables.

    ``told``: table -> entity -> what was told of it. ``locks``: link keys -> whether a cart
    carries the key. ``links``: keys of the entities whose carts may fold otherwise now.
    """

    told: dict[str, dict[str, list[Told]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    activities: dict[str, list[Activity]] = field(default_factory=lambda: defaultdict(list))
    locks: dict[str, bool] = field(default_factory=dict)
    shops: dict[tuple[str, str], Shop] = field(default_factory=dict)


def plan(events: Iterable[Event]) -> Plan:
    """The plan of a batch; the order of its events makes no difference."""
    made = Plan()
    for event in events:
        add(made, event)
    return made


def lock_of(customer: str) -> str:
    """The link key that guards the rows of a customer, or of a guest."""
    head, _, native = customer.partition("guest:")
    return f"{head}email:{native}" if native else customer


def add(made: Plan, event: Event) -> None:
    """Put what one event asks into a plan."""
    meta = event.meta
    at, fields = version(meta), told(event)
    customer, subscription = _customer(event), _subscription(event)
    contact = fields.pop("contact", None)
    entity = meta.entity
    if isinstance(event, Customer):
        entity = entity_key(meta.source, meta.shop, "customer", event.customer_id)
    made.told[TOPIC_OF[type(event)]][entity].append((at, meta.event_id, fields))
    if contact is not None:
        made.told[CONTACTS][entity].append((at, meta.event_id, contact))
    if isinstance(event, Cart):
        made.activities[entity].append(activity(event))

    owner = customer_key(meta.source, meta.shop, customer.customer_id, customer.email_hash)
    if owner is not None and not isinstance(event, Customer):
        made.told["customers"][owner].append((at, meta.event_id, _of_customer(event, fields)))
    if subscription is not None and not isinstance(event, Subscription):
        made.told["subscriptions"][subscription].append(
            (at, meta.event_id, _of_subscription(event, fields))
        )
    if owner is not None:
        for total in reported_totals(event):
            amounts = {
                name: value if isinstance(value, int) else str(value)
                for name, value in (
                    ("revenue", total.revenue),
                    ("refunded", total.refunded),
                    ("orders_count", total.orders_count),
                )
                if value is not None
            }
            made.told[TOTALS][f"{total.currency or ''} {owner}"].append(
                (at, meta.event_id, amounts)
            )

    is_cart = isinstance(event, Cart)
    for key in _locks(event, customer, entity, subscription):
        made.locks[key] = made.locks.get(key, False) or is_cart
    shop = made.shops.setdefault((meta.source, meta.shop), Shop(meta.received_at))
    shop.first_received_at = min(shop.first_received_at, meta.received_at)


def _customer(event: Event) -> CustomerRef:
    if isinstance(event, Customer):
        return CustomerRef(customer_id=event.customer_id, email_hash=event.email_hash)
    return event.customer or CustomerRef()


def _subscription(event: Event) -> str | None:
    meta: Meta = event.meta
    if isinstance(event, Subscription):
        return meta.entity
    native = getattr(event, "subscription_id", None)
    return None if native is None else entity_key(meta.source, meta.shop, "subscription", native)


def _of_customer(event: Event, fields: Fields) -> Fields:
    """What an event about something else tells of its customer."""
    names = ("customer_id", "email_hash", "accepts_marketing", "settings", "occurred_at")
    own = {name: fields[name] for name in names if name in fields}
    if isinstance(event, Consent) and event.granted is not None:
        own["accepts_marketing"] = event.granted
    return own


def _of_subscription(event: Event, fields: Fields) -> Fields:
    """What an event about something else tells of its subscription."""
    names = ("customer_id", "email_hash", "settings", "occurred_at")
    own: dict[str, Any] = {name: fields[name] for name in names if name in fields}
    for total in getattr(event, "reported", ()):
        if total.scope is Scope.SUBSCRIPTION:
            own |= {
                name: str(value)
                for name, value in (
                    ("reported_revenue", total.revenue),
                    ("reported_refunded", total.refunded),
                )
                if value is not None
            }
    return own


def _locks(
    event: Event, customer: CustomerRef, entity: str, subscription: str | None
) -> Iterator[str]:
    meta = event.meta
    cart_id = event.cart_id if isinstance(event, Cart | Order) else None
    cart_token = event.cart_token if isinstance(event, Cart | Order) else None
    yield from link_keys(
        meta.source,
        meta.shop,
        customer_id=customer.customer_id,
        email_hash=customer.email_hash,
        cart_token=cart_token,
        cart_id=cart_id,
    )
    if subscription is not None:
        yield subscription
    if not isinstance(event, Order):  # an order's events are all in its own partition
        yield entity
