"""A shop's customers in one currency, predicted: whom a model suits, and what it says. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from hookline.analysis.bgnbd import BgNbd, Floats, GammaGamma, NoFitError, fit_purchases, fit_values

WEEK = 7.0
"""Days of the unit in which models are fitted, as in the papers."""
AHEAD = (30, 90, 365)
"""Days for which is predicted."""
CUSTOMERS, REPEATS = 100, 30
"""Customers, and repeat customers, that a model is fitted to at least: four parameters of a
mixture say nothing about fewer."""
_STEP = 30
_PLACES = Decimal("0.0001")


class Customer(NamedTuple):
    """What a model asks of one customer: columns of ``customer_lifetime_value``, in days."""

    customer_key: str
    frequency: int
    recency: int
    age: int
    monetary: Decimal | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of one customer. Purchases and values in the order of ``AHEAD``; None = no value known."""

    customer_key: str
    alive: float
    purchases: tuple[float, ...]
    values: tuple[Decimal | None, ...]
    discounted: Decimal | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a model says, and why it says nothing.

    ``reason``: too-few-customers, too-few-repeat-customers, no-fit. ``value_reason``, where
    there are purchases but no values: too-few-values, no-fit, no-mean-value. ``correlation`` is
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
    at_least: tuple[int, int] = (CUSTOMERS, REPEATS),
) -> Forecast:
    """Predictions for customers with a whole history, all of one shop and currency.

    ``discount_rate`` a year (0.1 = 10%); ``at_least``: customers and repeat customers.
    """
    x = np.array([each.frequency for each in customers], dtype=np.float64)
    recency = np.array([each.recency for each in customers], dtype=np.float64) / WEEK
    age = np.array([each.age for each in customers], dtype=np.float64) / WEEK
    sizes = len(customers), int((x > 0).sum())
    words = ("too-few-customers", "too-few-repeat-customers")
    for size, least, reason in zip(sizes, at_least, words, strict=True):
        if size < least:
            return Forecast(*sizes, reason=reason)
    try:
        model = fit_purchases(x, recency, age)
    except NoFitError:
        return Forecast(*sizes, reason="no-fit")

    value = np.array([float(each.monetary or 0) for each in customers], dtype=np.float64)
    has_value = (x > 0) & (value > 0)
    worth, value_reason = _worth(x[has_value], value[has_value], at_least[1])
    alive = model.alive(x, recency, age)
    ahead = [model.purchases(x, recency, age, days / WEEK) for days in AHEAD]
    kept = _discounted(model, x, recency, age, discount_rate)
    # Who bought again for nothing has no mean of their own, and everybody's is not theirs.
    each_value = np.full(len(x), np.nan)
    if worth is not None:
        suits = has_value | (x == 0)
        each_value[suits] = worth.mean_value(x[suits], value[suits])
    return Forecast(
        *sizes,
        predictions=[
            Prediction(
                one.customer_key,
                float(alive[at]),
                tuple(float(purchases[at]) for purchases in ahead),
                tuple(_amount(purchases[at] * each_value[at]) for purchases in ahead),
                _amount(kept[at] * each_value[at]),
            )
            for at, one in enumerate(customers)
        ],
        value_reason=value_reason,
        purchases=model,
        values=worth,
        correlation=_correlation(x[has_value], value[has_value]),
    )


def _worth(x: Floats, value: Floats, at_least: int) -> tuple[GammaGamma | None, str | None]:
    """The model of values; None with the reason where there is none."""
    if len(x) < at_least:
        return None, "too-few-values"
    try:
        model = fit_values(x, value)
    except NoFitError:
        return None, "no-fit"
    return (model, None) if model.has_mean else (None, "no-mean-value")


def _discounted(
    model: BgNbd, x: Floats, recency: Floats, age: Floats, discount_rate: float
) -> Floats:
    """Purchases of the longest time ahead, each worth less the later: in the middle of a step."""
    total, before = np.zeros(len(x)), np.zeros(len(x))
    last = AHEAD[-1]
    for begin in range(0, last, _STEP):
        end = min(begin + _STEP, last)
        until = model.purchases(x, recency, age, end / WEEK)
        total += (until - before) / (1 + discount_rate) ** ((begin + end) / 2 / last)
        before = until
    return total


def _correlation(x: Floats, value: Floats) -> float | None:
    if len(x) < 2 or not (np.ptp(x) and np.ptp(value)):  # noqa: PLR2004 - of one there is none
        return None
    return float(np.corrcoef(x, value)[0, 1])


def _amount(value: float) -> Decimal | None:
    """An estimate as money: four places; None where there is none."""
    return Decimal(float(value)).quantize(_PLACES) if np.isfinite(value) else None
