"""``hookline why`` of every cart and customer of the scripted histories ends in their rows."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from hookline.explain import explain, key_lookup
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from tests import explained
from tests.histories.everything import WATERMARK, everything
from tests.histories.history import histories
from tests.histories.running import by_topic
from tests.histories.stored import empty
from tests.sink_events import Tables

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


@pytest.fixture
def reader(tables: Tables, live_stack: Any) -> Iterator[Reader]:
    readers = live_stack.reader_url, live_stack.postgres.contacts_reader_url
    with Reader(StackAddress(tables.settings, "", *readers)) as ready:
        yield ready


async def test_every_cart_and_customer_of_the_histories_ends_in_its_own_rows(
    tables: Tables, reader: Reader
) -> None:
    wrong = {}
    by_watermark: dict[int, list[Any]] = {}
    for history in histories().values():
        by_watermark.setdefault(history.watermark, []).extend(history.events)
    for watermark, events in by_watermark.items():
        empty(tables)
        for batch in by_topic(events, len(events)):
            await tables.put_batch(batch)
        await tables.passed(watermark)
        wrong[watermark] = explained.differences(reader)
    assert {} == {at: each for at, each in wrong.items() if each}


async def test_every_cart_and_customer_of_a_long_mixed_history_ends_in_its_own_rows(
    tables: Tables, reader: Reader
) -> None:
    for batch in by_topic(everything(600, seed=5), 1000):
        await tables.put_batch(batch)
    await tables.passed(WATERMARK)
    assert explained.differences(reader) == []


async def test_a_customer_of_ciklik_shows_the_payments_that_gave_back(
    tables: Tables, reader: Reader
) -> None:
    history = histories()["refunds_of_payments"]
    for batch in by_topic(history.events, 1000):
        await tables.put_batch(batch)
    await tables.passed(history.watermark)
    shown = explain.customer(reader, key_lookup.find_key(reader, "customers", "1"))
    (order,), (payment,) = shown["orders"], shown["payments"]
    assert order["rules"] == [
        "COUNTED, since COMPLETED",
        "net 30 = gross 50 - discounts 0 - refunded 20",
        "prices are without tax, as is usual on its platform",
        "refund p1 of 2026-01-02 12:00, given back by a payment: goodwill 20: takes 20 off net",
    ]
    assert [refund["net_effect"] for refund in order["refunds"]] == [20]
    assert payment["rules"] == [
        f"gave back 20 of {order['key']}: the orders of its platform give no refunds themselves"
    ]
    assert Decimal(payment["events"][-1]["decides"]["refunded_amount"]) == 20
    (row,) = shown["rows"]
    assert row["rules"][3] == (
        "it reports 25 refunded in all, of no order in particular: not in net;"
        " net_less_reported_refunds 25 = net - 5 of it that no payment gives"
    )
    whole = explain.customer(reader, key_lookup.find_key(reader, "customers", "2"))
    assert [each["rules"] for each in whole["payments"]] == [
        [
            (
                f"REFUNDED without an amount: gave back all 50 of {whole['orders'][0]['key']}:"
                " the orders of its platform give no refunds themselves"
            )
        ]
    ]
    unknown = explain.customer(reader, key_lookup.find_key(reader, "customers", "3"))
    assert unknown["orders"][0]["rules"][1] == (
        "a part was refunded and no event gives how much: the net is unknown"
    )
    assert unknown["payments"] == []
