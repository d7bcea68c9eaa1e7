"""Gradients and whole trainings in the compiled kernel: members go through SGD in the lanes of a register.

A training puts each member into the bins of its losses.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from goodminima.population.native import instruction_set, kernel
from goodminima.population.native.program import Program, labels_of

Bin = tuple[float, float, int]  # loss above, loss at most, most members kept


class BinContents(NamedTuple):
    """The members that ended in one bin: how many, and the first ones by number with their parameters."""

    hits: int
    members: Int64[np.ndarray, "m"]
    theta: Float32[np.ndarray, "m D"]


def gradient(
    program: Program,
    theta: Float[np.ndarray, "P D"],
    x: Float[np.ndarray, "B ..."],
    y: Int[np.ndarray, "B"],
) -> Float32[np.ndarray, "P D"]:
    """The gradient of each member's mean cross entropy over the batch, mean_b -log softmax(z_b)[y_b], in float32.

    The derivative of ReLU at 0 is 0; a max pool passes the gradient to the first largest entry of its window. A
    probability below 1e-30 counts as 0. Parameters of no layer get 0. A member's gradient does not depend on its company.
    On one thread, without the GIL.

    Args:
        program: The net; each parameter belongs to one layer at most.
        theta: Parameters, a row per member.
        x: The batch, examples of the program's `input_shape`.
        y: Their labels, 0 .. C - 1.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels or offsets do not fit together.

    Cost: about four forward passes per member and example.
    """
    chosen, members = instruction_set(), np.ascontiguousarray(theta, np.float32)
    return kernel().gradient(chosen, program.net, members, program.images(x), labels_of(y))


def train(
    program: Program,
    theta: Float[np.ndarray, "P D"],
    *,
    x: Float[np.ndarray, "n ..."],
    y: Int[np.ndarray, "n"],
    batches: Sequence[Int[np.ndarray, "_"]],
    lr: float,
    momentum: float,
    bins: Sequence[Bin],
    callback: Callable[[int, list[int]], None],
) -> tuple[list[BinContents], int]:
    """Plain SGD with momentum, each member frozen in bin (l, u] the first time that it fits with a loss of at most u.

    A member fits where every example is right; its loss is the mean cross entropy of z / prod_l (||W_l||_F / unit). Both
    hold before a step, or at the end. It counts for the bin if the loss is above l. A member does not depend on its
    company: each works its way through the batches by itself, and lanes whose member has ended get the next one.

    What float32 cannot tell from certain counts as certain: an example moves no weight once the other classes together
    have less than 2^-24 of its label's probability. Where all examples of a batch are like that the step costs nothing.

    Args:
        program: The net; each parameter belongs to one layer at most.
        theta: Starts, a row per member.
        x: Training examples.
        y: Their labels, 0 .. C - 1.
        batches: Rows of x, a batch per step.
        lr: Step size.
        momentum: 0 for none; as in `torch.optim.SGD`.
        bins: (l, u, how many members to keep).
        callback: Called about twice a second with the members that have ended and the hits of each bin.

    Returns:
        What each bin holds; how many members ran off to numbers that are not finite.

    Raises:
        RuntimeError: The kernel is not available.
        ValueError: Shapes, labels, offsets or rows do not fit together.

    Cost: per step with an example that is not certain, about four forward passes for each of these, and one for every
    other example that the member gets right before the first it gets wrong.
    """
    if not (lr > 0 and 0 <= momentum < 1):
        raise ValueError(f"train: lr must be positive, momentum in [0, 1); got {lr}, {momentum}")
    rows = np.concatenate([np.zeros(0, np.int64), *batches]).astype(np.int64)
    found, nonfinite = kernel().train(
        instruction_set(),
        program.net,
        np.ascontiguousarray(theta, np.float32),
        program.images(x),
        labels_of(y),
        rows,
        [len(batch) for batch in batches],
        lr,
        momentum,
        bins,
        callback,
    )
    return [BinContents(*contents) for contents in found], nonfinite
