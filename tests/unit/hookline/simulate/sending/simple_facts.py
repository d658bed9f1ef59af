"""Facts and payloads as small as can be, for tests of the sending."""

from decimal import Decimal

from hookline.simulate.payloads.payload import Payload
from hookline.simulate.world.facts import (
    CartState,
    Change,
    Customer,
    Fact,
    Line,
    OrderState,
    Paid,
    SimulatedShop,
    Step,
    entity_key,
)

ZERO = Decimal(0)
LINE = Line(
    number=1, product=7, variant=7, sku="seven", title="Seven", price=Decimal("5.00"), quantity=1
)


def shop(source: str, format: str = "json") -> SimulatedShop:  # noqa: A002 - the field's name
    return SimulatedShop(
        source=source,
        id=f"sim-1-{source}",
        format=format,
        secret="a-secret-of-the-tests-0123456789",
        currency="EUR",
        timezone="UTC",
        abandon_after=6,
        expire_after=60,
        checkout_grace=6,
    )


def customer(of: SimulatedShop) -> Customer:
    return Customer(shop=of, number=1, email="one@example.org", name="One", created_at=0)


def order(of: SimulatedShop, number: int, at: int, change: Change = Change.CREATED) -> OrderState:
    return OrderState(
        customer=customer(of),
        shop=of,
        number=number,
        change=change,
        reason="placed",
        placed_at=0,
        changed_at=at,
        paid=Paid.PAID,
        lines=(LINE,),
        discount=ZERO,
        tax=ZERO,
        is_tax_inside=True,
        shipping=ZERO,
        total=LINE.total,
    )


def cart(of: SimulatedShop, number: int, at: int) -> CartState:
    return CartState(
        customer=customer(of),
        shop=of,
        number=number,
        change=Change.UPDATED,
        opened_at=0,
        changed_at=at,
        lines=(LINE,),
    )


def steps(facts: list[Fact], every: int = 1000) -> list[Step]:
    return [Step(number * every, fact) for number, fact in enumerate(facts)]


def render(fact: Fact) -> Payload:
    """A payload that names its entity and state, and nothing else."""
    changed = getattr(fact, "changed_at", 0)
    event = "orders/updated" if fact.shop.source == "spiffy" else ""
    if fact.shop.source == "ciklik":
        event = "updated_checkoutorder"
    return Payload(event, f'{{"entity":"{entity_key(fact)}","changed":{changed}}}'.encode())
