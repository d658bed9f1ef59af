"""Transactions of carts, orders, customers and the sweep, interleaved statement by statement."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from psycopg import AsyncConnection

from tests.interleaved import (
    LIMIT,
    Stage,
    of_refunds,
    of_rows,
    of_shops,
    of_steps,
    turns,
)
from tests.sink_events import HOUR, NOON, Tables
from tests.turns import ByChance, Every

pytestmark = pytest.mark.stack


@pytest.mark.parametrize(
    ("source", "names", "before"),
    [
        ("run-free", ("cart", "order"), ()),
        ("run-free", ("cart", "person"), ()),
        ("run-free", ("order", "person"), ()),
        ("ciklik", ("cart", "link"), ()),
        ("ciklik", ("link", "order"), ()),
        ("ciklik", ("edited", "deletion"), ("person",)),
        ("run-free", ("order", "deletion"), ("person",)),
        ("run-free", ("person", "deletion"), ("order",)),
        ("run-free", ("sweep", "order"), ("cart",)),
        ("run-free", ("sweep", "more"), ("cart",)),
        ("run-free", ("sweep", "person"), ("cart",)),
        ("ciklik", ("sweep", "link"), ("cart", "order")),
    ],
)
async def test_every_interleaving_of_two_gives_the_rows_of_one_after_the_other(
    tables: Tables, source: str, names: Sequence[str], before: Sequence[str]
) -> None:
    # The sweep first looks without knowing whom a cart belongs to: nothing holds it up then.
    gated = of_steps if "sweep" in names else of_rows
    async with turns(tables.settings, gated) as taken:
        stage = Stage(tables, taken, source, names, before)
        assert await stage.interleaved(Every(LIMIT)) >= 2


@pytest.mark.parametrize(
    ("names", "before"),
    [
        (("order", "payment"), ()),
        (("order", "refund"), ("payment",)),
        (("edited", "payment"), ("order",)),
        (("edited", "refund"), ("order", "payment")),
        (("order", "other"), ("payment",)),
        (("payment", "link"), ("cart", "order")),
        (("payment", "edited"), ("cart", "link", "order")),
        (("later", "older"), ("guest",)),
        (("older", "guest"), ("later",)),
    ],
)
async def test_every_interleaving_of_an_order_and_what_decides_in_its_row_gives_the_same_row(
    tables: Tables, names: Sequence[str], before: Sequence[str]
) -> None:
    """A payment gives money back, or an older order makes a renewal, as a worker stores it."""
    async with turns(tables.settings, of_refunds) as taken:
        stage = Stage(tables, taken, "ciklik", names, before)
        assert await stage.interleaved(Every(LIMIT)) >= 2


@pytest.mark.parametrize("at", [None, NOON + HOUR], ids=["new", "seen-later"])
async def test_every_interleaving_of_a_shops_first_deliveries_gives_the_same_rows(
    tables: Tables, at: int | None
) -> None:
    """Whether a customer's history is complete follows from the shop's first receipt."""
    async with turns(tables.settings, of_shops) as taken:
        stage = Stage(tables, taken, "run-free", ("order", "person"), ())
        stage.first_receipt("run-free", at)
        assert await stage.interleaved(Every(LIMIT)) >= 2


@pytest.mark.parametrize(
    ("source", "names", "before"),
    [
        ("ciklik", ("cart", "link", "order", "person"), ()),
        ("ciklik", ("link", "order", "person", "sweep"), ("cart",)),
        ("ciklik", ("order", "payment", "refund", "edited"), ("cart", "link")),
        ("ciklik", ("order", "payment", "other", "deletion"), ("cart", "link", "person")),
        ("run-free", ("more", "order", "person", "sweep"), ("cart",)),
    ],
)
async def test_chance_interleavings_of_four_give_the_rows_of_one_after_the_other(
    tables: Tables, source: str, names: Sequence[str], before: Sequence[str]
) -> None:
    async with turns(tables.settings, lambda statement: "set_config" not in statement) as taken:
        stage = Stage(tables, taken, source, names, before)
        assert await stage.interleaved(map(ByChance, range(10))) == 10


@pytest.mark.parametrize(
    ("source", "names", "wrong"),
    [
        ("run-free", ("cart", "order"), "cart_generations"),
        ("ciklik", ("order", "payment"), "refunds"),
    ],
)
async def test_without_link_locks_an_interleaving_goes_wrong(
    tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    names: Sequence[str],
    wrong: str,
) -> None:
    async def take(connection: AsyncConnection[Any], keys: Mapping[str, bool]) -> frozenset[str]:
        """Find the keys that carts carry, and lock nothing."""
        cursor = await connection.execute(
            "SELECT unnest(links) FROM carts WHERE links && %s::text[]", [list(keys)]
        )
        carried = {key async for (key,) in cursor} & keys.keys()
        return frozenset(carried | {key for key, is_cart in keys.items() if is_cart})

    monkeypatch.setattr("sinks.store.entity_locks.take", take)
    async with turns(tables.settings, of_rows) as taken:
        stage = Stage(tables, taken, source, names, ())
        with pytest.raises(AssertionError, match=wrong):
            await stage.interleaved(map(ByChance, range(100)))
