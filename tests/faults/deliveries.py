"""Numbered deliveries of several platforms whose rows are known before they are sent.

    number % 4   platform      what                    outcomes
    0            Run Free      an order                order
    1            Shoprocket    a paid order            order, payment
    2            Spiffy        a fulfilled order       order, customer, shipment-1
    3            Shoprocket    an abandoned cart       cart

Of every second cart its customer comes back: the Shoprocket order two numbers before it is
theirs, placed after the cart was given up.
"""

import hmac
import json
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from processors import dedupe
from tests.senders import request

TOKEN = "a-token-of-the-tests"
KEY = "a-key-of-the-tests"
CUSTOMERS = 10_007
KINDS = 4
PAIRED = 2 * KINDS
"""Deliveries within which each cart has its order, if it gets one."""
SLOTS = (
    ("order",),
    ("order", "payment"),
    ("order", "customer", "contact", "shipment-1"),
    ("cart",),
)
ADDED = "run-free/added"
"""A shop that ``shops_toml`` has only where it is asked for."""
_SHOPS = (
    ("run-free", "lakeside", TOKEN, "USD"),
    ("shoprocket", "corner", TOKEN, "GBP"),
    ("spiffy", "johns", KEY, "EUR"),
)
_SHOP = ("run-free/lakeside", "shoprocket/corner", "spiffy/johns", "shoprocket/corner")


def shops_toml(window: int | None = None, *, with_added: bool = False) -> str:
    """The shops file; ``window``: seconds in which a repeat is one, where it is not the usual."""
    shops = _SHOPS + ((*ADDED.split("/"), TOKEN, "USD"),) * with_added
    said = ""
    if window is not None:
        said = f'window = "{window}s"\nstate_retry_window = "{window}s"\n'
    return "\n".join(
        f"""[[shops]]
source = "{source}"
id = "{shop}"
secrets = ["{secret}"]
currency = "{currency}"
{said}"""
        for source, shop, secret, currency in shops
    )


@dataclass(frozen=True)
class Numbered:
    """Delivery ``number`` of a storm that began at ``began``."""

    number: int
    began: datetime

    @property
    def kind(self) -> int:
        return self.number % KINDS

    @property
    def slots(self) -> tuple[str, ...]:
        return SLOTS[self.kind]

    @property
    def shop(self) -> str:
        return _SHOP[self.kind]

    @property
    def subtotal(self) -> Decimal:
        """What an order adds to its customer's net."""
        return Decimal(self.number % 500) + Decimal("10.25")

    @property
    def entity(self) -> str:
        kind = "cart:crt" if self.kind == KINDS - 1 else "order:ord"
        native = f"order:{self.number}" if self.kind in (0, 2) else f"{kind}_{self.number}"
        return f"{self.shop}/{native}"

    @property
    def is_recovering(self) -> bool:
        """Whether this is the order of a customer who gave up a cart before."""
        return self.kind == 1 and self.number % PAIRED == 1

    @property
    def email(self) -> str:
        if self.kind == 3 or self.is_recovering:
            cart = self.number + 2 if self.is_recovering else self.number
            return f"cart{cart}@example.org"
        return f"c{self.number % CUSTOMERS}@example.org"

    @cached_property
    def digest(self) -> bytes:
        """What the index headers of its outcomes carry."""
        event = ("order/created", "order.created", "orders/fulfilled", "cart.abandoned")[self.kind]
        source, _, shop = self.shop.partition("/")
        return dedupe.digest(source, shop, event, "", self.body)

    def request(self, host: str) -> bytes:
        """The whole HTTP request, proved as its platform proves."""
        path, headers, body = f"/hooks/{self.shop}", {}, self.body
        if self.kind == 2:
            headers["X-Spiffy-Topic"] = "orders/fulfilled"
            proof = hmac.digest(KEY.encode(), body, "sha256")
            headers["X-Spiffy-Hmac-Sha256"] = b64encode(proof).decode()
        else:
            path += f"/{TOKEN}"
        return request(host, path, headers, body)

    @property
    def body(self) -> bytes:
        make = (self._run_free, self._paid, self._fulfilled, self._abandoned)[self.kind]
        return make().encode()

    def _at(self, ago: timedelta) -> str:
        return (self.began - ago).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"

    def _run_free(self) -> str:
        cost = str(self.subtotal)
        customer = {"id": self.number % CUSTOMERS, "email": self.email}
        item = {"id": self.number, "productId": 7, "quantity": 1, "sku": "s", "type": "product"}
        data = {
            "id": self.number,
            "customer": customer,
            "ordered": self._at(timedelta()),
            "taxes": 0,
            "discount": 0,
            "giftCard": 0,
        }
        text = json.dumps({"type": "order", "action": "created", "data": data})
        # Money exactly as written: json would pass it through a float.
        items = json.dumps([item])[:-2] + f', "cost": {cost}}}]'
        return text[:-2] + f', "subtotal": {cost}, "items": {items}}}}}'

    def _envelope(self, word: str, ago: timedelta, data: dict[str, object]) -> str:
        pence = {"amount": int(self.subtotal * 100), "currency": "GBP"}
        item = {"id": f"itm_{self.number}", "productId": "prod_1", "quantity": 1}
        told = {
            "currency": "GBP",
            "totals": {"subtotal": pence, "total": pence},
            "customer": {"email": self.email},
            "items": [{**item, "price": pence, "subtotal": pence}],
        }
        return json.dumps(
            {
                "id": f"evt_{self.number}",
                "type": word,
                "createdAt": self._at(ago),
                "storeId": "str_1",
                "data": {**told, **data},
            }
        )

    def _paid(self) -> str:
        payment = {"id": f"pay_{self.number}", "amount": int(self.subtotal * 100)}
        data: dict[str, object] = {
            "id": f"ord_{self.number}",
            "orderNumber": str(self.number),
            "status": "paid",
            "payment": {**payment, "currency": "GBP", "status": "succeeded", "method": "card"},
        }
        if self.is_recovering:
            data["cartId"] = f"crt_{self.number + 2}"
        return self._envelope("order.created", timedelta(hours=1), data)

    def _abandoned(self) -> str:
        data: dict[str, object] = {
            "id": f"crt_{self.number}",
            "createdAt": self._at(timedelta(hours=3)),
        }
        return self._envelope("cart.abandoned", timedelta(hours=2), data)

    def _fulfilled(self) -> str:
        at, price = self._at(timedelta()), str(self.subtotal)
        line = {"id": self.number, "product_id": 7, "quantity": 1, "price": price, "sku": "s"}
        return json.dumps(
            {
                "id": self.number,
                "order_number": self.number,
                "email": self.email,
                "created_at": at,
                "updated_at": at,
                "financial_status": "paid",
                "fulfillment_status": "fulfilled",
                "currency": "EUR",
                "total_line_items_price": price,
                "total_discounts": "0.00",
                "total_tax": "0.00",
                "taxes_included": False,
                "total_price": price,
                "customer": {
                    "id": self.number % CUSTOMERS,
                    "email": self.email,
                    "created_at": "2020-01-01T00:00:00Z",
                    "updated_at": at,
                },
                "line_items": [line],
                "fulfillments": [
                    {
                        "id": self.number,
                        "status": "success",
                        "created_at": at,
                        "updated_at": at,
                        "tracking_number": f"T{self.number}",
                        "line_items": [line],
                    }
                ],
            }
        )


@dataclass(frozen=True)
class AddedLater(Numbered):
    """An order of a shop that is added to the shops file during the storm; its kind is 0."""

    @property
    def shop(self) -> str:
        return ADDED


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that deliveries must end in.

    ``lifetime``: (shop, currency) -> sorted (orders, net) of its customers. ``carts``: cart key
    -> status.
    """

    lifetime: dict[tuple[str, str], list[tuple[int, Decimal]]]
    carts: dict[str, str]


def rows_of(deliveries: Iterable[Numbered]) -> Rows:
    """The rows, computed beside the pipeline: each delivery counts once."""
    orders: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    net: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    carts: dict[str, str] = {}
    recovered = set()
    for delivery in deliveries:
        if delivery.kind == KINDS - 1:
            carts[delivery.entity] = "ABANDONED"
            continue
        place = (delivery.shop, ("USD", "GBP", "EUR")[delivery.kind])
        orders[place][delivery.email] += 1
        net[*place, delivery.email] += delivery.subtotal
        if delivery.is_recovering:
            recovered.add(f"{_SHOP[3]}/cart:crt_{delivery.number + 2}")
    for key in recovered & carts.keys():
        carts[key] = "RECOVERED"
    lifetime = {
        place: sorted((count, net[*place, email]) for email, count in of.items())
        for place, of in orders.items()
    }
    return Rows(lifetime, carts)
