"""Contact data of the live tables, taken over into the rebuilt ones.

The log keeps contact data for weeks only: ``customer_contacts`` is its record.
"""

from typing import Any

from psycopg import AsyncConnection, sql

from sinks.merge.last_writer import load
from sinks.rebuild.swap import SchemaNames
from sinks.store.apply import store_contacts
from sinks.store.write_plan import Contribution

_AT_ONCE = 1000
_DIFFERING = """
    SELECT old.customer_key, old.layers FROM {live} AS old
    JOIN customers USING (customer_key)
    LEFT JOIN customer_contacts AS new USING (customer_key)
    WHERE new.layers IS DISTINCT FROM old.layers AND old.customer_key > %s
    ORDER BY old.customer_key LIMIT %s
"""


async def take_over(connection: AsyncConnection[Any], names: SchemaNames) -> None:
    """Merge the live rows into the shadow tables, whose session this is, by version.

    A row of a customer that the log does not know is left behind: it is of another log.
    """
    query = sql.SQL(_DIFFERING).format(live=sql.Identifier(names.live, "customer_contacts"))
    last = ""
    while True:
        cursor = await connection.execute(query, [last, _AT_ONCE])
        given: dict[str, list[Contribution]] = {
            key: [(layer.version, layer.event_id, layer.fields) for layer in load(stored)]
            async for key, stored in cursor
        }
        if not given:
            return
        last = next(reversed(given))  # in the order of the database
        await store_contacts(connection, given)
