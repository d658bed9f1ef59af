"""The tables and views hold what shops know of themselves, by rules written apart from ours."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hookline.simulate.truth import verify
from hookline.simulate.truth.comparison import TABLES
from hookline.simulate.world.facts import SECOND
from hookline.stack_address import StackAddress
from hookline.tables.queries import Reader
from sinks.postgres.migrate import migrate
from sinks.store import customer_projection
from tests.histories.running import by_topic
from tests.simulation import product
from tests.simulation.planted import SQL_MISTAKES
from tests.sink_events import Tables

pytestmark = pytest.mark.stack

FACTS = product.run()
AFTER = product.KNOBS.start + product.KNOBS.length + 3600 * SECOND


@pytest.fixture
async def address(stack: Any) -> AsyncIterator[StackAddress]:
    """Tables with a simulated history, an hour after its end."""
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        for batch in by_topic(product.events(FACTS), 10_000):
            await tables.put_batch(batch)
        await tables.passed(AFTER)
        yield StackAddress(settings, "", stack.reader_url, "")


async def test_every_row_and_every_view_is_the_truth(address: StackAddress) -> None:
    seen: Counter[str] = Counter()
    with Reader(address) as reader:
        found = verify.verify(
            reader, FACTS, "sim-7-", progress=lambda table, done, _: seen.update({table: done})
        )
    assert found.differences == []
    assert found.undecided == {}
    assert set(found.tables) == set(TABLES)
    assert all(found.tables.values())
    assert set(seen) == set(TABLES)


async def test_a_changed_row_a_missing_row_and_an_added_row_are_named(
    address: StackAddress,
) -> None:
    tables = Tables(address.settings)
    [(changed,), (gone,)] = tables.rows(
        "SELECT order_key FROM orders WHERE standing = 'COUNTED' ORDER BY order_key LIMIT 2"
    )
    tables.execute("UPDATE orders SET net = net + 0.01 WHERE order_key = %s", changed)
    tables.execute("DELETE FROM orders WHERE order_key = %s", gone)
    [(added, _)] = tables.rows(
        "SELECT cart_key, generation FROM abandoned_carts ORDER BY 1 LIMIT 1"
    )
    tables.execute(
        "UPDATE cart_generations SET generation = 99 WHERE cart_key = %s AND generation = 1", added
    )
    with Reader(address) as reader:
        found = verify.verify(reader, FACTS, "sim-7-").differences
    named = {(each.table, each.key, each.column, each.kind) for each in found}
    assert ("orders", (changed,), "net", "field") in named
    assert ("orders", (gone,), "", "missing") in named
    assert ("cart_generations", (added, 99), "", "extra") in named
    assert ("cart_generations", (added, 1), "", "missing") in named


async def test_mistakes_in_statements_and_views_are_named(
    address: StackAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables(address.settings)
    customers = [key for (key,) in tables.rows("SELECT customer_key FROM customers")]
    whole = customer_projection._RECOMPUTE
    for mistake in SQL_MISTAKES:
        [(view,)] = tables.rows("SELECT pg_get_viewdef('people')")
        if mistake.path.endswith(".py"):
            assert whole.count(mistake.line) == 1
            broken = whole.replace(mistake.line, mistake.broken)
            monkeypatch.setattr(customer_projection, "_RECOMPUTE", broken)
            await recompute(tables, customers)
        else:
            broken, changed = re.subn(mistake.line, mistake.broken, view, count=1)
            assert changed
            tables.execute(f"CREATE OR REPLACE VIEW {mistake.path} AS {broken}")
        with Reader(address) as reader:
            found = verify.verify(reader, FACTS, "sim-7-").differences
        assert mistake.named in {(each.table, each.column) for each in found}, mistake.name
        monkeypatch.setattr(customer_projection, "_RECOMPUTE", whole)
        await recompute(tables, customers)
        tables.execute(f"CREATE OR REPLACE VIEW people AS {view}")
    await tables.database.close()


async def recompute(tables: Tables, customers: list[str]) -> None:
    await tables.database.run(
        lambda connection: customer_projection.recompute(connection, customers)
    )


async def test_another_run_in_the_same_database_is_left_alone(address: StackAddress) -> None:
    with Reader(address) as reader:
        found = verify.verify(reader, [], "sim-8-")
    assert (found.rows, found.differences) == (0, [])
