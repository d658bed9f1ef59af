"""The export of a Spiffy shop with years of history, drawn from a seed."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

START = datetime(2019, 3, 1, tzinfo=UTC)
"""No customer of the export is older."""
DAYS = 5 * 365
ORDERS_EACH = 5
"""Orders of a customer, on average."""

Object = dict[str, Any]


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def customer(number: int, created: datetime) -> Object:
    return {
        "id": number,
        "email": f"c{number}@history.example",
        "first_name": "First",
        "last_name": f"Last{number}",
        "accepts_marketing": number % 3 == 0,
        "created_at": _time(created),
        "updated_at": _time(created + timedelta(days=1)),
    }


def order(number: int, owner: int, at: datetime, drawn: random.Random) -> Object:
    cents = [drawn.randint(500, 9_000) for _ in range(drawn.randint(1, 3))]
    goods = sum(cents)
    discount = goods // 10 if drawn.random() < 0.2 else 0
    data: Object = {
        "id": 10_000_000 + number,
        "order_number": number,
        "email": f"c{owner}@history.example",
        "customer": {"id": owner, "email": f"c{owner}@history.example"},
        "created_at": _time(at),
        "updated_at": _time(at + timedelta(hours=30)),
        "financial_status": "paid",
        "currency": "EUR",
        "taxes_included": False,
        "total_line_items_price": _money(goods),
        "total_discounts": _money(discount),
        "total_tax": "0.00",
        "total_price": _money(goods - discount),
        "cancelled_at": None,
        "line_items": [
            {"id": each, "product_id": each, "variant_id": each, "quantity": 1, "price": _money(c)}
            for each, c in enumerate(cents, start=1)
        ],
        "cart_token": f"t{number}",
    }
    fate = drawn.random()
    if fate < 0.05:
        back = cents[0]
        data["financial_status"] = "partially_refunded" if len(cents) > 1 else "refunded"
        data["refunds"] = [
            {
                "id": number,
                "created_at": _time(at + timedelta(hours=29)),
                "transactions": [
                    {"id": number, "kind": "refund", "status": "success", "amount": _money(back)}
                ],
                "refund_line_items": [{"line_item_id": 1, "quantity": 1, "subtotal": _money(back)}],
            }
        ]
    elif fate < 0.08:
        data["cancelled_at"] = _time(at + timedelta(hours=2))
    return data


def cart(number: int, at: datetime) -> Object:
    """A cart of an order: the shop's own list gives the time of its last change."""
    return {
        "id": f"t{number}",
        "token": f"t{number}",
        "updated_at": _time(at),
        "line_items": [
            {"id": 1, "key": "1", "variant_id": 1, "product_id": 1, "quantity": 1, "price": "9.00"}
        ],
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def shop(seed: int, customers: int, *, carts: int = 10) -> Iterator[tuple[str, Object]]:
    """Yield (topic, object) of each customer and then of each of its orders and carts.

    Every ``carts``-th order has its cart, two hours before; half of these carts never became one.
    """
    drawn, number = random.Random(seed), 0  # noqa: S311 - drawn, not secret
    for owner in range(1, customers + 1):
        created = START + timedelta(minutes=drawn.randrange(DAYS * 1_440))
        yield "customers/update", customer(owner, created)
        for _ in range(drawn.randint(1, 2 * ORDERS_EACH - 1)):
            number += 1
            at = created + timedelta(minutes=drawn.randrange(400 * 1_440))
            if number % carts == 0:
                yield "carts/update", cart(number, at - timedelta(hours=2))
                if number % (2 * carts) == 0:
                    continue
            yield "orders/updated", order(number, owner, at, drawn)


def write(path: Path, objects: Iterator[tuple[str, Object]]) -> int:
    """Write JSON Lines; return how many."""
    count = 0
    with path.open("w") as file:
        for _, each in objects:
            file.write(json.dumps(each, separators=(",", ":")) + "\n")
            count += 1
    return count
