"""An exported object becomes the raw record of the webhook that would have brought it."""

import json
from typing import Any

import pytest

from hookline.history import prepare
from hookline.history.check import check, slots_of
from hookline.history.exports.files import Row
from hookline.history.prepare import Marker, Prepared, Preparer, Refused
from schemas import envelopes
from schemas.envelopes import Reject
from schemas.platforms import PLATFORMS
from schemas.raw_delivery import Imported, RawDelivery
from schemas.shops import Shop

DAY = 86_400_000_000
T2021 = 1_609_459_200_000_000
NOW = 1_700_000_000_000_000


def shop(source: str, **more: Any) -> Shop:
    return Shop(source=source, id="s", currency="EUR", **more)


def row(value: Any, number: int = 1, dated: str = "") -> Row:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Row(number, raw, "", dated)


def made(source: str, value: Any, **options: Any) -> Prepared:
    found = Preparer(shop(source), NOW, **options).prepare(row(value))
    assert isinstance(found, Prepared), found
    return found


ORDER_LIKE: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "spiffy",
        {"id": 1, "total_price": "1", "created_at": "2021-01-01"},
        "orders/updated",
        "order:1",
    ),
    (
        "spiffy",
        {"id": 2, "orders_count": 0, "created_at": "2021-01-01"},
        "customers/update",
        "customer:2",
    ),
    (
        "spiffy",
        {"token": "t", "line_items": [], "updated_at": "2021-01-01"},
        "carts/update",
        "cart:t",
    ),
    ("run-free", {"id": 3, "ordered": "2021-01-01", "items": []}, "order/created", "order:3"),
    (
        "run-free",
        {"id": 4, "email": "a@b.example", "created": "2021-01-01"},
        "customer/created",
        "customer:4",
    ),
    (
        "run-free",
        {"customer": {"id": 5}, "items": [], "updated_at": "2021-01-01"},
        "cart/change",
        "cart:5",
    ),
    (
        "shoprocket",
        {"id": 6, "order_items": [], "created_at": "2021-01-01"},
        "order.created",
        "order:6",
    ),
    (
        "shoprocket",
        {"id": 6, "order_items": [], "updated_at": "2021-01-01"},
        "order.updated",
        "order:6",
    ),
    ("ciklik", {"order_id": 7, "created": "2021-01-01"}, "updated_checkoutorder", "order:7"),
    ("ciklik", {"cart_id": 8, "created": "2021-01-01"}, "abandoned_cart", "cart:8"),
    (
        "ciklik",
        {"id": 9, "gateway": "x", "created": "2021-01-01"},
        "updated_checkouttransaction",
        "transaction:9",
    ),
    (
        "ciklik",
        {"id": 9, "email": "a@b.example", "created_at": "2021-01-01"},
        "updated_user",
        "customer:9",
    ),
    (
        "ciklik",
        {"uuid": "u", "plan": {}, "created_at": "2021-01-01"},
        "updated_subscription",
        "subscription:u",
    ),
]


@pytest.mark.parametrize(("source", "value", "event", "entity"), ORDER_LIKE)
def test_an_object_of_a_list_shows_its_event_entity_and_time(
    source: str, value: dict[str, Any], event: str, entity: str
) -> None:
    found = made(source, value)
    assert (found.event, found.key) == (event, f"{source}/s/{entity}".encode())
    assert found.at == T2021
    assert not isinstance(slots_of(shop(source), found), Reject)


@pytest.mark.parametrize("source", PLATFORMS)
def test_what_no_field_and_no_option_dates_is_refused(source: str) -> None:
    value = {"Id": 1, "Items": []} if source == "gooten" else {"id": 1, "email": "a@b.example"}
    found = Preparer(shop(source), NOW).prepare(row(value))
    assert found == Refused(1, prepare.UNDATED)
    dated = Preparer(shop(source), NOW, dated_by="more.at")
    good = dated.prepare(row({**value, "more": {"at": "2021-01-01"}}))
    assert isinstance(good, Prepared)
    assert good.at == good.state_at == T2021


def test_a_time_before_1970_is_refused_since_no_mark_can_carry_it() -> None:
    old = {"id": 1, "total_price": "1", "updated_at": "1969-12-31T23:59:59Z"}
    assert Preparer(shop("spiffy"), NOW).prepare(row(old)) == Refused(1, prepare.TOO_OLD)


@pytest.mark.parametrize("source", PLATFORMS)
@pytest.mark.parametrize("of", ["spiffy", "run-free", "shoprocket", "ciklik", "gooten"])
def test_an_order_of_another_platform_is_no_customer(source: str, of: str) -> None:
    orders = {
        "spiffy": {"id": 1, "email": "a@b.example", "line_items": [], "total_price": "1"},
        "run-free": {"id": 1, "email": "a@b.example", "items": [], "subtotal": 1},
        "shoprocket": {"id": 1, "email": "a@b.example", "order_items": [], "total_amount": 1},
        "ciklik": {"order_id": 1, "email": "a@b.example", "items": [], "total_paid": "1"},
        "gooten": {"Id": "1", "email": "a@b.example", "Items": []},
    }
    found = Preparer(shop(source), NOW).prepare(row({**orders[of], "created_at": "2021-01-01"}))
    assert isinstance(found, Refused) or b"/customer:" not in found.key


def test_a_time_ahead_and_what_is_no_object_are_refused_without_a_word_of_it() -> None:
    preparer = Preparer(shop("spiffy"), T2021 - 1)
    ahead = {"id": 1, "total_price": "1", "created_at": "2021-01-01"}
    assert preparer.prepare(row(ahead)) == Refused(1, prepare.AHEAD)
    for raw in (b"secret", b"[1]", b'{"id"', b"\xff"):
        assert preparer.prepare(row(raw)) == Refused(1, prepare.NOT_JSON)
    assert preparer.prepare(row({"secret": 1})) == Refused(1, prepare.NO_EVENT)


def test_the_time_of_the_list_dates_only_states_that_give_no_change() -> None:
    taken = T2021 + 9 * DAY
    creation = {"order_id": 7, "created": "2021-01-01"}
    found = made("ciklik", creation, taken_at=taken)
    assert (found.at, found.state_at) == (T2021, taken)
    changed = made("ciklik", {**creation, "updated_at": "2021-01-02"}, taken_at=taken)
    assert (changed.at, changed.state_at) == (T2021 + DAY, T2021 + DAY)


def test_the_raw_record_is_that_of_the_ingress_with_a_mark() -> None:
    found = made("spiffy", {"id": 1, "total_price": "1", "created_at": "2021-01-01"})
    headers = Marker(shop("spiffy"), "20260101T000000-abcdef").headers(found)
    raw = RawDelivery.of(3, 4, NOW // 1000, found.key, found.body, headers)
    assert (raw.source, raw.shop, raw.event) == ("spiffy", "s", "orders/updated")
    assert raw.received_at > NOW
    assert raw.imported == Imported("20260101T000000-abcdef", 1, T2021, T2021)
    stated = Marker(shop("spiffy"), "x").headers(found, T2021 - DAY)
    again = RawDelivery.of(3, 4, NOW // 1000, found.key, found.body, stated)
    assert again.imported == Imported("x", 1, T2021, T2021, T2021 - DAY)


@pytest.mark.parametrize("mark", [b"", b"x", b"x:1:2", b"x:a:1:1", b"x:1:-1:1", b"x:1:1:1:1:1"])
def test_a_mark_that_is_none_of_ours_is_refused(mark: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Imported.of(mark)


def test_a_dry_run_counts_events_and_rejects_by_the_real_adapters() -> None:
    preparer = Preparer(shop("run-free"), NOW)
    order = {"id": 3, "ordered": "2021-01-01", "subtotal": 5, "items": []}
    rows = [row(order), row({**order, "id": None}, 2), row({"email": "x@y.example"}, 3)]
    result = check(preparer.shop, map(preparer.prepare, rows))
    assert dict(result.events) == {"orders": 1}
    assert [number for number, _ in result.rejects] == [2, 3]
    assert "x@y.example" not in repr(result)
    assert (result.first, result.last) == (T2021, T2021)


def test_an_undated_cart_takes_its_time_from_the_export_and_never_from_its_receipt() -> None:
    cart = {"token": "t", "line_items": [], "updated_at": "2021-01-01"}
    (event,) = slots_of(shop("spiffy"), made("spiffy", cart)).values()  # type: ignore[union-attr]
    assert event.meta.occurred_at == event.meta.version_at == T2021
    assert event.meta.import_id is not None
    assert dict(Marker(shop("spiffy"), "x").headers(made("spiffy", cart)))[envelopes.IMPORT]
