"""Days of shops, refunds by day, and what is missing by shop."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from hookline.simulate.truth.amounts import NOTHING, Amount, total, total_given
from hookline.simulate.truth.carts.fold import names_cart, shops_without_link
from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.days import day_of
from hookline.simulate.truth.names import CustomerKey
from hookline.simulate.truth.orders.refunds import Back
from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.views.carts import came_back
from hookline.simulate.world.facts import SimulatedShop

Key = tuple[str, str, date, str]
"""(platform, shop, day, currency)."""


class ShopDays:
    """Gathers what happened in each shop on each day of its zone."""

    def __init__(self, histories: Mapping[CustomerKey, bool | None]) -> None:
        self._histories = histories
        self._orders: dict[Key, list[KnownOrder]] = {}
        self._backs: dict[Key, list[Back]] = {}
        self._left: dict[Key, int] = {}
        self._back: dict[Key, int] = {}
        self._shops: dict[tuple[str, str], SimulatedShop] = {}
        self._without_link: set[str] = set()

    def rows(
        self,
        orders: Sequence[KnownOrder],
        lives: Iterable[CartLife],
        merged: set[tuple[str, int]],
    ) -> Mapping[Key, Mapping[str, Any]]:
        """Return the rows of ``shop_days``."""
        counted = [order for order in orders if order.money.is_counted]
        self._without_link = shops_without_link(orders)
        firsts = _first_days(counted)
        for order in counted:
            shop = order.state.shop
            key = self._key(shop, day_of(order.placed_at, shop.timezone, order.key))
            self._orders.setdefault(key, []).append(order)
            if order.money.net is not None:
                for back in order.money.backs:
                    own = self._key(shop, day_of(back.at, shop.timezone, f"refund of {order.key}"))
                    self._backs.setdefault(own, []).append(back)
        shops_with_carts = set()
        for life in lives:
            shops_with_carts.add(life.shop.key)
            self._cart(life, is_merged=(life.key, life.number) in merged)
        keys = {*self._orders, *self._backs, *self._left, *self._back}
        return {key: self._row(key, firsts, shops_with_carts) for key in keys}

    def _key(self, shop: SimulatedShop, day: date) -> Key:
        self._shops[shop.source, shop.id] = shop
        return shop.source, shop.id, day, shop.currency

    def _cart(self, life: CartLife, *, is_merged: bool) -> None:
        if not life.abandonments:
            return
        zone = life.shop.timezone
        if not is_merged:
            key = self._key(life.shop, day_of(life.abandonments[-1], zone, life.key))
            self._left[key] = self._left.get(key, 0) + 1
        if came_back(life) and life.closed is not None:
            key = self._key(life.shop, day_of(life.closed, zone, life.key))
            self._back[key] = self._back.get(key, 0) + 1

    def _row(
        self, key: Key, firsts: Mapping[CustomerKey, date], with_carts: set[str]
    ) -> Mapping[str, Any]:
        shop, day = self._shops[key[0], key[1]], key[2]
        orders, backs = self._orders.get(key, []), self._backs.get(key, [])
        known = [order for order in orders if order.money.net is not None]
        sold = total(_before_refunds(order) for order in known)
        off = total(back.effect for back in backs)
        is_known, reports_refunds = bool(known) or not orders, gives(shop).reports_refunds
        has_carts = shop.key in with_carts
        return {
            "orders": len(orders),
            "renewals": sum(order.is_renewal for order in orders),
            "orders_without_net": len(orders) - len(known),
            "orders_without_customer": sum(order.customer is None for order in orders),
            "gross": total(order.money.gross or NOTHING for order in known) if is_known else None,
            "discounts": total_given(order.money.discounts for order in orders),
            "taxes": total_given(order.taxes for order in orders),
            "shipping": total_given(order.shipping for order in orders),
            "gift_cards_sold": total_given(order.gift_cards_sold for order in orders),
            "net_before_refunds": sold if is_known else None,
            "refunds": len(backs) if reports_refunds else None,
            "refunded": off if reports_refunds else None,
            "net": sold - off if is_known or backs else None,
            "net_of_orders": total(order.money.net or NOTHING for order in known)
            if is_known
            else None,
            **self._buyers(orders, day, firsts),
            "carts_abandoned": self._left.get(key, 0) if has_carts else None,
            "carts_recovered": self._back.get(key, 0)
            if has_carts and shop.key not in self._without_link
            else None,
        }

    def _buyers(
        self, orders: Iterable[KnownOrder], day: date, firsts: Mapping[CustomerKey, date]
    ) -> dict[str, int]:
        buyers = {o.customer for o in orders if not o.is_renewal and o.customer is not None}
        new = sum(firsts[who] == day and self._histories.get(who) is True for who in buyers)
        returning = sum(firsts[who] < day for who in buyers)
        return {
            "customers": len(buyers),
            "new_customers": new,
            "returning_customers": returning,
            "customers_of_unknown_history": len(buyers) - new - returning,
        }


def _before_refunds(order: KnownOrder) -> Amount:
    return (order.money.net or NOTHING) + (order.money.refunded or NOTHING)


def _first_days(counted: Iterable[KnownOrder]) -> Mapping[CustomerKey, date]:
    """Return the first day on which each customer decided to buy."""
    firsts: dict[CustomerKey, date] = {}
    for order in counted:
        if order.customer is not None and not order.is_renewal:
            day = day_of(order.placed_at, order.state.shop.timezone, order.key)
            firsts[order.customer] = min(day, firsts.get(order.customer, day))
    return firsts


def refund_days(
    orders: Iterable[KnownOrder],
) -> Mapping[tuple[str, str, date, str, str], Mapping[str, Any]]:
    """Return the rows of ``refunds_by_day`` by (platform, shop, day, currency, basis)."""
    days: dict[tuple[str, str, date, str, str], list[tuple[KnownOrder, Back]]] = {}
    for order in orders:
        shop = order.state.shop
        for back in order.money.backs:
            if order.money.is_counted and order.money.net is not None:
                day = day_of(back.at, shop.timezone, f"refund of {order.key}")
                key = shop.source, shop.id, day, shop.currency, back.basis
                days.setdefault(key, []).append((order, back))
    return {
        key: {
            "refunds": len(own),
            "orders": len({order.key for order, _ in own}),
            "goods": total_given(back.goods for _, back in own),
            "shipping": total_given(back.shipping for _, back in own),
            "tax": total_given(back.tax for _, back in own),
            "goodwill": total_given(back.goodwill for _, back in own),
            "net_effect": total(back.effect for _, back in own),
        }
        for key, own in days.items()
    }


def _no_recovery(orders: Sequence[KnownOrder], shop: SimulatedShop) -> str | None:
    """Return why it cannot be known whether carts came back."""
    if shop.source == "gooten":
        return "carts-not-reported"
    is_open = orders and not any(names_cart(order) for order in orders)
    return "orders-name-no-cart" if is_open else None


def coverage(
    orders: Sequence[KnownOrder], lives: Iterable[CartLife], shops: Iterable[SimulatedShop]
) -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return the counts of ``coverage`` by (platform, shop)."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    carts = {life.key: life for life in lives}
    for shop in shops:
        own = [order for order in orders if order.state.shop.key == shop.key]
        unknown = ("tax-unknown", "refund-unknown")
        rows[shop.source, shop.id] = {
            "orders": len(own),
            "orders_without_customer": sum(order.customer is None for order in own),
            "orders_not_a_sale": sum(order.money.standing == "NOT_A_SALE" for order in own),
            "test_orders": sum(order.state.is_test and gives(shop).test_orders for order in own),
            "orders_without_net": sum(
                order.money.standing in ("COUNTED", "PENDING") and order.money.reason in unknown
                for order in own
            ),
            "orders_of_unknown_status": 0,
            "orders_naming_no_cart": sum(not names_cart(order) for order in own),
            "no_recovery_reason": _no_recovery(own, shop),
            "carts": sum(life.shop.key == shop.key for life in carts.values()),
            "tells_carts": shop.source != "gooten",
            "tells_refunds": shop.source not in ("gooten", "run-free"),
        }
    return rows
