"""A long history of all platforms and all kinds of events, made from a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.events import (
    Change,
    Consent,
    Contact,
    Customer,
    CustomerRef,
    Event,
    LineItem,
    Meta,
    OrderStatus,
    Payment,
    PaymentKind,
    PaymentStatus,
    Refund,
    ReportedTotals,
    Scope,
    Shipment,
    ShipmentStatus,
    ShopSettings,
    Subscription,
    SubscriptionStatus,
)
from tests.sink_events import DAY, MINUTE, NOON, SETTINGS, cart, line, meta, order

DAYS = 25
WATERMARK = NOON + (DAYS + 10) * DAY
_KINDS = {
    "run-free": "cart cart cart order customer",
    "shoprocket": "cart order order order customer",
    "spiffy": "cart cart order order order customer payment",
    "ciklik": "cart order order customer subscription payment shipment consent",
    "gooten": "order shipment",
}
"""Platform -> what it sends, the more often named the more often."""
_LIFE = (OrderStatus.PENDING, OrderStatus.PAID, OrderStatus.PAID, OrderStatus.COMPLETED,
    OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED, OrderStatus.CANCELLED,
    OrderStatus.UNKNOWN)  # fmt: skip
_REPORTS_ABANDONED = ("ciklik", "shoprocket")


def everything(count: int, seed: int = 1) -> list[Event]:
    """``count`` events over some weeks.

    Carts left, bought, emptied and reported, orders edited, refunded, cancelled and deleted,
    renewals, guests, tests, two currencies and zones, settings changed in the middle.
    """
    world = _World(random.Random(seed), max(2, count // 60))  # noqa: S311 - a seed repeats it
    return [world.event(number) for number in range(count)]


@dataclass
class _World:
    chance: random.Random
    people: int

    def event(self, number: int) -> Event:
        source = self.chance.choice(list(_KINDS))
        kind = self.chance.choice(_KINDS[source].split())
        who = self.chance.randrange(self.people)
        # People come in visits: what they do is close together, with silence between.
        visit = (who * 7919 + self.chance.randrange(6) * 104_729) % (DAYS * 24 * 60)
        at = NOON + (visit + self.chance.randrange(180)) * MINUTE + number
        make: Callable[..., Event] = getattr(self, kind)
        return make(source, who, at, self._about(source, at, number))

    def cart(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        reports = source in _REPORTS_ABANDONED
        return cart(
            f"{who}.{self.chance.randrange(2)}",
            at,
            self.chance.choice((self._lines(), self._lines(), [], None)),
            source=source,
            customer=self._who(who),
            token=f"t{who}",
            abandoned=reports and self.chance.random() < 0.8,
            created_at=at - self.chance.randrange(200) * MINUTE if reports else None,
            **about,
        )

    def order(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        about["change"] = self.chance.choice((Change.CREATED, Change.UPDATED, Change.UPDATED))
        if self.chance.random() < 0.04:
            about["change"] = Change.DELETED
        names = self.chance.sample(
            ("items_total", "discount_total", "tax_total", "shipping_total", "total",
             "refunded_total", "refunded_goods"),
            self.chance.randrange(6),
        )  # fmt: skip
        subscribed = source == "ciklik" and self.chance.random() < 0.6
        return order(
            f"{who}.{self.chance.randrange(3)}",
            at,
            source=source,
            status=OrderStatus.PLACED if source == "run-free" else self.chance.choice(_LIFE),
            customer=self._who(who),
            amounts={name: str(self._amount()) for name in names},
            items=self.chance.choice((self._lines(), self._lines(), None)),
            of_meta=about,
            cart_token=f"t{who}" if source == "spiffy" else None,
            subscription_id=f"u{who}" if subscribed else None,
            successful_transactions=self.chance.choice((None, 1, 2)) if subscribed else None,
            taxes_included=self.chance.choice((None, True, False)),
            currency=self.chance.choice((None, None, "EUR")),
            placed_at=self.chance.choice((None, at)),
            is_draft=self.chance.choice((None,) * 12 + (False, True)),
            refunds=self._refunds() if self.chance.random() < 0.3 else None,
            cancelled_at=at if self.chance.random() < 0.05 else None,
            cleared=("cancelled_at",) if self.chance.random() < 0.2 else (),
            reported=self._totals(who) if source in ("ciklik", "spiffy") else (),
        )

    def customer(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        return Customer(
            meta=meta(source, "customer", f"{who}", at, **about),
            customer_id=f"{who}",
            email_hash=self.chance.choice((None, f"{who:064x}", f"{who + 1:064x}")),
            contact=Contact(name=f"Person {who}") if self.chance.random() < 0.5 else None,
            accepts_marketing=self.chance.choice((None, True, False)),
            created_at=NOON + self.chance.randrange(-3, 3) * DAY,
            reported=self._totals(who),
        )

    def subscription(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        return Subscription(
            meta=meta(source, "subscription", f"u{who}", at, **about),
            subscription_id=f"u{who}",
            customer=self.chance.choice((None, CustomerRef(customer_id=f"{who}"))),
            status=self.chance.choice(list(SubscriptionStatus)),
            price=self._amount(),
        )

    def payment(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        return Payment(
            meta=meta(
                source, "payment", native := f"{who}.{self.chance.randrange(3)}", at, **about
            ),
            payment_id=native,
            kind=self.chance.choice((PaymentKind.TRANSACTION, *PaymentKind)),
            status=self.chance.choice(list(PaymentStatus)),
            order_id=self.chance.choice((None, f"{who}.0", f"{who}.0", f"{who}.1", f"{who}.2")),
            customer=self._who(who),
            amount=self._amount(),
            refunded_amount=self._amount() if self.chance.random() < 0.4 else None,
        )

    def shipment(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        return Shipment(
            meta=self._meta(source, "shipment", who, at, about),
            shipment_id=f"{who}",
            status=self.chance.choice(list(ShipmentStatus)),
            customer=self._who(who),
            items=self.chance.choice((None, tuple(self._lines()))),
        )

    def consent(self, source: str, who: int, at: int, about: dict[str, Any]) -> Event:
        return Consent(
            meta=self._meta(source, "consent", who, at, about),
            consent_id=f"{who}",
            customer=self._who(who),
            granted=self.chance.choice((None, True, False)),
        )

    def _about(self, source: str, at: int, number: int) -> dict[str, Any]:
        second = self.chance.random() < 0.3
        settings = ShopSettings(
            currency="CAD" if second else "USD",
            timezone="Australia/Sydney" if second else "America/New_York",
            abandon_after_s=1800 if at > NOON + DAYS * DAY // 2 else SETTINGS.abandon_after_s,
            expire_after_s=5 * 86_400,
            checkout_grace_s=SETTINGS.checkout_grace_s,
            taxes_included=None,
            counts_as_sale=source != "gooten" or second,
        )
        return {
            "shop": "second" if second else "main",
            "offset": number,
            "is_test": self.chance.random() < 0.04,
            "settings": settings,
        }

    def _meta(self, source: str, kind: str, who: int, at: int, about: dict[str, Any]) -> Meta:
        return meta(source, kind, f"{who}", at, **about)

    def _who(self, who: int) -> CustomerRef | None:
        known, address = CustomerRef(customer_id=f"{who}"), f"{who:064x}"
        guest = CustomerRef(email_hash=address)
        both = CustomerRef(customer_id=f"{who}", email_hash=address, accepts_marketing=True)
        return self.chance.choice((None, known, known, both, guest))

    def _lines(self) -> list[LineItem]:
        bought = [
            line(name, self.chance.randrange(3), str(self._amount()))
            for name in self.chance.sample("abcde", self.chance.randrange(1, 4))
        ]
        if self.chance.random() < 0.1:
            bought.append(
                LineItem(sku="card", quantity=1, line_total=Decimal(25), is_gift_card=True)
            )
        return bought

    def _refunds(self) -> tuple[Refund, ...]:
        """None, one or two refunds, with and without ids, that succeeded or did not."""
        return tuple(
            Refund(
                refund_id=self.chance.choice((None, "r1", "r2"))
                if number == 0
                else f"r{number + 2}",
                status=self.chance.choice((PaymentStatus.SUCCEEDED, *PaymentStatus)),
                amount=self.chance.choice((None, self._amount())),
                goods=self.chance.choice((None, self._amount())),
                tax=self.chance.choice((None, Decimal("1.25"))),
                shipping=self.chance.choice((None, Decimal("4.95"))),
            )
            for number in range(self.chance.randrange(3))
        )

    def _totals(self, who: int) -> tuple[ReportedTotals, ...]:
        if self.chance.random() < 0.6:
            return ()
        return (
            ReportedTotals(
                scope=self.chance.choice(list(Scope)),
                scope_id=f"u{who}",
                revenue=self._amount(),
                refunded=self.chance.choice((None, self._amount())),
                orders_count=self.chance.choice((None, 1, 9)),
            ),
        )

    def _amount(self) -> Decimal:
        return Decimal(self.chance.randrange(20_000)).scaleb(-2)
