"""What a batch of events asks of the tables: contributions to entities, keys to lock. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.events import (
    TOPIC_OF,
    Cart,
    Consent,
    Customer,
    Event,
    Meta,
    Order,
    Scope,
    Subscription,
)
from schemas.keys import customer_key, entity_key
from sinks.carts.activity import Activity, activity
from sinks.carts.links import link_keys
from sinks.lifetime.customers import reported_totals
from sinks.merge.event_fields import Fields
from sinks.merge.last_writer import Version, told, version

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
    carries the key. ``orders``: order -> its event, None where the batch has several.
    """

    told: dict[str, dict[str, list[Told]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    activities: dict[str, list[Activity]] = field(default_factory=lambda: defaultdict(list))
    locks: dict[str, bool] = field(default_factory=dict)
    shops: dict[tuple[str, str], Shop] = field(default_factory=dict)
    orders: dict[str, Order | None] = field(default_factory=dict)


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
    meta, kind = event.meta, type(event)
    source, shop, event_id = meta.source, meta.shop, meta.event_id
    at, fields = version(meta), told(event)
    # Of a customer they stand in the event itself, of all others in its CustomerRef.
    customer_id, email_hash = fields.get("customer_id"), fields.get("email_hash")
    contact = fields.pop("contact", None)
    entity = meta.entity
    if isinstance(event, Customer):
        entity = entity_key(source, shop, "customer", event.customer_id)
    made.told[TOPIC_OF[kind]][entity].append((at, event_id, fields))
    if isinstance(event, Order):
        made.orders[entity] = None if entity in made.orders else event
    if contact is not None:
        made.told[CONTACTS][entity].append((at, event_id, contact))
    if isinstance(event, Cart):
        made.activities[entity].append(activity(event))

    owner = customer_key(source, shop, customer_id, email_hash)
    if owner is not None and kind is not Customer:
        made.told["customers"][owner].append((at, event_id, _of_customer(event, fields)))
    subscription = _subscription(event, fields)
    if subscription is not None and kind is not Subscription:
        made.told["subscriptions"][subscription].append(
            (at, event_id, _of_subscription(event, fields))
        )
    if owner is not None and "reported" in fields:
        _add_totals(made, event, owner, at)

    _add_locks(made, event, fields, entity, subscription)
    _add_shop(made, meta)


def _add_shop(made: Plan, meta: Meta) -> None:
    first = made.shops.get((meta.source, meta.shop))
    if first is None:
        made.shops[meta.source, meta.shop] = Shop(meta.received_at)
    elif meta.received_at < first.first_received_at:
        first.first_received_at = meta.received_at


def _add_locks(
    made: Plan, event: Event, fields: Fields, entity: str, subscription: str | None
) -> None:
    meta, told = event.meta, fields.get
    keys = link_keys(
        meta.source,
        meta.shop,
        told("customer_id"),
        told("email_hash"),
        told("cart_token"),
        told("cart_id"),
    )
    if subscription is not None:
        keys.append(subscription)
    if not isinstance(event, Order):  # an order's events are all in its own partition
        keys.append(entity)
    of_cart, locks = isinstance(event, Cart), made.locks
    for key in keys:
        if of_cart or key not in locks:
            locks[key] = of_cart


def _add_totals(made: Plan, event: Event, owner: str, at: Version) -> None:
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
        key = f"{total.currency or ''} {owner}"
        made.told[TOTALS][key].append((at, event.meta.event_id, amounts))


def _subscription(event: Event, fields: Fields) -> str | None:
    meta: Meta = event.meta
    if isinstance(event, Subscription):
        return meta.entity
    native = fields.get("subscription_id")
    return None if native is None else entity_key(meta.source, meta.shop, "subscription", native)


def _of_customer(event: Event, fields: Fields) -> Fields:
    """What an event about something else tells of its customer."""
    own = {"settings": fields["settings"], "occurred_at": fields["occurred_at"]}
    for name in ("customer_id", "email_hash", "accepts_marketing"):
        if name in fields:
            own[name] = fields[name]
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
