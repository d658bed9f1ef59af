"""``hookline what-if``: what is asked, and how it is shown."""

from decimal import Decimal
from pathlib import Path

import pytest

from hookline.analysis.what_if import WhatIfCounts, link_groups
from hookline.commands.tables import what_if
from hookline.console.errors import CommandError
from hookline.tables.queries import Rows

HOUR = 3600 * 1_000_000


def test_times_are_read_and_ordered() -> None:
    assert what_if._settings("4h, 30m,1h") == {"30m": HOUR // 2, "1h": HOUR, "4h": 4 * HOUR}


@pytest.mark.parametrize("text", ["soon", "1h,later", "0m", "", ","])
def test_a_time_that_is_none_is_said(text: str) -> None:
    with pytest.raises(CommandError, match="30m,1h,24h"):
        what_if._settings(text)


def test_currencies_stay_apart_and_only_counts_add_up() -> None:
    euro = WhatIfCounts(carts=4, abandoned=2, came_back=1, ordered=1, at_stake=Decimal(30))
    blind = WhatIfCounts(carts=2, abandoned=1, without_value=1)
    rows = what_if._rows({"1h": {"EUR": euro, None: blind}})
    assert [(row["currency"], row["rate"], row["at_stake"]) for row in rows] == [
        (None, Decimal("0.5"), None),
        ("EUR", Decimal("0.5"), Decimal(30)),
    ]
    total = what_if._total([euro, blind])
    assert (total.carts, total.abandoned, total.stayed_away) == (6, 3, 2)
    assert total.at_stake == 0


def test_where_orders_name_no_cart_what_came_back_is_unknown_not_0() -> None:
    """One row of carts that all cannot tell, one of which some can, one without any cart."""
    blind = WhatIfCounts(
        carts=3, abandoned=2, unlinked_carts=3, without_link=2, at_stake=Decimal(20)
    )
    mixed = WhatIfCounts(
        carts=5, abandoned=4, came_back=1, ordered=1, unlinked_carts=3, without_link=2,
        at_stake=Decimal(40), came_back_value=Decimal(10),
    )  # fmt: skip
    rows = what_if._rows({"1h": {"EUR": blind, "GBP": mixed, "USD": WhatIfCounts()}})
    names = ("came_back", "ordered", "stayed_away", "came_back_value", "without_link", "at_stake")
    assert [tuple(row[name] for name in names) for row in rows[:2]] == [
        (None, None, None, None, 2, 20),
        (1, 1, 1, 10, 2, 40),
    ]
    assert (rows[2]["came_back"], rows[2]["ordered"]) == (0, 0)
    total = what_if._total([blind, mixed])
    assert (total.came_back, total.stayed_away, total.without_link) == (1, 1, 4)


def test_the_chart_is_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "chart.png"
    what_if._chart().save(path, {"1h": WhatIfCounts(abandoned=3, came_back=2, ordered=1)})
    assert path.read_bytes().startswith(b"\x89PNG")


class Links:
    """A reader that knows links only."""

    def __init__(self, carts: dict[str, list[str]], orders: dict[str, list[str]]) -> None:
        self._told = carts, orders

    def query(self, query: str, _: object = None) -> Rows:
        told = self._told["FROM orders" in query]
        return Rows(("key", "links"), [(key, links) for key, links in told.items()])


def test_what_shares_a_link_is_folded_together_and_orders_alone_are_left_out() -> None:
    found = link_groups(
        Links(
            {"a": ["x"], "b": ["y"], "c": ["z"], "d": []},
            {"1": ["x", "y"], "2": ["z"], "3": ["nobody"], "4": ["y", "w"]},
        )
    )
    assert sorted((sorted(carts), sorted(orders)) for carts, orders in found) == [
        (["a", "b"], ["1", "4"]),
        (["c"], ["2"]),
        (["d"], []),
    ]
