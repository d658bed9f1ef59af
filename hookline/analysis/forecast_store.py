"""Predicts the customers of all shops, from and into ``customer_lifetime_value``."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hookline.analysis.forecast import CUSTOMERS, REPEATS, Customer, Forecast, forecast
from hookline.console.errors import CommandError
from hookline.console.output import Progress
from hookline.tables.queries import Connection, connected
from runtime.settings import Settings
from sinks.postgres.session import RETRYABLE
from sinks.store import entity_locks
from sinks.store.write_plan import customer_lock_key

_BATCH = 1000
_ATTEMPTS = 8

_GROUPS = """
    SELECT source, shop, currency, max(as_of) FILTER (WHERE t IS NOT NULL)
    FROM customer_lifetime_value GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_CUSTOMERS = """
    SELECT customer_key, frequency, recency, t, monetary FROM customer_lifetime_value
    WHERE source = %s AND shop = %s AND currency = %s
        AND ineligible_reason IS NULL AND frequency IS NOT NULL AND t IS NOT NULL
    ORDER BY customer_key
"""
_PREDICTED = """
    SELECT customer_key FROM customer_lifetime_value
    WHERE source = %s AND shop = %s AND currency = %s AND probability_alive IS NOT NULL
"""
_FIELDS = (
    "probability_alive",
    "expected_purchases_30d",
    "expected_purchases_90d",
    "expected_purchases_365d",
    "expected_value_30d",
    "expected_value_90d",
    "expected_value_365d",
    "discounted_clv",
)
_FILL = f"""
    UPDATE customer_lifetime_value v SET {", ".join(f"{name} = new.{name}" for name in _FIELDS)}
    FROM unnest(%s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
        %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
        AS new (customer_key, {", ".join(_FIELDS)})
    WHERE v.customer_key = new.customer_key AND v.currency = %s
        AND v.ineligible_reason IS NULL
"""  # noqa: S608 - only names of this module are put in
_CLEAR = f"""
    UPDATE customer_lifetime_value SET {", ".join(f"{name} = NULL" for name in _FIELDS)}
    WHERE customer_key = ANY(%s) AND currency = %s
"""  # noqa: S608 - only names of this module are put in
_PURCHASES = ("r", "alpha", "a", "b")
_VALUES = ("p", "q", "gamma")
_RUN = (
    "source", "shop", "currency", "as_of", "customers", "repeat_customers", "predicted",
    "reason", "value_reason", *_PURCHASES, *_VALUES, "correlation", "discount_rate",
)  # fmt: skip
_WRITE_RUN = f"""
    INSERT INTO prediction_runs ({", ".join(_RUN)}) VALUES ({", ".join(["%s"] * len(_RUN))})
    ON CONFLICT (source, shop, currency) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _RUN[3:])}, predicted_at = now()
"""  # noqa: S608 - only names of this module are put in
_DELETE_STALE_RUNS = """
    DELETE FROM prediction_runs p WHERE NOT EXISTS (
        SELECT FROM customer_lifetime_value v
        WHERE (v.source, v.shop, v.currency) = (p.source, p.shop, p.currency)
    )
"""


@dataclass(frozen=True, slots=True)
class Run:
    """The forecast of one shop and currency."""

    source: str
    shop: str
    currency: str
    as_of: Any
    forecast: Forecast


async def predict(
    settings: Settings,
    discount_rate: float,
    minimum: tuple[int, int] = (CUSTOMERS, REPEATS),
    *,
    writes: bool = True,
    progress: Progress = lambda _what, _done, _total: None,
) -> list[Run]:
    """Predict for every shop and currency; fill the columns and ``prediction_runs``.

    Predictions of an earlier run are cleared in rows that get none. Sinks may write meanwhile.
    """
    async with connected(settings, "predict") as connection:
        groups = await (await connection.execute(_GROUPS)).fetchall()
        runs = []
        for number, (source, shop, currency, as_of) in enumerate(groups):
            progress(f"{source}/{shop} {currency}", number, len(groups))
            rows = await connection.execute(_CUSTOMERS, [source, shop, currency])
            customers = [Customer(*row) async for row in rows]
            result = await asyncio.to_thread(forecast, customers, discount_rate, minimum)
            run = Run(source, shop, currency, as_of, result)
            if writes:
                await _write(connection, run, discount_rate)
            runs.append(run)
        if writes:
            await connection.execute(_DELETE_STALE_RUNS)
    return runs


async def _write(connection: Connection, run: Run, discount_rate: float) -> None:
    key = (run.source, run.shop, run.currency)
    forecast = run.forecast
    predictions = forecast.predictions
    stored = await connection.execute(_PREDICTED, key)
    stale = sorted({key async for (key,) in stored} - {each.customer_key for each in predictions})
    for keys in _batches(stale):
        await _update(connection, run, keys, _CLEAR, [keys])
    for batch in _batches(predictions):
        rows = ((p.customer_key, p.alive, *p.purchases, *p.values, p.discounted) for p in batch)
        columns = [list(column) for column in zip(*rows, strict=True)]
        await _update(connection, run, columns[0], _FILL, columns)
    purchases = [getattr(forecast.purchases, name, None) for name in _PURCHASES]
    values = [getattr(forecast.values, name, None) for name in _VALUES]
    await connection.execute(
        _WRITE_RUN,
        [
            *key, run.as_of, forecast.customers, forecast.repeat_customers, len(predictions),
            forecast.reason, forecast.value_reason, *purchases, *values, forecast.correlation,
            discount_rate,
        ],
    )  # fmt: skip


async def _update(
    connection: Connection, run: Run, customers: Sequence[str], statement: str, columns: list[Any]
) -> None:
    """Update these customers' rows in one transaction, under the locks of the sinks' batches."""
    for _ in range(_ATTEMPTS):
        try:
            async with connection.transaction():
                await entity_locks.share_shops(connection, [(run.source, run.shop)])
                await entity_locks.take(
                    connection, {customer_lock_key(key): False for key in customers}
                )
                await connection.execute(statement, [*columns, run.currency])
        except RETRYABLE:
            await asyncio.sleep(1)
        else:
            return
    raise CommandError(
        "the sinks kept these customers' rows locked: run `hookline predict` again later"
    )


def _batches(rows: Sequence[Any]) -> list[Any]:
    return [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
