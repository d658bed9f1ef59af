"""The platforms, one row each: what every stage must know. All else is in their adapters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PROOFS = ("token", "hmac-sha256-base64", "hmac-sha256-hex", "header")
"""How a delivery proves its origin; ``token`` is the last part of the URL.

The two signatures differ in how ``hookline send`` writes them: either encoding proves.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One platform. Its adapter is ``processors/sources/<name>``, with underscores for dashes."""

    name: str

    # Requirements and defaults of its shops.
    names_currency: bool
    """False: payloads name no currency, so every shop must."""
    proof: str = "token"
    proof_header: str | None = None
    proof_header_aliases: tuple[str, ...] = ()
    """Other names of that header; a delivery has exactly one of them all."""
    counts_as_sale: bool = True

    # Where a delivery names its event and its entity; the ingress reads no more than that.
    event_headers: tuple[str, ...] = ()
    """Headers that name the event; the first one present counts."""
    shop_headers: tuple[str, ...] = ()
    """Headers that name the shop, likewise."""
    events_in_url: frozenset[str] = frozenset()
    """Event names that may end the URL; none where the event is named elsewhere."""
    event: str = ""
    """Dotted path of the event name in a JSON body; empty where a header or the URL names it."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """First part of an event name, which is the kind of entity, -> path of the entity's id."""

    # Kinds of data in its deliveries: figures of other kinds are unknown in the tables, not zero.
    provides: frozenset[str] = frozenset()
    """Some of ``carts``, ``payments`` and ``subscriptions``; refunds: ``refunds_from``."""
    refunds_from: str = ""
    """The one authority for refunds: ``orders`` or ``payments``; empty where neither gives any."""
    totals_count_orders: bool = True
    """Whether totals that it reports of a customer count orders. False: they count transactions."""
    taxes_included: bool = False
    """Whether prices include tax, where neither payload, shop nor the sums decide."""
    carts_named_by: tuple[str, ...] = ("cart_id",)
    """How orders name carts: ``cart_id``, ``cart_token``, ``customer_id``, ``email_hash``."""

    @property
    def has_unsigned_events(self) -> bool:
        """Whether a signature proves its bodies, and a header beside it names the event."""
        return self.proof.startswith("hmac") and bool(self.event_headers)


def _provides(kinds: str) -> frozenset[str]:
    return frozenset(kinds.split())


_CIKLIK_EVENTS = frozenset(
    {
        *(f"{change}_subscription" for change in ("created", "updated", "deleted")),
        *(f"{change}_checkoutorder" for change in ("created", "updated")),
        *(f"{change}_checkouttransaction" for change in ("created", "updated")),
        "created_checkoutinvoice",
        *(f"{change}_address" for change in ("created", "updated")),
        *(f"{change}_shippingbox" for change in ("created", "updated", "deleted")),
        *(f"{change}_user" for change in ("created", "updated")),
        *(f"{change}_optin" for change in ("created", "updated")),
        "abandoned_cart",
    }
)

PLATFORMS: dict[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform(
            name="run-free",
            names_currency=False,
            provides=_provides("carts payments"),
            carts_named_by=("cart_id", "customer_id"),
        ),
        Platform(
            name="shoprocket",
            names_currency=True,
            refunds_from="orders",
            provides=_provides("carts payments"),
            carts_named_by=("cart_id", "customer_id", "email_hash"),
        ),
        Platform(
            name="spiffy",
            names_currency=False,
            proof="hmac-sha256-base64",
            proof_header="x-spiffy-hmac-sha256",
            proof_header_aliases=("x-spiffy-stores-hmac-sha256",),
            event_headers=("x-spiffy-topic", "x-spiffy-stores-topic"),
            shop_headers=("x-spiffy-shop-domain", "x-spiffy-stores-shop-domain"),
            refunds_from="orders",
            provides=_provides("carts payments"),
            carts_named_by=("cart_id", "cart_token"),
        ),
        Platform(
            name="ciklik",
            names_currency=False,
            events_in_url=_CIKLIK_EVENTS,
            refunds_from="payments",
            totals_count_orders=False,
            provides=_provides("carts payments subscriptions"),
            carts_named_by=("cart_id", "customer_id", "email_hash"),
        ),
        Platform(
            name="gooten",
            names_currency=True,
            # A fulfilment partner: its orders repeat sales that a storefront has reported.
            counts_as_sale=False,
        ),
    )
}
"""Name -> row, in the order of every list."""


def providing(kind: str) -> frozenset[str]:
    """Return the platforms whose deliveries contain this kind of data."""
    return frozenset(name for name, row in PLATFORMS.items() if kind in row.provides)


def naming_cart_customers() -> frozenset[str]:
    """Return the platforms whose carts name their customers."""
    return frozenset(
        name
        for name in providing("carts")
        if {"customer_id", "email_hash"} & set(PLATFORMS[name].carts_named_by)
    )
