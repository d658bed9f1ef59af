"""Which rows of an answer are wrong, beside the truth of the run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hookline.simulate.truth.amounts import Amount
from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.carts.rows import groups
from hookline.simulate.truth.expected import Expected
from hookline.simulate.truth.names import (
    CustomerKey,
    Person,
    cart_key,
)
from hookline.simulate.truth.orders.rows import KnownOrder, known_orders
from hookline.simulate.truth.orders.state import order_lives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import UndecidedError
from hookline.simulate.truth.undecided import Undecided
from hookline.simulate.world.facts import CartState
from tests.answers.answer import ABANDONED, RECOVERED, Answer, Customer, Value

CENT = Fraction(1, 100)
"""From this difference on an amount is wrong: nobody is blamed for a rounding."""


@dataclass(slots=True)
class Truth:
    """What is right, spelled as the answers are. ``open_keys``: customers and carts left out.

    ``nets``: what orders are worth exactly; ``lives``: the generations of carts.
    """

    customers: dict[Customer, Value] = field(default_factory=dict)
    carts: dict[str, str] = field(default_factory=dict)
    orders: dict[str, KnownOrder] = field(default_factory=dict)
    lives: dict[str, list[CartLife]] = field(default_factory=dict)
    states: dict[str, list[Received]] = field(default_factory=dict)
    open_keys: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Wrong:
    """The wrong rows of one table."""

    of: int = 0
    differing: set[Any] = field(default_factory=set)
    missing: set[Any] = field(default_factory=set)
    extra: set[Any] = field(default_factory=set)

    @property
    def all(self) -> set[Any]:
        """All of them."""
        return self.differing | self.missing | self.extra


def spelled(key: CustomerKey) -> str:
    """Return a customer's key as the answers spell it."""
    return f"{key.shop}/guest:{key.address}" if isinstance(key, Person) else key


def truth_of(table: Expected, received: Sequence[Received], as_of: int) -> Truth:
    """Return the truth of a run, from the rows that its own rules expect."""
    truth = Truth()
    for (key, currency), row in table.tables["customer_lifetime_value"].items():
        net = row["net"]
        exact = None if net is None else _decimal(net)
        truth.customers[spelled(key), currency] = Value(row["orders_count"], exact)
    rows = table.tables["abandoned_carts"]
    for cart, number in sorted(rows):
        was_bought = rows[cart, number]["status"] == "RECOVERED"
        truth.carts[cart] = RECOVERED if was_bought else ABANDONED  # the newest one left decides
    orders = known_orders(order_lives(received, Undecided()), Undecided())
    truth.orders = {order.key: order for order in orders}
    for group in groups(received, orders, table.undecided.orders, as_of):
        for each in group.states:
            if isinstance(each.fact, CartState):
                truth.states.setdefault(cart_key(each.fact), []).append(each)
        try:
            for life in group.fold():
                truth.lives.setdefault(life.key, []).append(life)
        except UndecidedError:
            continue
    truth.open_keys = {spelled(key) for key in table.undecided.why if isinstance(key, str | Person)}
    return truth


def customers(truth: Truth, answer: Answer) -> Wrong:
    """Compare customers: the number of orders, and the net to the cent.

    A row without orders and money is as good as none, on both sides.
    """
    wanted = _without(truth.customers, truth.open_keys)
    given = _without(answer.customers, truth.open_keys)
    wrong = Wrong(len(wanted))
    for key in wanted.keys() | given.keys():
        if key not in given:
            wrong.missing.add(key)
        elif key not in wanted:
            wrong.extra.add(key)
        elif not is_same(wanted[key], given[key]):
            wrong.differing.add(key)
    return wrong


def carts(truth: Truth, answer: Answer) -> Wrong:
    """Compare carts that were left: which ones, and whether they were bought later."""
    wanted = {key: what for key, what in truth.carts.items() if key not in truth.open_keys}
    given = {key: what for key, what in answer.carts.items() if key not in truth.open_keys}
    both = wanted.keys() & given.keys()
    return Wrong(
        len(wanted),
        {key for key in both if wanted[key] != given[key]},
        set(wanted.keys() - given.keys()),
        set(given.keys() - wanted.keys()),
    )


def is_same(wanted: Value, given: Value) -> bool:
    """Whether a row is right. Null where the net cannot be known; 0 there is a guess."""
    if wanted.orders != given.orders:
        return False
    if wanted.net is None or given.net is None:
        return wanted.net is given.net
    return abs(Fraction(wanted.net) - Fraction(given.net)) < CENT


def _without(rows: Mapping[Customer, Value], left_out: Iterable[str]) -> dict[Customer, Value]:
    hidden = set(left_out)
    return {
        key: value
        for key, value in rows.items()
        if key[0] not in hidden and (value.orders or abs(Fraction(value.net or 0)) >= CENT)
    }


def _decimal(amount: Amount) -> Decimal:
    """Return an amount to eight decimals, which is more than any comparison here needs."""
    value = amount.value
    return round(Decimal(value.numerator) / Decimal(value.denominator), 8)
