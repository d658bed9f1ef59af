"""What a batch of events writes: contributions to entities, keys to lock. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.events import (
    TOPIC_OF,
    Cart,
    Consent,
    Customer,
    CustomerContact,
    Event,
    Meta,
    Order,
    Payment,
    Scope,
    Subscription,
)
from schemas.json_records.erasures import NOBODY, Ledger
from schemas.keys import customer_key, entity_key
from sinks.carts.links import link_keys
from sinks.carts.records import Activity, activity_of
from sinks.lifetime.history import ShopHistory, history_of
from sinks.lifetime.payment_refunds import REFUNDS_FROM_PAYMENTS
from sinks.lifetime.reported_totals import reported_totals
from sinks.merge.event_fields import Fields, event_fields
from sinks.merge.last_writer import Version, version

CONTACTS = "customer_contacts"
TOTALS = "reported_totals"

Contribution = tuple[Version, str, Fields]
"""(version, event id, fields) of one event about one entity."""


@dataclass(slots=True)
class WritePlan:
    """What events write.

    ``contributions``: table -> entity -> contributions. ``locks``: link keys -> whether a cart
    has the key. ``shops``: (source, shop) -> what the events show of its history.
    ``orders``: order -> its event, None where the batch has several.
    """

    contributions: dict[str, dict[str, list[Contribution]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    activities: dict[str, list[Activity]] = field(default_factory=lambda: defaultdict(list))
    locks: dict[str, bool] = field(default_factory=dict)
    shops: dict[tuple[str, str], ShopHistory] = field(default_factory=dict)
    orders: dict[str, Order | None] = field(default_factory=dict)


def plan_writes(events: Iterable[Event], ledger: Ledger = NOBODY) -> WritePlan:
    """Plan a batch; the order of its events makes no difference."""
    plan = WritePlan()
    for event in events:
        add_event(plan, event, ledger)
    return plan


def customer_lock_key(customer: str) -> str:
    """Return the link key that guards the rows of a customer, or of a guest."""
    prefix, _, native = customer.partition("guest:")
    return f"{prefix}email:{native}" if native else customer


def add_event(plan: WritePlan, event: Event, ledger: Ledger = NOBODY) -> None:
    """Add what one event writes to a plan, without what the ledger erases."""
    if event.meta.history_from is not None:
        # It repeats a row of its import, for what it states of the shop.
        _add_shop(plan, event.meta)
        return
    known = ledger.applied(event) if ledger else event
    if isinstance(known, CustomerContact):
        _add_contact(plan, known)
    elif known is not None:
        _add(plan, known)


def _add(plan: WritePlan, event: Event) -> None:
    meta, kind = event.meta, type(event)
    source, shop, event_id = meta.source, meta.shop, meta.event_id
    at, fields = version(meta), event_fields(event)
    # A Customer has these fields itself, every other event in its CustomerRef.
    customer_id, email_hash = fields.get("customer_id"), fields.get("email_hash")
    contact = fields.pop("contact", None)
    entity = meta.entity
    if isinstance(event, Customer):
        entity = entity_key(source, shop, "customer", event.customer_id)
    plan.contributions[TOPIC_OF[kind]][entity].append((at, event_id, fields))
    if isinstance(event, Order):
        plan.orders[entity] = None if entity in plan.orders else event
    if contact is not None:
        plan.contributions[CONTACTS][entity].append((at, event_id, contact))
    elif "contact_deleted" in fields:
        plan.contributions[CONTACTS][entity].extend(())  # its stored contact data goes
    if isinstance(event, Cart):
        plan.activities[entity].append(activity_of(event))

    owner = customer_key(source, shop, customer_id, email_hash)
    if owner is not None and kind is not Customer:
        plan.contributions["customers"][owner].append((at, event_id, _of_customer(event, fields)))
    subscription = _subscription(event, fields)
    if subscription is not None and kind is not Subscription:
        plan.contributions["subscriptions"][subscription].append(
            (at, event_id, _of_subscription(event, fields))
        )
    if owner is not None and "reported" in fields:
        _add_totals(plan, event, owner)

    _add_locks(plan, event, fields, entity, subscription)
    _add_shop(plan, meta)


def _add_contact(plan: WritePlan, event: CustomerContact) -> None:
    """Add contact data. The customer itself is an event of the same delivery."""
    meta, given = event.meta, event_fields(event)["contact"]
    customer = entity_key(meta.source, meta.shop, "customer", event.customer_id)
    if given:  # empty where a delivery of an erased person was completed
        if event.email_hash is not None:  # by which an erasure finds it
            given = {**given, "email_hash": event.email_hash}
        plan.contributions[CONTACTS][customer].append((version(meta), meta.event_id, given))
    plan.locks.setdefault(customer, False)
    _add_shop(plan, meta)


def _add_shop(plan: WritePlan, meta: Meta) -> None:
    known = plan.shops.get((meta.source, meta.shop))
    if known is not None and meta.import_id is None:
        first = known.first_received_at
        if first is not None and first <= meta.received_at:
            return  # the usual case
    shown = history_of(meta)
    plan.shops[meta.source, meta.shop] = shown if known is None else known | shown


def _add_locks(
    plan: WritePlan, event: Event, fields: Fields, entity: str, subscription: str | None
) -> None:
    meta, get = event.meta, fields.get
    keys = link_keys(
        meta.source,
        meta.shop,
        get("customer_id"),
        get("email_hash"),
        get("cart_token"),
        get("cart_id"),
    )
    if subscription is not None:
        keys.append(subscription)
    from_payments = meta.source in REFUNDS_FROM_PAYMENTS
    # One partition, so one writer, has all events of an order; its payments are in another.
    if from_payments or not isinstance(event, Order):
        keys.append(entity)
    if from_payments and isinstance(event, Payment) and event.order_id is not None:
        keys.append(entity_key(meta.source, meta.shop, "order", event.order_id))
    of_cart, locks = isinstance(event, Cart), plan.locks
    for key in keys:
        if of_cart or key not in locks:
            locks[key] = of_cart


def _add_totals(plan: WritePlan, event: Event, owner: str) -> None:
    for total in reported_totals(event):
        amounts: Fields = _amounts(revenue=total.revenue, refunded=total.refunded)
        if total.orders_count is not None:
            amounts["orders_count"] = total.orders_count
        key = f"{total.currency or ''} {owner}"
        plan.contributions[TOTALS][key].append((total.version, total.event_id, amounts))


def _amounts(**amounts: Decimal | None) -> dict[str, Any]:
    """Return the amounts that are given, as texts."""
    return {name: str(amount) for name, amount in amounts.items() if amount is not None}


def _subscription(event: Event, fields: Fields) -> str | None:
    meta: Meta = event.meta
    if isinstance(event, Subscription):
        return meta.entity
    native = fields.get("subscription_id")
    return None if native is None else entity_key(meta.source, meta.shop, "subscription", native)


def _of_customer(event: Event, fields: Fields) -> Fields:
    """Return the fields that an event about another entity provides for its customer."""
    own = {"settings": fields["settings"], "occurred_at": fields["occurred_at"]}
    for name in ("customer_id", "email_hash", "accepts_marketing"):
        if name in fields:
            own[name] = fields[name]
    if isinstance(event, Consent) and event.granted is not None:
        own["accepts_marketing"] = event.granted
    return own


def _of_subscription(event: Event, fields: Fields) -> Fields:
    """Return the fields that an event about another entity provides for its subscription."""
    names = ("customer_id", "email_hash", "settings", "occurred_at")
    own: dict[str, Any] = {name: fields[name] for name in names if name in fields}
    for total in getattr(event, "reported", ()):
        if total.scope is Scope.SUBSCRIPTION:
            own |= _amounts(reported_revenue=total.revenue, reported_refunded=total.refunded)
    return own
