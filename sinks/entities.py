"""Entities: from the layers of what events told to the rows of the working tables. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from schemas.keys import customer_key
from sinks.copying import Table
from sinks.merge import Layers, flatten
from sinks.telling import Fields

_T, _B, _N, _I, _AT, _J = "text", "boolean", "numeric", "bigint", "timestamptz", "jsonb"
_CUSTOMER = (("customer_key", _T), ("customer_id", _T), ("email_hash", _T))
_PROVENANCE = (
    ("is_test", _B),
    ("version_at", _AT),
    ("occurred_at", _AT),
    ("appended_at", _AT),
    ("layers", _J),
    ("source_event_id", "uuid"),
    ("raw_partition", "integer"),
    ("raw_offset", "bigint"),
)


@dataclass(frozen=True, slots=True)
class Entity:
    """A working table. ``derived`` gives the columns that no event tells by that name."""

    table: Table
    derived: Callable[[str, Fields], Fields]

    def row(self, key: str, layers: Layers, extra: Fields | None = None) -> list[Any]:
        """The row of an entity; ``extra`` columns come from outside its own events."""
        newest = layers[0]
        source, shop, _ = key.split("/", 2)
        told = flatten(layers)
        told |= {
            self.table.key: key,
            "source": source,
            "shop": shop,
            "customer_key": customer_key(
                source, shop, told.get("customer_id"), told.get("email_hash")
            ),
            "is_test": told.get("is_test", False),
            "is_deleted": told.get("deleted", False),
            "version_at": newest.version[0],
            "appended_at": newest.version[2],
            "layers": layers,
            "source_event_id": newest.event_id,
            "raw_partition": newest.version[3],
            "raw_offset": newest.version[4],
        }
        told |= self.derived(key, told)
        if extra:
            told |= extra
        return self.table.row(told)


def _entity(
    name: str,
    key: str,
    *columns: tuple[str, str],
    derived: Callable[[str, Fields], Fields] = lambda _, __: {},
) -> Entity:
    shared = ((key, _T), ("source", _T), ("shop", _T))
    return Entity(Table(name, key, (*shared, *columns, *_PROVENANCE)), derived)


def _status(_: str, told: Fields) -> Fields:
    return {"status": told.get("status", "UNKNOWN"), "kind": told.get("kind", "UNKNOWN")}


def _cart(_: str, told: Fields) -> Fields:
    return {
        "native_cart_id": told["cart_id"],
        "abandoned": told.get("abandoned", False),
        "timezone": told["settings"]["timezone"],
    }


def _customer(key: str, told: Fields) -> Fields:
    settings = told["settings"]
    return {
        "customer_key": key,
        "person_key": told.get("email_hash"),
        "is_contactable": told.get("accepts_marketing"),
        "shop_currency": settings.get("currency"),
        "timezone": settings["timezone"],
    }


def _subscription(key: str, told: Fields) -> Fields:
    return {"subscription_id": key.split("/", 2)[2].partition(":")[2], **_status(key, told)}


CARTS = _entity(
    "carts", "cart_key", ("native_cart_id", _T), ("cart_token", _T), *_CUSTOMER,
    ("abandoned", _B), ("created_at", _AT), ("updated_at", _AT), ("items", _J), ("total", _N),
    ("currency", _T), ("timezone", _T), ("next_due", _AT), ("links", "text[]"),
    ("attributes", _J), derived=_cart,
)  # fmt: skip
ORDERS = _entity(
    "orders", "order_key", ("order_id", _T), ("order_number", _T), *_CUSTOMER, ("cart_id", _T),
    ("cart_token", _T), ("subscription_key", _T), ("status", _T), ("status_word", _T),
    ("fulfillment_word", _T), ("is_draft", _B), ("is_deleted", _B), ("is_renewal", _B),
    ("placed_at", _AT), ("created_at", _AT), ("updated_at", _AT),
    ("cancelled_at", _AT), ("currency", _T), ("currency_source", _T), ("timezone", _T),
    ("items_total", _N), ("discount_total", _N), ("tax_total", _N), ("shipping_total", _N),
    ("total", _N), ("paid_total", _N), ("refunded_total", _N), ("refunded_goods", _N),
    ("gift_card_redeemed", _N), ("taxes_included", _B), ("standing", _T), ("gross", _N),
    ("discounts", _N), ("taxes", _N), ("shipping", _N), ("gift_cards_sold", _N),
    ("refunded", _N), ("net", _N), ("pending", _N), ("counted_total", _N),
    ("refunds_observable", _B), ("reason", _T), ("next_billing_at", _AT),
    ("links", "text[]"), ("attributes", _J), derived=_status,
)  # fmt: skip
CUSTOMERS = _entity(
    "customers", "customer_key", ("customer_id", _T), ("email_hash", _T), ("person_key", _T),
    ("is_contactable", _B), ("created_at", _AT), ("updated_at", _AT), ("state_word", _T),
    ("is_deleted", _B), ("credit_balance", _N), ("currency", _T),
    ("has_active_subscription", _B), ("shop_currency", _T), ("timezone", _T),
    ("attributes", _J), derived=_customer,
)  # fmt: skip
SUBSCRIPTIONS = _entity(
    "subscriptions", "subscription_key", ("subscription_id", _T), ("native_id", _T), *_CUSTOMER,
    ("status", _T), ("is_active", _B), ("is_paused", _B), ("is_deleted", _B), ("plan_id", _T),
    ("plan_name", _T), ("price", _N), ("currency", _T), ("interval", _T),
    ("interval_count", _I), ("created_at", _AT), ("started_at", _AT), ("ended_at", _AT),
    ("next_billing_at", _AT), ("successful_transactions", _I), ("reported_revenue", _N),
    ("reported_refunded", _N), ("attributes", _J), derived=_subscription,
)  # fmt: skip
PAYMENTS = _entity(
    "payments", "payment_key", ("payment_id", _T), ("kind", _T), ("status", _T),
    ("status_word", _T), ("order_id", _T), ("subscription_id", _T), *_CUSTOMER, ("amount", _N),
    ("currency", _T), ("method_word", _T), ("created_at", _AT), ("updated_at", _AT),
    ("attributes", _J), derived=_status,
)  # fmt: skip
SHIPMENTS = _entity(
    "shipments", "shipment_key", ("shipment_id", _T), ("order_id", _T), ("subscription_id", _T),
    *_CUSTOMER, ("status", _T), ("status_word", _T), ("tracking_number", _T), ("carrier", _T),
    ("items", _J), ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
    derived=_status,
)  # fmt: skip
CONSENTS = _entity(
    "consents", "consent_key", ("consent_id", _T), *_CUSTOMER, ("granted", _B), ("channel", _T),
    ("status_word", _T), ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
)  # fmt: skip
CONTACTS = Table(
    "customer_contacts",
    "customer_key",
    (
        *((name, _T) for name in (
            "customer_key", "title", "first_name", "last_name", "name", "email", "phone"
        )),
        ("layers", _J),
    ),
)  # fmt: skip
ORDER_ITEMS = Table(
    "order_items",
    "order_key",
    (
        ("order_key", _T), ("position", "integer"), ("line_id", _T), ("product_id", _T),
        ("variant_id", _T), ("sku", _T), ("name", _T), ("quantity", _I), ("unit_price", _N),
        ("line_total", _N), ("discount", _N), ("tax", _N), ("is_gift_card", _B),
        ("status_word", _T), ("source_event_id", "uuid"),
    ),
)  # fmt: skip

ENTITIES = {
    entity.table.name: entity
    for entity in (CARTS, ORDERS, CUSTOMERS, SUBSCRIPTIONS, PAYMENTS, SHIPMENTS, CONSENTS)
}
"""Base name of the canonical record -> its working table."""


def contact_row(key: str, layers: Layers) -> list[Any]:
    """The row of a customer's contact data."""
    told = flatten(layers)
    told |= {"customer_key": key, "layers": layers}
    return CONTACTS.row(told)


def item_rows(order_key: str, layers: Layers) -> Iterator[list[Any]]:
    """The lines of an order; none where none was told."""
    for position, line in enumerate(flatten(layers).get("items") or (), start=1):
        own = {
            **line,
            "order_key": order_key,
            "position": position,
            "source_event_id": layers[0].event_id,
        }
        yield ORDER_ITEMS.row(own)


TOTALS = Table(
    "reported_totals",
    "total_key",
    (
        ("total_key", _T), ("customer_key", _T), ("currency", _T), ("revenue", _N),
        ("refunded", _N), ("orders_count", _I), ("orders_version", _J), ("layers", _J),
        ("source_event_id", "uuid"),
    ),
)  # fmt: skip


def totals_row(key: str, layers: Layers) -> list[Any]:
    """The row of a customer's running totals in one currency."""
    currency, _, customer = key.partition(" ")
    versions = (layer.version for layer in layers if "orders_count" in layer.fields)
    told = flatten(layers)
    told |= {
        "total_key": key,
        "customer_key": customer,
        "currency": currency,
        "orders_version": next(versions, None),
        "layers": layers,
        "source_event_id": layers[0].event_id,
    }
    return TOTALS.row(told)
