"""The bridge penalty of a predictor's spectrum, its exact optimum where it is convex, and its stationary points where not.

    minimise R(beta) = sum_k |beta^_k|^power  subject to  <z_i, beta> >= 1 for all i,

over the d frequencies k of the unitary discrete Fourier transform. power = 1 is a convex (second-order cone) programme. Below 1
there are many stationary points: multipliers a_i >= 0 on the rows with margin 1 such that sum_i a_i z^_i = grad R on the
support of beta^; off the support, where |.|^power has a cusp, nothing is asked.

Reference: Gunasekar, Lee, Soudry and Srebro 2018 (linear convolutional networks), equation 10 and Theorem 2.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from numpy.typing import NDArray
from scipy.optimize import nnls

from goodminima.theory.convex import import_cvxpy

SUPPORT = 1e-2
"""A frequency belongs to the support if its amplitude is above this fraction of the largest."""

ACTIVE = 1e-3
"""A row is at the margin if its <z_i, beta> is at most 1 + this times the least."""


def half_spectrum(signal: Float[np.ndarray, "*batch d"]) -> Complex[np.ndarray, "*batch k"]:
    """The unitary Fourier transform of real signals: frequencies 0 to d/2; those above are their conjugates.

    Args:
        signal: Real signals of length d.

    Returns:
        k = d // 2 + 1 amplitudes of each signal.
    """
    return np.fft.rfft(signal, norm="ortho")


def multiplicity(d: int) -> Float[np.ndarray, "k"]:
    """How many of the d frequencies each of the half spectrum stands for.

    Args:
        d: Length of a signal, at least 1.

    Returns:
        1 or 2 for each of k = d // 2 + 1 frequencies.

    >>> multiplicity(6).tolist(), multiplicity(5).tolist()
    ([1.0, 2.0, 2.0, 1.0], [1.0, 2.0, 2.0])
    """
    counts = np.full(d // 2 + 1, 2.0)
    counts[0] = 1.0
    if d % 2 == 0:
        counts[-1] = 1.0
    return counts


def penalty(
    z: Float[np.ndarray, "n d"], beta: Float[np.ndarray, "*batch d"], *, power: float
) -> Float[np.ndarray, "*batch"]:
    """R of beta scaled to a least margin of 1: what is minimised.

    Args:
        z: Rows y_i x_i.
        beta: Predictors.
        power: The exponent of the amplitudes, above 0.

    Returns:
        R for each predictor; infinite where a row is misclassified.

    >>> penalty(np.array([[2.0, 0.0]]), np.array([3.0, 0.0]), power=1.0).round(12).item()
    0.707106781187
    """
    least = (beta @ z.T).min(axis=-1)
    whole = (multiplicity(z.shape[1]) * np.abs(half_spectrum(beta)) ** power).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(least > 0, whole / least**power, np.inf)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LeastSpectrum:
    """The optimum for power 1, with its proof.

    Args:
        beta: (d,) with least margin 1.
        value: R(beta), the sum of all amplitudes.
        bound: No feasible beta has a smaller sum: weak duality, for the multipliers that were found.
    """

    beta: Float[np.ndarray, "d"]
    value: float
    bound: float


def least_spectrum(z: Float[np.ndarray, "n d"]) -> LeastSpectrum:
    """The beta of least sum_k |beta^_k| with <z_i, beta> >= 1, by a conic solver.

    Args:
        z: Rows y_i x_i, separable.

    Returns:
        That beta, the sum of its amplitudes, and a lower bound of it that proves how near it is to the least.

    Raises:
        ModuleNotFoundError: If the conic solver is not installed.
        ValueError: If no beta has such margins.

    >>> found = least_spectrum(np.array([[2.0, 0.0]]))
    >>> round(found.value, 8), round(found.bound, 8)
    (0.70710678, 0.70710678)
    """
    cp = import_cvxpy()
    d = z.shape[1]
    counts = multiplicity(d)
    fourier: NDArray[np.complex128] = half_spectrum(np.eye(d)).T
    beta = cp.Variable(d)
    margins = z @ beta >= 1
    amplitudes = cp.norm(cp.vstack([fourier.real @ beta, fourier.imag @ beta]), 2, axis=0)
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-9)
    cp.Problem(cp.Minimize(counts @ amplitudes), [margins]).solve(solver=cp.CLARABEL, **tight)
    if beta.value is None:
        raise ValueError(f"least_spectrum: no beta has <z_i, beta> >= 1 for all of the {len(z)} rows; leave out rows")
    found = beta.value / (z @ beta.value).min()
    multipliers = np.maximum(margins.dual_value, 0.0)
    dual = np.abs(half_spectrum(multipliers @ z))
    return LeastSpectrum(
        beta=found, value=float(penalty(z, found, power=1.0)), bound=float(multipliers.sum() / dual.max())
    )


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PlantedSpectrum:
    """Rows whose optimum for power 1 is known exactly.

    Args:
        z: (n, d) rows y_i x_i; the first five are at the margin.
        beta: (d,) the optimum, with R(beta) = 1 and least margin 1; three frequencies, one of twice the others' amplitude.
    """

    z: Float[np.ndarray, "n d"]
    beta: Float[np.ndarray, "d"]


def planted_spectrum(seed: int, *, n: int = 12, d: int = 16) -> PlantedSpectrum:
    """Rows whose optimum is stiff, so that a training time within reach shows it.

    With multipliers a on the five rows at the margin, sum_i a_i z^_i has amplitude 1 and the phase of beta^ on its three
    frequencies, and amplitude 1/2 on all others: that proves beta optimal, and other frequencies stay out by a half. A
    frequency outside dies like (1 / margin)^(what it stays out by), and before there are margins the plain mean of the
    rows decides what grows; it agrees. On Gaussian rows both are left to chance, and R / R* - 1 after 10^6 steps from
    normal filters was anything from 3e-4 to 4e-2.

    Args:
        seed: At least 0.
        n: Number of rows, at least 7.
        d: Length of the signals, at least 7.

    Returns:
        The rows y_i x_i, and the beta that is optimal for them.

    Raises:
        ValueError: If `n` or `d` is below 7.

    >>> data = planted_spectrum(0)
    >>> round(penalty(data.z, data.beta, power=1.0).item(), 12), (data.z @ data.beta).round(12)[:5].tolist()
    (1.0, [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    if n < 7 or d < 7:
        raise ValueError(f"planted_spectrum: n and d must be at least 7, got n = {n}, d = {d}")
    rng = np.random.default_rng(seed)
    counts = multiplicity(d)
    inside = rng.choice(np.flatnonzero(counts == 2), size=3, replace=False)
    phases: NDArray[np.complex128] = np.exp(2j * np.pi * rng.random(len(counts)))
    phases[counts == 1] = np.sign(phases[counts == 1].real)
    certificate, spectrum = 0.5 * phases, np.zeros_like(phases)
    certificate[inside] = phases[inside]
    spectrum[inside] = phases[inside] * (1.0, 0.5, 0.5)
    centre, beta = (np.fft.irfft(each, n=d, norm="ortho") for each in (certificate, spectrum))
    beta /= centre @ beta
    sideways = rng.standard_normal((n, d))
    sideways -= np.outer(sideways @ beta, beta) / (beta @ beta)
    multipliers = rng.uniform(0.5, 1.5, 5)
    sideways[:5] -= multipliers @ sideways[:5] / multipliers.sum()
    sideways[5:] -= sideways[5:].mean(axis=0)
    along = np.concatenate([np.ones(5), rng.uniform(1.5, 3, n - 5)])
    return PlantedSpectrum(z=along[:, None] * centre + sideways, beta=beta)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Stationarity:
    """How far a predictor is from a stationary point of the bridge penalty.

    Args:
        residual: |grad R - sum_i a_i z^_i| over the support, for the best a >= 0, as a fraction of |grad R|.
        equations: Real numbers that must vanish: 2 for each complex frequency of the support.
        active: Rows at the margin, whose multipliers are free.
    """

    residual: float
    equations: int
    active: int


def stationarity(z: Float[np.ndarray, "n d"], beta: Float[np.ndarray, "d"], *, power: float) -> Stationarity:
    """The KKT residual of beta, by non-negative least squares.

    Args:
        z: Rows y_i x_i.
        beta: A predictor with a positive margin.
        power: The exponent of the amplitudes, above 0.

    Returns:
        The residual, relative to the gradient; how many equations it is of; how many rows are at the margin.

    >>> stationarity(np.array([[2.0, 0.0]]), np.array([3.0, 0.0]), power=2 / 3).residual < 1e-15
    True
    """
    problem = _Restricted.at(z, beta, power=power)
    gradient, _ = problem.derivatives(problem.start)
    _, residual = nnls(problem.rows[problem.active].T, gradient)
    return Stationarity(
        residual=float(residual / np.linalg.norm(gradient)), equations=len(gradient), active=int(problem.active.sum())
    )


def nearby_stationary_point(
    z: Float[np.ndarray, "n d"], beta: Float[np.ndarray, "d"], *, power: float
) -> Float[np.ndarray, "d"]:
    """The stationary point with the support and the held rows of beta, to rounding, by Newton's method from beta.

    Training reaches it like a power of 1 / margin only; this is where it goes. Newton's method finds the point for rows held
    at the margin; a row whose multiplier is negative is let go, one whose margin falls below 1 is held.

    Args:
        z: Rows y_i x_i.
        beta: A predictor near the point.
        power: The exponent of the amplitudes, above 0.

    Returns:
        The stationary point, scaled to a least margin of 1.

    Raises:
        RuntimeError: If that does not settle: beta was not near a stationary point.
    """
    problem = _Restricted.at(z, beta, power=power)
    c = problem.start
    multipliers, _ = nnls(problem.rows[problem.active].T, problem.derivatives(c)[0])
    held = [int(row) for row in np.flatnonzero(problem.active)[multipliers > 0]]
    for _ in range(10):
        c, multipliers = problem.newton(c, held)
        lowest = int((problem.rows @ c).argmin())
        if multipliers.min() < 0:
            held.pop(int(multipliers.argmin()))
        elif problem.rows[lowest] @ c < 1 - 1e-12:
            held.append(lowest)
        else:
            return c @ problem.basis
    raise RuntimeError(
        "nearby_stationary_point: which rows are held does not settle; train longer, or from another start"
    )


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Restricted:
    """The programme on the support of one beta, in real coordinates: sqrt(m) (Re, Im) by frequency, of multiplicity m."""

    basis: Float[np.ndarray, "c d"]  # orthonormal rows
    group: Int[np.ndarray, "c"]  # number of the frequency, among those of the support, that a coordinate belongs to
    counts: Float[np.ndarray, "groups"]
    rows: Float[np.ndarray, "n c"]
    active: Bool[np.ndarray, "n"]
    start: Float[np.ndarray, "c"]
    power: float

    @classmethod
    def at(cls, z: np.ndarray, beta: np.ndarray, *, power: float) -> "_Restricted":
        margins = z @ beta
        if margins.min() <= 0:
            raise ValueError("stationary points are feasible: beta must classify every row rightly; train longer")
        amplitude, counts = np.abs(half_spectrum(beta)), multiplicity(len(beta))
        inside = np.flatnonzero(amplitude > SUPPORT * amplitude.max())
        basis, frequency = _real_fourier(len(beta))
        kept = np.isin(frequency, inside)
        return cls(
            basis=basis[kept],
            group=np.searchsorted(inside, frequency[kept]),
            counts=counts[inside],
            rows=z @ basis[kept].T,
            active=margins <= (1 + ACTIVE) * margins.min(),
            start=basis[kept] @ beta / margins.min(),
            power=power,
        )

    def newton(
        self, c: Float[np.ndarray, "c"], held: list[int]
    ) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "h"]]:
        """The solution of grad R = sum_i a_i z_i and <z_i, c> = 1 over the rows that are held, and its multipliers."""
        rows = self.rows[held]
        multipliers = np.linalg.lstsq(rows.T, self.derivatives(c)[0], rcond=None)[0]
        for _ in range(30):
            gradient, hessian = self.derivatives(c)
            system = np.block([[hessian, -rows.T], [rows, np.zeros((len(rows), len(rows)))]])
            wrong = np.concatenate([gradient - multipliers @ rows, rows @ c - 1])
            move = np.linalg.lstsq(system, -wrong, rcond=None)[0]
            c, multipliers = c + move[: len(c)], multipliers + move[len(c) :]
            if np.abs(move[: len(c)]).max() < 1e-14 * np.abs(c).max():
                return c, multipliers
        raise RuntimeError(
            "nearby_stationary_point: Newton's method does not settle; train longer, or from another start"
        )

    def derivatives(self, c: Float[np.ndarray, "c"]) -> tuple[Float[np.ndarray, "c"], Float[np.ndarray, "c c"]]:
        """Gradient and Hessian of R = sum_k m_k^(1 - power / 2) |c_k|^power."""
        same = self.group[:, None] == self.group
        length = np.sqrt(same @ c**2)
        factor = self.power * self.counts[self.group] ** (1 - self.power / 2) * length ** (self.power - 2)
        unit = c / length
        return factor * c, np.diag(factor) + (self.power - 2) * factor[:, None] * same * np.outer(unit, unit)


def _real_fourier(d: int) -> tuple[Float[np.ndarray, "d d"], Int[np.ndarray, "d"]]:
    """An orthonormal basis of cosines and sines, and the frequency of each of its rows."""
    counts = multiplicity(d)
    waves: NDArray[np.complex128] = half_spectrum(np.eye(d)).T
    scaled = np.sqrt(counts)[:, None] * waves
    paired = np.flatnonzero(counts == 2)
    return np.vstack([scaled.real, scaled.imag[paired]]), np.concatenate([np.arange(len(counts)), paired])
