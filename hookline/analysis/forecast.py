"""Predicts a shop's customers in one currency, where a model fits. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from hookline.analysis.bgnbd import BgNbd, Floats, GammaGamma, NoFitError, fit_purchases, fit_values

WEEK = 7.0
"""Days of the unit in which models are fitted, as in the papers."""
AHEAD = (30, 90, 365)
"""Horizons of the predictions, in days."""
CUSTOMERS, REPEATS = 100, 30
"""Customers, and repeat customers, that a model needs: four parameters cannot be estimated from
fewer."""
_STEP = 30
_FOUR_DECIMALS = Decimal("0.0001")


class Customer(NamedTuple):
    """One customer: columns of ``customer_lifetime_value``, times in days."""

    customer_key: str
    frequency: int
    recency: int
    age: int
    monetary: Decimal | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One customer's prediction, purchases and values by ``AHEAD``; None = value unknown."""

    customer_key: str
    alive: float
    purchases: tuple[float, ...]
    values: tuple[Decimal | None, ...]
    discounted: Decimal | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The predictions of a model, or the reason why there are none.

    ``reason``: too-few-customers, too-few-repeat-customers, no-fit. ``value_reason``, where
    purchases are predicted but no values: too-few-values, no-fit, no-mean-value. ``correlation`` is
    that of frequency and value over repeat customers, None where it has none.
    """

    customers: int
    repeat_customers: int
    predictions: Sequence[Prediction] = ()
    reason: str | None = None
    value_reason: str | None = None
    purchases: BgNbd | None = None
    values: GammaGamma | None = None
    correlation: float | None = None


def forecast(
    customers: Sequence[Customer],
    discount_rate: float,
    minimum: tuple[int, int] = (CUSTOMERS, REPEATS),
) -> Forecast:
    """Predict customers with a complete history, all of one shop and currency.

    ``discount_rate`` per year (0.1 = 10%); ``minimum``: customers and repeat customers.
    """
    x = np.array([each.frequency for each in customers], dtype=np.float64)
    recency = np.array([each.recency for each in customers], dtype=np.float64) / WEEK
    age = np.array([each.age for each in customers], dtype=np.float64) / WEEK
    sizes = len(customers), int((x > 0).sum())
    reasons = ("too-few-customers", "too-few-repeat-customers")
    for size, least, reason in zip(sizes, minimum, reasons, strict=True):
        if size < least:
            return Forecast(*sizes, reason=reason)
    try:
        model = fit_purchases(x, recency, age)
    except NoFitError:
        return Forecast(*sizes, reason="no-fit")

    value = np.array([float(each.monetary or 0) for each in customers], dtype=np.float64)
    has_value = (x > 0) & (value > 0)
    value_model, value_reason = _value_model(x[has_value], value[has_value], minimum[1])
    alive = model.alive(x, recency, age)
    ahead = [model.purchases(x, recency, age, days / WEEK) for days in AHEAD]
    discounted = _discounted(model, x, recency, age, discount_rate)
    # Repeat customers who paid nothing have no mean of their own, and the overall one is wrong.
    mean_value = np.full(len(x), np.nan)
    if value_model is not None:
        is_predictable = has_value | (x == 0)
        mean_value[is_predictable] = value_model.mean_value(
            x[is_predictable], value[is_predictable]
        )
    return Forecast(
        *sizes,
        predictions=[
            Prediction(
                customer.customer_key,
                float(alive[n]),
                tuple(float(purchases[n]) for purchases in ahead),
                tuple(_amount(purchases[n] * mean_value[n]) for purchases in ahead),
                _amount(discounted[n] * mean_value[n]),
            )
            for n, customer in enumerate(customers)
        ],
        value_reason=value_reason,
        purchases=model,
        values=value_model,
        correlation=_correlation(x[has_value], value[has_value]),
    )


def _value_model(x: Floats, value: Floats, minimum: int) -> tuple[GammaGamma | None, str | None]:
    """Fit the model of values; None with the reason where it does not fit."""
    if len(x) < minimum:
        return None, "too-few-values"
    try:
        model = fit_values(x, value)
    except NoFitError:
        return None, "no-fit"
    return (model, None) if model.has_mean else (None, "no-mean-value")


def _discounted(
    model: BgNbd, x: Floats, recency: Floats, age: Floats, discount_rate: float
) -> Floats:
    """Return the discounted purchases of the longest horizon, each at the middle of its step."""
    total, previous = np.zeros(len(x)), np.zeros(len(x))
    last = AHEAD[-1]
    for begin in range(0, last, _STEP):
        end = min(begin + _STEP, last)
        until = model.purchases(x, recency, age, end / WEEK)
        total += (until - previous) / (1 + discount_rate) ** ((begin + end) / 2 / last)
        previous = until
    return total


def _correlation(x: Floats, value: Floats) -> float | None:
    if len(x) < 2 or not (np.ptp(x) and np.ptp(value)):  # noqa: PLR2004 - undefined for one
        return None
    return float(np.corrcoef(x, value)[0, 1])


def _amount(value: float) -> Decimal | None:
    """Round an estimate to four decimals; None where there is none."""
    return Decimal(float(value)).quantize(_FOUR_DECIMALS) if np.isfinite(value) else None
