"""Facts of shops made by hand, for tests of the rules of the truth."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hookline.simulate.truth.expected import Expected, expected
from hookline.simulate.truth.received import Received
from hookline.simulate.world.facts import (
    DAY,
    SECOND,
    CartState,
    Change,
    Customer,
    CustomerState,
    Fact,
    Line,
    Micros,
    OrderState,
    Paid,
    Refund,
    SimulatedShop,
)

NOON: Micros = 1_772_366_400 * SECOND
"""2026-03-01T12:00:00Z."""
LATER: Micros = NOON + 40 * DAY
D = Decimal
NONE = D(0)


def shop(source: str = "spiffy", kind: str = "json", **changes: Any) -> SimulatedShop:
    """A shop whose carts are abandoned after 60 s and expire after 10 minutes more."""
    settings: dict[str, Any] = {
        "source": source,
        "id": f"sim-1-{source}",
        "format": kind,
        "secret": "s",
        "currency": "EUR",
        "timezone": "UTC",
        "abandon_after": 60,
        "expire_after": 600,
        "checkout_grace": 30,
    }
    return SimulatedShop(**settings | changes)


SPIFFY, RUN_FREE = shop(), shop("run-free")
CIKLIK, GOOTEN = shop("ciklik"), shop("gooten")
OLDER, ENVELOPE = shop("shoprocket", "older"), shop("shoprocket", "envelope")


def customer(of: SimulatedShop = SPIFFY, number: int | None = 7, email: str = "") -> Customer:
    """A customer who registered at noon."""
    address = email or f"buyer{number}@example.com"
    return Customer(shop=of, number=number, email=address, name="A B", created_at=NOON)


def line(variant: int = 1, price: str = "10.00", units: int = 1, **changes: Any) -> Line:
    """A line; product and number are those of its variant."""
    return Line(
        number=variant,
        product=100 + variant,
        variant=variant,
        sku=f"S{variant}",
        title="Mug",
        price=D(price),
        quantity=units,
        **changes,
    )


def order(of: SimulatedShop = SPIFFY, number: int = 1, **changes: Any) -> OrderState:
    """An order of two mugs for 20.00, without discount, tax and shipping; paid."""
    lines: Sequence[Line] = changes.get("lines", (line(units=2),))
    sums = {name: D(changes.get(name, 0)) for name in ("discount", "tax", "shipping")}
    inside = changes.get("is_tax_inside", False)
    total = sum((each.total for each in lines), D(0)) - sums["discount"] + sums["shipping"]
    made: dict[str, Any] = {
        "customer": customer(of),
        "shop": of,
        "number": number,
        "change": Change.CREATED,
        "reason": "placed",
        "placed_at": NOON,
        "changed_at": changes.get("placed_at", NOON),
        "paid": Paid.PAID,
        "lines": tuple(lines),
        "is_tax_inside": inside,
        "total": total + (D(0) if inside else sums["tax"]),
        **{name: changes.get(name, value) for name, value in sums.items()},
    }
    return OrderState(**made | changes | {name: D(value) for name, value in sums.items()})


def refund(number: int = 1, **changes: Any) -> Refund:
    """A refund of nothing, to be filled."""
    made: dict[str, Any] = {
        "number": number,
        "at": NOON + DAY,
        "outcome": "success",
        "units": {},
        "goods": NONE,
        "tax": None,
        "shipping": NONE,
        "money": None,
    }
    return Refund(**made | changes)


def cart(
    of: SimulatedShop = SPIFFY, lines: Sequence[Line] = (line(),), number: int = 5, **changes: Any
) -> CartState:
    """A state of a cart."""
    made: dict[str, Any] = {
        "customer": customer(of),
        "shop": of,
        "number": number,
        "change": Change.UPDATED,
        "opened_at": NOON,
        "changed_at": NOON,
        "lines": tuple(lines),
    }
    return CartState(**made | changes)


def state(of: SimulatedShop = SPIFFY, **changes: Any) -> CustomerState:
    """A customer's registration."""
    made: dict[str, Any] = {
        "customer": customer(of),
        "shop": of,
        "change": Change.CREATED,
        "changed_at": NOON,
    }
    return CustomerState(**made | changes)


def got(fact: Fact, seconds: float = 1, number: int = 1, spread: Micros = 0) -> Received:
    """A fact received so many seconds after noon, ``spread`` later at the latest."""
    at = NOON + int(seconds * SECOND)
    return Received(fact, at, at + spread, number)


def in_turn(*facts: Fact, every: float = 1) -> list[Received]:
    """Facts of one entity, received one after the other."""
    return [got(fact, every * number, number) for number, fact in enumerate(facts, start=1)]


def truth(received: Sequence[Received], as_of: Micros = LATER) -> Expected:
    """What the tables must hold, weeks later."""
    return expected(received, as_of)


def row_of(received: Sequence[Received], table: str, as_of: Micros = LATER) -> dict[str, Any]:
    """The only row of a table."""
    [row] = truth(received, as_of).tables[table].values()
    return dict(row)


def amount(value: Any) -> Decimal | None:
    """An expected amount with four decimals."""
    if value is None:
        return None
    return (D(value.value.numerator) / D(value.value.denominator)).quantize(D("0.0001"))


def amounts(row: dict[str, Any], *names: str) -> tuple[Decimal | None, ...]:
    """Expected amounts of a row."""
    return tuple(amount(row[name]) for name in names)
