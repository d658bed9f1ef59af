"""The CDNOW sample sent as webhooks: the rows are the published ones."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from processors.sources.contract import Delivery
from schemas.envelopes import RawDelivery, Reject
from schemas.events import Event
from sinks.migrate import migrate
from tests import cdnow
from tests.example_files import CONTACT_KEY, SHOPS, verdict
from tests.sink_events import Tables

pytestmark = pytest.mark.stack
SECOND = 1_000_000
END = int(datetime(1997, 10, 1, tzinfo=UTC).timestamp()) * SECOND
"""The watermark at which it is still the last day of the calibration period in New York."""


def _events() -> Iterator[Event]:
    """Each transaction of the calibration period as Run Free tells an order."""
    for number, each in enumerate(cdnow.purchases(), start=1):
        if each.day > cdnow.CALIBRATION_ENDS:
            continue
        at = f"{each.day.isoformat()}T17:00:00.000Z"
        body = json.dumps(
            {
                "type": "order",
                "action": "created",
                "data": {
                    "id": number,
                    "customer": {"id": each.customer},
                    "ordered": at,
                    "subtotal": float(each.value),
                    "items": [],
                },
            }
        ).encode()
        received = int(datetime.fromisoformat(at).timestamp()) * SECOND
        raw = RawDelivery(
            partition=0,
            offset=number,
            appended_ms=received // 1000,
            key=f"run-free/demo/order:{number}".encode(),
            body=body,
            delivery_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"cdnow/{number}")),
            source="run-free",
            shop="demo",
            event="order/created",
            received_at=received,
            content_type="application/json",
            query="",
        )
        made = verdict(Delivery(raw, SHOPS["run-free"], body, CONTACT_KEY))
        assert not isinstance(made, Reject), made
        yield from made[1].values()


async def test_rfm_rows_are_the_published_ones(stack: Any) -> None:
    """Repeat days, weeks and mean values of 2,357 customers, each within 0.01."""
    published = cdnow.published()
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        await tables.put(_events())
        await tables.passed(END)
        rows = tables.rows(
            "SELECT split_part(customer_key, ':', 2)::int, frequency, recency, t, monetary"
            " FROM customer_lifetime_value ORDER BY 1"
        )
    assert [each.customer for each in published] == [row[0] for row in rows]
    worst = Decimal(0)
    for each, (_, frequency, recency, age, monetary) in zip(published, rows, strict=True):
        assert each.x == frequency
        found = (Decimal(recency) / 7, Decimal(age) / 7, monetary or Decimal(0))
        worst = max(
            worst,
            *(
                abs(told - figure)
                for told, figure in zip((each.recency, each.age, each.value), found, strict=True)
            ),
        )
    print(f"{len(rows)} customers; the greatest difference is {worst:.4f}")
    assert worst <= Decimal("0.01")
