"""Predicts who buys again, how often and for how much: BG/NBD and Gamma-Gamma. Pure.

BG/NBD: P. Fader, B. Hardie, K. Lee, "Counting Your Customers" the Easy Way: An Alternative to
the Pareto/NBD Model, Marketing Science 24 (2005), 275-284. A customer buys at a Poisson rate
(gamma distributed over customers: shape r, scale alpha) and leaves after a purchase with a
probability (beta distributed: a, b). Gamma-Gamma: P. Fader, B. Hardie, The Gamma-Gamma Model of
Monetary Value, 2013. A purchase's value is gamma distributed (shape p) about the customer's own
scale (gamma distributed: shape q, scale gamma), whatever the frequency.

Arrays hold one element per customer: ``x`` repeat purchases, ``recency`` from the first to the
last, ``age`` from the first until today, ``value`` the mean of the repeat purchases. Times are in
the unit in which the model was fitted; money is in one currency. Results are floats: estimates.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, hyp2f1

Floats = NDArray[np.float64]

_PENALTY = 1e-6
"""Keeps parameters from diverging along a ridge where the likelihood is flat; an estimate that
has a maximum changes by less than a thousandth."""
_NEAR_ONE = 1e-6
"""Closer than this to the removable singularity at a = 1, the formula is evaluated beside it."""
_MAX_LOG = 12.0
"""Logarithm beyond which a parameter has diverged: the likelihood has no maximum."""
_INFINITE_LOSS = 1e10
"""Loss where the likelihood is not finite."""


class NoFitError(ValueError):
    """The likelihood has no finite maximum: the model does not suit these customers."""


@dataclass(frozen=True, slots=True)
class BgNbd:
    """A fitted model of purchases."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Return each customer's log-likelihood: equation 6 of the paper."""
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        shared = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        stays = -(r + x) * np.log(alpha + age)
        left = np.logaddexp(0.0, self._left(x, recency, age))
        return np.asarray(shared + stays + left, dtype=np.float64)

    def alive(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Return the probability that the customer still buys; 1 without repeat purchases."""
        return expit(-self._left(x, recency, age))

    def purchases(self, x: Floats, recency: Floats, age: Floats, ahead: float) -> Floats:
        """Return the expected purchases in the next ``ahead``: equation 10 of the paper."""
        a = self.a if abs(self.a - 1) > _NEAR_ONE else 1 + _NEAR_ONE  # finite on both sides
        r, alpha, b = self.r, self.alpha, self.b
        ratio = ahead / (alpha + age + ahead)
        stays = (r + x) * np.log1p(-ratio)
        series = hyp2f1(r + x, b + x, a + b + x - 1, ratio)
        expected = (a + b + x - 1) / (a - 1) * (1 - np.exp(stays) * series)
        return np.asarray(np.maximum(expected, 0) * self.alive(x, recency, age), dtype=np.float64)

    def _left(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        """Return the log odds of having left since the last purchase."""
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
        """Return the marginal log-likelihood of each customer with ``x`` > 0 and ``value`` > 0."""
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
        """Whether the mean over all customers is finite."""
        return self.q > 1

    def mean_value(self, x: Floats, value: Floats) -> Floats:
        """Return the expected value of a purchase: the conditional expectation of the 2013 note.

        Between the customer's own mean and that of all customers; the latter where ``x`` is 0.
        Requires ``has_mean``.
        """
        return self.p * (self.gamma + x * value) / (self.p * x + self.q - 1)


def fit_purchases(x: Floats, recency: Floats, age: Floats) -> BgNbd:
    """Fit the model of purchases by maximum likelihood. Raises NoFitError.

    Time grows with the number of distinct customers, since equal ones are counted.
    """
    distinct, counts = np.unique(np.column_stack((x, recency, age)), axis=0, return_counts=True)
    scale = float(distinct[:, 2].max()) or 1.0  # brings all parameters to a similar size

    def likelihood(logs: Floats) -> float:
        model = BgNbd(*np.exp(logs))
        return float(counts @ model.log_likelihood(distinct[:, 0], *distinct[:, 1:].T / scale))

    r, alpha, a, b = _most_likely(likelihood, 4, float(counts.sum()))
    return BgNbd(r, alpha * scale, a, b)


def fit_values(x: Floats, value: Floats) -> GammaGamma:
    """Fit the model of values by maximum likelihood. Raises NoFitError.

    Every customer must have ``x`` > 0 and ``value`` > 0.
    """
    scale = float(value.mean())

    def likelihood(logs: Floats) -> float:
        return float(GammaGamma(*np.exp(logs)).log_likelihood(x, value / scale).sum())

    p, q, gamma = _most_likely(likelihood, 3, float(len(x)))
    return GammaGamma(p, q, gamma * scale)


def _most_likely(
    likelihood: Callable[[Floats], float], parameters: int, customers: float
) -> tuple[float, ...]:
    """Return the parameters of greatest likelihood, searched as logarithms: all are positive."""

    def loss(logs: Floats) -> float:
        with np.errstate(all="ignore"):  # far from the maximum it is not finite
            mean = likelihood(logs) / customers
        return -mean + _PENALTY * float(logs @ logs) if np.isfinite(mean) else _INFINITE_LOSS

    starts = (np.full(parameters, start) for start in (0.0, -1.0, 1.0))
    rough = [minimize(loss, start, method="Nelder-Mead") for start in starts]
    best = minimize(
        loss,
        min(rough, key=lambda each: float(each.fun)).x,
        method="Nelder-Mead",
        options={"maxiter": 8000, "xatol": 1e-7, "fatol": 1e-12},
    )
    if best.fun >= _INFINITE_LOSS or np.abs(best.x).max() > _MAX_LOG:
        raise NoFitError("the likelihood has no finite maximum")
    return tuple(float(each) for each in np.exp(best.x))
