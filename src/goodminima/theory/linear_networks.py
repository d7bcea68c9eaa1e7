"""Linear networks: all compute <beta, x>, yet which beta gradient descent finds depends on how beta is put together.

Fully connected, beta = W_1^T ... W_{L-1}^T w_L: the l2 maximum margin, whatever the depth L. Circular convolutions over the
full width, beta^ = w_1^ ... w_L^ (^ is the unitary discrete Fourier transform, products by frequency): a stationary point
of sum_k |beta^_k|^(2/L) subject to <beta, z_i> >= 1 for all i. For L = 2 that is convex, so the point is the optimum; for
L >= 3 it depends on the start.

Rows are z_i = y_i x_i, the loss is sum_i exp(-<beta, z_i>), followed by gradient ascent on -log L (`theory.ascent`).

Reference: Gunasekar, Lee, Soudry and Srebro 2018 (linear convolutional networks), Theorems 1 and 2, Lemma 3.
"""

import itertools
import math

import numpy as np
from jaxtyping import Float, Int
from numba import njit
from numpy.typing import NDArray

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.ascent import fitting_step, softmin
from goodminima.theory.bridge import half_spectrum, multiplicity
from goodminima.theory.loops import snapshots

Spectra = NDArray[np.complex128]


def fully_connected(
    z: Float[np.ndarray, "n d"],
    *,
    depth: int,
    width: int,
    times: Int[np.ndarray, "times"],
    seed: int,
    scale: float = 0.1,
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """The predictor beta of a fully connected linear network after each of the given numbers of steps.

    Args:
        z: Rows y_i x_i.
        depth: Number of layers L, at least 1.
        width: Units of each hidden layer.
        times: Increasing numbers of steps.
        seed: Of the start: weights normal with standard deviation `scale`.
        scale: Above 0.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        beta at each of the times.

    Raises:
        ValueError: If `depth` or `width` is below 1.

    Cost: about 3 L max(d, width)^2 products a step.
    """
    if depth < 1 or width < 1:
        raise ValueError(f"fully_connected: depth and width must be at least 1, got depth = {depth}, width = {width}")
    d = z.shape[1]
    sizes = [d, *[width] * (depth - 1), 1]
    widest = max(sizes)
    # All layers in one array: rows and columns that a layer does not have are 0 and, their gradient being 0, stay so.
    weights = np.zeros((depth, widest, widest))
    rng = np.random.default_rng(seed)
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        weights[layer, :fan_out, :fan_in] = scale * rng.standard_normal((fan_out, fan_in))
    rows = np.zeros((len(z), widest))
    rows[:, :d] = z

    def advance(begin: int, end: int) -> None:
        _ascend_fully_connected(weights, rows, end - begin)

    path = snapshots(advance, weights, times=times, callback=callback)
    return np.array([np.linalg.multi_dot([np.eye(widest)[:1], *each[::-1]])[0, :d] for each in path])


@njit(cache=True, nogil=True)
def _ascend_fully_connected(weights: np.ndarray, z: np.ndarray, steps: int) -> None:
    depth, m, _ = weights.shape
    q, p = np.empty(len(z)), np.empty(len(z))
    after, before = np.zeros((depth + 1, m)), np.empty((depth + 1, m))
    after[depth, 0] = 1.0
    longest = (z**2).sum(axis=1).max()
    for _ in range(steps):
        for layer in range(depth - 1, -1, -1):
            after[layer] = after[layer + 1] @ weights[layer]
        np.dot(z, after[0], q)
        softmin(q, p)
        before[0] = p @ z
        for layer in range(depth):
            before[layer + 1] = weights[layer] @ before[layer]
        step = _fully_connected_step(weights, longest)
        for layer in range(depth):
            for row in range(m):
                move = step * after[layer + 1, row]
                for column in range(m):
                    weights[layer, row, column] += move * before[layer, column]


@njit(cache=True, nogil=True)
def _fully_connected_step(weights: np.ndarray, longest: float) -> float:
    """With |grad q_i|^2 <= |z_i|^2 sum_l prod_{m != l} |W_m|_F^2, an equality in the limit, where all have rank 1."""
    squares = np.empty(len(weights))
    for layer in range(len(weights)):
        squares[layer] = (weights[layer] ** 2).sum()
    return fitting_step(longest * squares.prod() * (1 / squares).sum(), math.sqrt(squares.sum()))


def convolutional(
    z: Float[np.ndarray, "n d"],
    filters: Float[np.ndarray, "depth d"],
    *,
    times: Int[np.ndarray, "times"],
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """The predictor beta of a linear network of full-width circular convolutions, after the given numbers of steps.

    Layer l < L maps h to h'_j = sum_k w_k h_{(j + k) mod d} / sqrt(d), and layer L is an inner product. The transform is
    unitary, so steps on the transformed filters are steps on the filters.

    Args:
        z: Rows y_i x_i.
        filters: w_1, ..., w_L at the start.
        times: Increasing numbers of steps.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        beta at each of the times.

    Raises:
        ValueError: If the filters are not as long as the rows.

    Cost: about 6 n d products and n exponentials a step.
    """
    d = z.shape[1]
    if filters.shape[1] != d:
        raise ValueError(f"convolutional: filters must be as long as the rows, {d}, got {filters.shape[1]}")
    transformed, spectra, counts = half_spectrum(filters), half_spectrum(z), multiplicity(d)

    def advance(begin: int, end: int) -> None:
        _ascend_convolutional(transformed, spectra, counts, end - begin)

    path = snapshots(advance, transformed.view(np.float64), times=times, callback=callback)
    return np.fft.irfft(path.view(np.complex128).prod(axis=1), n=d, norm="ortho")


def normal_filters(seed: int, *, depth: int, d: int, scale: float = 0.1) -> Float[np.ndarray, "depth d"]:
    """Filters with independent normal entries: each frequency starts with an amplitude of its own.

    Args:
        seed: At least 0.
        depth: Number of layers.
        d: Length of a filter.
        scale: Standard deviation of the entries.

    Returns:
        A filter for each layer.
    """
    return scale * np.random.default_rng(seed).standard_normal((depth, d))


def white_filters(seed: int, *, depth: int, d: int, scale: float = 0.1) -> Float[np.ndarray, "depth d"]:
    """Filters with the same amplitude at every frequency and random phases; those of the last layer are 0.

    The start then prefers no frequency. Otherwise the one that starts ahead is first to fit, and the others overtake it
    like a small power of the margin only.

    Args:
        seed: At least 0.
        depth: Number of layers.
        d: Length of a filter.
        scale: The amplitude.

    Returns:
        A filter for each layer.
    """
    phases = half_spectrum(np.random.default_rng(seed).standard_normal((depth, d)))
    filters = np.fft.irfft(scale * phases / np.abs(phases), n=d, norm="ortho")
    filters[-1] = 0.0
    return filters


@njit(cache=True, nogil=True)
def _ascend_convolutional(w: Spectra, z: Spectra, counts: np.ndarray, steps: int) -> None:
    depth, k = w.shape
    q, p, pull = np.empty(len(z)), np.empty(len(z)), np.empty(k, np.complex128)
    beta, rest = np.empty(k, np.complex128), np.empty((depth, k), np.complex128)
    weighted, powers = counts * z, counts * (z.real**2 + z.imag**2)
    for _ in range(steps):
        rho = math.sqrt(_products(w, counts, beta, rest))
        steepest = _margins(weighted, powers, beta, rest, q)
        softmin(q, p)
        pull[:] = 0.0
        for i in range(len(z)):
            for j in range(k):
                pull[j] += p[i] * z[i, j]
        step = fitting_step(steepest, rho)
        for layer in range(depth):
            for j in range(k):
                w[layer, j] += step * rest[layer, j] * pull[j]


@njit(cache=True, nogil=True)
def _products(w: Spectra, counts: np.ndarray, beta: Spectra, rest: Spectra) -> float:
    """Fills beta^ and, for each layer, the conjugate product of the others; returns the squared norm of all filters."""
    squares = 0.0
    for j in range(len(counts)):
        beta[j] = 1.0
        for layer in range(len(w)):
            rest[layer, j] = np.conj(beta[j])
            beta[j] *= w[layer, j]
            squares += counts[j] * (w[layer, j].real ** 2 + w[layer, j].imag ** 2)
        after = 1.0 + 0.0j
        for layer in range(len(w) - 1, -1, -1):
            rest[layer, j] *= np.conj(after)
            after *= w[layer, j]
    return squares


@njit(cache=True, nogil=True)
def _margins(weighted: Spectra, powers: np.ndarray, beta: Spectra, rest: Spectra, q: np.ndarray) -> float:
    """Fills q_i = <z_i, beta>; returns max_i |grad q_i|^2, where grad of q_i by w_l^ is z_i^ times the layer's `rest`."""
    steepness = np.zeros(len(beta))
    for layer in range(len(rest)):
        for j in range(len(beta)):
            steepness[j] += rest[layer, j].real ** 2 + rest[layer, j].imag ** 2
    steepest = 0.0
    for i in range(len(q)):
        inner, squared = 0.0, 0.0
        for j in range(len(beta)):
            inner += weighted[i, j].real * beta[j].real + weighted[i, j].imag * beta[j].imag
            squared += powers[i, j] * steepness[j]
        q[i] = inner
        steepest = max(steepest, squared)
    return steepest
