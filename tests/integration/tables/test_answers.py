"""The Faust application of ``make truth``, on a real broker."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from runtime.settings import Settings
from tests.answers import deliveries, history
from tests.conftest import LiveStack
from tests.raw import Raw, append
from tests.unit.answers.given import JOHNS, ORDER, REFUND, SHOPS, amounts

pytestmark = pytest.mark.stack


def test_faust_adds_an_order_once_and_takes_its_refund_off(
    stack: LiveStack, prepared: Callable[[Settings], Settings], tmp_path: Path
) -> None:
    settings = prepared(stack.settings())
    back = {**ORDER, "financial_status": "partially_refunded", "refunds": [REFUND]}
    bodies = [msgspec.json.encode(each) for each in (ORDER, ORDER, back)]
    bodies.append(bodies[0][:100])
    sent = [Raw("spiffy", "johns", "order:1", body, event="orders/updated") for body in bodies]
    asyncio.run(append(settings, sent))

    received = deliveries.read(settings)
    with history.faust_beside(settings, SHOPS, tmp_path) as wait_for_answer:
        got = wait_for_answer(len(received))

    assert [each.body for each in received] == [ORDER, ORDER, back, None]
    assert amounts(got) == {f"{JOHNS.key}/customer:7": (1, Decimal(54))}
