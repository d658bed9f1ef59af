"""The coverage view says of every platform what its row says."""

from typing import Any

import pytest

from schemas.events import CustomerRef
from schemas.platforms import PLATFORMS, providing
from sinks.postgres.migrate import migrate
from tests.sink_events import NOON, Tables, order

pytestmark = pytest.mark.stack

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
