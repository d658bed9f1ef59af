"""A plain consumer: it keeps the newest delivery of each order and cart, by id.

What a good engineer writes in an afternoon: idempotent, exact amounts, the payloads' own totals.
Who received a delivery later has the newer one; what a refund paid back comes off its order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tests.answers.answer import ABANDONED, RECOVERED, Answer, Part, Shop, summed
from tests.answers.deliveries import Delivery
from tests.answers.pipelines import payloads

SECOND = 1_000_000


@dataclass(slots=True)
class OpenCart:
    """A cart as it was last seen. ``was_left``: it was silent for long, at least once."""

    shop: Shop
    seen_at: int
    items: int
    is_reported: bool
    was_left: bool = False
    is_bought: bool = False

    def is_silent(self, at: int) -> bool:
        """Whether it has been left by then."""
        silent = at - self.seen_at >= self.shop.abandon_after * SECOND
        return self.items > 0 and (self.is_reported or silent)


@dataclass(slots=True)
class Consumer:
    """Its tables: the newest state by id."""

    shops: Mapping[str, Shop]
    orders: dict[str, payloads.Order] = field(default_factory=dict)
    repayments: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    carts: dict[str, OpenCart] = field(default_factory=dict)
    carts_of: dict[str, str] = field(default_factory=dict)

    def take(self, delivery: Delivery) -> None:
        """Upsert what a delivery is about."""
        shop = self.shops[delivery.shop]
        match payloads.read(delivery, shop):
            case payloads.Order(is_test=False) as order:
                self.order(order)
            case payloads.Repayment() as paid:
                self.repayments.setdefault(paid.order, {})[paid.number] = paid.money
            case payloads.Cart() as cart:
                self.cart(cart, shop, delivery.received_at)
                if customer := payloads.owner(delivery):
                    self.carts_of[customer] = cart.key

    def order(self, order: payloads.Order) -> None:
        """Replace the order; the first time it closes its cart."""
        known = self.orders.get(order.key)
        if order.is_deleted and known is not None and not order.customer:
            self.orders[order.key] = payloads.Order(
                key=order.key, customer=known.customer, currency=known.currency, is_deleted=True
            )
            return
        self.orders[order.key] = order
        cart = self.carts.get(order.cart or self.carts_of.get(order.customer, ""))
        if known is not None or cart is None or cart.is_bought or order.placed_at < cart.seen_at:
            return
        ends = cart.seen_at + cart.shop.expire_after * SECOND
        if order.placed_at <= ends:
            cart.was_left = cart.was_left or cart.is_silent(order.placed_at)
            cart.is_bought = True

    def cart(self, cart: payloads.Cart, shop: Shop, at: int) -> None:
        """Replace the cart's state; after an order it is a new cart under the same id."""
        known = self.carts.get(cart.key)
        fresh = OpenCart(shop, at, cart.items, cart.is_reported)
        if known is not None and not known.is_bought:
            fresh.was_left = known.was_left or known.is_silent(at)
        self.carts[cart.key] = fresh

    def answer(self, as_of: int) -> Answer:
        """Return its tables' rows at the end."""
        answer = Answer()
        for key, order in self.orders.items():
            shop = self.shops[key.rpartition("/")[0]]
            if order.is_sale and shop.counts_as_sale:
                net = order.goods - self.refunded(order)
                answer.parts[key] = Part(order.customer, order.currency, 1, net)
        answer.customers = summed(answer.parts)
        for key, cart in self.carts.items():
            if cart.is_bought and cart.was_left:
                answer.carts[key] = RECOVERED
            elif not cart.is_bought and (cart.was_left or cart.is_silent(as_of)):
                answer.carts[key] = ABANDONED
        return answer

    def refunded(self, order: payloads.Order) -> Decimal:
        """Return what was paid back of an order; all of it where only the status shows it."""
        paid = sum([*order.refunds.values(), *self.repayments.get(order.key, {}).values()])
        if order.status == "refunded" and not paid:
            return order.goods
        return Decimal(paid)


def answer(deliveries: Iterable[Delivery], shops: Mapping[str, Shop], as_of: int) -> Answer:
    """Consume all deliveries in the order of the log."""
    consumer = Consumer(shops)
    for each in deliveries:
        consumer.take(each)
    return consumer.answer(as_of)
