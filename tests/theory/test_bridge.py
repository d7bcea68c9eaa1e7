"""The bridge penalty: planted optimum, weak duality, and a residual that tells stationary points from others."""

import numpy as np
import pytest

from goodminima.theory.bridge import (
    half_spectrum,
    least_spectrum,
    multiplicity,
    nearby_stationary_point,
    penalty,
    planted_spectrum,
    stationarity,
)
from goodminima.theory.convex import max_margin


@pytest.mark.parametrize("d", [7, 8])
@pytest.mark.parametrize("power", [1.0, 2 / 3])
def test_the_penalty_is_the_sum_over_the_whole_transform(d: int, power: float) -> None:
    rng = np.random.default_rng(0)
    beta, z = rng.standard_normal(d), rng.standard_normal((1, d))
    z *= np.sign(z @ beta)[:, None]
    whole = np.fft.fft(beta, norm="ortho") / (z @ beta)
    assert penalty(z, beta, power=power) == pytest.approx((np.abs(whole) ** power).sum(), rel=1e-12)
    assert penalty(z, 7 * beta, power=power) == pytest.approx(penalty(z, beta, power=power), rel=1e-12)
    assert penalty(z, -beta, power=power) == np.inf


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("d", [15, 16])
def test_the_conic_solver_finds_the_planted_optimum_and_proves_it(seed: int, d: int) -> None:
    data = planted_spectrum(seed, n=12, d=d)
    found = least_spectrum(data.z)
    assert (data.z @ data.beta).min() == pytest.approx(1, abs=1e-12)
    assert penalty(data.z, data.beta, power=1.0) == pytest.approx(1, rel=1e-12)
    assert found.value == pytest.approx(1, rel=1e-7)
    assert found.bound <= found.value * (1 + 1e-12)
    assert found.bound == pytest.approx(1, rel=1e-7)


def test_one_row_is_solved_in_closed_form() -> None:
    """Of one row only its largest amplitude counts: sum_k |beta^_k| |z^_k| >= 1."""
    z = np.random.default_rng(1).standard_normal((1, 9))
    largest = np.abs(half_spectrum(z)).max()
    assert least_spectrum(z).value == pytest.approx(1 / largest, rel=1e-7)


@pytest.mark.parametrize("power", [1.0, 2 / 3])
def test_for_one_row_each_single_frequency_is_stationary_and_a_turned_phase_is_not(power: float) -> None:
    d = 9
    z = np.random.default_rng(2).standard_normal((1, d))
    spectrum = np.zeros(d // 2 + 1, dtype=np.complex128)
    spectrum[3] = half_spectrum(z)[0, 3]
    beta = np.fft.irfft(spectrum, n=d, norm="ortho")
    assert stationarity(z, beta, power=power).residual < 1e-14
    turned = np.fft.irfft(spectrum * np.exp(0.5j), n=d, norm="ortho")
    assert stationarity(z, turned, power=power).residual == pytest.approx(np.sin(0.5), rel=1e-9)


def test_a_second_frequency_must_share_by_amplitude() -> None:
    """Two frequencies and one row: power |beta^_k|^(power - 1) proportional to |z^_k|."""
    z, power = np.random.default_rng(3).standard_normal((1, 9)), 2 / 3
    pull = half_spectrum(z)[0]
    spectrum = np.zeros_like(pull)
    spectrum[[2, 4]] = pull[[2, 4]] / np.abs(pull[[2, 4]]) * np.abs(pull[[2, 4]]) ** (1 / (power - 1))
    beta = np.fft.irfft(spectrum, n=9, norm="ortho")
    assert stationarity(z, beta, power=power).residual < 1e-13
    spectrum[2] *= 2
    assert stationarity(z, np.fft.irfft(spectrum, n=9, norm="ortho"), power=power).residual > 0.05


def test_the_optimum_is_stationary_for_its_own_power_and_the_support_vector_machine_for_neither() -> None:
    data = planted_spectrum(4)
    svm = max_margin(data.z).direction
    assert stationarity(data.z, data.beta, power=1.0).residual < 1e-12
    assert stationarity(data.z, data.beta, power=2 / 3).residual > 1e-3
    assert stationarity(data.z, svm, power=1.0).residual > 0.1
    assert stationarity(data.z, svm, power=2 / 3).residual > 0.1
    # power 2 is the squared l2 norm, whose optimum the support vector machine is
    assert stationarity(data.z, svm, power=2.0).residual < 1e-10


def test_newton_returns_to_the_point_it_was_moved_from() -> None:
    data = planted_spectrum(5)
    rng = np.random.default_rng(0)
    amplitudes = half_spectrum(data.beta)
    inside = np.abs(amplitudes) > 1e-9
    moved = amplitudes * (1 + 1e-4 * inside * rng.standard_normal(len(inside)))
    found = nearby_stationary_point(data.z, np.fft.irfft(moved, n=16, norm="ortho"), power=1.0)
    assert found == pytest.approx(data.beta, abs=1e-12)


def test_a_predictor_that_misclassifies_is_refused() -> None:
    data = planted_spectrum(0)
    with pytest.raises(ValueError, match="classify every row rightly"):
        stationarity(data.z, -data.beta, power=1.0)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 7, got n = 6"):
        planted_spectrum(0, n=6)


def test_the_half_spectrum_keeps_lengths() -> None:
    for d in (7, 8):
        x = np.random.default_rng(d).standard_normal(d)
        assert multiplicity(d) @ np.abs(half_spectrum(x)) ** 2 == pytest.approx(x @ x, rel=1e-13)
