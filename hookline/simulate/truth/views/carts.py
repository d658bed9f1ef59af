"""Rates of carts by day, and which carts were merged into another one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from hookline.simulate.truth.carts.fold import without_repeats
from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.days import day_of
from hookline.simulate.truth.names import cart_key, person
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, earlier
from hookline.simulate.world.facts import CartState, Line

_LOGIN = 30 * 60
_CAME_BACK = ("COUNTED", "PENDING")


@dataclass(slots=True)
class Rates:
    """The carts that were first seen on one day."""

    carts: int = 0
    abandoned: int = 0
    recovered: int = 0
    is_provisional: bool = False

    def row(self, *, is_known: bool) -> Mapping[str, Any]:
        """Return the row of the day. ``is_known``: whether an order could show a recovery."""
        share = Fraction(self.recovered, self.abandoned) if self.abandoned else None
        return {
            "carts": self.carts,
            "abandoned": self.abandoned,
            "recovered": self.recovered if is_known else None,
            "abandonment_rate": Fraction(self.abandoned, self.carts),
            "recovery_rate": share if is_known else None,
            "is_provisional": self.is_provisional,
        }


def came_back(life: CartLife) -> bool:
    """Whether an abandoned cart was recovered by an order that counts or may still count."""
    order = life.order
    return life.status == "RECOVERED" and order is not None and (order.money.standing in _CAME_BACK)


def daily_rates(
    lives: Iterable[CartLife], merged: set[tuple[str, int]], without_link: set[str]
) -> Mapping[tuple[str, str, date], Mapping[str, Any]]:
    """Return the rates by (platform, shop, day). Carts that the platform reports have none.

    ``without_link``: keys of shops whose orders name no cart.
    """
    days: dict[tuple[str, str, date], Rates] = {}
    for life in lives:
        if life.is_reported or (life.key, life.number) in merged:
            continue
        day = day_of(life.first_seen, life.shop.timezone, f"the first sight of {life.key}")
        rates = days.setdefault((life.shop.source, life.shop.id, day), Rates())
        rates.carts += 1
        rates.abandoned += bool(life.abandonments)
        rates.recovered += bool(life.abandonments) and came_back(life)
        rates.is_provisional |= life.will_change
    return {
        key: rates.row(is_known=f"{key[0]}/{key[1]}" not in without_link)
        for key, rates in days.items()
    }


def merged_carts(lives: Iterable[CartLife], received: Iterable[Received]) -> set[tuple[str, int]]:
    """Return the carts that another cart of the person held in time, as shops merge at login."""
    people: dict[tuple[str, str], list[CartLife]] = {}
    for life in lives:
        if not life.is_reported and gives(life.shop).cart_customers:
            owner = life.shop.key, person(life.cart.customer).address
            people.setdefault(owner, []).append(life)
    several = [own for own in people.values() if len({life.key for life in own}) > 1]
    wanted = {life.key for own in several for life in own}
    states: dict[str, list[Received]] = {}
    for each in received:
        if isinstance(each.fact, CartState) and cart_key(each.fact) in wanted:
            states.setdefault(cart_key(each.fact), []).append(each)
    return {
        (life.key, life.number)
        for own in several
        for life in own
        if life.order is None and any(_holds(other, life, states) for other in own)
    }


def _holds(other: CartLife, life: CartLife, states: Mapping[str, Sequence[Received]]) -> bool:
    if other.key == life.key:
        return False
    until = life.abandonments[-1] if life.abandonments else life.last.after(life.shop.abandon_after)
    if life.status == "EMPTIED" and life.closed is not None:
        until = life.closed.after(_LOGIN)
    what = f"whether {life.key} was merged into {other.key}"
    if not earlier(other.first_seen, until, what) or not earlier(life.last, other.last, what):
        return False
    for each in without_repeats(states[other.key]):
        at = Span(each.earliest, each.latest)
        within = earlier(life.last, at, what) and earlier(at, until, what)
        if within and isinstance(each.fact, CartState) and _is_in(life.content, each.fact.lines):
            return True
    return False


def _is_in(own: tuple[Line, ...], held: tuple[Line, ...]) -> bool:
    def units(lines: tuple[Line, ...], variant: int) -> int:
        return sum(line.quantity for line in lines if line.variant == variant)

    return all(units(own, each.variant) <= units(held, each.variant) for each in own)
