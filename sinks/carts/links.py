"""Which cart an order may close: the keys to lock and look up by, and the rule itself."""

from schemas.keys import entity_key
from schemas.platforms import PLATFORMS
from sinks.carts.records import CandidateOrder, CartHistory

_FOLDED = {name: row.carts_named_by for name, row in PLATFORMS.items()}
"""Source -> the identifiers by which its orders name carts."""


def link_keys(
    source: str,
    shop: str,
    customer_id: str | None = None,
    email_hash: str | None = None,
    cart_token: str | None = None,
    cart_id: str | None = None,
) -> list[str]:
    """Every key that a cart, an order, a customer or any other record is to be locked under.

    ``source/shop/customer:id``, ``source/shop/email:hash``, ``source/shop/cart-token:token``,
    ``source/shop/cart:id``: one for each identifier given. Two records that may ever
    influence each other's rows share a key.
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


def fold_keys(
    source: str,
    shop: str,
    *,
    customer_id: str | None = None,
    email_hash: str | None = None,
    cart_token: str | None = None,
    cart_id: str | None = None,
) -> frozenset[str]:
    """The link keys by which carts and orders of this source must be folded together.

    The group that ``carts.fold`` takes is closed under these: a subset of ``link_keys``.
    """
    by, keys = _FOLDED.get(source, ("cart_id",)), []
    if customer_id is not None and "customer_id" in by:
        keys.append(entity_key(source, shop, "customer", customer_id))
    if email_hash is not None and "email_hash" in by:
        keys.append(entity_key(source, shop, "email", email_hash))
    if cart_token is not None and "cart_token" in by:
        keys.append(entity_key(source, shop, "cart-token", cart_token))
    if cart_id is not None and "cart_id" in by:
        keys.append(entity_key(source, shop, "cart", cart_id))
    return frozenset(keys)


def link_method(cart: CartHistory, order: CandidateOrder) -> str | None:
    """How an order names this cart, None where it does not.

    ``cart-token`` (Spiffy), ``customer-id`` (Run Free, Ciklik), ``email-hash`` (Ciklik, if
    either side has no user id), and ``cart-id`` where an order tells it.
    """
    if (cart.source, cart.shop) != (order.source, order.shop):
        return None
    by = _FOLDED.get(cart.source, ())
    method = None
    if _same(cart.native_cart_id, order.cart_id):
        method = "cart-id"
    elif "cart_token" in by and _same(cart.cart_token, order.cart_token):
        method = "cart-token"
    elif "customer_id" in by and cart.customer_id is not None and order.customer_id is not None:
        method = "customer-id" if cart.customer_id == order.customer_id else None
    elif "email_hash" in by and _same(cart.email_hash, order.email_hash):
        method = "email-hash"
    return method


def _same(mine: str | None, theirs: str | None) -> bool:
    return mine is not None and mine == theirs
