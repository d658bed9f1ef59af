"""The canonical events as immutable typed records.

The contract is ``avro/*.avsc``, which documents every field; a test compares these records
with it field by field. Times are microseconds since the epoch (UTC), money is ``Decimal`` with at
most 14 digits before the decimal point and 4 after it. ``None`` means that the platform did not
give the value; an empty value was given as empty.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

Micros = int
"""Microseconds since 1970-01-01T00:00:00Z."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all canonical records: immutable, built by keyword, not tracked by the collector."""


class Change(StrEnum):
    """What happened to the event's entity."""

    UNKNOWN = "UNKNOWN"
    CREATED = "CREATED"
    UPDATED = "UPDATED"
    DELETED = "DELETED"
    REPORTED = "REPORTED"


class TimeBasis(StrEnum):
    """Where occurred_at comes from: the payload, the payload in the shop's zone, or our receipt."""

    UNKNOWN = "UNKNOWN"
    PAYLOAD = "PAYLOAD"
    SHOP_ZONE = "SHOP_ZONE"
    RECEIVED = "RECEIVED"


class CurrencySource(StrEnum):
    """Who named the currency: the payload or the shop's settings."""

    UNKNOWN = "UNKNOWN"
    PAYLOAD = "PAYLOAD"
    SHOP = "SHOP"


class Scope(StrEnum):
    """What a reported total counts over."""

    UNKNOWN = "UNKNOWN"
    CUSTOMER = "CUSTOMER"
    SUBSCRIPTION = "SUBSCRIPTION"


class OrderStatus(StrEnum):
    """How far an order is in terms of money. PLACED if the platform gives no status."""

    UNKNOWN = "UNKNOWN"
    PLACED = "PLACED"
    PENDING = "PENDING"
    PAID = "PAID"
    COMPLETED = "COMPLETED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


class SubscriptionStatus(StrEnum):
    """The state of a subscription."""

    UNKNOWN = "UNKNOWN"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    INACTIVE = "INACTIVE"
    DELETED = "DELETED"


class PaymentKind(StrEnum):
    """The kind of money movement or claim."""

    UNKNOWN = "UNKNOWN"
    TRANSACTION = "TRANSACTION"
    INVOICE = "INVOICE"
    PAYMENT = "PAYMENT"
    REFUND = "REFUND"
    CREDIT = "CREDIT"


class PaymentStatus(StrEnum):
    """How a payment ended."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"


class ShipmentStatus(StrEnum):
    """How far a shipment is."""

    UNKNOWN = "UNKNOWN"
    NEW = "NEW"
    IN_PRODUCTION = "IN_PRODUCTION"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


class SignalKind(StrEnum):
    """What became of an abandoned cart."""

    UNKNOWN = "UNKNOWN"
    ABANDONED = "ABANDONED"
    RECOVERED = "RECOVERED"
    RETRACTED = "RETRACTED"
    EXPIRED = "EXPIRED"


class ShopSettings(Record, frozen=True, kw_only=True):
    """The shop's settings that affect the tables, as they were at processing."""

    currency: str | None = None
    timezone: str
    abandon_after_s: int
    expire_after_s: int
    checkout_grace_s: int
    taxes_included: bool | None = None
    counts_as_sale: bool


class Meta(Record, frozen=True):
    """Where an event comes from, when it happened, and its order among its entity's events.

    Meta and Order may be built by position: msgspec searches all fields for each keyword, which
    dominates the cost of a record with so many.
    """

    event_id: str
    delivery_id: str
    source: str
    shop: str
    entity: str
    slot: str
    source_event: str
    change: Change
    occurred_at: Micros
    time_basis: TimeBasis
    version_at: Micros
    received_at: Micros
    raw_partition: int
    raw_offset: int
    raw_appended_at: Micros
    is_test: bool
    adapter_version: int
    settings: ShopSettings
    source_time: Micros | None = None
    import_id: str | None = None
    history_from: Micros | None = None


class CustomerRef(Record, frozen=True, kw_only=True):
    """The customer a record belongs to, without contact data."""

    customer_id: str | None = None
    email_hash: str | None = None
    accepts_marketing: bool | None = None


class LineItem(Record, frozen=True, kw_only=True):
    """One line of a cart, an order or a shipment."""

    line_id: str | None = None
    product_id: str | None = None
    variant_id: str | None = None
    sku: str | None = None
    name: str | None = None
    quantity: int | None = None
    unit_price: Decimal | None = None
    line_total: Decimal | None = None
    discount: Decimal | None = None
    tax: Decimal | None = None
    is_gift_card: bool | None = None
    status_word: str | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class Refund(Record, frozen=True, kw_only=True):
    """One refund of an order; only SUCCEEDED ones count, lines and money by the same rule."""

    refund_id: str | None = None
    status: PaymentStatus = PaymentStatus.UNKNOWN
    status_word: str | None = None
    refunded_at: Micros | None = None
    amount: Decimal | None = None
    goods: Decimal | None = None
    tax: Decimal | None = None
    shipping: Decimal | None = None


class ReportedTotals(Record, frozen=True, kw_only=True):
    """Running totals that the platform itself keeps. The newest counts; they are never summed."""

    scope: Scope = Scope.UNKNOWN
    scope_id: str | None = None
    revenue: Decimal | None = None
    refunded: Decimal | None = None
    orders_count: int | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN


class Contact(Record, frozen=True, kw_only=True):
    """Personal data, contained in no other record."""

    title: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None


class Cart(Record, frozen=True, kw_only=True):
    """A cart at one moment, as reported by its platform."""

    meta: Meta
    cart_id: str
    cart_token: str | None = None
    customer: CustomerRef | None = None
    abandoned: bool
    created_at: Micros | None = None
    updated_at: Micros | None = None
    items: tuple[LineItem, ...] | None = None
    total: Decimal | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class Order(Record, frozen=True):
    """An order at one moment, as reported by its platform. Only the codec builds it by position."""

    meta: Meta
    order_id: str
    order_number: str | None = None
    customer: CustomerRef | None = None
    cart_id: str | None = None
    cart_token: str | None = None
    subscription_id: str | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    status_word: str | None = None
    fulfillment_word: str | None = None
    is_draft: bool | None = None
    placed_at: Micros | None = None
    created_at: Micros | None = None
    updated_at: Micros | None = None
    cancelled_at: Micros | None = None
    items: tuple[LineItem, ...] | None = None
    items_total: Decimal | None = None
    discount_total: Decimal | None = None
    tax_total: Decimal | None = None
    shipping_total: Decimal | None = None
    total: Decimal | None = None
    paid_total: Decimal | None = None
    refunded_total: Decimal | None = None
    refunded_goods: Decimal | None = None
    gift_card_redeemed: Decimal | None = None
    taxes_included: bool | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN
    successful_transactions: int | None = None
    next_billing_at: Micros | None = None
    reported: tuple[ReportedTotals, ...] = ()
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    refunds: tuple[Refund, ...] | None = None
    cleared: tuple[str, ...] = ()


class Customer(Record, frozen=True, kw_only=True):
    """A customer at one moment, as reported by its platform."""

    meta: Meta
    customer_id: str
    email_hash: str | None = None
    contact: Contact | None = None
    accepts_marketing: bool | None = None
    created_at: Micros | None = None
    updated_at: Micros | None = None
    state_word: str | None = None
    credit_balance: Decimal | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN
    has_active_subscription: bool | None = None
    reported: tuple[ReportedTotals, ...] = ()
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class CustomerContact(Record, frozen=True, kw_only=True):
    """A customer's contact data at one moment, as its platform gives it."""

    meta: Meta
    customer_id: str
    contact: Contact
    email_hash: str | None = None


class Subscription(Record, frozen=True, kw_only=True):
    """A subscription at one moment, as reported by its platform."""

    meta: Meta
    subscription_id: str
    native_id: str | None = None
    customer: CustomerRef | None = None
    status: SubscriptionStatus = SubscriptionStatus.UNKNOWN
    is_active: bool | None = None
    is_paused: bool | None = None
    plan_id: str | None = None
    plan_name: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN
    interval: str | None = None
    interval_count: int | None = None
    created_at: Micros | None = None
    started_at: Micros | None = None
    ended_at: Micros | None = None
    next_billing_at: Micros | None = None
    successful_transactions: int | None = None
    reported: tuple[ReportedTotals, ...] = ()
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class Payment(Record, frozen=True, kw_only=True):
    """A transaction, an invoice or a credit. Net revenue is not computed from these."""

    meta: Meta
    payment_id: str
    kind: PaymentKind = PaymentKind.UNKNOWN
    status: PaymentStatus = PaymentStatus.UNKNOWN
    status_word: str | None = None
    order_id: str | None = None
    subscription_id: str | None = None
    customer: CustomerRef | None = None
    amount: Decimal | None = None
    currency: str | None = None
    currency_source: CurrencySource = CurrencySource.UNKNOWN
    method_word: str | None = None
    created_at: Micros | None = None
    updated_at: Micros | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    refunded_amount: Decimal | None = None


class Shipment(Record, frozen=True, kw_only=True):
    """A parcel, or a box of a subscription, on its way."""

    meta: Meta
    shipment_id: str
    order_id: str | None = None
    subscription_id: str | None = None
    customer: CustomerRef | None = None
    status: ShipmentStatus = ShipmentStatus.UNKNOWN
    status_word: str | None = None
    tracking_number: str | None = None
    carrier: str | None = None
    items: tuple[LineItem, ...] | None = None
    created_at: Micros | None = None
    updated_at: Micros | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class Consent(Record, frozen=True, kw_only=True):
    """A customer's consent to be contacted, or its withdrawal."""

    meta: Meta
    consent_id: str
    customer: CustomerRef | None = None
    granted: bool | None = None
    channel: str | None = None
    status_word: str | None = None
    created_at: Micros | None = None
    updated_at: Micros | None = None
    attributes: dict[str, str] = msgspec.field(default_factory=dict)


class CartSignal(Record, frozen=True, kw_only=True):
    """A change in the life of an abandoned cart, found by the sinks. Sent once, ordered by cart."""

    signal_id: str
    kind: SignalKind = SignalKind.UNKNOWN
    cart_key: str
    generation: int
    source: str
    shop: str
    customer_key: str | None = None
    person_key: str | None = None
    is_contactable: bool | None = None
    abandoned_at: Micros
    occurred_at: Micros
    detected_at: Micros
    cart_value: Decimal | None = None
    currency: str | None = None
    item_count: int | None = None
    order_key: str | None = None
    recovered_value: Decimal | None = None
    is_test: bool
    source_event_id: str


AttributedEvent = Cart | Order | Customer | Subscription | Payment | Shipment | Consent
"""An event that keeps further fields of its payload as attributes."""
Event = AttributedEvent | CustomerContact

RECORDS: dict[str, type[Record]] = {
    "carts": Cart,
    "orders": Order,
    "customers": Customer,
    "subscriptions": Subscription,
    "payments": Payment,
    "shipments": Shipment,
    "consents": Consent,
    "contacts": CustomerContact,
    "cart-signals": CartSignal,
}
"""Base name of a topic -> its record."""

TOPIC_OF: dict[type[Record], str] = {record: name for name, record in RECORDS.items()}
"""Record -> the base name of the topic it goes to."""
