"""The models: the published figures of their papers, and what holds of any of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gammaln
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution

from hookline.analysis.bgnbd import BgNbd, Floats, GammaGamma, NoFitError, fit_purchases, fit_values
from tests import cdnow

PUBLISHED = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
positive = st.floats(0.1, 20)


@pytest.fixture(scope="module")
def customers() -> tuple[Floats, Floats, Floats, Floats]:
    """The calibration period: repeat days, weeks to the last, weeks until its end, mean value."""
    days: dict[int, dict[int, float]] = {}
    end = cdnow.CALIBRATION_ENDS.toordinal()
    for each in cdnow.purchases():
        if (day := each.day.toordinal()) <= end:
            own = days.setdefault(each.customer, {})
            own[day] = own.get(day, 0.0) + float(each.value)
    rows = []
    for own in days.values():
        first, last = min(own), max(own)
        repeats = [value for day, value in own.items() if day != first and value > 0]
        mean = sum(repeats) / len(repeats) if repeats else 0.0
        rows.append((len(own) - 1, (last - first) / 7, (end - first) / 7, mean))
    x, recency, age, value = np.array(rows, dtype=np.float64).T
    return x, recency, age, value


def test_the_sample_is_the_published_one() -> None:
    told = cdnow.purchases()
    assert (6919, 2357) == (len(told), len({each.customer for each in told}))
    assert ("1997-01-01", "1998-06-30") == (
        min(each.day for each in told).isoformat(),
        max(each.day for each in told).isoformat(),
    )


def test_purchases_are_fitted_as_published(
    customers: tuple[Floats, Floats, Floats, Floats],
) -> None:
    x, recency, age, _ = customers
    model = fit_purchases(x, recency, age)
    found = (model.r, model.alpha, model.a, model.b)
    assert found == pytest.approx((0.243, 4.414, 0.793, 2.426), rel=0.01)
    likelihood = model.log_likelihood(x, recency, age).sum()
    assert likelihood == pytest.approx(-9582.4, abs=0.1)


def test_values_are_fitted_as_published(customers: tuple[Floats, Floats, Floats, Floats]) -> None:
    x, _, _, value = customers
    kept = (x > 0) & (value > 0)
    assert kept.sum() == 946
    model = fit_values(x[kept], value[kept])
    assert (model.p, model.q, model.gamma) == pytest.approx((6.25, 3.74, 15.44), rel=0.01)


def test_the_worked_example_of_the_paper() -> None:
    """Of x = 2, last after 30.43 weeks, age 38.86: 1.226 purchases in the next 39 weeks."""
    expected = PUBLISHED.purchases(np.array([2.0]), np.array([30.43]), np.array([38.86]), 39)
    assert expected[0] == pytest.approx(1.226, abs=0.001)


@given(r=positive, alpha=positive, a=positive, b=positive, x=st.integers(0, 6), share=positive)
def test_the_likelihood_is_the_mean_over_all_customers_rates_and_departures(
    r: float, alpha: float, a: float, b: float, x: int, share: float
) -> None:
    """Against the definition, integrated: no formula of the paper's result is used."""
    age = 10.0
    recency = age * share / 20 if x else 0.0
    model = BgNbd(r, alpha, a, b)

    def bought(span: float) -> float:
        """Mean over rates of rate^x e^(-rate span)."""
        said = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + span)
        return float(np.exp(said))

    stayed = np.exp(
        sum(np.log((b + n) / (a + b + n)) for n in range(x))
    )  # mean of (1 - chance)^x over customers, one purchase after the other
    left = (
        a / (a + b + x - 1) * np.exp(sum(np.log((b + n) / (a + b + n)) for n in range(x - 1)))
        if x
        else 0.0
    )
    expected = stayed * bought(age) + left * bought(recency)
    told = np.exp(model.log_likelihood(np.array([x]), np.array([recency]), np.array([age])))
    assert told[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("a", [0.793, 1.0, 2.5])
def test_expected_purchases_are_those_of_simulated_customers(a: float) -> None:
    """A new customer's expectation against its integral over rates and chances to leave."""
    r, alpha, b, ahead = 0.7, 3.0, 2.4, 20.0
    rates = gamma_distribution(r, scale=1 / alpha)
    chances = beta_distribution(a, b)

    def given_chance(chance: float) -> float:
        mean = (1 - (alpha / (alpha + chance * ahead)) ** r) / chance
        return float(mean * chances.pdf(chance))

    expected, _ = quad(given_chance, 1e-12, 1)
    nobody = np.zeros(1)
    told = BgNbd(r, alpha, a, b).purchases(nobody, nobody, nobody, ahead)
    assert told[0] == pytest.approx(expected, rel=1e-4)
    assert told[0] < rates.mean() * ahead


@given(x=st.integers(0, 50), share=st.floats(0, 1), age=st.floats(1, 500))
def test_probabilities_lie_between_0_and_1_and_purchases_grow_with_time(
    x: int, share: float, age: float
) -> None:
    x_, recency, age_ = np.array([float(x)]), np.array([age * share if x else 0]), np.array([age])
    alive = PUBLISHED.alive(x_, recency, age_)[0]
    assert 0 <= alive <= 1
    assert x or alive == 1
    ahead = [PUBLISHED.purchases(x_, recency, age_, days)[0] for days in (1, 5, 25, 125)]
    assert ahead == sorted(ahead)
    assert min(ahead) >= 0


@given(x=st.integers(1, 100), value=st.floats(0.5, 500))
def test_a_mean_value_lies_between_the_customers_own_and_everybodys(x: int, value: float) -> None:
    model = GammaGamma(p=6.25, q=3.74, gamma=15.44)
    everybody = model.mean_value(np.zeros(1), np.zeros(1))[0]
    own = model.mean_value(np.array([float(x)]), np.array([value]))[0]
    assert min(value, everybody) - 1e-9 <= own <= max(value, everybody) + 1e-9


def test_values_that_never_vary_have_no_model() -> None:
    """The likelihood grows for ever with the shape."""
    with pytest.raises(NoFitError):
        fit_values(np.full(200, 3.0), np.full(200, 20.0))
