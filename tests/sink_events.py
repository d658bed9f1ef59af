"""Canonical events built by hand, and the stage fed with them as the worker would."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import psycopg
from psycopg import sql

from runtime.health import Health
from runtime.settings import Settings
from runtime.stage import Batch, Partition
from schemas import envelopes, keys
from schemas.codec import Codec
from schemas.events import (
    RECORDS,
    TOPIC_OF,
    Cart,
    Change,
    CustomerRef,
    Event,
    LineItem,
    Meta,
    Order,
    OrderStatus,
    ShopSettings,
    TimeBasis,
)
from schemas.topics import BY_RECORD
from sinks.agent import Sinks
from sinks.postgres.session import Database, Leader
from sinks.rebuild import table_digest
from sinks.store import stored_offsets
from sinks.watermark import due_carts

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = 1_767_268_800 * SECOND
"""2026-01-01T12:00:00Z."""

CODEC = Codec({name: number for number, name in enumerate(RECORDS, start=1)})
SETTINGS = ShopSettings(
    currency="USD",
    timezone="UTC",
    abandon_after_s=3600,
    expire_after_s=30 * 86400,
    checkout_grace_s=1800,
    taxes_included=False,
    counts_as_sale=True,
)


def meta(
    source: str,
    kind: str,
    native: str,
    at: int,
    *,
    change: Change = Change.UPDATED,
    shop: str = "main",
    offset: int | None = None,
    is_test: bool = False,
    settings: ShopSettings = SETTINGS,
    slot: str = "",
    entity: str | None = None,
) -> Meta:
    """The meta of an event received at ``at``; ``offset`` tells deliveries apart."""
    number = at // SECOND if offset is None else offset
    delivery = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{source}/{shop}/{kind}:{native}/{number}"))
    return Meta(
        event_id=envelopes.event_id(delivery, slot or kind),
        delivery_id=delivery,
        source=source,
        shop=shop,
        entity=entity or keys.entity_key(source, shop, kind, native),
        slot=slot or kind,
        source_event=kind,
        change=change,
        occurred_at=at,
        time_basis=TimeBasis.RECEIVED,
        version_at=at,
        received_at=at,
        raw_partition=0,
        raw_offset=number,
        raw_appended_at=at,
        is_test=is_test,
        adapter_version=1,
        settings=settings,
    )


def cart(
    native: str,
    at: int,
    items: Sequence[LineItem] | None = None,
    *,
    source: str = "spiffy",
    customer: CustomerRef | None = None,
    token: str | None = None,
    abandoned: bool = False,
    total: str | None = None,
    created_at: int | None = None,
    **of_meta: Any,
) -> Cart:
    """A cart as told at ``at``."""
    return Cart(
        meta=meta(source, "cart", native, at, **of_meta),
        cart_id=native,
        cart_token=token,
        customer=customer,
        abandoned=abandoned,
        created_at=created_at,
        items=None if items is None else tuple(items),
        total=None if total is None else Decimal(total),
        currency="USD",
    )


def order(
    native: str,
    at: int,
    *,
    source: str = "spiffy",
    status: OrderStatus = OrderStatus.PAID,
    customer: CustomerRef | None = None,
    amounts: dict[str, str] | None = None,
    items: Sequence[LineItem] | None = (),
    of_meta: dict[str, Any] | None = None,
    **fields: Any,
) -> Order:
    """An order as told at ``at``, placed then unless ``placed_at`` says otherwise."""
    money = {name: Decimal(value) for name, value in (amounts or {}).items()}
    return Order(
        meta=meta(source, "order", native, at, **(of_meta or {})),
        order_id=native,
        customer=customer,
        status=status,
        items=None if items is None else tuple(items),
        **{"placed_at": at, "currency": "USD", **money, **fields},
    )


def line(variant: str, quantity: int = 1, price: str = "10.00") -> LineItem:
    """One line of a cart or an order."""
    return LineItem(
        line_id=variant,
        product_id=f"p{variant}",
        variant_id=variant,
        quantity=quantity,
        unit_price=Decimal(price),
        line_total=Decimal(price) * quantity,
    )


@dataclass(frozen=True)
class FakeRecord:
    """A consumer record, of what the stage reads."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int = 0


def record(topic: str, offset: int, event: Event, value: bytes | None = None) -> FakeRecord:
    """The record of an event, as the processors write it."""
    return FakeRecord(
        topic=topic,
        partition=0,
        offset=offset,
        key=event.meta.entity.encode(),
        value=CODEC.encode(event) if value is None else value,
        headers=(
            (envelopes.RAW_OFFSET, b"%d" % offset),
            (envelopes.RAW_TIME, b"1767268800000"),
            (envelopes.SLOT, event.meta.slot.encode()),
            (envelopes.SLOTS, event.meta.slot.encode()),
            (envelopes.DIGEST, bytes(16)),
            (envelopes.DELIVERY, event.meta.delivery_id.encode()),
            (envelopes.ENTITY, event.meta.entity.encode()),
        ),
    )


def batch(place: Partition, offset: int, records: Sequence[Any]) -> Batch:
    """Consecutive records of a partition."""
    return Batch(place, records, offset, offset + len(records), 1, lambda: True)


class Tables:
    """The stage on real tables, without a group: every event goes to its topic's partition."""

    def __init__(self, settings: Settings, name: str = "hookline-sinks-test") -> None:
        self.settings = settings
        self.health = Health()
        self.now = NOON
        self.sinks = Sinks(CODEC, clock=lambda: self.now, in_background=False)
        self.database = Database(settings, self.health, name)
        self._next: dict[Partition, int] = {}

    async def __aenter__(self) -> Self:
        await self.sinks.start(self.settings, self.health)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sinks.stop()
        await self.database.close()

    async def put(self, events: Iterable[Event], size: int = 1000) -> None:
        """Store events in their order, in batches of at most ``size``."""
        run: list[Event] = []
        for event in events:
            if run and (type(event) is not type(run[0]) or len(run) == size):
                await self.put_batch(run)
                run = []
            run.append(event)
        if run:
            await self.put_batch(run)

    async def put_batch(self, events: Sequence[Event]) -> None:
        """Store events of one topic as one batch."""
        place = await self.place(events[0])
        start = self._next[place]
        records = [
            record(place.topic, start + number, event) for number, event in enumerate(events)
        ]
        self._next[place] = start + len(records)
        await self.sinks.handle(batch(place, start, records))

    async def place(self, event: Event) -> Partition:
        """The partition of an event's topic, its fence in place."""
        topic = self.settings.topic(BY_RECORD[TOPIC_OF[type(event)]])
        place = Partition(topic, 0)
        if place not in self._next:
            held = await self.database.run(
                lambda connection: stored_offsets.take_over(connection, [place], "test")
            )
            self._next[place] = held[place].next_offset
        return place

    async def passed(self, watermark: int) -> int:
        """Let the watermark pass, and sweep; how many carts were due."""
        self.execute(
            "INSERT INTO watermark (at, state) VALUES"
            " (timestamptz 'epoch' + %s * interval '1 microsecond', '{}')"
            " ON CONFLICT (is_only) DO UPDATE SET at = excluded.at",
            watermark,
        )
        closed = await due_carts.fold_due(self.database, watermark, lambda: self.now)
        await due_carts.refresh_customers(self.database)
        return closed

    def execute(self, query: str, *values: Any) -> None:
        """Run one statement."""
        with self._connect() as connection:
            connection.execute(query, values)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._connect() as connection:
            return connection.execute(query, values).fetchall()

    async def digest(self) -> dict[str, str]:
        """A digest of every table's rows; when and how often it was written left aside."""
        return await self.database.run(
            lambda connection: table_digest.digests(connection, self.settings.sql_schema)
        )

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(self.settings.database_url, autocommit=True)
        schema = sql.Identifier(self.settings.sql_schema)
        connection.execute(sql.SQL("SET search_path TO {}").format(schema))
        return connection


async def resign(leader: Leader, settings: Settings) -> None:
    """Close it; the server ends its session, and frees its lock, in a moment of its own."""
    if leader._led is None:
        await leader.close()
        return
    session = leader._led.info.backend_pid
    await leader.close()
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        # Unlike the client's goodbye, this waits until the session is gone.
        connection.execute("SELECT pg_terminate_backend(%s, 20_000)", [session])
