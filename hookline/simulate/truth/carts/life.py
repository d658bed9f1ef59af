"""One life of a cart (a generation), while what happens to it is applied in order."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.spans import Span, earlier, latest
from hookline.simulate.world.facts import CartState, Line, SimulatedShop

OPEN = ("ACTIVE", "ABANDONED", "EMPTIED")


@dataclass(slots=True)
class CartLife:
    """A generation. ``content``: the last lines that were not empty; ``last``: when they came."""

    key: str
    number: int
    cart: CartState
    is_reported: bool
    first_seen: Span
    last: Span
    content: tuple[Line, ...]
    status: str = "ACTIVE"
    abandonments: list[Span] = field(default_factory=list)
    emptied: Span | None = None
    closed: Span | None = None
    order: KnownOrder | None = None
    link: str | None = None
    will_change: bool = False

    @property
    def shop(self) -> SimulatedShop:
        """Its shop."""
        return self.cart.shop

    @property
    def is_open(self) -> bool:
        """Whether an order or a change of the cart may still change it."""
        return self.status in OPEN

    @property
    def order_until(self) -> Span:
        """The last instant at which an order may close it."""
        end = self.abandonments[0] if self.is_reported else self.last
        return end.after(self.shop.expire_after)

    def accepts(self, order: KnownOrder) -> bool:
        """Whether an order that names the cart and was placed after its last change closes it."""
        what = f"whether {order.key} closes {self.key}"
        if not self.is_open or earlier(self.order_until, order.placed_at, what):
            return False
        if self.emptied is None:
            return True
        grace = self.emptied.after(self.shop.checkout_grace)
        return not earlier(grace, order.placed_at, what)

    def goes_on_with(self, lines: tuple[Line, ...], at: Span) -> bool:
        """Whether a state of the cart belongs to this generation, not to the next one."""
        what = f"whether a change of {self.key} is of generation {self.number}"
        grace = self.shop.checkout_grace
        if self.status == "EXPIRED":
            return False
        if self.order is not None:  # an echo shows nothing beyond what the checkout bought
            ends = self.order.placed_at.after(grace)
            is_within = not earlier(ends, at, what)
            return is_within and is_echo(lines, self.content, self.order.state.lines)
        return self.emptied is None or not earlier(self.emptied.after(grace), at, what)

    def fill(self, lines: tuple[Line, ...], at: Span) -> None:
        """Apply a state with items."""
        self.status, self.emptied, self.closed = "ACTIVE", None, None
        self.content, self.last = lines, at

    def empty(self, at: Span) -> None:
        """Apply an empty state: no activity, and final after the grace."""
        if self.emptied is None:
            self.status, self.emptied, self.closed = "EMPTIED", at, at

    def silence(self, until: Span | None, as_of: int) -> None:
        """Abandon and expire it, if nothing changes it until then (None: for ever)."""
        known, what = Span.at(as_of), f"whether {self.key} is abandoned or expired by then"
        if self.status == "ACTIVE":
            left = self.last.after(self.shop.abandon_after)
            if until is None or not earlier(until, left, what):
                if earlier(known, left, what):
                    self.will_change = True
                else:
                    self.status = "ABANDONED"
                    self.abandonments.append(left)
        if self.status == "ABANDONED":
            ends = latest(self.order_until, self.abandonments[-1])
            if until is None or earlier(ends, until, what):
                if earlier(ends, known, what):
                    self.status, self.closed = "EXPIRED", ends
                else:
                    self.will_change = True

    def close(self, order: KnownOrder, link: str) -> None:
        """Close it by an order."""
        self.status = "RECOVERED" if self.abandonments else "CONVERTED"
        self.closed = latest(order.placed_at, self.first_seen)
        self.emptied, self.order, self.link = None, order, link


def is_echo(lines: tuple[Line, ...], content: tuple[Line, ...], ordered: tuple[Line, ...]) -> bool:
    """Whether lines hold nothing beyond the last state of a cart, or the order's own lines."""
    shown, in_cart, bought = (_units(each) for each in (lines, content, ordered))
    return all(
        units <= in_cart.get(variant, 0) or units <= bought.get(variant, 0)
        for variant, units in shown.items()
    )


def _units(lines: tuple[Line, ...]) -> Counter[int]:
    """Count units by what was sold."""
    counted: Counter[int] = Counter()
    for line in lines:
        counted[line.variant] += line.quantity
    return counted


def overlap(content: tuple[Line, ...], ordered: tuple[Line, ...]) -> Fraction | None:
    """Return the share of the cart's lines that the order has, too."""
    if not content:
        return None
    variants = {line.variant for line in ordered}
    return Fraction(sum(line.variant in variants for line in content), len(content))


def names_goods(shop: SimulatedShop) -> bool:
    """Whether the platform's carts name what is in them: Ciklik gives a text alone."""
    return gives(shop).carts is not None and shop.source != "ciklik"


Row = Mapping[str, Any]
