"""AdaGrad and Adam: where adaptive steps lead, which depends on more than the geometry of the problem.

References: Gunasekar et al. 2018 (Characterizing implicit bias in terms of optimization geometry) for AdaGrad;
Zhang, Zou and Cao 2024 (The implicit bias of Adam on separable data) for Adam without epsilon; Wang et al. 2021 (The
implicit bias for adaptive optimization algorithms on homogeneous neural networks) for Adam with it.
"""

import math

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from goodminima.core.progress import Callback, no_callback
from goodminima.theory.exponential import pull
from goodminima.theory.loops import snapshots
from goodminima.theory.mirror import MirrorRun, relative


def adagrad(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "n"],
    *,
    step: float,
    initial: float,
    tolerance: float = 1e-13,
    max_steps: int = 100_000,
) -> MirrorRun:
    """AdaGrad on |A w - b|^2 / 2 from w = 0: w <- w - step g / sqrt(G), where G, at first `initial`, sums g^2.

    Args:
        a: Rows of A.
        b: Right-hand sides.
        step: Step size.
        initial: What G is at first, above 0.
        tolerance: Ends once the largest |A w - b| is at most this, relative to the largest |b|.
        max_steps: Most steps.

    Returns:
        Where it ended, after how many steps, and the relative residual there.
    """
    w, squares, miss, steps = np.zeros(a.shape[1]), np.full(a.shape[1], initial), -b, 0
    while steps < max_steps and relative(miss, b) > tolerance:
        gradient = miss @ a
        squares = squares + gradient**2
        w = w - step * gradient / np.sqrt(squares)
        miss = a @ w - b
        steps += 1
    return MirrorRun(w=w, steps=steps, residual=relative(miss, b))


def adam_path(
    z: Float[np.ndarray, "n d"],
    *,
    epsilon: float,
    times: Int[np.ndarray, "times"],
    step: float = 0.1,
    beta1: float = 0.9,
    beta2: float = 0.9,
    callback: Callback = no_callback,
) -> Float[np.ndarray, "times d"]:
    """Adam on the exponential loss of separable data from w = 0, with steps step / sqrt(t + 1), at given numbers of steps.

    Gradients shrink to e^-1000 and less. Both moments are kept relative to the loss of their step, and epsilon is divided
    by it, so that nothing underflows and every digit is Adam's. Bias correction is on, as in common use.

    Args:
        z: (n, d) rows y_i x_i.
        epsilon: Added to the root of the second moment; may be 0.
        times: Numbers of steps, increasing.
        step: Size of the first step.
        beta1: Decay of the first moment.
        beta2: Decay of the second moment.
        callback: Called now and then with a `Progress` in steps.

    Returns:
        w at each of the times.
    """
    state = np.zeros((3, z.shape[1]))  # w, and the moments m and v relative to the loss and its square
    scale = np.zeros(1)  # log loss that they are relative to

    def advance(begin: int, end: int) -> None:
        _advance(z, state, scale, begin, end, np.array([step, beta1, beta2, epsilon]))

    return snapshots(advance, state, times=times, callback=callback)[:, 0]


@njit(cache=True, nogil=True)
def _advance(  # noqa: PLR0917  (numba knows no keyword-only arguments)
    z: np.ndarray, state: np.ndarray, scale: np.ndarray, begin: int, end: int, settings: np.ndarray
) -> None:
    n, d = z.shape
    w, m, v = state
    step, beta1, beta2, epsilon = settings
    weights, g = np.empty(n), np.empty(d)
    for t in range(begin, end):
        log_loss = pull(z, w, weights, g)
        rescale = math.exp(scale[0] - log_loss)
        scale[0] = log_loss
        far = step / math.sqrt(t + 1.0) / (1.0 - beta1 ** (t + 1))
        unbias = 1.0 / (1.0 - beta2 ** (t + 1))
        floor = math.exp(math.log(epsilon) - log_loss) if epsilon > 0.0 else 0.0
        for j in range(d):
            m[j] = beta1 * m[j] * rescale + (1.0 - beta1) * g[j]
            v[j] = beta2 * v[j] * rescale * rescale + (1.0 - beta2) * g[j] * g[j]
            w[j] += far * m[j] / (math.sqrt(v[j] * unbias) + floor)
