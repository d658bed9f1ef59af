"""The coverage view: what platforms cannot give, and what is missing from the tables."""

import re
from typing import Any

import pytest

from schemas.events import CustomerRef
from schemas.platforms import PLATFORMS, providing
from sinks.postgres.migrate import migrate
from tests.sink_events import NOON, Tables, order
from tests.tables_page import PAGE

pytestmark = pytest.mark.stack

_QUERY = re.compile(r"^## What is missing\n.*?```sql\n(.+?);\n```", re.DOTALL | re.MULTILINE)
ANNA = CustomerRef(customer_id="anna")
_TELLS = "SELECT source, tells_carts, tells_refunds FROM coverage"


async def test_what_platforms_tell_is_what_their_rows_say(stack: Any) -> None:
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        await tables.put([order(f"{name}1", NOON, source=name) for name in PLATFORMS])
        carts = providing("carts")
        refunds = {name for name, row in PLATFORMS.items() if row.refunds_from}
        assert {(name, name in carts, name in refunds) for name in PLATFORMS} == {
            *tables.rows(_TELLS)
        }


async def test_a_platform_that_the_view_does_not_list_is_known_by_its_customers(
    stack: Any,
) -> None:
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        await tables.put([order("1", NOON, source="teahouse")])
        assert [("teahouse", None, None)] == tables.rows(_TELLS)
        await tables.put([order("2", NOON, source="teahouse", customer=ANNA)])
        assert [("teahouse", False, False)] == tables.rows(_TELLS)
        tables.execute(
            "UPDATE customer_lifetime_value"
            " SET abandoned_carts_count = 0, refunds_observable = true"
        )
        assert [("teahouse", True, True)] == tables.rows(_TELLS)


async def test_rounded_amounts_of_a_shop_are_added_up(stack: Any) -> None:
    settings = stack.settings()
    migrate(settings)
    async with Tables(settings) as tables:
        notes = {"rounded:total": "10.00001", "rounded:items[0].price": "10.00001"}
        await tables.put(
            [
                order("1", NOON, attributes=notes),
                order("2", NOON, attributes={"rounded:total": "0.00001"}),
                order("3", NOON, of_meta={"shop": "other"}),
            ]
        )
        assert tables.rows("SELECT shop, rounded_amounts FROM coverage ORDER BY shop") == [
            ("main", 3),
            ("other", 0),
        ]


async def test_the_ready_query_shows_what_is_open_and_a_refused_shop_has_a_row(stack: Any) -> None:
    settings = stack.settings()
    migrate(settings)
    query = _QUERY.search(PAGE.read_text())
    assert query is not None
    async with Tables(settings) as tables:
        await tables.put([order("1", NOON)])
        tables.execute(
            "INSERT INTO dead_letter_counts VALUES"
            " ('spiffy', 'main', '2026-01-01', 'order', 'too-large', 3, 2, 1, now(), now()),"
            " ('spiffy', 'main', '2026-01-02', 'order', 'too-large', 5, 1, 1, now(), now()),"
            " ('spiffy', 'main', '2026-01-02', 'cart', 'too-large', 0, 2, 0, now(), now()),"
            " ('gooten', 'print', '2026-01-03', 'order', 'unknown-event', 1, 0, 0, now(), now())"
        )
        found = [(row[1], str(row[2]), *row[3:]) for row in tables.rows(query[1])]
        assert found == [
            ("print", "2026-01-03", "order", "unknown-event", 1, 0),
            ("main", "2026-01-02", "order", "too-large", 3, 2),
        ]
        assert tables.rows(
            "SELECT shop, orders, tells_carts, dead_letters_open::int, dead_letters_settled::int,"
            " last_dead_letter_on::text, first_received_at IS NULL FROM coverage ORDER BY shop"
        ) == [
            # Marks may come before the count of their letters: settled is never more than these.
            ("main", 1, True, 3, 5, "2026-01-02", False),
            ("print", 0, False, 1, 0, "2026-01-03", True),
        ]
