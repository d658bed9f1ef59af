"""What must stand in Kafka and in the tables after numbered orders were sent."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from runtime.settings import Settings
from schemas.envelopes import DELIVERY
from schemas.topics import DEAD_LETTERS, DUPLICATES, ORDERS
from tests.raw import records
from tests.senders import NumberedOrder, Sent


@dataclass(frozen=True, slots=True)
class Found:
    """What differs from the truth.

    ``lost``: orders without an event. ``repeats``: event records beyond one per order.
    ``unsettled``: accepted deliveries without a verdict. ``missing_rows``: orders not in the
    table. ``net`` and ``orders_count`` are the sums of the lifetime table.
    """

    lost: int
    repeats: int
    unsettled: int
    missing_rows: int
    net: Decimal
    expected_net: Decimal
    orders_count: int

    @property
    def is_exact(self) -> bool:
        return (self.lost, self.repeats, self.unsettled, self.missing_rows) == (
            0,
            0,
            0,
            0,
        ) and self.net == self.expected_net


def wait_for_rows(settings: Settings, orders: int, seconds: float) -> None:
    """Return when that many orders stand in the table. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    count = -1
    while time.monotonic() < deadline:
        with psycopg.connect(settings.database_url) as connection:
            row = connection.execute(
                f"SELECT count(*) FROM {settings.sql_schema}.orders"  # noqa: S608 - our own name
            ).fetchone()
        count = row[0] if row else 0
        if count >= orders:
            return
        time.sleep(0.3)
    raise TimeoutError(f"{count} of {orders} orders in the table after {seconds} s")


def look(settings: Settings, wanted: Collection[NumberedOrder], sent: Sent) -> Found:
    """Compare everything that stands with what was sent."""
    topics = [settings.topic(topic) for topic in (ORDERS, DUPLICATES, DEAD_LETTERS)]
    stands = asyncio.run(records(settings, topics))
    canonical = [record for record in stands if record.topic == topics[0]]
    settled = {dict(record.headers)[DELIVERY].decode() for record in stands}
    keys = Counter(record.key for record in canonical)
    expected = {f"run-free/lakeside/order:{order.number}".encode() for order in wanted}
    with psycopg.connect(settings.database_url) as connection:
        schema = settings.sql_schema
        rows = connection.execute(f"SELECT order_key FROM {schema}.orders").fetchall()  # noqa: S608
        sums = connection.execute(
            f"SELECT coalesce(sum(net), 0), coalesce(sum(orders_count), 0)"  # noqa: S608
            f" FROM {schema}.customer_lifetime_value"
        ).fetchone()
    assert sums is not None
    return Found(
        lost=len(expected - keys.keys()),
        repeats=len(canonical) - len(keys),
        unsettled=len(sent.accepted.keys() - settled),
        missing_rows=len(expected - {row[0].encode() for row in rows}),
        net=sums[0],
        expected_net=sum((order.subtotal for order in wanted), Decimal(0)),
        orders_count=int(sums[1]),
    )


def audit(settings: Settings) -> subprocess.CompletedProcess[str]:
    """``hookline audit`` as an operator runs it."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "hookline", "audit", "--json"],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
