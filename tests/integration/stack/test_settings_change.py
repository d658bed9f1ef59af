"""Settings changed in mid-stream, then a rebuild: the rows that stood."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from runtime.settings import Settings
from schemas.events import CustomerRef, Event, ShopSettings
from sinks.rebuild.rebuild import Rebuild, Rebuilt
from tests.canonical_log import Worker, append
from tests.histories.everything import WATERMARK, everything
from tests.histories.running import folded, shuffled
from tests.histories.stored import read, unlike
from tests.sink_events import CODEC, HOUR, MINUTE, NOON, SECOND, SETTINGS, Tables, cart, line, order

pytestmark = pytest.mark.stack

BEFORE = SETTINGS
AFTER: ShopSettings = msgspec.structs.replace(
    SETTINGS, abandon_after_s=900, currency="CAD", counts_as_sale=False
)


def _stream() -> Iterable[Event]:
    """A cart and an order a minute; the settings change after an hour."""
    for minute in range(120):
        at = NOON + minute * MINUTE
        settings = BEFORE if minute < 60 else AFTER
        who = CustomerRef(customer_id=f"{minute % 7}")
        yield cart(f"{minute}", at, [line("a")], source="run-free", customer=who, settings=settings)
        if minute % 3 == 0:
            yield order(
                f"{minute}",
                at + 20 * SECOND,
                source="run-free",
                customer=who,
                currency=None,
                items=[line("a")],
                of_meta={"settings": settings},
            )


async def test_a_rebuild_gives_the_rows_of_settings_that_changed_in_mid_stream(
    stack: Any, prepared: Callable[[Settings], Settings]
) -> None:
    settings = prepared(stack.settings())
    events = [*_stream(), *everything(300, seed=5)]
    await append(settings, shuffled(events, seed=1))
    async with Worker(settings) as worker:
        await worker.store()
    async with Tables(settings) as tables:
        await tables.passed(NOON + 4 * HOUR)
        await tables.passed(WATERMARK)
        digests = await tables.digest()
        assert [] == unlike(folded(events, len(events), WATERMARK), read(tables))
        found = tables.rows(
            "SELECT currency, standing, count(*)::int, sum(net) FROM orders"
            " WHERE source = 'run-free' AND shop = 'main' AND order_id !~ '[.]'"
            " GROUP BY 1, 2 ORDER BY 1"
        )
        assert [("CAD", "NOT_A_SALE", 20, None), ("USD", "COUNTED", 20, Decimal(200))] == found
        silences = tables.rows(
            "SELECT DISTINCT abandoned_at - last_activity_at FROM abandoned_carts"
            " WHERE native_cart_id !~ '[.]' ORDER BY 1"
        )
        assert [15.0, 60.0] == [each.total_seconds() / 60 for (each,) in silences]
        async with Rebuild(settings, lambda: NOON, lambda _: None, CODEC) as work:
            await work.build()
            ended = await work.swap()
        assert Rebuilt(ended.records, 0, "") == ended
        assert digests == await tables.digest()
