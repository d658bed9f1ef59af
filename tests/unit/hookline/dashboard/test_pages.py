"""What pages make of rows: nothing known is not 0, and what needs somebody comes first."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.dashboard.pages import carts, customers, now, shops
from schemas.shops import Shop

TODAY = date(2026, 3, 10)
AT = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def rates(day: date | None, shop: str | None, **counts: Any) -> dict[str, Any]:
    """A row of the grouping sets: total, of a day, or of a shop."""
    row = {"carts": 0, "abandoned": 0, "recovered": 0, "traceable": 0, "is_provisional": False}
    return {
        **row, "no_day": int(day is None), "no_shop": int(shop is None), "day": day,
        "source": shop and "spiffy", "shop": shop, **counts,
    }  # fmt: skip


def voided(count: int, day: date | None = None, shop: str | None = None) -> dict[str, Any]:
    return {
        "no_shop": int(shop is None), "day": day, "source": shop and "spiffy", "shop": shop,
        "voided": count,
    }  # fmt: skip


def test_every_cart_that_was_left_is_in_the_funnel_or_has_the_reason_why_it_is_not() -> None:
    classes = [
        {"class": name, "carts": 10 * number, "back": number}
        for number, name in enumerate(("", *carts.OUTSIDE), start=1)
    ]
    left = carts._left(classes)
    for total, inside, name in (
        (left["carts"], left["in_funnel"], "carts"),
        (left["back"], left["back_in_funnel"], "back"),
    ):
        assert total == inside + sum(each[name] for each in left["outside"].values())
    assert list(left["outside"]) == list(carts.OUTSIDE)
    assert carts._left([]) == {
        "carts": 0, "back": 0, "in_funnel": 0, "back_in_funnel": 0, "outside": {},
    }  # fmt: skip


def test_the_rate_of_those_that_came_back_is_of_carts_that_could_be_seen_to() -> None:
    total = rates(None, None, carts=20, abandoned=10, recovered=2, traceable=8)
    funnel = carts._funnel([total], [voided(1, shop="a"), voided(1, day=TODAY)])
    assert funnel == {
        "carts": 20, "abandoned": 10, "recovered": 2, "voided": 1, "abandonment_rate": 0.5,
        "recovery_rate": 0.25, "untraceable": 2, "is_provisional": False,
    }  # fmt: skip


def test_a_period_without_a_cart_has_no_rates() -> None:
    funnel = carts._funnel([], [])
    assert (funnel["carts"], funnel["abandonment_rate"], funnel["recovery_rate"]) == (0, None, None)


def test_every_day_of_the_period_is_there_once() -> None:
    row = rates(TODAY - timedelta(days=2), None, carts=5, abandoned=2, recovered=1)
    days = carts._days([row], [voided(1, day=row["day"])], TODAY, 7)
    assert [each["day"] for each in days] == [TODAY - timedelta(days=n) for n in range(6, -1, -1)]
    assert [each["carts"] for each in days] == [0, 0, 0, 0, 5, 0, 0]
    assert days[4]["voided"] == 1


def test_a_shop_whose_day_has_begun_earlier_is_in_the_period() -> None:
    ahead = TODAY + timedelta(days=1)
    days = carts._days([rates(ahead, None, carts=1)], [], TODAY, 7)
    assert (days[-1]["day"], days[-1]["carts"], len(days)) == (ahead, 1, 7)


def test_what_cannot_be_known_of_a_shop_is_none() -> None:
    rows = [
        rates(None, "known", carts=4, abandoned=2, recovered=0, traceable=2),
        rates(None, "blind", carts=4, abandoned=2, recovered=0, traceable=0),
    ]
    known, blind = carts._by_shop(rows, [])
    assert (known["recovered"], known["recovery_rate"]) == (0, 0)
    assert (blind["recovered"], blind["recovery_rate"]) == (None, None)


def test_a_list_has_a_next_part_only_where_there_are_more_rows() -> None:
    row = {"source": "s", "shop": "a", "status": "ABANDONED", "is_voided": False,
           "abandoned_at": AT, "cart_key": "k"}  # fmt: skip
    full = carts._newest([dict(row) for _ in range(carts.NEWEST)])
    assert (len(full["carts"]), full["older"]) == (carts.NEWEST, None)
    more = carts._newest([dict(row) for _ in range(carts.NEWEST + 1)])
    assert len(more["carts"]) == carts.NEWEST
    assert more["older"] == {"before": AT, "before_key": "k"}
    (void,) = carts._newest([{**row, "status": "RECOVERED", "is_voided": True}])["carts"]
    assert (void["status"], void["shop"]) == ("VOIDED", "s/a")


@given(st.floats(0, 1e12))
def test_the_bars_reach_what_nearly_all_customers_are_worth(high: float) -> None:
    edges = customers.edges_of(high)
    assert edges[0] == 0
    assert edges[-1] >= high
    assert len(edges) == customers.BARS + 1
    steps = {after - before for before, after in pairwise(edges)}
    assert len(steps) == 1
    assert str(steps.pop()).rstrip("0") in {"1", "2", "5"}


def test_a_cohort_divides_by_its_customers_and_gives_no_value_that_is_not_known() -> None:
    month = date(2026, 1, 1)
    row = {"cohort_month": month, "customers": 4, "buyers": 4, "net": Decimal(40),
           "is_net_unknown": False, "is_provisional": False}  # fmt: skip
    rows = [
        {**row, "months_since": 0},
        {**row, "months_since": 1, "buyers": 1, "net": None, "is_net_unknown": True},
        {**row, "months_since": 0, "cohort_month": date(2026, 2, 1), "is_provisional": True},
    ]
    first, second = customers.cohorts(rows)
    assert (first["month"], first["customers"]) == (month, 4)
    assert [cell["share"] for cell in first["cells"]] == [1.0, 0.25]
    assert [cell["value"] for cell in first["cells"]] == [Decimal(10), None]
    assert second["cells"][0]["is_provisional"]


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"whole_until": None, "held_by": "sweep", "behind": None}, "waiting"),
        ({"whole_until": AT, "held_by": "sinks", "behind": timedelta(seconds=15)}, "held"),
        ({"whole_until": AT, "held_by": None, "behind": timedelta(seconds=15)}, "ok"),
        ({"whole_until": AT, "held_by": None, "behind": timedelta(minutes=3)}, "late"),
    ],
)
def test_the_tables_are_in_one_state(row: dict[str, Any], state: str) -> None:
    assert now.state_of(row) == state


def test_everything_that_can_hold_the_tables_has_an_advice() -> None:
    assert set(now.ADVICE) == {"sweep", "ingress", "processors", "sinks"}


def test_the_last_hour_has_every_minute_once() -> None:
    minutes = now._minutes([("orders", AT - timedelta(minutes=1), 3), ("carts", AT, 2)], AT)
    assert len(minutes) == now.MINUTES
    assert [each["rows"] for each in minutes[-3:]] == [0, 3, 2]
    assert minutes[0]["minute"] == AT - timedelta(minutes=now.MINUTES - 1)


def shop(**fields: Any) -> dict[str, Any]:
    return {**shops._empty("spiffy/johns"), **fields}


def test_what_needs_somebody_comes_first() -> None:
    listed = [
        shop(shop="d"),
        shop(shop="c", last_delivery=AT, day=1),
        shop(shop="b", last_delivery=AT, day=0),
        shop(shop="a2", last_delivery=AT, dead_letters_open=1),
        shop(shop="a1", last_delivery=AT, dead_letters_open=1),
    ]
    for each in listed:
        each["state"] = shops._state(each)
    ranked = sorted(listed, key=shops._rank)
    assert [each["shop"] for each in ranked] == ["a1", "a2", "b", "c", "d"]
    assert [each["state"] for each in ranked[1:]] == ["failing", "quiet", "ok", "waiting"]


def test_a_dead_letter_is_a_delivery_too() -> None:
    one = shop()
    shops._add_arrived(one, {"kind": "orders", "newest": AT, "rows": 5, "hour": 1, "day": 2})
    shops._add_arrived(one, {"kind": "carts", "newest": AT, "rows": 5, "hour": 2, "day": 3})
    letter = {"reason": "invalid-payload", "kind": "order", "open": 1, "settled": 0}
    shops._add_failure(one, {**letter, "last_at": AT + timedelta(minutes=1)})
    assert (one["hour"], one["day"]) == (3, 5)
    assert one["last_delivery"] == AT + timedelta(minutes=1)


def test_no_secret_of_a_shop_is_in_its_page() -> None:
    secret = "the-token-of-this-shop"
    shown = shops._settings(
        Shop(source="run-free", id="lakeside", secrets=(secret,)), "https://hooks.example.com"
    )
    assert shown["url"] == "https://hooks.example.com/hooks/run-free/lakeside/<token>"
    assert secret not in repr(shown)


def test_a_shop_without_carts_that_came_back_by_name_has_no_rate() -> None:
    assert shops._rates({"carts": 4, "abandoned": 2, "recovered": None})["recovery_rate"] is None
    assert shops._rates({"carts": 4, "abandoned": 2, "recovered": 1})["recovery_rate"] == 0.5
    assert shops._rates({"carts": 0, "abandoned": 0, "recovered": 0})["abandonment_rate"] is None
