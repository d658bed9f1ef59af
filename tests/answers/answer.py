"""What every pipeline answers, and what all of them are given beside the deliveries."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hookline.simulate.world.facts import SimulatedShop

Customer = tuple[str, str]
"""Key of a customer, of a guest ``source/shop/guest:address``; and the currency."""
ABANDONED, RECOVERED = "abandoned", "recovered"


@dataclass(frozen=True, slots=True)
class Part:
    """What one order adds to its customer: how many orders, and what they are worth net."""

    customer: str
    currency: str
    orders: int
    net: Decimal | None


@dataclass(frozen=True, slots=True)
class Value:
    """A customer's row. ``net`` None: it cannot be known."""

    orders: int
    net: Decimal | None


@dataclass(slots=True)
class Answer:
    """The rows of a pipeline. ``carts``: key -> abandoned or recovered.

    ``parts``: key of an order -> what it adds. They serve to find the cause of a wrong row.
    """

    customers: dict[Customer, Value] = field(default_factory=dict)
    carts: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)


def summed(parts: Mapping[str, Part]) -> dict[Customer, Value]:
    """Add up orders by customer and currency; orders without a net are counted all the same."""
    orders: dict[Customer, int] = defaultdict(int)
    nets: dict[Customer, Decimal] = defaultdict(Decimal)
    for part in parts.values():
        key = part.customer, part.currency
        orders[key] += part.orders
        nets[key] += part.net or 0
    return {key: Value(count, nets[key]) for key, count in orders.items()}


@dataclass(frozen=True, slots=True)
class Shop:
    """The settings of a shop that whoever writes a pipeline knows. Limits are seconds."""

    key: str
    source: str
    currency: str
    prices_include_tax: bool | None
    counts_as_sale: bool
    abandon_after: int
    expire_after: int


def known(shops: tuple[SimulatedShop, ...]) -> dict[str, Shop]:
    """Return the settings by key."""
    return {
        each.key: Shop(
            each.key,
            each.source,
            each.currency,
            each.taxes_included,
            each.counts_as_sale,
            each.abandon_after,
            each.expire_after,
        )
        for each in shops
    }


def write_shops(path: Path, shops: Mapping[str, Shop]) -> None:
    """Write the settings for a pipeline that runs in another process, one shop a line."""
    path.write_bytes(b"".join(msgspec.json.encode(asdict(each)) + b"\n" for each in shops.values()))


def read_shops(path: Path) -> dict[str, Shop]:
    """Read what ``write_shops`` wrote."""
    shops = (msgspec.json.decode(line, type=Shop) for line in path.read_bytes().splitlines())
    return {each.key: each for each in shops}


def from_json(text: bytes) -> Answer:
    """Return the answer of a pipeline in another process.

    ``customers``: rows of (key, currency, orders, net); ``carts``: of (key, what); ``parts``: of
    (order, customer, currency, orders, net). Amounts are texts.
    """
    read: dict[str, list[list[Any]]] = msgspec.json.decode(text)
    return Answer(
        {
            (who, currency): Value(int(n), _amount(net))
            for who, currency, n, net in read["customers"]
        },
        dict(map(tuple, read["carts"])),
        {
            order: Part(who, currency, int(n), _amount(net))
            for order, who, currency, n, net in read["parts"]
        },
    )


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
