"""The CDNOW sample sent as webhooks: the rows are the published ones."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from runtime.settings import Settings
from tests import cdnow, senders
from tests.pipeline import Pipeline, running

pytestmark = pytest.mark.stack

CUSTOMERS, TRANSACTIONS = 2357, 6919
ZONE = "America/New_York"
_ROWS = f"""
    SELECT split_part(customer_key, ':', 2)::int, frequency, recency,
        t - ((as_of AT TIME ZONE '{ZONE}')::date - %s), monetary
    FROM customer_lifetime_value ORDER BY 1
"""  # noqa: S608 - a name of this module
_SUMS = """
    SELECT count(*)::int, sum(orders_count)::int, sum(net), count(as_of)::int
    FROM customer_lifetime_value
"""


@dataclass(frozen=True, slots=True)
class Order:
    """A transaction as Run Free tells an order."""

    number: int
    told: cdnow.Purchase

    def request(self, host: str) -> bytes:
        """The whole HTTP request."""
        data = {
            "id": self.number,
            "customer": {"id": self.told.customer},
            "ordered": f"{self.told.day.isoformat()}T17:00:00.000Z",
            "items": [],
        }
        # Money exactly as written: json would pass it through a float.
        text = json.dumps({"type": "order", "action": "created", "data": data})[:-2]
        body = f'{text}, "subtotal": {self.told.value}}}}}'.encode()
        return senders.request(host, f"/hooks/run-free/{senders.SHOP}/{senders.TOKEN}", {}, body)


@pytest.fixture
def pipeline(
    stack: Any, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> Iterator[Pipeline]:
    shops = tmp_path / "shops.toml"
    shops.write_text(f'{senders.SHOPS_TOML}timezone = "{ZONE}"\n')
    with running(prepared(stack.settings(shops_file=str(shops))), tmp_path / "logs") as ready:
        yield ready


@pytest.mark.timeout(180)
async def test_rfm_rows_are_the_published_ones(pipeline: Pipeline) -> None:
    """Repeat days, weeks and mean values of 2,357 customers, each within 0.01.

    Some transactions are sent twice. ``t`` speaks of the watermark's day, today: less the days
    since the calibration period, of its end.
    """
    orders = [Order(number, each) for number, each in enumerate(cdnow.purchases(), start=1)]
    calibration = [each for each in orders if each.told.day <= cdnow.CALIBRATION_ENDS]
    await _send(pipeline, calibration, calibration)
    published, rows = cdnow.published(), _rows(pipeline, _ROWS, cdnow.CALIBRATION_ENDS)
    assert [each.customer for each in published] == [row[0] for row in rows]
    worst = Decimal(0)
    for each, (_, frequency, recency, age, monetary) in zip(published, rows, strict=True):
        assert each.x == frequency
        found = (Decimal(recency) / 7, Decimal(age) / 7, monetary or Decimal(0))
        told = (each.recency, each.age, each.value)
        worst = max(worst, *(abs(a - b) for a, b in zip(told, found, strict=True)))
    print(f"{len(rows)} customers; the greatest difference is {worst:.4f}")
    assert worst <= Decimal("0.01")
    # What they bought after the calibration period comes to the same customers' rows.
    await _send(pipeline, [each for each in orders if each not in calibration], orders)
    assert (CUSTOMERS, TRANSACTIONS) == _rows(pipeline, _SUMS)[0][:2]


async def _send(pipeline: Pipeline, wanted: list[Order], expected: list[Order]) -> None:
    """Send orders as webhooks; return once those expected are in the tables, days counted."""
    await senders.send(pipeline.url, wanted)
    customers = len({each.told.customer for each in expected})
    value = sum(each.told.value for each in expected)
    async with asyncio.timeout(90):
        while [(customers, len(expected), value, customers)] != _rows(pipeline, _SUMS):  # noqa: ASYNC110
            await asyncio.sleep(0.3)


def _rows(pipeline: Pipeline, query: str, *values: object) -> list[tuple[Any, ...]]:
    settings = pipeline.settings
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(f'SET search_path TO "{settings.sql_schema}"')
        return connection.execute(query, values).fetchall()
