"""Which carts an order may close: the link rule, and the keys to lock and look up by."""

from collections.abc import Iterable, Mapping

from schemas.keys import entity_key
from schemas.platforms import PLATFORMS
from sinks.carts.records import CandidateOrder, CartHistory

_NAMED_BY = {name: platform.carts_named_by for name, platform in PLATFORMS.items()}
"""Source -> the identifiers by which its orders name carts."""


def link_keys(
    source: str,
    shop: str,
    customer_id: str | None = None,
    email_hash: str | None = None,
    cart_token: str | None = None,
    cart_id: str | None = None,
) -> list[str]:
    """Return the keys under which a cart, an order, a customer or another record is locked.

    One for each identifier given: ``source/shop/customer:id``, ``source/shop/email:hash``,
    ``source/shop/cart-token:token``, ``source/shop/cart:id``. Two records that may ever
    change each other's rows share a key.
    """
    keys = []
    if customer_id is not None:
        keys.append(entity_key(source, shop, "customer", customer_id))
    if email_hash is not None:
        keys.append(entity_key(source, shop, "email", email_hash))
    if cart_token is not None:
        keys.append(entity_key(source, shop, "cart-token", cart_token))
    if cart_id is not None:
        keys.append(entity_key(source, shop, "cart", cart_id))
    return keys


def linked_hash(links: Iterable[str]) -> str | None:
    """Return the hash, or the pseudonym, in a record's link keys."""
    for key in links:
        kind, _, native = key.split("/", 2)[2].partition(":")
        if kind == "email":
            return native
    return None


def fold_keys(source: str, shop: str, identifiers: Mapping[str, str | None]) -> frozenset[str]:
    """Return the link keys under which carts and orders of this source are folded together.

    A subset of ``link_keys``: those of the identifiers by which its orders name carts.
    """
    named_by = _NAMED_BY.get(source, ("cart_id",))
    return frozenset(link_keys(source, shop, **{name: identifiers.get(name) for name in named_by}))


def link_method(cart: CartHistory, order: CandidateOrder) -> str | None:
    """Return how an order names this cart, None where it does not.

    ``cart-id`` where the order gives it, ``cart-token`` (Spiffy), ``customer-id`` (Run Free,
    Ciklik, Shoprocket), ``email-hash`` (Ciklik and Shoprocket, if either side has no user id).
    """
    if (cart.source, cart.shop) != (order.source, order.shop):
        return None
    named_by = _NAMED_BY.get(cart.source, ())
    method = None
    if order.cart_id is not None:
        # An order that names its cart closes no other one of the same customer.
        method = "cart-id" if cart.native_cart_id == order.cart_id else None
    elif "cart_token" in named_by and _same(cart.cart_token, order.cart_token):
        method = "cart-token"
    elif (
        "customer_id" in named_by and cart.customer_id is not None and order.customer_id is not None
    ):
        # Two user ids that differ are two people, even with the same address.
        method = "customer-id" if cart.customer_id == order.customer_id else None
    elif "email_hash" in named_by and _same(cart.email_hash, order.email_hash):
        method = "email-hash"
    return method


def _same(own: str | None, other: str | None) -> bool:
    return own is not None and own == other
