"""What the platforms' payloads give, by their public pages: what they cannot give is null."""

from dataclasses import dataclass
from typing import Literal

from hookline.simulate.world.facts import CartState, Change, Fact, OrderState, SimulatedShop

_ALL = frozenset(Change)
_FIRST = frozenset({Change.CREATED})
_NONE: frozenset[Change] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gives:
    """One format of a platform.

    ``dated``: the changes of orders whose time the payload gives. ``refunds``: ``objects`` with
    ids, lines and money; ``running``: the same beside a total of the order; ``status`` alone;
    ``transactions`` that name their order. ``carts``: ``timer`` where each change of a cart is
    sent, ``reported`` where the platform finds the abandoned ones. ``cart_link``: by what its
    orders name a cart. ``customer``: by what orders name their customer.
    """

    dated: frozenset[Change]
    status: bool = True
    tax: bool = True
    shipping: bool = True
    total: bool = True
    gift_cards: bool = False
    discount_codes: bool = False
    cancellations: bool = True
    whole_deletions: bool = True
    test_orders: bool = False
    refunds: Literal["objects", "running", "status", "transactions"] | None = None
    carts: Literal["timer", "reported"] | None = None
    cart_prices: bool = False
    cart_link: Literal["token", "customer", "cart"] | None = None
    subscriptions: bool = False
    customer: Literal["number", "email"] = "number"
    counts_orders: bool = False

    @property
    def cart_customers(self) -> bool:
        """Whether a cart names its customer."""
        return self.carts is not None and self.cart_link != "token"

    @property
    def counts_carts(self) -> bool:
        """Whether the platform can give how many carts a customer left, in one of its formats."""
        return self.cart_customers or self.refunds == "status"

    @property
    def reports_refunds(self) -> bool:
        """Whether refunds reach the tables at all."""
        return self.refunds is not None


_SPIFFY = Gives(
    dated=_ALL,
    gift_cards=True,
    discount_codes=True,
    whole_deletions=False,
    test_orders=True,
    refunds="objects",
    carts="timer",
    cart_prices=True,
    cart_link="token",
    counts_orders=True,
)
FORMATS = {
    ("spiffy", "json"): _SPIFFY,
    ("spiffy", "xml"): _SPIFFY,
    ("run-free", "json"): Gives(
        dated=_ALL,
        status=False,
        shipping=False,
        total=False,
        gift_cards=True,
        cancellations=False,
        carts="timer",
        cart_link="customer",
    ),
    ("shoprocket", "older"): Gives(dated=_ALL, test_orders=True, refunds="status"),
    ("shoprocket", "envelope"): Gives(
        dated=_ALL,
        whole_deletions=False,
        test_orders=True,
        refunds="running",
        carts="reported",
        cart_prices=True,
        cart_link="cart",
    ),
    ("ciklik", "json"): Gives(
        dated=_FIRST,
        cancellations=False,
        discount_codes=True,
        refunds="transactions",
        carts="reported",
        cart_link="customer",
        subscriptions=True,
    ),
    ("gooten", "json"): Gives(
        dated=_NONE,
        status=False,
        tax=False,
        cancellations=False,
        test_orders=True,
        customer="email",
    ),
}
"""(platform, format) -> what it gives."""


def gives(shop: SimulatedShop) -> Gives:
    """What the payloads of a shop give."""
    return FORMATS[shop.source, shop.format]


def is_dated(fact: Fact) -> bool:
    """Whether the payload gives when the change happened; else its receipt dates it."""
    if isinstance(fact, OrderState):
        return fact.change in gives(fact.shop).dated
    if isinstance(fact, CartState):
        return fact.shop.format == "envelope"
    if fact.shop.source == "ciklik":
        return fact.change is Change.CREATED
    return fact.shop.source != "gooten"
