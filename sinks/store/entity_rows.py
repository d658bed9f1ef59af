"""Entities: from the layers of what events told to the rows of the working tables. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.keys import customer_key, native_id
from sinks.lifetime.orders import money
from sinks.lifetime.records import OrderState
from sinks.merge.last_writer import Flat, Layers, flatten
from sinks.postgres.binary_rows import NOT_NULL
from sinks.postgres.copy_rows import Table

_T, _W, _B, _N, _I = "text", "word", "boolean", "numeric", "bigint"
_AT, _J, _ID = "timestamptz", "jsonb", "uuid"
_CUSTOMER = (("customer_id", _T), ("email_hash", _T))
_EVERY = (
    ("source", _W),
    ("shop", _W),
    ("layers", _J),
    ("is_test", _B),
    ("source_event_id", _ID),
    ("version_at", _AT + NOT_NULL),
    ("appended_at", _AT + NOT_NULL),
    ("raw_partition", "integer" + NOT_NULL),
    ("raw_offset", "bigint" + NOT_NULL),
)
"""Columns of every entity, behind its key."""

_Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A working table.

    Its columns: first those of every entity; then those that no event tells by that name, whose
    values ``derived`` gives in their order; then those that ``row`` is given from outside; last
    those that are ``told``.
    """

    table: Table
    derived: Callable[[str, Flat], Sequence[Any]]
    told: tuple[str, ...]

    def row(self, key: str, layers: Layers, *outside: Any) -> list[Any]:
        """The row of an entity; ``outside``: what does not follow from its own events."""
        version, event_id, _ = layers[0]
        told = flatten(layers)
        source, shop, _ = key.split("/", 2)
        return [
            key,
            source,
            shop,
            layers,
            told.get("is_test", False),
            event_id,
            version[0],
            version[2],
            version[3],
            version[4],
            *self.derived(key, told),
            *outside,
            *map(told.get, self.told),
        ]


def owner(key: str, told: Flat) -> str | None:
    """The customer of an entity."""
    source, shop, _ = key.split("/", 2)
    return customer_key(source, shop, told.get("customer_id"), told.get("email_hash"))


def _entity(
    name: str,
    key: str,
    derived: tuple[_Columns, Callable[[str, Flat], Sequence[Any]]],
    told: _Columns,
    outside: _Columns = (),
) -> Entity:
    columns, values = derived
    told = (("occurred_at", _AT), *told)
    table = Table(name, key, ((key, _T), *_EVERY, *columns, *outside, *told))
    return Entity(table, values, tuple(column for column, _ in told))


def _cart(key: str, told: Flat) -> Sequence[Any]:
    timezone = told["settings"]["timezone"]
    return owner(key, told), told["cart_id"], told.get("abandoned", False), timezone


def _order(_: str, told: Flat) -> Sequence[Any]:
    return told.get("status", "UNKNOWN"), told.get("deleted", False)


def _customer(_: str, told: Flat) -> Sequence[Any]:
    settings = told["settings"]
    return (
        told.get("email_hash"),
        told.get("accepts_marketing"),
        told.get("deleted", False),
        settings.get("currency"),
        settings["timezone"],
    )


def _subscription(key: str, told: Flat) -> Sequence[Any]:
    status, deleted = told.get("status", "UNKNOWN"), told.get("deleted", False)
    return owner(key, told), native_id(key), status, deleted


def _payment(key: str, told: Flat) -> Sequence[Any]:
    return owner(key, told), told.get("kind", "UNKNOWN"), told.get("status", "UNKNOWN")


def _shipment(key: str, told: Flat) -> Sequence[Any]:
    return owner(key, told), told.get("status", "UNKNOWN")


def _consent(key: str, told: Flat) -> Sequence[Any]:
    return (owner(key, told),)


CARTS = _entity(
    "carts", "cart_key",
    ((("customer_key", _T), ("native_cart_id", _T), ("abandoned", _B), ("timezone", _W)), _cart),
    (
        *_CUSTOMER, ("cart_token", _T), ("created_at", _AT), ("updated_at", _AT), ("items", _J),
        ("total", _N), ("currency", _W), ("attributes", _J),
    ),
    (("links", "text[]"),),
)  # fmt: skip
ORDERS = _entity(
    "orders", "order_key",
    ((("status", _W), ("is_deleted", _B)), _order),
    (
        ("order_id", _T), ("order_number", _T), *_CUSTOMER, ("cart_id", _T), ("cart_token", _T),
        ("status_word", _W), ("fulfillment_word", _W), ("created_at", _AT), ("updated_at", _AT),
        ("cancelled_at", _AT), ("currency_source", _W), ("items_total", _N),
        ("discount_total", _N), ("tax_total", _N), ("shipping_total", _N), ("total", _N),
        ("paid_total", _N), ("refunded_total", _N), ("refunded_goods", _N),
        ("gift_card_redeemed", _N), ("next_billing_at", _AT), ("attributes", _J),
    ),
    (
        ("customer_key", _T), ("subscription_key", _T), ("links", "text[]"), ("is_draft", _B),
        ("is_renewal", _B), ("placed_at", _AT), ("currency", _W), ("timezone", _W),
        ("taxes_included", _B), ("standing", _W), ("gross", _N), ("discounts", _N),
        ("taxes", _N), ("shipping", _N), ("gift_cards_sold", _N), ("refunded", _N), ("net", _N),
        ("pending", _N), ("counted_total", _N), ("refunds_observable", _B), ("reason", _W),
    ),
)  # fmt: skip
CUSTOMERS = _entity(
    "customers", "customer_key",
    (
        (
            ("person_key", _T), ("is_contactable", _B), ("is_deleted", _B),
            ("shop_currency", _W), ("timezone", _W),
        ),
        _customer,
    ),
    (
        *_CUSTOMER, ("created_at", _AT), ("updated_at", _AT), ("state_word", _W),
        ("credit_balance", _N), ("currency", _W), ("has_active_subscription", _B),
        ("attributes", _J),
    ),
)  # fmt: skip
SUBSCRIPTIONS = _entity(
    "subscriptions", "subscription_key",
    (
        (("customer_key", _T), ("subscription_id", _T), ("status", _W), ("is_deleted", _B)),
        _subscription,
    ),
    (
        ("native_id", _T), *_CUSTOMER, ("is_active", _B), ("is_paused", _B), ("plan_id", _T),
        ("plan_name", _T), ("price", _N), ("currency", _W), ("interval", _W),
        ("interval_count", _I), ("created_at", _AT), ("started_at", _AT), ("ended_at", _AT),
        ("next_billing_at", _AT), ("successful_transactions", _I), ("reported_revenue", _N),
        ("reported_refunded", _N), ("attributes", _J),
    ),
)  # fmt: skip
PAYMENTS = _entity(
    "payments", "payment_key",
    ((("customer_key", _T), ("kind", _W), ("status", _W)), _payment),
    (
        ("payment_id", _T), ("status_word", _W), ("order_id", _T), ("subscription_id", _T),
        *_CUSTOMER, ("amount", _N), ("currency", _W), ("method_word", _W), ("created_at", _AT),
        ("updated_at", _AT), ("attributes", _J),
    ),
)  # fmt: skip
SHIPMENTS = _entity(
    "shipments", "shipment_key",
    ((("customer_key", _T), ("status", _W)), _shipment),
    (
        ("shipment_id", _T), ("order_id", _T), ("subscription_id", _T), *_CUSTOMER,
        ("status_word", _W), ("tracking_number", _T), ("carrier", _W), ("items", _J),
        ("created_at", _AT), ("updated_at", _AT), ("attributes", _J),
    ),
)  # fmt: skip
CONSENTS = _entity(
    "consents", "consent_key",
    ((("customer_key", _T),), _consent),
    (
        ("consent_id", _T), *_CUSTOMER, ("granted", _B), ("channel", _W), ("status_word", _W),
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
_LINE = (
    ("line_id", _T), ("product_id", _T), ("variant_id", _T), ("sku", _T), ("name", _T),
    ("quantity", _I), ("unit_price", _N), ("line_total", _N), ("discount", _N), ("tax", _N),
    ("is_gift_card", _B), ("status_word", _W),
)  # fmt: skip
_TOLD_OF_A_LINE = tuple(column for column, _ in _LINE)
ORDER_ITEMS = Table(
    "order_items",
    "order_key",
    (("order_key", _T), ("position", "integer"), ("source_event_id", _ID), *_LINE),
)

ENTITIES = {
    entity.table.name: entity
    for entity in (CARTS, ORDERS, CUSTOMERS, SUBSCRIPTIONS, PAYMENTS, SHIPMENTS, CONSENTS)
}
"""Base name of the canonical record -> its working table."""


def contact_row(key: str, layers: Layers) -> list[Any]:
    """The row of a customer's contact data."""
    return CONTACTS.row({**flatten(layers), "customer_key": key, "layers": layers})


def order_row(key: str, layers: Layers, state: OrderState, *, is_renewal: bool) -> list[Any]:
    """The row of an order in that state, with what it is worth."""
    worth = money(state)
    return ORDERS.row(
        key,
        layers,
        state.customer_key,
        state.subscription_key,
        sorted(state.fold_keys),
        state.is_draft,
        is_renewal,
        state.placed_at,
        state.currency,
        state.timezone,
        state.taxes_included,
        worth.standing._value_,
        worth.gross,
        worth.discounts,
        worth.taxes,
        worth.shipping,
        worth.gift_cards_sold,
        worth.refunded,
        worth.net,
        worth.pending,
        worth.total,
        worth.refunds_observable,
        worth.reason,
    )


def item_rows(order_key: str, layers: Layers) -> Iterator[list[Any]]:
    """The lines of an order; none where none was told."""
    event_id = layers[0].event_id
    for position, line in enumerate(flatten(layers).get("items") or (), start=1):
        yield [order_key, position, event_id, *map(line.get, _TOLD_OF_A_LINE)]


TOTALS = Table(
    "reported_totals",
    "total_key",
    (
        ("total_key", _T), ("customer_key", _T), ("currency", _W), ("revenue", _N),
        ("refunded", _N), ("orders_count", _I), ("orders_version", _J), ("layers", _J),
        ("source_event_id", _ID),
    ),
)  # fmt: skip


def totals_row(key: str, layers: Layers) -> list[Any]:
    """The row of a customer's running totals in one currency."""
    currency, _, customer = key.partition(" ")
    versions = (layer.version for layer in layers if "orders_count" in layer.fields)
    told = {
        **flatten(layers),
        "total_key": key,
        "customer_key": customer,
        "currency": currency,
        "orders_version": next(versions, None),
        "layers": layers,
        "source_event_id": layers[0].event_id,
    }
    return TOTALS.row(told)
