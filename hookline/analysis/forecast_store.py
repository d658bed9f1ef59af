"""Predictions of all shops: read from ``customer_lifetime_value``, and written beside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import AsyncConnection

from hookline.analysis.forecast import CUSTOMERS, REPEATS, Customer, Forecast, Prediction, forecast
from hookline.console.output import Told
from hookline.errors import CommandError
from hookline.tables.session import connected
from runtime.settings import Settings
from sinks.postgres.session import AGAIN
from sinks.store import entity_locks
from sinks.store.write_plan import lock_of

Connection = AsyncConnection[Any]
_CHUNK = 1000
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
    UPDATE customer_lifetime_value v SET {", ".join(f"{name} = told.{name}" for name in _FIELDS)}
    FROM unnest(%s::text[], %s::float8[], %s::float8[], %s::float8[], %s::float8[],
        %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
        AS told (customer_key, {", ".join(_FIELDS)})
    WHERE v.customer_key = told.customer_key AND v.currency = %s
        AND v.ineligible_reason IS NULL
"""  # noqa: S608 - only names of this module are put in
_CLEAR = f"""
    UPDATE customer_lifetime_value SET {", ".join(f"{name} = NULL" for name in _FIELDS)}
    WHERE customer_key = ANY(%s) AND currency = %s
"""  # noqa: S608 - only names of this module are put in
_MODEL = ("r", "alpha", "a", "b")
_VALUES = ("p", "q", "gamma")
_RUN = (
    "source", "shop", "currency", "as_of", "customers", "repeat_customers", "predicted",
    "reason", "value_reason", *_MODEL, *_VALUES, "correlation", "discount_rate",
)  # fmt: skip
_NOTE = f"""
    INSERT INTO prediction_runs ({", ".join(_RUN)}) VALUES ({", ".join(["%s"] * len(_RUN))})
    ON CONFLICT (source, shop, currency) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _RUN[3:])}, predicted_at = now()
"""  # noqa: S608 - only names of this module are put in
_FORGET = """
    DELETE FROM prediction_runs p WHERE NOT EXISTS (
        SELECT FROM customer_lifetime_value v
        WHERE (v.source, v.shop, v.currency) = (p.source, p.shop, p.currency)
    )
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What was predicted for one shop and currency."""

    source: str
    shop: str
    currency: str
    as_of: Any
    found: Forecast


async def predict(
    settings: Settings,
    discount_rate: float,
    at_least: tuple[int, int] = (CUSTOMERS, REPEATS),
    *,
    writes: bool = True,
    progress: Told = lambda _what, _done, _of: None,
) -> list[Run]:
    """Predict for every shop and currency; fill the columns and ``prediction_runs``.

    Rows that no longer suit lose what an earlier run predicted. Sinks may write meanwhile.
    """
    async with connected(settings, "predict") as connection:
        groups = await (await connection.execute(_GROUPS)).fetchall()
        runs = []
        for number, (source, shop, currency, as_of) in enumerate(groups):
            progress(f"{source}/{shop} {currency}", number, len(groups))
            rows = await connection.execute(_CUSTOMERS, [source, shop, currency])
            customers = [Customer(*row) async for row in rows]
            found = await asyncio.to_thread(forecast, customers, discount_rate, at_least)
            run = Run(source, shop, currency, as_of, found)
            if writes:
                await _write(connection, run, discount_rate)
            runs.append(run)
        if writes:
            await connection.execute(_FORGET)
    return runs


async def _write(connection: Connection, run: Run, discount_rate: float) -> None:
    place = (run.source, run.shop, run.currency)
    told = run.found.predictions
    stood = await connection.execute(_PREDICTED, place)
    gone = sorted({key async for (key,) in stood} - {each.customer_key for each in told})
    for chunk in _chunks(gone):
        await _locked(connection, run, chunk, partial(_clear, connection, run, chunk))
    for part in _chunks(told):
        keys = [each.customer_key for each in part]
        await _locked(connection, run, keys, partial(_fill, connection, run, part))
    found = run.found
    model = [getattr(found.purchases, name, None) for name in _MODEL]
    values = [getattr(found.values, name, None) for name in _VALUES]
    await connection.execute(
        _NOTE,
        [
            *place, run.as_of, found.customers, found.repeat_customers, len(told),
            found.reason, found.value_reason, *model, *values, found.correlation, discount_rate,
        ],
    )  # fmt: skip


async def _clear(connection: Connection, run: Run, keys: Sequence[str]) -> None:
    await connection.execute(_CLEAR, [list(keys), run.currency])


async def _fill(connection: Connection, run: Run, told: Sequence[Prediction]) -> None:
    columns = zip(
        *((p.customer_key, p.alive, *p.purchases, *p.values, p.discounted) for p in told),
        strict=True,
    )
    await connection.execute(_FILL, [*map(list, columns), run.currency])


async def _locked(
    connection: Connection,
    run: Run,
    customers: Sequence[str],
    work: Callable[[], Awaitable[None]],
) -> None:
    """Do ``work`` in one transaction, under the locks that batches of the sinks take."""
    for _ in range(_ATTEMPTS):
        try:
            async with connection.transaction():
                await entity_locks.share_shops(connection, [(run.source, run.shop)])
                await entity_locks.take(connection, {lock_of(key): False for key in customers})
                await work()
        except AGAIN:
            await asyncio.sleep(1)
        else:
            return
    raise CommandError(
        "the sinks hold these customers' rows all the time: run `hookline predict` again later"
    )


def _chunks(rows: Sequence[Any]) -> list[Any]:
    return [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]
