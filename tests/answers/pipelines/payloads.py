"""Orders, refunds and carts of five platforms, as their payloads give them.

For the two pipelines written in Python. Amounts are exact; times are microseconds since the epoch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.answers.answer import Shop
from tests.answers.deliveries import Body, Delivery

ZERO = Decimal(0)
PAID = {"paid", "processing", "completed", "partially_refunded", "refunded"}
CANCELLED = {"cancelled", "canceled", "voided", "failed", "canceledrefunded", "billed refunded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order in one delivery. ``goods``: what was paid for them, without tax and shipping.

    ``refunds``: what was paid back, by the refund's id. ``cart``: key of the cart that it names.
    """

    key: str
    customer: str = ""
    currency: str = ""
    status: str = ""
    placed_at: int = 0
    goods: Decimal = ZERO
    refunds: dict[str, Decimal] = field(default_factory=dict)
    cart: str | None = None
    is_test: bool = False
    is_deleted: bool = False

    @property
    def is_sale(self) -> bool:
        """Whether it is paid for, and was not taken back."""
        return self.status in PAID and not self.is_test and not self.is_deleted


@dataclass(frozen=True, slots=True)
class Repayment:
    """What a transaction of an order has paid back so far."""

    order: str
    number: str
    money: Decimal


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart in one delivery. ``is_reported``: the platform reports it as abandoned."""

    key: str
    items: int
    is_reported: bool


def read(delivery: Delivery, shop: Shop) -> Order | Repayment | Cart | None:
    """Return what a delivery is about; None for everything else."""
    body, prefix = delivery.body, delivery.shop
    if body is None:
        return None
    match delivery.source:
        case "spiffy":
            return _spiffy(body, delivery.event, prefix)
        case "run-free":
            return _run_free(body, prefix, shop)
        case "shoprocket":
            return _envelope(body, prefix) if "livemode" in body else _shoprocket(body, prefix)
        case "ciklik":
            return _ciklik(body, delivery.event, prefix, shop)
    return _gooten(body, prefix, delivery.received_at)


def owner(delivery: Delivery) -> str | None:
    """Return the customer by whom orders find a cart; None where they name the cart itself."""
    body = delivery.body or {}
    if delivery.source == "ciklik":
        return f"{delivery.shop}/customer:{body['user_id']}"
    if delivery.source == "shoprocket":
        buyer = body["data"]["customer"]
        return _customer(delivery.shop, buyer.get("id"), buyer["email"])
    return None


def money(value: Any) -> Decimal:
    """Read an amount: a number, or a text such as ``1 234,50``."""
    return Decimal(str(value or 0).replace(" ", "").replace(",", "."))


def _sum(values: Iterable[Any]) -> Decimal:
    return sum((money(value) for value in values), ZERO)


def at(text: str | None) -> int:
    """Read a time; one without a zone is in UTC."""
    if not text:
        return 0
    read_ = datetime.fromisoformat(text)
    return round((read_ if read_.tzinfo else read_.replace(tzinfo=UTC)).timestamp() * 1e6)


def _customer(prefix: str, number: Any, email: str | None) -> str:
    return f"{prefix}/customer:{number}" if number else f"{prefix}/guest:{(email or '').lower()}"


def _spiffy(body: Body, event: str, prefix: str) -> Order | Cart | None:
    topic = event.partition("/")[0]
    if topic == "carts":
        items = sum(int(line["quantity"]) for line in body["line_items"])
        return Cart(f"{prefix}/cart:{body['token']}", items, is_reported=False)
    if topic != "orders":
        return None
    key = f"{prefix}/order:{body['id']}"
    if event == "orders/delete":
        return Order(key=key, is_deleted=True)
    shipping = _sum(line["price"] for line in body["shipping_lines"])
    token = body["cart_token"]
    return Order(
        key=key,
        customer=_customer(prefix, (body["customer"] or {}).get("id"), body["email"]),
        currency=body["currency"],
        status="cancelled" if body["cancelled_at"] else body["financial_status"],
        placed_at=at(body["created_at"]),
        goods=money(body["total_price"]) - money(body["total_tax"]) - shipping,
        refunds={
            str(refund["id"]): _sum(
                paid["amount"] for paid in refund["transactions"] if paid["status"] == "success"
            )
            for refund in body["refunds"]
        },
        cart=f"{prefix}/cart:{token}" if token else None,
        is_test=body["test"],
    )


def _run_free(body: Body, prefix: str, shop: Shop) -> Order | Cart | None:
    data = body["data"]
    if body["type"] == "cart":
        items = sum(int(line["quantity"]) for line in data["items"])
        return Cart(f"{prefix}/cart:{data['customer']['id']}", items, is_reported=False)
    if body["type"] != "order":
        return None
    tax = money(data["taxes"]) if shop.prices_include_tax else ZERO
    return Order(
        key=f"{prefix}/order:{data['id']}",
        customer=_customer(prefix, data["customer"]["id"], data["customer"]["email"]),
        currency=shop.currency,
        status="paid",
        placed_at=at(data["ordered"]),
        goods=money(data["subtotal"]) - money(data["discount"]) - tax,
        cart=f"{prefix}/cart:{data['customer']['id']}",
    )


def _shoprocket(body: Body, prefix: str) -> Order | None:
    data = body["data"]
    if not body["type"].startswith("order."):
        return None
    marks = (
        body["webhook_environment"],
        data["store_environment"],
        data["payment_payload"]["livemode"],
    )
    goods = money(data["total_amount"]) - money(data["tax_amount"]) - money(data["shipping_amount"])
    return Order(
        key=f"{prefix}/order:{data['id']}",
        customer=_customer(prefix, data["customer_id"], data["email"]),
        currency=data["currency_paid_in"],
        status=data["status_raw"],
        placed_at=at(data["created_at"]),
        goods=goods,
        is_test="test" in marks,
        is_deleted=bool(data["deleted_at"]),
    )


def _envelope(body: Body, prefix: str) -> Order | Cart | None:
    data = body["data"]
    if body["type"] == "cart.abandoned":
        items = sum(int(line["quantity"]) for line in data["items"])
        return Cart(f"{prefix}/cart:{data['id']}", items, is_reported=True)
    if not body["type"].startswith("order."):
        return None
    key = f"{prefix}/order:{data['id']}"
    if body["type"] == "order.deleted":
        return Order(key=key, is_deleted=True)
    totals = {name: Decimal(part["amount"]).scaleb(-2) for name, part in data["totals"].items()}
    cart = data.get("cartId")
    return Order(
        key=key,
        customer=_customer(prefix, data["customer"].get("id"), data["customer"]["email"]),
        currency=data["currency"],
        status="cancelled" if data["cancelledAt"] else data["status"],
        placed_at=at(data["createdAt"]),
        goods=totals["total"] - totals["tax"] - totals["shipping"],
        refunds={
            refund["id"]: Decimal(refund["amount"]["amount"]).scaleb(-2)
            for refund in data.get("refunds", ())
            if refund["status"] == "succeeded"
        },
        cart=f"{prefix}/cart:{cart}" if cart else None,
        is_test=not body["livemode"],
    )


def _ciklik(body: Body, event: str, prefix: str, shop: Shop) -> Order | Repayment | Cart | None:
    if event == "abandoned_cart":
        return Cart(f"{prefix}/cart:{body['cart_id']}", 1, is_reported=True)
    if event.endswith("_checkouttransaction"):
        order = f"{prefix}/order:{body['order_id']}"
        return Repayment(order, str(body["id"]), money(body["amount_refunded"]))
    if not event.endswith("_checkoutorder"):
        return None
    paid, tax = money(body["total_paid"]), money(body["total_tax_paid"])
    return Order(
        key=f"{prefix}/order:{body['order_id']}",
        customer=_customer(prefix, body["user_id"], body["email"]),
        currency=shop.currency,
        status=body["status"],
        placed_at=at(body["created_at"]),
        goods=paid - tax - money(body["total_shipping_paid"]),
    )


def _gooten(body: Body, prefix: str, received_at: int) -> Order:
    status = body["Items"][0]["Status"].lower()
    gone = status in CANCELLED
    return Order(
        key=f"{prefix}/order:{body['Id']}",
        customer=_customer(prefix, None, body["ShippingAddress"]["Email"]),
        currency=body["Total"]["CurrencyCode"],
        status="cancelled" if gone else "paid",
        placed_at=received_at,
        goods=money(body["Total"]["Price"]) - money(body["ShippingTotal"]["Price"]),
        is_test=status == "test",
    )
