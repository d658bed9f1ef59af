"""Transactions of carts, orders, payments, customers and the sweep, to be interleaved."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any

from psycopg import sql

from runtime.settings import Settings
from runtime.stage import Partition
from schemas.events import (
    TOPIC_OF,
    Change,
    Contact,
    Customer,
    CustomerRef,
    Event,
    Payment,
    PaymentStatus,
)
from schemas.topics import BY_RECORD, CARTS, CUSTOMERS, ORDERS, PAYMENTS
from sinks.rebuild import table_digest
from sinks.store.batch_writer import Writer
from sinks.watermark import due_carts
from tests.sink_events import (
    CODEC,
    HOUR,
    MINUTE,
    NOON,
    Tables,
    batch,
    cart,
    line,
    meta,
    order,
    record,
)
from tests.turns import Schedule, Turns, Work

BOUGHT = [line("a")]
ONE = CustomerRef(customer_id="1")
MAIL = "a" * 64
GUEST = CustomerRef(email_hash=MAIL)
BOTH = CustomerRef(customer_id="1", email_hash=MAIL)
PASSED = NOON + 2 * HOUR
EARLIER = NOON - HOUR
LIMIT = 200
_TOPICS = (CARTS, ORDERS, CUSTOMERS, PAYMENTS)
_EMPTIED = (*table_digest.DERIVED, "fences", "link_keys", "outbox", "sent_signals", "watermark")
_WATERMARK = sql.SQL(
    "INSERT INTO watermark (at, state) VALUES"
    " (timestamptz 'epoch' + {} * interval '1 microsecond', '{{}}')"
).format(PASSED)


def person(source: str) -> Customer:
    return Customer(
        meta=meta(source, "customer", "1", NOON + 5 * MINUTE, change=Change.CREATED),
        customer_id="1",
        email_hash=MAIL,
        accepts_marketing=True,
        created_at=NOON + 5 * MINUTE,
        contact=Contact(name="Anna"),
    )


def deletion(source: str) -> Customer:
    return Customer(
        meta=meta(source, "customer", "1", NOON + 95 * MINUTE, change=Change.DELETED),
        customer_id="1",
    )


def payment(minutes: int, **fields: Any) -> Payment:
    """A state of Ciklik's one payment."""
    return Payment(
        meta=meta("ciklik", "payment", "p", NOON + minutes * MINUTE),
        payment_id="p",
        status=PaymentStatus.SUCCEEDED,
        amount=Decimal(10),
        **fields,
    )


EVENTS: dict[str, dict[str, Event]] = {
    # Order and cart share the customer's id.
    "run-free": {
        "cart": cart("c", NOON, BOUGHT, source="run-free", customer=ONE),
        "more": cart("c", NOON + 50 * MINUTE, BOUGHT, source="run-free", customer=ONE),
        "order": order("9", NOON + 90 * MINUTE, source="run-free", customer=ONE, items=BOUGHT),
        "person": person("run-free"),
        "deletion": deletion("run-free"),
    },
    # They share nothing until the cart's later event links the customer with the address.
    "ciklik": {
        "cart": cart("c", NOON, BOUGHT, source="ciklik", customer=ONE),
        "link": cart("c", NOON + 10 * MINUTE, BOUGHT, source="ciklik", customer=BOTH),
        "order": order("9", NOON + 90 * MINUTE, source="ciklik", customer=GUEST, items=BOUGHT),
        "person": person("ciklik"),
        # The first names the order, the second only says what went back.
        "payment": payment(100, order_id="9", refunded_amount=Decimal(3)),
        "refund": payment(120, refunded_amount=Decimal(7)),
        "other": payment(140, order_id="8", refunded_amount=Decimal(7)),
        "edited": order(
            "9", NOON + 110 * MINUTE, source="ciklik", customer=BOTH, items=[line("a", 2)]
        ),
        # Of one subscription: the later one is a renewal, and closes no cart.
        "later": order(
            "7", NOON + 90 * MINUTE, source="ciklik", customer=BOTH, subscription_id="u"
        ),
        "older": order(
            "6",
            NOON + 100 * MINUTE,
            source="ciklik",
            customer=ONE,
            subscription_id="u",
            placed_at=NOON - 90 * MINUTE,
        ),
        "guest": cart("g", NOON, BOUGHT, source="ciklik", customer=GUEST),
        "deletion": deletion("ciklik"),
    },
}
NAMES = (
    "cart", "more", "link", "order", "person", "sweep",
    "payment", "refund", "other", "edited", "later", "older", "guest", "deletion",
)  # fmt: skip
_ALWAYS_FREE = ("set_config", "UPDATE fences", "FROM fences", "next_due <=")
"""Words of statements on what no other of these writes, and of the sweep's look for due carts."""


def of_rows(statement: str) -> bool:
    """Everything but the shops, whose row stands: nobody changes it."""
    return not any(word in statement for word in (*_ALWAYS_FREE, "shops"))


def of_steps(statement: str) -> bool:
    """Link locks, the reads of a fold, and the writes: one of each kind for all that follow."""
    return any(word in statement for word in ("INTO link_keys", "FROM carts c", "UPDATE carts"))


def of_refunds(statement: str) -> bool:
    """The locks, and what reads or writes orders, payments and carts: the first of each kind."""
    return any(
        word in statement
        for word in (
            "INTO link_keys", "FROM payments", 'FROM "payments"', 'COPY "payments"',
            'FROM "orders"', 'COPY "orders"', "FROM carts c",
        )
    ) and "DELETE" not in statement  # fmt: skip


def of_shops(statement: str) -> bool:
    """The shops' row, the link locks, and what is summed up in the end."""
    return any(word in statement for word in ("FROM shops", "INTO shops", "UPDATE shops")) or (
        any(word in statement for word in ("INTO link_keys", "customer_lifetime_value"))
        and "set_config" not in statement
    )


class Stage:
    """Tables that are empty but for ``before``, and transactions to run on them."""

    def __init__(
        self, tables: Tables, turns: Turns, source: str, names: Sequence[str], before: Sequence[str]
    ) -> None:
        self.tables, self.turns = tables, turns
        self._told, self.names = EVENTS[source], tuple(names)
        self._before = tuple(before)
        self.first_receipt(source, EARLIER)

    def first_receipt(self, source: str, at: int | None) -> None:
        """When the shop was first heard of, before all transactions; None if never."""
        topics = [self.tables.settings.topic(topic) for topic in _TOPICS]
        forget = sql.SQL("DELETE FROM {};")
        shop = sql.SQL(
            "INSERT INTO shops VALUES"
            " ({}, 'main', timestamptz 'epoch' + {} * interval '1 microsecond')"
        )
        self._empty = sql.SQL(" ").join(
            [
                *(forget.format(sql.Identifier(name)) for name in _EMPTIED),
                sql.SQL(
                    "INSERT INTO fences (topic, partition)"
                    " SELECT * FROM unnest({}::text[]) CROSS JOIN generate_series(0, 12);"
                ).format(topics),
                *([] if at is None else [shop.format(source, at)]),
            ]
        )

    async def reset(self) -> None:
        """Empty tables, fences at 0, the watermark far on; then store what was before."""
        await self.turns.monitor.execute(self._empty)
        for name in self._before:  # before anything was silent
            await self.work(name)()
        await self.turns.monitor.execute(_WATERMARK)

    def work(self, name: str) -> Work:
        """A transaction: each event comes in a partition of its own, as far as that can be."""
        database = self.turns.databases[name]
        if name == "sweep":
            return partial(due_carts.fold_due, database, PASSED, lambda: NOON)
        event = self._told[name]
        topic = self.tables.settings.topic(BY_RECORD[TOPIC_OF[type(event)]])
        place = Partition(topic, list(self._told).index(name))
        stored = batch(place, 0, [record(topic, 0, event)])
        return partial(Writer(database, CODEC, lambda: NOON).store, [stored], None)

    def works(self) -> Mapping[str, Work]:
        return {name: self.work(name) for name in self.names}

    async def one_by_one(self) -> dict[str, str]:
        """The rows after one transaction after the other: the same in every order."""
        found = []
        for names in itertools.permutations(self.names):
            await self.reset()
            for name in names:
                await self.work(name)()
            found.append(await self.tables.digest())
        assert found.count(found[0]) == len(found)
        return found[0]

    async def interleaved(self, schedules: Iterable[Schedule]) -> int:
        """Run every schedule; each gives the rows of one by one. How many there were."""
        expected = await self.one_by_one()
        count = 0
        for schedule in schedules:
            await self.reset()
            await self.turns.run(self.works(), schedule)
            found = await self.tables.digest()
            wrong = {name for name in expected if expected[name] != found[name]}
            assert set() == wrong, f"{wrong} after {' '.join(self.turns.taken)}"
            count += 1
        return count


@asynccontextmanager
async def turns(settings: Settings, gated: Callable[[str], bool]) -> AsyncIterator[Turns]:
    made = Turns(settings, NAMES, gated)
    await made.connect()
    try:
        yield made
    finally:
        await made.close()
