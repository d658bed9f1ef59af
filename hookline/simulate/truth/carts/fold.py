"""The generations of carts, from all their states and the orders that name them.

All that happened to the carts of one customer is applied in the order in which it happened.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key, partial

from hookline.simulate.truth.carts.life import CartLife
from hookline.simulate.truth.names import cart_key
from hookline.simulate.truth.orders.rows import KnownOrder
from hookline.simulate.truth.platforms import gives
from hookline.simulate.truth.received import Received
from hookline.simulate.truth.spans import Span, UndecidedError, earlier
from hookline.simulate.world.facts import SECOND, CartState, Customer, Line, Micros

EARLY: Micros = 300 * SECOND
"""How long before a cart is seen its order may be placed."""
SAME: Micros = 900 * SECOND
"""How long an equal state of a cart without times is a repeated delivery."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that happened: ``of``: its cart's key, or its order's."""

    at: Span
    is_order: bool
    of: str
    number: int
    apply: Callable[[], None]


@dataclass(slots=True)
class CartGroup:
    """The carts that an order of one customer may close, and these orders."""

    as_of: Micros
    states: list[Received] = field(default_factory=list)
    orders: list[KnownOrder] = field(default_factory=list)
    lives: dict[str, list[CartLife]] = field(default_factory=dict)
    waiting: list[KnownOrder] = field(default_factory=list)
    is_open: bool = False
    """Whether one of the orders cannot be decided."""

    def fold(self) -> list[CartLife]:
        """Return all generations. Raises UndecidedError."""
        if self.is_open:
            raise UndecidedError(f"which order closes carts of {self.shop}")
        steps = [*self._cart_steps(), *self._order_steps()]
        for step in sorted(steps, key=cmp_to_key(_compare)):
            step.apply()
        found = [life for lives in self.lives.values() for life in lives]
        for life in found:
            life.silence(None, self.as_of)
        return found

    @property
    def shop(self) -> str:
        """Key of their shop."""
        return self.states[0].fact.shop.key

    def cart_keys(self) -> set[str]:
        """Keys of the carts."""
        return {cart_key(each.fact) for each in self.states if isinstance(each.fact, CartState)}

    def _cart_steps(self) -> Iterable[_Step]:
        carts: dict[str, list[Received]] = {}
        for each in self.states:
            if isinstance(each.fact, CartState):
                carts.setdefault(cart_key(each.fact), []).append(each)
        for key, own in sorted(carts.items()):
            for index, each in enumerate(without_repeats(own)):
                at, cart = Span(each.earliest, each.latest), each.fact
                if not isinstance(cart, CartState):
                    continue
                if not cart.is_reported:
                    yield _Step(at, False, key, index, partial(self._changed, key, cart, at))
                    continue
                seen = _opened(cart, at) if index == 0 else at
                yield _Step(seen, False, key, index, partial(self._reported, key, cart, at))

    def _order_steps(self) -> Iterable[_Step]:
        for order in self.orders:
            is_purchase = order.money.standing not in ("TEST", "DRAFT") and not order.is_renewal
            if is_purchase:
                apply = partial(self._ordered, order)
                yield _Step(order.placed_at, True, order.key, 0, apply)

    def _changed(self, key: str, cart: CartState, at: Span) -> None:
        """Apply a state of a cart that is reported at each change."""
        lives = self.lives.setdefault(key, [])
        life = lives[-1] if lives else None
        if life is not None:
            life.silence(at, self.as_of)
        if life is None or not life.goes_on_with(cart.lines, at):
            if cart.lines:
                self._open(CartLife(key, len(lives) + 1, cart, False, at, at, cart.lines))
        elif life.is_open and cart.lines:
            life.fill(cart.lines, at)
        elif life.is_open:
            life.empty(at)

    def _reported(self, key: str, cart: CartState, at: Span) -> None:
        """Apply the report of an abandoned cart."""
        lives = self.lives.setdefault(key, [])
        life = lives[-1] if lives else None
        if life is not None:
            life.silence(at, self.as_of)
        if life is not None and life.goes_on_with(cart.lines, at):
            if life.is_open:
                life.content = cart.lines
            return
        seen = _opened(cart, at)
        if life is not None:
            before = life.closed or life.abandonments[0]
            if not earlier(before, seen, f"when {key} was opened again"):
                seen = at  # the creation is of the generation before
        opened = CartLife(key, len(lives) + 1, cart, True, seen, seen, cart.lines)
        opened.status = "ABANDONED"
        opened.abandonments.append(at)
        self._open(opened)

    def _open(self, life: CartLife) -> None:
        """Add a generation; an order that was placed shortly before closes it at once."""
        self.lives[life.key].append(life)
        for order in self.waiting:
            link = link_method(life.cart, order)
            until = Span(order.placed_at.first + EARLY, order.placed_at.last + EARLY)
            what = f"whether {order.key} closes {life.key}"
            if link is not None and not earlier(until, life.first_seen, what):
                self.waiting.remove(order)
                life.close(order, link)
                return

    def _ordered(self, order: KnownOrder) -> None:
        """Let an order close the cart with the latest activity among those that it names."""
        best: tuple[CartLife, str] | None = None
        for key in sorted(self.lives):
            life = self.lives[key][-1] if self.lives[key] else None
            link = None if life is None else link_method(life.cart, order)
            if life is None or link is None:
                continue
            life.silence(order.placed_at, self.as_of)
            what = f"which cart {order.key} closes"
            if life.accepts(order) and (best is None or earlier(best[0].last, life.last, what)):
                best = life, link
        if best is None:
            self.waiting.append(order)
        else:
            best[0].close(order, best[1])


def _opened(cart: CartState, reported: Span) -> Span:
    """Return when a reported cart was created, at most when it was reported."""
    return Span(min(cart.opened_at, reported.first), min(cart.opened_at, reported.last))


def without_repeats(received: Sequence[Received]) -> list[Received]:
    """Return the states of one cart by arrival; one that shows what the last did is a repeat."""
    kept: list[Received] = []
    newest: Received | None = None
    for each in sorted(received, key=lambda one: one.number):
        is_same = newest is not None and _content(newest) == _content(each)
        is_soon = newest is not None and each.latest - newest.earliest <= SAME
        if not (is_same and is_soon and gives(each.fact.shop).carts == "timer"):
            kept.append(each)
        newest = each
    return kept


def _content(received: Received) -> tuple[tuple[Line, ...], str]:
    """Return what a cart's delivery is about: Spiffy's name the event beside the body."""
    cart = received.fact
    if not isinstance(cart, CartState):
        return (), ""
    return cart.lines, cart.change.value if cart.shop.source == "spiffy" else ""


def link_method(cart: CartState, order: KnownOrder) -> str | None:
    """Return how an order names a cart; None where it does not."""
    state, given = order.state, gives(cart.shop)
    if state.shop.key != cart.shop.key or order.customer is None:
        return None
    if given.cart_link in ("token", "cart") and state.cart is not None:
        method = "cart-token" if given.cart_link == "token" else "cart-id"
        return method if state.cart == cart.number else None
    if given.cart_link in (None, "token"):
        return None
    return _same_customer(cart.customer, state.customer, by_address=cart.shop.source != "run-free")


def names_cart(order: KnownOrder) -> bool:
    """Whether an order names a cart, or a customer whose carts could be found by it."""
    shop = order.state.shop
    if order.customer is None or shop.source == "gooten":
        return False
    return shop.source != "spiffy" or order.state.cart is not None


def shops_without_link(orders: Sequence[KnownOrder]) -> set[str]:
    """Return the keys of shops that have orders of which none names a cart."""
    with_orders = {order.state.shop.key for order in orders}
    return with_orders - {order.state.shop.key for order in orders if names_cart(order)}


def _same_customer(one: Customer, other: Customer, *, by_address: bool) -> str | None:
    if one.number is not None and other.number is not None:
        return "customer-id" if one.number == other.number else None
    return "email-hash" if by_address and one.email == other.email else None


def _compare(one: _Step, other: _Step) -> int:
    if one is other:
        return 0
    if one.of == other.of:
        return -1 if one.number < other.number else 1
    if one.at == other.at:
        mine, theirs = (one.is_order, one.of), (other.is_order, other.of)
        return -1 if mine < theirs else 1
    is_earlier = earlier(one.at, other.at, f"what came first, {one.of} or {other.of}")
    return -1 if is_earlier else 1
