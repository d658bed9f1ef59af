"""The money rules over any history: what adds up, and that no float is ever on the way."""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sinks
from schemas.codec import MAX_MONEY
from schemas.events import Change, CustomerRef, Event, LineItem, OrderStatus, ShopSettings
from tests.histories.everything import WATERMARK, everything
from tests.histories.history import Row
from tests.histories.reference import Reference
from tests.sink_events import DAY, HOUR, NOON, SETTINGS, cart, order

SUMMED = (
    "gross", "discounts", "taxes", "shipping", "gift_cards_sold", "refunded", "net",
)  # fmt: skip
SINKS = Path(sinks.__file__).parent
MONEY_PATH = (
    *sorted(str(path.relative_to(SINKS)) for room in ("carts", "lifetime", "merge", "store")
        for path in (SINKS / room).glob("*.py")),
    "postgres/copy_rows.py",
)  # fmt: skip

amounts = st.one_of(
    st.none(), st.decimals(0, 500, places=4), st.sampled_from([Decimal("0.0001"), MAX_MONEY])
)
lines = st.builds(
    LineItem,
    quantity=st.none() | st.integers(0, 5),
    unit_price=amounts,
    line_total=amounts,
    discount=amounts,
    tax=amounts,
    is_gift_card=st.sampled_from([None, False, True]),
)
whose = st.sampled_from(
    [
        None,
        CustomerRef(customer_id="1"),
        CustomerRef(customer_id="2", email_hash="b"),
        CustomerRef(email_hash="a"),
    ]
)
order_fields = st.fixed_dictionaries(
    {
        "native": st.integers(1, 5).map(str),
        "hour": st.integers(0, 900),
        "source": st.sampled_from(["run-free", "shoprocket", "spiffy", "ciklik", "gooten"]),
        "status": st.sampled_from(list(OrderStatus)),
        "change": st.sampled_from([Change.CREATED, Change.UPDATED, Change.DELETED]),
        "customer": whose,
        "currency": st.sampled_from([None, "EUR"]),
        "shop_currency": st.sampled_from([None, "USD", "USD"]),
        "counts_as_sale": st.booleans(),
        "is_test": st.sampled_from([False, False, True]),
        "is_draft": st.sampled_from([None, None, True]),
        "taxes_included": st.sampled_from([None, False, True]),
        "subscription_id": st.sampled_from([None, None, "u"]),
        "items": st.none() | st.lists(lines, max_size=3),
        "amounts": st.fixed_dictionaries(
            {},
            optional={
                name: amounts.filter(lambda each: each is not None).map(str)
                for name in ("items_total", "discount_total", "tax_total", "shipping_total",
                    "total", "paid_total", "refunded_total", "refunded_goods")
            },
        ),
    }
)  # fmt: skip
histories = st.lists(order_fields, min_size=1, max_size=12)
calmly = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def events_of(history: Iterable[Mapping[str, Any]]) -> list[Event]:
    return [_order(number, **each) for number, each in enumerate(history)]


def _order(number: int, native: str, hour: int, **fields: Any) -> Event:
    in_force: ShopSettings = msgspec.structs.replace(
        SETTINGS, currency=fields.pop("shop_currency"), counts_as_sale=fields.pop("counts_as_sale")
    )
    about = {
        "offset": number,
        "change": fields.pop("change"),
        "is_test": fields.pop("is_test"),
        "settings": in_force,
    }
    return order(native, NOON + hour * HOUR + number, of_meta=about, placed_at=None, **fields)


def tables_of(events: list[Event]) -> Mapping[str, list[Row]]:
    known = Reference()
    known.put(events)
    return known.tables(NOON + 60 * DAY)


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


@calmly
@given(histories)
def test_where_net_is_known_it_and_discounts_and_refunds_are_gross(history: list[Any]) -> None:
    tables = tables_of(events_of(history))
    for row in (*tables["orders"], *tables["customer_lifetime_value"]):
        if row["net"] is None:
            assert row["gross"] is row["discounts"] is row["refunded"] is None
        else:
            assert row["gross"] == _sum((row["net"], row["discounts"], row["refunded"]))


@calmly
@given(histories)
def test_the_orders_are_the_table_and_the_unattributed_ones(history: list[Any]) -> None:
    tables = tables_of(events_of(history))
    orders, rows = tables["orders"], tables["customer_lifetime_value"]
    apart = [row for row in orders if row["customer_key"] is None or row["currency"] is None]
    for name in SUMMED:
        whole = _sum(row[name] for row in orders)
        assert whole == _sum(row[name] for row in rows) + _sum(row[name] for row in apart)
    pending = _sum(row["pending"] for row in orders)
    assert pending == _sum(row["pending_revenue"] for row in rows) + _sum(
        row["pending"] for row in apart
    )


@calmly
@given(histories)
def test_currencies_are_never_added_up(history: list[Any]) -> None:
    tables = tables_of(events_of(history))
    by_row: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in tables["orders"]:
        if row["customer_key"] is not None and row["currency"] is not None:
            by_row[row["customer_key"], row["currency"]] += row["net"] or 0
    rows = tables["customer_lifetime_value"]
    nets = {(row["customer_key"], row["currency"]): row["net"] or 0 for row in rows}
    assert nets == {key: by_row.get(key, Decimal(0)) for key in nets}
    assert {key for key, net in by_row.items() if net} <= nets.keys()


@calmly
@given(histories)
def test_no_float_is_in_any_value_on_the_way(history: list[Any]) -> None:
    events = events_of(history)
    known = Reference()
    known.put([*events, cart("c", NOON, [LineItem(quantity=1, unit_price=Decimal("0.1"))])])
    assert [] == list(_floats(list(map(msgspec.structs.asdict, events))))
    assert [] == list(_floats(known.layers))
    assert [] == list(_floats(known.tables(NOON + 60 * DAY)))


def test_a_long_history_of_all_platforms_adds_up_and_holds_no_float() -> None:
    known = Reference()
    known.put(everything(2000))
    tables = known.tables(WATERMARK)
    for row in chain(tables["orders"], tables["customer_lifetime_value"]):
        if row["net"] is not None:
            assert row["gross"] == _sum((row["net"], row["discounts"], row["refunded"]))
    assert [] == list(_floats(tables))
    assert [] == list(_floats(known.layers))


def test_a_float_would_be_found() -> None:
    assert [1.5] == list(_floats({"a": [(Decimal(1), LineItem(attributes={"x": 1.5}))]}))  # type: ignore[dict-item]


@pytest.mark.parametrize("module", MONEY_PATH)
def test_no_module_on_the_way_of_money_names_a_float(module: str) -> None:
    tree = ast.parse((SINKS / module).read_text())
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), node.lineno
        assert not (isinstance(node, ast.Name) and node.id == "float"), node.lineno


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _floats(each)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _floats(each)
    elif isinstance(value, msgspec.Struct):
        yield from _floats(msgspec.structs.asdict(value))
