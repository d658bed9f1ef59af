"""The platforms' published samples, as the adapters give them, through the table rules."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.events import RECORDS, Cart, Event, Order, OrderStatus
from schemas.keys import native_id
from sinks.carts.fold import fold
from sinks.carts.records import CartHistory, CartStatus, Detection, activity_of
from sinks.lifetime.order_money import order_money
from sinks.lifetime.order_state import OrderState, order_state, renewals
from sinks.lifetime.revenue_status import RevenueStatus
from sinks.merge.last_writer import flatten
from tests import ROOT
from tests.layers import merge_record

D = Decimal
EXAMPLES = ROOT / "tests" / "examples"


def record(example: str, slot: int = 0, **meta: Any) -> Event:
    published = json.loads((EXAMPLES / f"{example}.expected.json").read_text())["events"][slot]
    fields = published["record"] | {"meta": published["record"]["meta"] | meta}
    event: Event = msgspec.convert(fields, RECORDS[published["topic"]])
    return event


def state(event: Event) -> OrderState:
    assert isinstance(event, Order)
    meta = event.meta
    fields = flatten(merge_record((), event))
    return order_state(meta.entity, meta.source, meta.shop, fields)


@pytest.mark.parametrize(
    ("example", "changes", "expected"),
    [
        ("run-free/order-created", {}, ("COUNTED", D(130), D(26), D("8.32"), None, D(104), None)),
        ("ciklik/created_checkoutorder", {}, ("COUNTED", D(50), D(0), ..., ..., D(50), None)),
        (
            "ciklik/created_checkoutorder-renewal",
            {},
            ("COUNTED", D(20), D(20), ..., ..., D(0), None),
        ),
        ("shoprocket/order-created", {}, ("TEST", None, None, None, None, None, None)),
        (
            "shoprocket/order-created",
            {"is_test": False},
            ("PENDING", None, None, None, None, None, D(12)),
        ),
        ("gooten/order-item-changed", {}, ("NOT_A_SALE", None, None, None, None, None, None)),
    ],
)
def test_orders(example: str, changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    money = order_money(state(record(example, **changes)))
    actual = (
        money.revenue_status.value,
        money.gross,
        money.discounts,
        money.taxes,
        money.shipping,
        money.net,
        money.pending,
    )
    assert expected == tuple(
        ... if wanted is ... else got for wanted, got in zip(expected, actual, strict=True)
    )


def test_a_paid_shoprocket_order_is_net_12_with_its_shipping_apart() -> None:
    event = record("shoprocket/order-created", is_test=False)
    paid = msgspec.structs.replace(event, status=OrderStatus.PAID, status_word="paid")
    money = order_money(state(paid))
    assert (money.revenue_status, money.net, money.shipping) == (
        RevenueStatus.COUNTED,
        D(12),
        D("9.95"),
    )


def test_the_ciklik_order_of_the_third_transaction_is_a_renewal() -> None:
    [first, renewal] = [
        state(record(f"ciklik/created_checkoutorder{suffix}")) for suffix in ("", "-renewal")
    ]
    assert renewals([renewal]) == {renewal.order_key}
    assert renewals([first]) == set()


@pytest.mark.parametrize(
    ("example", "detection", "value", "units"),
    [
        ("spiffy/carts-create", Detection.TIMER, D("59.97"), 3),
        ("run-free/cart-change", Detection.TIMER, None, 1),
        ("ciklik/abandoned_cart", Detection.PLATFORM, None, None),
    ],
)
def test_carts_are_abandoned(
    example: str, detection: Detection, value: Decimal | None, units: int | None
) -> None:
    event = record(example)
    assert isinstance(event, Cart)
    meta = event.meta
    cart = CartHistory(
        cart_key=meta.entity,
        source=meta.source,
        shop=meta.shop,
        native_cart_id=native_id(meta.entity),
        activities=(activity_of(event),),
    )
    silent = meta.occurred_at + meta.settings.abandon_after_s * 1_000_000
    [row] = fold([cart], [], silent)
    assert (row.status, row.detection, row.cart_value, row.item_count, row.source_event_id) == (
        CartStatus.ABANDONED,
        detection,
        value,
        units,
        meta.event_id,
    )
    assert row.currency is not None
