"""Rows of the working tables, from the layers of merged events. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.json_records.erasures import is_pseudonym
from schemas.keys import customer_key, entity_key, native_id
from sinks.merge.last_writer import Flat, Layers, flatten
from sinks.postgres.copy_rows import Table

_T, _B, _N, _I = "text", "boolean", "numeric", "bigint"
_AT, _J, _ID = "timestamptz", "jsonb", "uuid"
_CUSTOMER = (("customer_id", _T), ("email_hash", _T))
_EVERY = (
    ("source", _T),
    ("shop", _T),
    ("layers", _J),
    ("is_test", _B),
    ("source_event_id", _ID),
    ("version_at", _AT),
    ("appended_at", _AT),
    ("raw_partition", "integer"),
    ("raw_offset", _I),
)
"""Columns of every entity, after its key."""

_ROUNDED = "rounded:"
"""Attributes that begin with this hold the original text of an amount that was rounded."""

_Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A working table.

    Order of its columns: those of every entity; those whose values ``derived`` computes; those
    whose values the caller of ``row`` has ``computed``; those named after event ``fields``.
    """

    table: Table
    derived: Callable[[str, Flat], Sequence[Any]]
    fields: tuple[str, ...]

    def row(self, key: str, layers: Layers, *computed: Any) -> list[Any]:
        """Return an entity's row; ``computed``: what its fields alone do not give, in order."""
        version, event_id, _ = layers[0]
        fields = flatten(layers)
        source, shop, _ = key.split("/", 2)
        return [
            key,
            source,
            shop,
            layers,
            fields.get("is_test", False),
            event_id,
            version[0],
            version[2],
            version[3],
            version[4],
            *self.derived(key, fields),
            *computed,
            *map(without_pseudonym(fields).get, self.fields),
        ]


def without_pseudonym(fields: Flat) -> Flat:
    """Return fields as columns show them: an erased person has no hash."""
    return {**fields, "email_hash": None} if is_pseudonym(fields.get("email_hash")) else fields


def owner(key: str, fields: Flat) -> str | None:
    """Return the key of an entity's customer, None where no event names one."""
    source, shop, _ = key.split("/", 2)
    return customer_key(source, shop, fields.get("customer_id"), fields.get("email_hash"))


def _entity(
    name: str,
    key: str,
    derived: tuple[_Columns, Callable[[str, Flat], Sequence[Any]]],
    fields: _Columns,
    computed: _Columns = (),
) -> Entity:
    columns, values = derived
    fields = (("occurred_at", _AT), *fields)
    table = Table(name, key, ((key, _T), *_EVERY, *columns, *computed, *fields))
    return Entity(table, values, tuple(column for column, _ in fields))


def _cart(key: str, fields: Flat) -> Sequence[Any]:
    timezone = fields["settings"]["timezone"]
    return owner(key, fields), fields["cart_id"], fields.get("abandoned", False), timezone


def _order(_: str, fields: Flat) -> Sequence[Any]:
    listed = fields.get("status_listed")
    return (
        fields.get("status", "UNKNOWN"),
        listed is False,
        fields.get("deleted", False),
        _rounded(fields),
    )


def _rounded(fields: Flat) -> int:
    """Count the amounts of an order and its lines that were rounded to four places."""
    sources = [fields, *(fields.get("items") or ())]
    return sum(
        name.startswith(_ROUNDED) for source in sources for name in source.get("attributes") or ()
    )


def _customer(_: str, fields: Flat) -> Sequence[Any]:
    settings, hashed = fields["settings"], fields.get("email_hash")
    is_erased = is_pseudonym(hashed)
    return (
        None if is_erased else hashed,
        False if is_erased else fields.get("accepts_marketing"),
        fields.get("deleted", False),
        is_erased,
        settings.get("currency"),
        settings["timezone"],
    )


def _subscription(key: str, fields: Flat) -> Sequence[Any]:
    status, deleted = fields.get("status", "UNKNOWN"), fields.get("deleted", False)
    return owner(key, fields), native_id(key), status, deleted


def _payment(key: str, fields: Flat) -> Sequence[Any]:
    kind, status = fields.get("kind", "UNKNOWN"), fields.get("status", "UNKNOWN")
    return owner(key, fields), kind, status, payment_order(key, fields)


def payment_order(key: str, fields: Flat) -> str | None:
    """Return the key of the order that a payment names."""
    order_id, (source, shop, _) = fields.get("order_id"), key.split("/", 2)
    return None if order_id is None else entity_key(source, shop, "order", order_id)


def _shipment(key: str, fields: Flat) -> Sequence[Any]:
    return owner(key, fields), fields.get("status", "UNKNOWN")


def _consent(key: str, fields: Flat) -> Sequence[Any]:
    return (owner(key, fields),)


CARTS = _entity(
    "carts", "cart_key",
    ((("customer_key", _T), ("native_cart_id", _T), ("abandoned", _B), ("timezone", _T)), _cart),
    (
        *_CUSTOMER, ("cart_token", _T), ("created_at", _AT), ("updated_at", _AT), ("items", _J),
        ("total", _N), ("currency", _T), ("attributes", _J),
    ),
    (("links", "text[]"),),
)  # fmt: skip
ORDERS = _entity(
    "orders", "order_key",
    (
        (("status", _T), ("unknown_status", _B), ("is_deleted", _B), ("rounded", "integer")),
        _order,
    ),
    (
        ("order_id", _T), ("order_number", _T), *_CUSTOMER, ("cart_id", _T), ("cart_token", _T),
        ("status_word", _T), ("fulfillment_word", _T), ("created_at", _AT), ("updated_at", _AT),
        ("cancelled_at", _AT), ("currency_source", _T), ("items_total", _N),
        ("discount_total", _N), ("tax_total", _N), ("shipping_total", _N), ("total", _N),
        ("paid_total", _N), ("refunded_total", _N), ("refunded_goods", _N),
        ("gift_card_redeemed", _N), ("next_billing_at", _AT), ("attributes", _J),
    ),
    (
        ("customer_key", _T), ("subscription_key", _T), ("links", "text[]"), ("is_draft", _B),
        ("is_renewal", _B), ("placed_at", _AT), ("currency", _T), ("timezone", _T),
        ("taxes_included", _B), ("tax_basis", _T), ("standing", _T), ("gross", _N),
        ("discounts", _N),
        ("taxes", _N), ("shipping", _N), ("gift_cards_sold", _N), ("refunded", _N), ("net", _N),
        ("pending", _N), ("counted_total", _N), ("refunds_observable", _B), ("reason", _T),
    ),
)  # fmt: skip
CUSTOMERS = _entity(
    "customers", "customer_key",
    (
        (
            ("person_key", _T), ("is_contactable", _B), ("is_deleted", _B),
            ("is_erased", _B), ("shop_currency", _T), ("timezone", _T),
        ),
        _customer,
    ),
    (
        *_CUSTOMER, ("created_at", _AT), ("updated_at", _AT), ("state_word", _T),
        ("credit_balance", _N), ("currency", _T), ("has_active_subscription", _B),
        ("attributes", _J),
    ),
)  # fmt: skip
SUBSCRIPTIONS = _entity(
    "subscriptions", "subscription_key",
    (
        (("customer_key", _T), ("subscription_id", _T), ("status", _T), ("is_deleted", _B)),
        _subscription,
    ),
    (
        ("native_id", _T), *_CUSTOMER, ("is_active", _B), ("is_paused", _B), ("plan_id", _T),
        ("plan_name", _T), ("price", _N), ("currency", _T), ("interval", _T),
        ("interval_count", _I), ("created_at", _AT), ("started_at", _AT), ("ended_at", _AT),
        ("next_billing_at", _AT), ("successful_transactions", _I), ("reported_revenue", _N),
        ("reported_refunded", _N), ("attributes", _J),
    ),
)  # fmt: skip
PAYMENTS = _entity(
    "payments", "payment_key",
    ((("customer_key", _T), ("kind", _T), ("status", _T), ("order_key", _T)), _payment),
    (
        ("payment_id", _T), ("status_word", _T), ("order_id", _T), ("subscription_id", _T),
        *_CUSTOMER, ("amount", _N), ("refunded_amount", _N), ("currency", _T),
        ("method_word", _T), ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
    ),
)  # fmt: skip
SHIPMENTS = _entity(
    "shipments", "shipment_key",
    ((("customer_key", _T), ("status", _T)), _shipment),
    (
        ("shipment_id", _T), ("order_id", _T), ("subscription_id", _T), *_CUSTOMER,
        ("status_word", _T), ("tracking_number", _T), ("carrier", _T), ("items", _J),
        ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
    ),
)  # fmt: skip
CONSENTS = _entity(
    "consents", "consent_key",
    ((("customer_key", _T),), _consent),
    (
        ("consent_id", _T), *_CUSTOMER, ("granted", _B), ("channel", _T), ("status_word", _T),
        ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
    ),
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
ENTITIES = {
    entity.table.name: entity
    for entity in (CARTS, ORDERS, CUSTOMERS, SUBSCRIPTIONS, PAYMENTS, SHIPMENTS, CONSENTS)
}
"""Base name of the canonical record -> its working table."""


def contact_row(key: str, layers: Layers) -> list[Any]:
    """Return the row of a customer's contact data."""
    return CONTACTS.row({**flatten(layers), "customer_key": key, "layers": layers})


TOTALS = Table(
    "reported_totals",
    "total_key",
    (
        ("total_key", _T), ("customer_key", _T), ("currency", _T), ("revenue", _N),
        ("refunded", _N), ("orders_count", _I), ("orders_version", _J), ("layers", _J),
        ("source_event_id", _ID),
    ),
)  # fmt: skip


def totals_row(key: str, layers: Layers) -> list[Any]:
    """Return the row of a customer's reported totals in one currency."""
    currency, _, customer = key.partition(" ")
    versions = (layer.version for layer in layers if "orders_count" in layer.fields)
    values = {
        **flatten(layers),
        "total_key": key,
        "customer_key": customer,
        "currency": currency,
        "orders_version": next(versions, None),
        "layers": layers,
        "source_event_id": layers[0].event_id,
    }
    return TOTALS.row(values)
