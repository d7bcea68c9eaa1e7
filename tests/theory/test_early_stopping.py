"""The population whose test error is known: against angles, against a sample, and the law it draws from."""

import numpy as np
import pytest
from scipy.stats import norm

from goodminima.theory.early_stopping import GaussianPopulation, loud_nuisance


def test_without_a_margin_the_error_is_the_angle_over_pi() -> None:
    rng = np.random.default_rng(0)
    variances, teacher, w = rng.uniform(0.5, 2, 7), rng.standard_normal(7), rng.standard_normal((20, 7))
    across = (w * variances) @ teacher / np.sqrt((w**2 @ variances) * (teacher**2 @ variances))
    found = GaussianPopulation(variances=variances, teacher=teacher, margin=0.0).error(w)
    assert found == pytest.approx(np.arccos(across) / np.pi, abs=1e-14)


@pytest.mark.parametrize("margin", [0.0, 0.75, 2.0])
def test_the_error_is_the_frequency_in_a_sample(margin: float) -> None:
    """False-alarm rate 1e-5 each: 4.42 standard deviations of 40,000 examples."""
    population, rng = loud_nuisance(1, margin=margin), np.random.default_rng(2)
    z = population.draw(3, n=40_000)
    for mixture in (0.3, 1.0, 3.0):
        w = population.teacher + mixture * rng.standard_normal(120)
        expected = float(population.error(w))
        observed = ((z @ w) <= 0).mean()
        assert abs(observed - expected) < 4.42 * np.sqrt(expected * (1 - expected) / len(z))


def test_teacher_and_its_opposite() -> None:
    population = loud_nuisance(4)
    assert population.error(population.teacher) == pytest.approx(0, abs=1e-15)
    assert population.error(-population.teacher) == pytest.approx(1)


def test_the_sample_has_the_law_it_says() -> None:
    """Means at a false-alarm rate of 1e-5 each; the margin holds for every example."""
    population, n = loud_nuisance(5), 40_000
    z = population.draw(6, n=n)
    along = z @ population.teacher / np.sqrt(population.variances @ population.teacher**2)
    assert along.min() > population.margin
    law = norm.pdf(0.75) / norm.sf(0.75)  # mean of a normal number beyond 0.75
    assert abs(along.mean() - law) < 4.42 * along.std() / np.sqrt(n)
    loud = z[:, 10:15] ** 2
    assert np.abs(loud.mean(axis=0) - 10).max() < 4.8 * 10 * np.sqrt(2 / n)  # five of them


def test_flipping_turns_labels_alone_and_as_many_as_it_says() -> None:
    population, n = loud_nuisance(7), 20_000
    clean, flipped = population.draw(8, n=n), population.draw(8, n=n, flipped=0.1)
    assert (np.abs(clean) == np.abs(flipped)).all()
    share = ((clean * flipped).sum(axis=1) < 0).mean()
    assert abs(share - 0.1) < 4.42 * np.sqrt(0.09 / n)


def test_bad_populations_are_refused() -> None:
    with pytest.raises(ValueError, match="variances above 0"):
        GaussianPopulation(variances=np.array([1.0, 0.0]), teacher=np.ones(2), margin=0.0)
    with pytest.raises(ValueError, match="margin must be at least 0, got -1"):
        GaussianPopulation(variances=np.ones(2), teacher=np.ones(2), margin=-1)
