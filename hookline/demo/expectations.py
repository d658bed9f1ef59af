"""The rows and figures that the tables must hold after the demo."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hookline.demo.script import CART_TOKEN, NEW_ORDER, OLD_ORDER, WANDERER
from hookline.tables.queries import Reader

D = Decimal


@dataclass(frozen=True, slots=True)
class Expectation:
    """A query and the only row that it must return, with a description for people."""

    description: str
    query: str
    arguments: tuple[Any, ...]
    expected: tuple[Any, ...]

    def actual(self, reader: Reader) -> tuple[Any, ...] | None:
        """The first row of the answer, None if there is none."""
        rows = reader.query(self.query, self.arguments).rows
        return tuple(rows[0]) if rows else None

    def holds(self, reader: Reader) -> bool:
        """Whether the actual row is the expected one."""
        return self.actual(reader) == self.expected


def _order(description: str, key: str, columns: str, *expected: Any) -> Expectation:
    query = f"SELECT {columns} FROM orders WHERE order_key = %s"  # noqa: S608 - our own names
    return Expectation(description, query, (key,), expected)


def _cart(description: str, key: str, columns: str, *expected: Any) -> Expectation:
    query = f"SELECT {columns} FROM abandoned_carts WHERE cart_key = %s ORDER BY generation DESC"  # noqa: S608 - our own names
    return Expectation(description, query, (key,), expected)


def _customer(description: str, key: str, columns: str, *expected: Any) -> Expectation:
    query = f"SELECT {columns} FROM customer_lifetime_value WHERE customer_key = %s"  # noqa: S608 - our own names
    return Expectation(description, query, (key,), expected)


_RUN_FREE = "run-free/lakeside"
_CART_1 = f"{_RUN_FREE}/cart:1"
_CART_SPIFFY = f"spiffy/johns/cart:{CART_TOKEN}"
_CUSTOMER_1 = f"{_RUN_FREE}/customer:1"
_MONEY = "currency, gross, discounts, taxes, shipping, net"
_GOOTEN = "gooten/prints/order:7-501853e1-8d78-4e1e-83a0-be9fb432efe1"

BY_TIMER = (
    _cart(
        "customer 1's cart is abandoned: detected by inactivity",
        _CART_1,
        "status, detection, item_count, cart_value, currency, order_key",
        *("ABANDONED", "TIMER", 1, None, "USD", None),
    ),
    _cart(
        "the T-shirts are abandoned: 3 units, 59.97",
        _CART_SPIFFY,
        "status, detection, item_count, cart_value, currency",
        *("ABANDONED", "TIMER", 3, D("59.97"), "GBP"),
    ),
)
"""After the first deliveries and a few seconds of inactivity."""

AFTER_OLD_ORDER = (
    _customer(
        "customer 1: 130.00 - 26.00 = 104.00 net, tax 8.32 apart",
        _CUSTOMER_1,
        "orders_count, gross, discounts, taxes, net",
        *(1, D(130), D(26), D("8.32"), D(104)),
    ),
    _cart(
        "an order of 2024 closes no cart of today",
        _CART_1,
        "status, detection, order_key",
        *("ABANDONED", "TIMER", None),
    ),
)

AT_THE_END = (
    _order(
        "Run Free 448725: 130.00 - 26.00 = 104.00 net, tax 8.32 apart, no shipping given",
        f"{_RUN_FREE}/order:{OLD_ORDER}",
        _MONEY,
        *("USD", D(130), D(26), D("8.32"), None, D(104)),
    ),
    _customer(
        "customer 1 after the second order: 208.00 net",
        _CUSTOMER_1,
        "orders_count, gross, discounts, taxes, net",
        *(2, D(260), D(52), D("16.64"), D(208)),
    ),
    _cart(
        "customer 1's cart is recovered by that order",
        _CART_1,
        "status, detection, order_key, recovered_value",
        *("RECOVERED", "TIMER", f"{_RUN_FREE}/order:{NEW_ORDER}", D(104)),
    ),
    Expectation(
        "the T-shirts are recovered, by the order with their cart's token",
        "SELECT c.status, c.item_count, c.cart_value, c.order_key = o.order_key "
        "FROM abandoned_carts c JOIN orders o ON o.cart_token = %s WHERE c.cart_key = %s",
        (CART_TOKEN, _CART_SPIFFY),
        ("RECOVERED", 3, D("59.97"), True),
    ),
    Expectation(
        "a cart that goes A, B, A is three changes",
        "SELECT count(*) FROM cart_activity WHERE cart_key = %s",
        (f"{_RUN_FREE}/cart:{WANDERER}",),
        (3,),
    ),
    _order(
        "Shoprocket 716 as published: stored, marked as a test",
        "shoprocket/corner/order:716",
        "is_test, standing, items_total, shipping_total, total",
        *(True, "TEST", D(12), D("9.95"), D("21.95")),
    ),
    _customer(
        "live as 717 and pending: 12.00 pending; as 718 and paid: 12.00 net, shipping 9.95 apart",
        "shoprocket/corner/customer:568",
        "orders_count, pending_revenue, net, shipping, currency",
        *(1, D(12), D(12), D("9.95"), "USD"),
    ),
    _order(
        "Ciklik 230129: 50.00 EUR net",
        "ciklik/winebox/order:230129",
        "currency, gross, discounts, net, is_renewal",
        *("EUR", D(50), D(0), D(50), False),
    ),
    _order(
        "Ciklik 230102: 20.00 - 20.00 = 0.00 net, a renewal",
        "ciklik/winebox/order:230102",
        "currency, gross, discounts, net, is_renewal",
        *("EUR", D(20), D(20), D(0), True),
    ),
    _cart(
        "a cart that Ciklik reports abandoned: no price given, no value",
        "ciklik/winebox/cart:1042077",
        "status, detection, cart_value, currency",
        *("ABANDONED", "PLATFORM", None, "EUR"),
    ),
    _order(
        "Gooten's order: stored, not a sale",
        _GOOTEN,
        "standing, total, shipping_total, currency",
        *("NOT_A_SALE", D("108.91"), D("15.61"), "USD"),
    ),
    Expectation(
        "Gooten's parcel is in shipments",
        "SELECT count(*) FROM shipments WHERE source = 'gooten' AND tracking_number = %s",
        ("9400115901344442556597",),
        (1,),
    ),
    Expectation(
        "Gooten is in no lifetime value",
        "SELECT count(*) FROM customer_lifetime_value WHERE source = 'gooten'",
        (),
        (0,),
    ),
)
