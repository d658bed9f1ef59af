"""The deliveries of the demo, in the order in which they are sent."""

from dataclasses import dataclass

CART_TOKEN = "eeafa272cebfd4b22385bc4b645e762c"  # noqa: S105 - the example cart's public name
OLD_ORDER = "448725"
NEW_ORDER = "448726"
WANDERER = "2"
"""Customer whose cart changes from A to B and back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One delivery: an example with changes, as for ``hookline send --set``."""

    description: str
    source: str
    example: str
    changes: tuple[str, ...] = ()
    tampered: bool = False
    malformed: bool = False

    @property
    def status(self) -> int:
        """The expected HTTP status."""
        return 401 if self.tampered else 200


_LIVE = (
    "webhook_environment=live",
    "data.store_environment=live",
    "data.payment_payload.livemode=live",
)
_WANDERER = (f"data.customer.id={WANDERER}", "data.customer.email=second@example.com")

FIRST = (
    Step("a customer signs up", "run-free", "customer-created"),
    Step("customer 1 fills a cart", "run-free", "cart-change"),
    Step("customer 2 puts A into a cart", "run-free", "cart-change", _WANDERER),
    Step(
        "changes it to B",
        "run-free",
        "cart-change",
        (*_WANDERER, "data.items[0].sku=other.002", "data.items[0].productId=2"),
    ),
    Step("and back to A: a change, not a retry", "run-free", "cart-change", _WANDERER),
    Step("three T-shirts in a cart", "spiffy", "carts-create"),
    Step("an order, a test as published", "shoprocket", "order-created"),
    Step("the same, live and pending", "shoprocket", "order-created", (*_LIVE, "data.id=717")),
    Step(
        "the same, live and paid",
        "shoprocket",
        "order-created",
        (*_LIVE, "data.id=718", "data.status_raw=paid"),
    ),
    Step("a subscription's first order", "ciklik", "created_checkoutorder"),
    Step("a renewal, paid by a coupon", "ciklik", "created_checkoutorder-renewal"),
    Step("a subscription", "ciklik", "created_subscription"),
    Step("a subscriber's new totals", "ciklik", "updated_subscription"),
    Step("a cart that the platform reports abandoned", "ciklik", "abandoned_cart"),
    Step("a fulfilment partner's order", "gooten", "order-item-changed"),
    Step("a delivery with a broken proof", "spiffy", "carts-create", tampered=True),
    Step("a body cut in half", "shoprocket", "order-created", malformed=True),
)

OLD = (
    Step("an order of 2024: it closes no cart of today", "run-free", "order-created"),
    Step("the sender repeats it", "run-free", "order-created"),
)

RECOVERY = (
    Step(
        "customer 1 comes back and orders",
        "run-free",
        "order-created",
        ("data.ordered=now", f"data.id={NEW_ORDER}"),
    ),
    Step(
        "the T-shirts are ordered, by their cart's token",
        "spiffy",
        "orders-create",
        (
            f"cart_token={CART_TOKEN}",
            "created_at=now",
            "updated_at=now",
            "financial_status=paid",
        ),
    ),
)

ALL = (*FIRST, *OLD, *RECOVERY)
