"""The cart rules: histories in minutes in, generations out.

A letter is an item of 10.00; "" is given as empty. Silent after 60 minutes, expired after 1000,
grace 30.
"""

from dataclasses import replace
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import LineItem, SignalKind
from sinks.carts.fold import fold
from sinks.carts.records import (
    Activity,
    CandidateOrder,
    CartHistory,
    CartStatus,
    Detection,
    Generation,
    Signal,
)
from sinks.carts.signals import signals_between

Group = tuple[list[Activity], list[Activity], list[CandidateOrder]]
MINUTE = 60_000_000
LATE = 500  # minutes: a watermark behind every abandonment, before any expiry
ACTIVE, ABANDONED, RECOVERED, EXPIRED, CONVERTED, EMPTIED = (
    "ACTIVE",
    "ABANDONED",
    "RECOVERED",
    "EXPIRED",
    "CONVERTED",
    "EMPTIED",
)


def line(letter: str, quantity: int = 1, price: str | None = "10.00") -> LineItem:
    return LineItem(
        variant_id=letter,
        quantity=quantity,
        unit_price=None if price is None else Decimal(price),
    )


def items(letters: str | None) -> tuple[LineItem, ...] | None:
    if letters is None:
        return None
    return tuple(line(letter, letters.count(letter)) for letter in sorted(set(letters)))


def act(minute: float, letters: str | None, **changes: object) -> Activity:
    at = int(minute * MINUTE)
    activity = Activity(
        event_id=f"event-{minute}-{letters}",
        version=(at, 2, at, 0, int(minute * 10)),
        at=at,
        received_at=at,
        items=items(letters),
        total=None,
        currency="USD",
        abandoned=False,
        created_at=None,
        abandon_after=60 * MINUTE,
        expire_after=1000 * MINUTE,
        checkout_grace=30 * MINUTE,
        is_test=False,
        time_basis="RECEIVED",
        raw_partition=0,
        raw_offset=int(minute * 10),
    )
    return replace(activity, **changes)  # type: ignore[arg-type]


def report(minute: float, created: float | None, letters: str | None = None) -> Activity:
    created_at = None if created is None else int(created * MINUTE)
    return act(minute, letters, abandoned=True, created_at=created_at, currency="EUR")


def cart(*activities: Activity, key: str = "a", **links: object) -> CartHistory:
    history = CartHistory(
        cart_key=f"run-free/acme/cart:{key}",
        source="run-free",
        shop="acme",
        native_cart_id=key,
        customer_id="1",
        activities=activities,
    )
    return replace(history, **links)  # type: ignore[arg-type]


def reported_cart(*activities: Activity, key: str = "a", **links: object) -> CartHistory:
    key_ = f"ciklik/box/cart:{key}"
    return cart(
        *activities, key=key, **({"source": "ciklik", "shop": "box", "cart_key": key_} | links)
    )


def bought(minute: float, key: str = "o1", **changes: object) -> CandidateOrder:
    order = CandidateOrder(
        order_key=key,
        source="run-free",
        shop="acme",
        placed_at=int(minute * MINUTE),
        may_close_cart=True,
        value=Decimal("9.00"),
        currency="USD",
        standing="COUNTED",
        items=items("A"),
        customer_id="1",
    )
    return replace(order, **changes)  # type: ignore[arg-type]


def box_order(minute: float, key: str = "o1", **changes: object) -> CandidateOrder:
    return bought(minute, key, **({"source": "ciklik", "shop": "box", "currency": "EUR"} | changes))


def at(minute: float) -> int:
    return int(minute * MINUTE)


def minutes(micros: int | None) -> float | None:
    return None if micros is None else micros / MINUTE


def outcomes(rows: list[Generation]) -> list[tuple[object, ...]]:
    """(generation, status, abandoned at, times abandoned, order) of each row."""
    return [
        (
            row.generation,
            row.status.value,
            minutes(row.abandoned_at),
            row.abandon_count,
            row.order_key,
        )
        for row in rows
    ]


STATES = {
    "a cart with an item is active until it has been silent for abandon_after": (
        [act(0, "A")], [], 59, [(1, ACTIVE, None, 0, None)],
    ),
    "silence of exactly abandon_after is abandonment": (
        [act(0, "A")], [], 60, [(1, ABANDONED, 60, 1, None)],
    ),
    "activity puts abandonment off": (
        [act(0, "A"), act(30, "AB")], [], 89, [(1, ACTIVE, None, 0, None)],
    ),
    "abandoned_at is the last activity plus abandon_after": (
        [act(0, "A"), act(30, "AB")], [], 91, [(1, ABANDONED, 90, 1, None)],
    ),
    "an abandoned cart that gets activity is active again and stays counted": (
        [act(0, "A"), act(70, "AB")], [], 80, [(1, ACTIVE, 60, 1, None)],
    ),
    "activity at the very end of the silence comes after the abandonment": (
        [act(0, "A"), act(60, "AB")], [], 80, [(1, ACTIVE, 60, 1, None)],
    ),
    "it may be abandoned again in the same generation": (
        [act(0, "A"), act(70, "AB")], [], 130, [(1, ABANDONED, 130, 2, None)],
    ),
    "an order of an active cart converts it": (
        [act(0, "A")], [bought(10)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "an order of an abandoned cart recovers it": (
        [act(0, "A")], [bought(70)], LATE, [(1, RECOVERED, 60, 1, "o1")],
    ),
    "a cart that was once abandoned is recovered by an order even while active": (
        [act(0, "A"), act(70, "AB")], [bought(75)], LATE, [(1, RECOVERED, 60, 1, "o1")],
    ),
    "an abandoned cart expires when expire_after has passed since the last activity": (
        [act(0, "A")], [], 1001, [(1, EXPIRED, 60, 1, None)],
    ),
    "at expire_after itself an order may still come": (
        [act(0, "A")], [bought(1000)], 2000, [(1, RECOVERED, 60, 1, "o1")],
    ),
    "an order after expire_after closes nothing": (
        [act(0, "A")], [bought(1000.1)], 2000, [(1, EXPIRED, 60, 1, None)],
    ),
    "activity after expiry opens the next generation": (
        [act(0, "A"), act(1100, "A")], [], 1110,
        [(1, EXPIRED, 60, 1, None), (2, ACTIVE, None, 0, None)],
    ),
    "activity after an order opens the next generation": (
        [act(0, "A"), act(100, "B")], [bought(10)], 120,
        [(1, CONVERTED, None, 0, "o1"), (2, ACTIVE, None, 0, None)],
    ),
    "a cart given as empty is emptied and never abandoned": (
        [act(0, "A"), act(10, "")], [], LATE, [(1, EMPTIED, None, 0, None)],
    ),
    "lines of no units are no items": (
        [act(0, "A"), act(10, None, items=(line("A", 0),))], [], LATE,
        [(1, EMPTIED, None, 0, None)],
    ),
    "an empty state opens no generation": ([act(0, "")], [], LATE, []),
    "an empty state after an order opens none either, however late": (
        [act(0, "A"), act(400, "")], [bought(10)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "an order within the grace after emptying converts the cart": (
        [act(0, "A"), act(10, "")], [bought(40)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "an order within the grace after emptying recovers a cart that was abandoned": (
        [act(0, "A"), act(70, "")], [bought(100)], LATE, [(1, RECOVERED, 60, 1, "o1")],
    ),
    "an order after the grace leaves the cart emptied": (
        [act(0, "A"), act(10, "")], [bought(40.1)], LATE, [(1, EMPTIED, None, 0, None)],
    ),
    "items within the grace after emptying continue the generation": (
        [act(0, "A"), act(10, ""), act(40, "B")], [], 50, [(1, ACTIVE, None, 0, None)],
    ),
    "items after that grace open the next generation": (
        [act(0, "A"), act(10, ""), act(41, "B")], [], 50,
        [(1, EMPTIED, None, 0, None), (2, ACTIVE, None, 0, None)],
    ),
    "emptying is no activity: a second emptying does not prolong the grace": (
        [act(0, "A"), act(10, ""), act(30, "")], [bought(45)], LATE,
        [(1, EMPTIED, None, 0, None)],
    ),
    "an abandoned cart that is emptied stays counted": (
        [act(0, "A"), act(70, "")], [], LATE, [(1, EMPTIED, 60, 1, None)],
    ),
    "an equal state within the grace after the order belongs to the closed generation": (
        [act(0, "AB"), act(15, "AB")], [bought(10)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "so does a subset of it": (
        [act(0, "AAB"), act(40, "A")], [bought(10)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "more units of an item are no subset": (
        [act(0, "A"), act(15, "AA")], [bought(10)], 20,
        [(1, CONVERTED, None, 0, "o1"), (2, ACTIVE, None, 0, None)],
    ),
    "an equal state after the grace opens the next generation": (
        [act(0, "A"), act(40.1, "A")], [bought(10)], 50,
        [(1, CONVERTED, None, 0, "o1"), (2, ACTIVE, None, 0, None)],
    ),
    "an order placed up to five minutes before the cart is seen closes it": (
        [act(10, "A")], [bought(5)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "an order placed earlier than that closes nothing": (
        [act(10, "A")], [bought(4.9)], LATE, [(1, ABANDONED, 70, 1, None)],
    ),
    "the earliest linked order closes the cart": (
        [act(0, "A")], [bought(30, "o2"), bought(20, "o1")], LATE,
        [(1, CONVERTED, None, 0, "o1")],
    ),
    "a renewal, test or draft closes none": (
        [act(0, "A")], [bought(30, may_close_cart=False)], LATE, [(1, ABANDONED, 60, 1, None)],
    ),
    "an order of another customer closes none": (
        [act(0, "A")], [bought(30, customer_id="2")], LATE, [(1, ABANDONED, 60, 1, None)],
    ),
    "an order of the same customer in another shop closes none": (
        [act(0, "A")], [bought(30, shop="other")], LATE, [(1, ABANDONED, 60, 1, None)],
    ),
    "an order that comes late but was placed in time takes the abandonment away": (
        [act(0, "A")], [bought(59)], LATE, [(1, CONVERTED, None, 0, "o1")],
    ),
    "silence between two activities counts only up to the watermark": (
        [act(0, "A"), act(70, "AB")], [], 59, [(1, ACTIVE, None, 0, None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES.values(), ids=STATES.keys())
def test_state(case: tuple[list[Activity], list[CandidateOrder], float, object]) -> None:
    activities, orders, watermark, expected = case
    assert expected == outcomes(fold([cart(*activities)], orders, at(watermark)))


REPORTS = {
    "a reported cart is abandoned as reported, whatever the watermark": (
        [report(100, 90)], [], 0, [(1, ABANDONED, 100, 1, None)],
    ),
    "the first report dates it": (
        [report(130, 90), report(100, 90)], [], LATE, [(1, ABANDONED, 100, 1, None)],
    ),
    "an order after the report recovers it": (
        [report(100, 90)], [box_order(150)], LATE, [(1, RECOVERED, 100, 1, "o1")],
    ),
    "an order between creation and report recovers it too": (
        [report(100, 90)], [box_order(95)], LATE, [(1, RECOVERED, 100, 1, "o1")],
    ),
    "an order before its creation does not": (
        [report(100, 90)], [box_order(84)], LATE, [(1, ABANDONED, 100, 1, None)],
    ),
    "expire_after runs from the abandonment": (
        [report(100, 90)], [], 1100, [(1, ABANDONED, 100, 1, None)],
    ),
    "and then it is expired": (
        [report(100, 90)], [], 1100.1, [(1, EXPIRED, 100, 1, None)],
    ),
    "a report long after the order opens the next generation": (
        [report(100, 90), report(300, 90)], [box_order(150)], LATE,
        [(1, RECOVERED, 100, 1, "o1"), (2, ABANDONED, 300, 1, None)],
    ),
    "a report within the grace after the order does not": (
        [report(100, 90), report(170, 90)], [box_order(150)], LATE,
        [(1, RECOVERED, 100, 1, "o1")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REPORTS.values(), ids=REPORTS.keys())
def test_platform_cart(case: tuple[list[Activity], list[CandidateOrder], float, object]) -> None:
    activities, orders, watermark, expected = case
    assert expected == outcomes(fold([reported_cart(*activities)], orders, at(watermark)))


def test_platform_row_has_no_activity_and_is_first_seen_at_its_creation() -> None:
    [row] = fold([reported_cart(report(100, 90))], [], at(LATE))
    assert (Detection.PLATFORM, at(90), None, None, "EUR") == (
        row.detection,
        row.first_seen_at,
        row.last_activity_at,
        row.cart_value,
        row.currency,
    )


def test_time_to_recover_is_null_where_the_order_was_placed_before_the_abandonment() -> None:
    [early] = fold([reported_cart(report(100, 90))], [box_order(95)], at(LATE))
    [late] = fold([reported_cart(report(100, 90))], [box_order(130)], at(LATE))
    assert (early.time_to_recover, minutes(late.time_to_recover)) == (None, 30)


def test_time_to_recover_counts_from_the_latest_abandonment() -> None:
    [row] = fold([cart(act(0, "A"), act(70, "A"))], [bought(145)], at(LATE))
    assert (row.abandon_count, minutes(row.time_to_recover)) == (2, 15)


def test_one_order_closes_the_cart_with_the_latest_activity_before_it() -> None:
    rows = fold([cart(act(0, "A"), key="a"), cart(act(5, "B"), key="b")], [bought(20)], at(LATE))
    assert [(row.native_cart_id, row.status) for row in rows] == [
        ("a", ABANDONED),
        ("b", CONVERTED),
    ]


def test_equal_activity_ties_by_cart_key() -> None:
    rows = fold([cart(act(5, "B"), key="b"), cart(act(5, "A"), key="a")], [bought(20)], at(LATE))
    assert [(row.native_cart_id, row.status) for row in rows] == [
        ("a", CONVERTED),
        ("b", ABANDONED),
    ]


def test_an_order_takes_a_later_cart_only_if_no_earlier_one_is_open() -> None:
    earlier, later = cart(act(0, "A"), key="z"), cart(act(12, "B"), key="a")
    both = fold([earlier, later], [bought(10)], at(LATE))
    alone = fold([later], [bought(10)], at(LATE))
    assert [row.status for row in both] == [ABANDONED, CONVERTED]
    assert [row.status for row in alone] == [CONVERTED]


def test_a_second_order_closes_the_other_cart() -> None:
    rows = fold(
        [cart(act(0, "A"), key="a"), cart(act(5, "B"), key="b")],
        [bought(20, "o1"), bought(21, "o2")],
        at(LATE),
    )
    assert [row.order_key for row in rows] == ["o2", "o1"]


def test_platform_orders_take_the_cart_created_last_before_them() -> None:
    rows = fold(
        [
            reported_cart(report(200, 10), key="a"),
            reported_cart(report(100, 50), key="b"),
            reported_cart(report(100, 90), key="c"),
        ],
        [box_order(80)],
        at(LATE),
    )
    assert [row.order_key for row in rows] == [None, "o1", None]


SPIFFY, CIKLIK, ROCKET = {"source": "spiffy"}, {"source": "ciklik"}, {"source": "shoprocket"}
HASHED = CIKLIK | {"email_hash": "h"}
GUEST = HASHED | {"customer_id": None}


@pytest.mark.parametrize(
    ("changes", "order", "expected"),
    [
        (SPIFFY | {"cart_token": "t"}, SPIFFY | {"cart_token": "t"}, "cart-token"),
        (SPIFFY | {"cart_token": "t"}, SPIFFY, None),
        ({}, {}, "customer-id"),
        (GUEST | {"source": "run-free"}, GUEST | {"source": "run-free"}, None),
        (CIKLIK, CIKLIK, "customer-id"),
        (HASHED, HASHED | {"customer_id": "2"}, None),
        (HASHED, GUEST, "email-hash"),
        (GUEST, HASHED, "email-hash"),
        (GUEST, GUEST | {"email_hash": "other"}, None),
        (ROCKET, ROCKET, "customer-id"),
        (ROCKET, ROCKET | {"cart_id": "a", "customer_id": "2"}, "cart-id"),
        (ROCKET, ROCKET | {"cart_id": "b"}, None),
        (ROCKET, ROCKET | {"customer_id": "2"}, None),
        (GUEST | ROCKET, HASHED | ROCKET, "email-hash"),
        (HASHED | ROCKET, HASHED | ROCKET | {"customer_id": "2"}, None),
    ],
)
def test_links(changes: dict[str, object], order: dict[str, object], expected: str | None) -> None:
    [row] = fold([cart(act(0, "A"), **changes)], [bought(10, **order)], at(LATE))
    assert expected == row.link_method


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Decimal("9.00")),
        ({"value": None}, None),
        ({"currency": "EUR"}, None),
        ({"standing": "CANCELLED", "value": Decimal("9.00")}, Decimal(0)),
    ],
)
def test_recovered_value_is_the_orders_newest_net(
    changes: dict[str, object], expected: Decimal | None
) -> None:
    [row] = fold([cart(act(0, "A"))], [bought(70, **changes)], at(LATE))
    assert (CartStatus.RECOVERED, expected) == (row.status, row.recovered_value)


def test_a_conversion_recovers_no_value() -> None:
    [row] = fold([cart(act(0, "A"))], [bought(10)], at(LATE))
    assert (row.recovered_value, row.time_to_recover) == (None, None)


def _named(**names: str) -> LineItem:
    return LineItem(quantity=1, **names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("in_cart", "in_order", "expected"),
    [
        (items("AB"), items("A"), Decimal("0.5")),
        (items("ABC"), items("C"), Decimal("0.3333")),
        (items("A"), items("B"), Decimal(0)),
        ((_named(name="text"),), items("A"), None),
        (items("A"), None, None),
        ((_named(variant_id="v", product_id="p"),), (_named(product_id="p"),), Decimal(1)),
        (
            (_named(variant_id="v", product_id="p"),),
            (_named(variant_id="w", product_id="p"),),
            Decimal(0),
        ),
        ((_named(sku="s"),), (_named(product_id="p", sku="s"),), Decimal(1)),
    ],
)  # fmt: skip
def test_item_overlap(
    in_cart: tuple[LineItem, ...],
    in_order: tuple[LineItem, ...] | None,
    expected: Decimal | None,
) -> None:
    [row] = fold([cart(act(0, None, items=in_cart))], [bought(70, items=in_order)], at(LATE))
    assert expected == row.item_overlap


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        (act(0, "AAB"), (3, Decimal("30.00"), "CART_LINES")),
        (act(0, "AAB", total=Decimal("29.00")), (3, Decimal("29.00"), "CART_TOTAL")),
        (act(0, None, items=(line("A"), line("B", 1, None))), (2, None, None)),
        (act(0, None, items=(LineItem(name="text"),)), (None, None, None)),
    ],
)
def test_value_comes_only_from_prices_that_the_cart_gives(
    activity: Activity, expected: object
) -> None:
    [row] = fold([cart(activity)], [], at(LATE))
    assert expected == (row.item_count, row.cart_value, row.value_source)


def test_content_is_that_of_the_last_non_empty_state() -> None:
    [row] = fold([cart(act(0, "A"), act(70, "AB"), act(80, ""))], [], at(LATE))
    assert (items("AB"), 2, Decimal("20.00"), "event-70-AB", at(70)) == (
        row.items,
        row.item_count,
        row.cart_value,
        row.source_event_id,
        row.last_activity_at,
    )


def test_a_test_event_makes_its_generation_a_test() -> None:
    rows = fold(
        [cart(act(0, "A", is_test=True), act(5, "B"), act(100, "C"))], [bought(10)], at(LATE)
    )
    assert [row.is_test for row in rows] == [True, False]


@pytest.mark.parametrize(
    ("activities", "orders", "expected"),
    [
        ([act(0, "A")], [], None),
        ([act(0, "A")], [bought(70)], 70),
        ([act(10, "A")], [bought(7)], 10),
        ([act(0, "A"), act(20, "")], [], 20),
        ([act(0, "A"), act(20, ""), act(30, "A")], [], None),
        ([act(0, "A", expire_after=100 * MINUTE)], [], 100),
    ],
)
def test_closed_at(
    activities: list[Activity], orders: list[CandidateOrder], expected: float | None
) -> None:
    [row] = fold([cart(*activities)], orders, at(LATE))
    assert expected == minutes(row.closed_at)


def test_a_later_life_of_a_reported_cart_is_first_seen_with_its_report() -> None:
    rows = fold([reported_cart(report(100, 90), report(300, 90))], [box_order(150)], at(LATE))
    assert [minutes(row.first_seen_at) for row in rows] == [90, 300]


def test_settings_of_the_newest_activity_count() -> None:
    [row] = fold([cart(act(0, "A"), act(5, "AB", abandon_after=10 * MINUTE))], [], at(LATE))
    assert minutes(row.abandoned_at) == 15


@pytest.mark.parametrize(
    ("activities", "watermark", "expected"),
    [
        ([act(0, "A")], 10, at(60)),
        ([act(0, "A")], 70, at(1000) + 1),
        ([act(0, "A"), act(70, "A")], 59, at(60)),
        ([act(0, "A"), act(10, "")], 20, None),
        ([act(0, "A")], 1001, None),
    ],
)
def test_next_due_is_when_silence_will_change_the_row(
    activities: list[Activity], watermark: float, expected: int | None
) -> None:
    [row] = fold([cart(*activities)], [], at(watermark))
    assert expected == row.next_due


def kinds(found: list[Signal]) -> list[tuple[SignalKind, float | None]]:
    return [(each.kind, minutes(each.abandoned_at)) for each in found]


def test_each_abandonment_recovery_and_expiry_is_signalled_once() -> None:
    history = cart(act(0, "A"), act(70, "A"))
    active = fold([history], [], at(59))
    twice = fold([history], [], at(LATE))
    recovered = fold([history], [bought(140)], at(LATE))
    expired = fold([history], [], at(1071))
    assert kinds(signals_between(active, twice)) == [
        (SignalKind.ABANDONED, 60),
        (SignalKind.ABANDONED, 130),
    ]
    assert kinds(signals_between(twice, twice)) == []
    assert kinds(signals_between(twice, recovered)) == [(SignalKind.RECOVERED, 130)]
    assert kinds(signals_between(twice, expired)) == [(SignalKind.EXPIRED, 130)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (([act(0, "A")], [bought(59)]), [(SignalKind.RETRACTED, 60)]),
        (
            ([act(0, "A"), act(59, "A")], []),
            [(SignalKind.RETRACTED, 60), (SignalKind.ABANDONED, 119)],
        ),
        (([act(0, "A"), act(30, "")], []), [(SignalKind.RETRACTED, 60)]),
        (([], []), [(SignalKind.RETRACTED, 60)]),
    ],
    ids=["late order", "late activity", "late emptying", "gone"],
)  # fmt: skip
def test_what_shows_that_a_cart_was_never_silent_retracts(
    after: tuple[list[Activity], list[CandidateOrder]], expected: object
) -> None:
    before = fold([cart(act(0, "A"))], [], at(LATE))
    activities, orders = after
    assert expected == kinds(signals_between(before, fold([cart(*activities)], orders, at(LATE))))


def test_a_platforms_report_is_never_retracted_and_signalled_once() -> None:
    before = fold([reported_cart(report(130, 90))], [], at(LATE))
    after = fold([reported_cart(report(130, 90), report(100, 90))], [], at(LATE))
    assert (
        kinds(signals_between([], before)),
        kinds(signals_between(before, after)),
    ) == ([(SignalKind.ABANDONED, 130)], [])


def test_a_signals_id_depends_on_nothing_but_what_it_speaks_of() -> None:
    row = fold([cart(act(0, "A"))], [], at(LATE))
    [first], [again] = signals_between([], row), signals_between([], row)
    [other] = signals_between([], fold([cart(act(1, "A"))], [], at(LATE)))
    assert first.signal_id == again.signal_id != other.signal_id


def test_activities_and_rows_survive_json() -> None:
    [row] = fold([cart(act(0, "AAB"))], [bought(70)], at(LATE))
    activity = act(3, "AB")
    assert activity == msgspec.json.decode(msgspec.json.encode(activity), type=Activity)
    assert row == msgspec.json.decode(msgspec.json.encode(row), type=Generation)


when = st.one_of(st.sampled_from([0, 5, 10, 60, 70, 1000, 1060]), st.integers(0, 1500))
activities_ = st.lists(
    st.builds(
        act,
        when,
        st.sampled_from(["", "A", "AB", "AAB", "C", None]),
        abandon_after=st.sampled_from([20 * MINUTE, 60 * MINUTE]),
    ),
    max_size=6,
    unique_by=lambda each: each.event_id,
)
orders_ = st.lists(st.builds(bought, when, key=st.uuids().map(str)), max_size=4)
groups = st.tuples(activities_, activities_, orders_)


def _carts(first: list[Activity], second: list[Activity]) -> list[CartHistory]:
    return [cart(*first, key="a"), cart(*second, key="b")]


@given(groups, st.integers(0, 3000), st.randoms(use_true_random=False))
def test_any_order_and_repetition_gives_the_same_rows(
    group: Group, watermark: int, random: Random
) -> None:
    first, second, orders = group
    expected = fold(_carts(first, second), orders, at(watermark))
    shuffled = [list(part) + random.sample(part, len(part) // 2) for part in (first, second)]
    for part in (*shuffled, orders):
        random.shuffle(part)
    carts = _carts(*shuffled)
    random.shuffle(carts)
    assert expected == fold(carts, orders, at(watermark))


@given(groups, st.integers(0, 3000))
def test_one_order_closes_at_most_one_generation(group: Group, watermark: int) -> None:
    first, second, orders = group
    rows = fold(_carts(first, second), orders, at(watermark))
    closed = [row.order_key for row in rows if row.order_key is not None]
    assert len(set(closed)) == len(closed)


@given(groups, st.integers(0, 3000))
def test_rows_keep_the_windows(group: Group, watermark: int) -> None:
    first, second, orders = group
    placed = {order.order_key: order.placed_at for order in orders}
    for row in fold(_carts(first, second), orders, at(watermark)):
        assert (row.status is CartStatus.RECOVERED) == (
            row.was_abandoned and row.order_key is not None
        )
        assert row.abandon_count == len(row.abandonments)
        assert all(each <= at(watermark) for each in row.abandonments)
        assert row.next_due is None or row.next_due > at(watermark)
        assert row.items is None or any(each.quantity for each in row.items)
        if row.order_key is not None:
            assert row.first_seen_at - at(5) <= placed[row.order_key]
            assert row.last_activity_at is not None
            assert placed[row.order_key] <= max(row.last_activity_at, row.first_seen_at) + at(1000)


@given(groups, st.integers(0, 3000), st.integers(1, 500))
def test_between_two_dues_the_watermark_changes_nothing(
    group: Group, watermark: int, later: int
) -> None:
    first, second, orders = group
    carts = _carts(first, second)
    rows = fold(carts, orders, at(watermark))
    due = min((row.next_due for row in rows if row.next_due is not None), default=None)
    until = at(watermark + later) if due is None else min(at(watermark + later), due - 1)
    assert rows == fold(carts, orders, until)
    if due is not None:
        assert rows != fold(carts, orders, due)


@given(groups, st.lists(st.integers(0, 3000), min_size=1, max_size=4))
def test_signals_of_any_steps_of_the_watermark_are_those_of_one_step(
    group: Group, watermarks: list[int]
) -> None:
    first, second, orders = group
    carts = _carts(first, second)
    rows: list[Generation] = []
    sent: set[str] = set()
    for watermark in sorted(watermarks):
        new = fold(carts, orders, at(watermark))
        sent |= {each.signal_id for each in signals_between(rows, new)}
        rows = new
    assert {each.signal_id for each in signals_between([], rows)} <= sent


@given(
    st.lists(st.builds(report, when, st.one_of(st.none(), when)), max_size=5),
    st.lists(st.builds(box_order, when, key=st.uuids().map(str)), max_size=4),
    st.integers(0, 3000),
    st.randoms(use_true_random=False),
)
def test_reports_in_any_order_give_the_same_rows(
    reports: list[Activity], orders: list[CandidateOrder], watermark: int, random: Random
) -> None:
    unique = list({each.event_id: each for each in reports}.values())
    expected = fold([reported_cart(*unique)], orders, at(watermark))
    again = unique + random.sample(unique, len(unique) // 2)
    random.shuffle(again)
    random.shuffle(orders)
    assert expected == fold([reported_cart(*again)], orders, at(watermark))
    assert all(row.abandon_count == 1 for row in expected)
