"""Who buys again, how often and for how much: BG/NBD and Gamma-Gamma. Pure.

BG/NBD: P. Fader, B. Hardie, K. Lee, "Counting Your Customers" the Easy Way: An Alternative to
the Pareto/NBD Model, Marketing Science 24 (2005), 275-284. A customer buys at a Poisson rate
(gamma distributed over customers: shape r, scale alpha) and leaves after a purchase with a
probability (beta distributed: a, b). Gamma-Gamma: P. Fader, B. Hardie, The Gamma-Gamma Model of
Monetary Value, 2013. A purchase's value is gamma distributed (shape p) about the customer's own
scale (gamma distributed: shape q, scale gamma), whatever the frequency.

Arrays hold one customer a place: ``x`` repeat purchases, ``recency`` from the first to the last,
``age`` from the first until today, ``value`` the mean of the repeat purchases. Times are in the
unit in which the model was fitted; money is in one currency. Figures are floats: estimates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, hyp2f1

Floats = NDArray[np.float64]

_PENALTY = 1e-6
"""Keeps parameters from running away along a ridge where the likelihood is flat; no estimate
that has a maximum moves by a thousandth."""
_CLOSE = 1e-6
"""To a singular point that is none of the limit: there the limit is taken beside it."""
_FAR = 12.0
"""Logarithm beyond which a parameter has run away: there is no such maximum."""
_NOWHERE = 1e10
"""Loss where the likelihood is not finite."""


class NoFitError(ValueError):
    """The likelihood has no maximum in reach: the model does not suit these customers."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """A fitted model of purchases."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Of each customer: equation 6 of the paper, in logarithms."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        stays = -(r + x) * np.log(alpha + age)
        left = np.logaddexp(0.0, self._left(x, recency, age))
        return np.asarray(shared + stays + left, dtype=np.float64)

    def alive(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Probability that the customer still buys; 1 where nothing was bought again yet."""
        return expit(-self._left(x, recency, age))

    def purchases(self, x: Floats, recency: Floats, age: Floats, ahead: float) -> Floats:
        """Expected purchases in the next ``ahead``: equation 10 of the paper."""
        a = self.a if abs(self.a - 1) > _CLOSE else 1 + _CLOSE  # a limit, finite on both sides
        r, alpha, b = self.r, self.alpha, self.b
        ratio = ahead / (alpha + age + ahead)
        stays = (r + x) * np.log1p(-ratio)
        series = hyp2f1(r + x, b + x, a + b + x - 1, ratio)
        expected = (a + b + x - 1) / (a - 1) * (1 - np.exp(stays) * series)
        return np.asarray(np.maximum(expected, 0) * self.alive(x, recency, age), dtype=np.float64)

    def _left(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Logarithm of the odds of having left since the last purchase."""
        odds = (
            np.log(self.a)
            - np.log(self.b + np.maximum(x, 1) - 1)
            + (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        )
        return np.where(x > 0, odds, -np.inf)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """A fitted model of what a purchase is worth."""

    p: float
    q: float
    gamma: float

    def log_likelihood(self, x: Floats, value: Floats) -> Floats:
        """Of each customer with ``x`` > 0 and ``value`` > 0: the note's marginal distribution."""
        p, q, gamma = self.p, self.q, self.gamma
        return np.asarray(
            gammaln(p * x + q)
            - gammaln(p * x)
            - gammaln(q)
            + q * np.log(gamma)
            + (p * x - 1) * np.log(value)
            + p * x * np.log(x)
            - (p * x + q) * np.log(gamma + x * value),
            dtype=np.float64,
        )

    @property
    def has_mean(self) -> bool:
        """Whether an average customer's value is finite."""
        return self.q > 1

    def mean_value(self, x: Floats, value: Floats) -> Floats:
        """Expected value of a purchase: the note's conditional expectation.

        Between the customer's own mean and everybody's; the latter where ``x`` is 0. Asks for
        ``has_mean``.
        """
        return self.p * (self.gamma + x * value) / (self.p * x + self.q - 1)


def fit_purchases(x: Floats, recency: Floats, age: Floats) -> BgNbd:
    """The most likely model of these customers. Raises NoFitError.

    Customers alike are counted, not repeated: a million take no longer than their kinds.
    """
    kinds, counts = np.unique(np.column_stack((x, recency, age)), axis=0, return_counts=True)
    scale = float(kinds[:, 2].max()) or 1.0  # in which all parameters are of like size

    def likelihood(logs: Floats) -> float:
        model = BgNbd(*np.exp(logs))
        return float(counts @ model.log_likelihood(kinds[:, 0], *kinds[:, 1:].T / scale))

    r, alpha, a, b = _most_likely(likelihood, 4, float(counts.sum()))
    return BgNbd(r, alpha * scale, a, b)


def fit_values(x: Floats, value: Floats) -> GammaGamma:
    """The most likely model of these customers' values. Raises NoFitError.

    Takes those with ``x`` > 0 and ``value`` > 0 only: leave the others out before.
    """
    scale = float(value.mean())

    def likelihood(logs: Floats) -> float:
        return float(GammaGamma(*np.exp(logs)).log_likelihood(x, value / scale).sum())

    p, q, gamma = _most_likely(likelihood, 3, float(len(x)))
    return GammaGamma(p, q, gamma * scale)


def _most_likely(
    likelihood: Callable[[Floats], float], parameters: int, customers: float
) -> tuple[float, ...]:
    """Parameters with the greatest likelihood, sought in logarithms: all are positive."""

    def loss(logs: Floats) -> float:
        with np.errstate(all="ignore"):  # far out nothing is finite; there it is just bad
            found = likelihood(logs) / customers
        return -found + _PENALTY * float(logs @ logs) if np.isfinite(found) else _NOWHERE

    starts = (np.full(parameters, start) for start in (0.0, -1.0, 1.0))
    rough = [minimize(loss, start, method="Nelder-Mead") for start in starts]
    best = minimize(
        loss,
        min(rough, key=lambda each: float(each.fun)).x,
        method="Nelder-Mead",
        options={"maxiter": 8000, "xatol": 1e-7, "fatol": 1e-12},
    )
    if best.fun >= _NOWHERE or np.abs(best.x).max() > _FAR:
        raise NoFitError("no maximum of the likelihood in reach")
    return tuple(float(each) for each in np.exp(best.x))
