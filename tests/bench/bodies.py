"""What is sent through the stages: carts of 765 bytes, orders of two lines, settled history."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.sources import prove
from schemas import envelopes as names
from schemas.envelopes import Headers
from schemas.keys import entity_key
from schemas.shops import Shop, parse
from tests.senders import request

CART_BYTES = 765
UPDATES = 4
"""Times that each cart is told, and orders that each customer places."""
SECRET = "a-secret-of-the-bench"
SHOPS_TOML = f"""
[[shops]]
source = "spiffy"
id = "johns"
secrets = ["{SECRET}"]
currency = "GBP"

[[shops]]
source = "run-free"
id = "lakeside"
secrets = ["{SECRET}"]
currency = "USD"
"""
SHOPS: dict[tuple[str, str], Shop] = parse(SHOPS_TOML)

Record = tuple[bytes, bytes, Headers]
"""Key, value and headers."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of delivery: how its platform would send the one with a number."""

    source: str
    shop: str
    event: str
    noun: str

    def native(self, number: int) -> str:
        """The entity's id."""
        return f"{number // UPDATES:032x}" if self.noun == "cart" else f"{number}"

    def body(self, number: int) -> bytes:
        """The body with this number; no two are alike."""
        return _cart(number) if self.noun == "cart" else _order(number)

    def key(self, number: int) -> bytes:
        """The raw key."""
        return entity_key(self.source, self.shop, self.noun, self.native(number)).encode()

    def raw(self, number: int) -> Record:
        """The delivery as the ingress appends it."""
        said = headers_of(number, self.source, self.shop, self.event)
        return self.key(number), self.body(number), said

    def request(self, number: int, host: str) -> bytes:
        """The delivery as its platform sends it, proof and all."""
        body = self.body(number)
        shop = SHOPS[self.source, self.shop]
        path, headers = prove(shop, SECRET.encode(), body, self.event)
        return request(host, path, headers, body)


CARTS = Kind("spiffy", "johns", "carts/update", "cart")
ORDERS = Kind("run-free", "lakeside", "order/created", "order")


def headers_of(number: int, source: str, shop: str, event: str) -> Headers:
    """What the ingress notes of a delivery."""
    return [
        (names.DELIVERY, str(uuid.UUID(int=number)).encode()),
        (names.SOURCE, source.encode()),
        (names.SHOP, shop.encode()),
        (names.EVENT, event.encode()),
        (names.RECEIVED_US, b"%d" % (time.time_ns() // 1000)),
        (names.CONTENT_TYPE, b"application/json"),
        (names.CONTENT_ENCODING, b"identity"),
        (names.QUERY, b""),
    ]


def _cart(number: int) -> bytes:
    cart, quantity = f"{number // UPDATES:032x}", number % UPDATES + 1
    line: dict[str, Any] = {
        "id": 1234567,
        "properties": {},
        "quantity": quantity,
        "variant_id": 1234567,
        "key": "1234567:f816dcc3b2e26822a28626a786eac953",
        "title": "Example T-Shirt - ",
        "price": "19.99",
        "original_price": "19.99",
        "discounted_price": "19.99",
        "line_price": f"{19.99 * quantity:.2f}",
        "original_line_price": f"{19.99 * quantity:.2f}",
        "total_discount": "0.00",
        "discounts": [],
        "sku": "example-shirt-s",
        "grams": 200,
        "vendor": "Acme",
        "product_id": 327475578523353102,
        "gift_card": False,
    }
    told: dict[str, Any] = {"id": cart, "token": cart, "line_items": [line]}
    line["title"] += "x" * (CART_BYTES - len(json.dumps(told)))
    return json.dumps(told).encode()


def _order(number: int) -> bytes:
    customer = number // UPDATES
    # Each its own: an order is told once, and a customer places a few.
    items = [
        {
            "id": number * 2 + line, "productId": 134607 + line, "quantity": 1,
            "cost": 130 if line else 25.5, "sku": f"120296-{line}", "name": "W Adrenaline GTS 20",
            "type": "product", "taxes": 8.32,
        }
        for line in range(2)
    ]  # fmt: skip
    told = {
        "type": "order",
        "action": "created",
        "data": {
            "id": number,
            "customer": {"id": customer, "email": f"c{customer}@example.org"},
            "ordered": "2026-07-30T01:58:08.163Z",
            "subtotal": 155.5, "taxes": 16.64, "discount": 0, "giftCard": 0,
            "items": items,
        },
    }  # fmt: skip
    return json.dumps(told).encode()


# Deliveries that were settled long ago: what an index and an audit find in the log.


def settled_raws(count: int, body: bytes = b"{}", shops: int = 7) -> Iterator[Record]:
    """Raw records of ``count`` settled deliveries of one partition, from offset 0 on."""
    for offset in range(count):
        key = b"run-free/lakeside/order:%d" % offset
        yield (
            key,
            body,
            headers_of(offset, "run-free", f"lakeside-{offset % shops}", "order/created"),
        )


def settled_outcomes(
    count: int, slot: str, share: range = range(20), body: bytes = b""
) -> Iterator[Record]:
    """Their outcomes; ``share``: which of twenty deliveries have theirs in this slot."""
    now = b"%d" % (time.time_ns() // 1_000_000)
    for offset in range(count):
        if offset % 20 not in share:
            continue
        key = b"run-free/lakeside/order:%d" % offset
        headers: Headers = [
            (names.RAW_OFFSET, b"%d" % offset),
            (names.RAW_TIME, now),
            (names.SLOT, slot.encode()),
            (names.SLOTS, slot.encode()),
            (names.ENTITY, key),
            (names.DIGEST, uuid.uuid5(uuid.NAMESPACE_OID, str(offset)).bytes),
            (names.DELIVERY, str(uuid.UUID(int=offset)).encode()),
            (names.ADAPTER, b"1"),
        ]
        yield key, body, headers
