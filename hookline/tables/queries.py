"""Sessions of the database: read-only queries of the tables, and sessions for commands."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from psycopg import AsyncConnection, sql

from hookline.stack_address import StackAddress
from hookline.tables import one_query, reading
from runtime.settings import Settings
from sinks.postgres.migrate import check

Connection = AsyncConnection[Any]

_SHORT = "CASE WHEN length({0}) > 12 THEN left({0}, 11) || '…' ELSE {0} END"

_TOP = 20
"""Customers of each currency: amounts of different currencies cannot be ranked together."""

VIEWS = {
    "carts": (
        "abandoned_carts",
        f"""
        SELECT source || '/' || shop AS shop, {_SHORT.format("native_cart_id")} AS cart, status,
               detection AS found_by, item_count AS items, cart_value AS value, currency,
               date_trunc('second', abandoned_at) AS abandoned_at,
               split_part(order_key, ':', 2) AS "order", recovered_value AS order_net,
               date_trunc('second', time_to_recover) AS after
          FROM abandoned_carts ORDER BY abandoned_at DESC, cart_key, generation LIMIT 50
        """,  # noqa: S608 - our own names
    ),
    "customers": (
        "customer_lifetime_value",
        f"""
        SELECT currency, rank, source || '/' || shop AS shop,
               {_SHORT.format("split_part(customer_key, ':', 2)")} AS customer,
               orders_count AS orders, gross, discounts, net, taxes, shipping,
               pending_revenue AS pending, reported_revenue AS reported
          FROM (SELECT *, rank() OVER (
                    PARTITION BY currency ORDER BY net DESC NULLS LAST) AS rank
                  FROM customer_lifetime_value) ranked
         WHERE rank <= {_TOP} ORDER BY currency, rank, customer_key LIMIT 50
        """,  # noqa: S608 - our own names
    ),
    "people": (
        "people",
        f"""
        SELECT currency, rank, {_SHORT.format("person")} AS person, customers, shops,
               orders_count AS orders, gross, discounts, refunded, net, avg_order_value AS average,
               last_order_at::date AS last_order
          FROM (SELECT *, split_part(person_key, ':', -1) AS person, rank() OVER (
                    PARTITION BY currency ORDER BY net DESC NULLS LAST) AS rank
                  FROM people) ranked
         WHERE rank <= {_TOP} ORDER BY currency, rank, person_key LIMIT 50
        """,  # noqa: S608 - our own names
    ),
    "days": (
        "shop_days",
        """
        SELECT source || '/' || shop AS shop, day, currency, orders, gross, discounts, refunded,
               net, new_customers AS new, returning_customers AS returning,
               customers_of_unknown_history AS unknown, carts_abandoned AS carts_left,
               carts_recovered AS carts_back
          FROM shop_days ORDER BY day DESC, source, shop, currency LIMIT 50
        """,
    ),
    "coverage": (
        "coverage",
        """
        SELECT source || '/' || shop AS shop, orders, orders_without_customer AS no_customer,
               orders_without_net AS no_net, orders_of_unknown_status AS unknown_status,
               orders_not_a_sale AS no_sale, carts,
               concat_ws(', ', CASE WHEN NOT tells_carts THEN 'carts' END,
                   CASE WHEN NOT tells_refunds THEN 'refunds' END,
                   CASE WHEN NOT tells_cancellations THEN 'cancels' END,
                   CASE WHEN NOT tells_discount_codes THEN 'codes' END) AS unreported,
               no_recovery_reason AS no_recovery, rounded_amounts AS rounded,
               dead_letters_open AS dead_open, dead_letters_settled AS settled
          FROM coverage ORDER BY dead_letters_open DESC, source, shop LIMIT 50
        """,
    ),
    "freshness": (
        "freshness",
        """
        SELECT date_trunc('second', whole_until) AS whole_until,
               date_trunc('second', behind) AS behind, held_by,
               topic || '-' || partition AS in_partition,
               date_trunc('second', held_since) AS since, reason
          FROM freshness
        """,
    ),
}
"""Argument of `hookline tables` -> (table, query of its most useful columns)."""
ENTITIES = ("orders", "carts", "customers", "payments", "shipments", "subscriptions", "consents")
"""Tables whose rows name the append time of their newest event."""

LIST = """
    SELECT c.relname AS name, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END AS kind,
           split_part(obj_description(c.oid, 'pg_class'), '. ', 1) AS holds
      FROM pg_class c
     WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
       AND c.relkind IN ('r', 'v') AND has_table_privilege(c.oid, 'SELECT')
     ORDER BY c.relkind DESC, c.relname
"""
"""Every table and view that the role may read, with the first sentence of its comment."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of a query."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def as_dicts(self) -> list[dict[str, Any]]:
        """Return one mapping per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Reader:
    """A read-only connection; each query is a transaction of its own.

    ``contacts``: as the role that may read contact data. Raises CommandError, psycopg.Error.
    """

    def __init__(self, stack: StackAddress, *, contacts: bool = False) -> None:
        url = stack.contacts_reader_url if contacts else stack.reader_url
        self._connection = reading.connect(url, stack.settings.sql_schema, contacts=contacts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(
        self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> Rows:
        """Run one of our own queries and return its rows."""
        cursor = self._connection.execute(statement.encode(), parameters)
        return Rows([column.name for column in cursor.description or ()], cursor.fetchall())

    def ask(self, statement: str) -> Rows:
        """Run a query that somebody wrote. Raises CommandError for all but one query."""
        return Rows(*one_query.run(self._connection, statement))

    @contextmanager
    def snapshot(self, timeout_ms: int) -> Iterator[None]:
        """Run the queries of the block in one read-only snapshot, each at most so long."""
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            self._connection.execute(
                sql.SQL("SET LOCAL statement_timeout TO {}").format(sql.Literal(timeout_ms))
            )
            yield

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        name = sql.Identifier(table)
        answer = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name))
        return int(answer.fetchall()[0][0])


@asynccontextmanager
async def connected(settings: Settings, purpose: str) -> AsyncIterator[Connection]:
    """Open a session (autocommit) in the configured schema, with a lock timeout.

    Raises psycopg.OperationalError where no server answers, UnmigratedError where the schema is not
    of this version.
    """
    async with await AsyncConnection.connect(
        settings.database_url,
        autocommit=True,
        application_name=f"hookline-{purpose}",
        connect_timeout=10,
    ) as connection:
        await connection.execute(
            sql.SQL("SET search_path TO {}").format(sql.Identifier(settings.sql_schema))
        )
        await connection.execute("SET lock_timeout TO '15s'")
        await check(connection, settings.sql_schema)
        yield connection
