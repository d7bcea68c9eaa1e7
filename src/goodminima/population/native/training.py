"""Training in the compiled kernel: members go through SGD in the lanes of a register, and into the bins of their losses."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Int64

from goodminima.population import native

Bin = tuple[float, float, int]  # loss above, loss at most, most members kept


class Frozen(NamedTuple):
    """The members that ended in one bin: how many, and the first ones by number with their parameters."""

    hits: int
    members: Int64[np.ndarray, "m"]
    theta: Float32[np.ndarray, "m D"]


def train(
    program: native.Program,
    input_shape: Sequence[int],
    theta: Float[np.ndarray, "P D"],
    *,
    weights: Sequence[tuple[int, int]],
    unit: float,
    x: Float[np.ndarray, "n ..."],
    y: Int[np.ndarray, "n"],
    batches: Sequence[Int[np.ndarray, "_"]],
    lr: float,
    momentum: float,
    bins: Sequence[Bin],
    callback: Callable[[int, list[int]], None],
) -> tuple[list[Frozen], int]:
    """Plain SGD with momentum, each member frozen in bin (l, u] the first time that it fits with a loss of at most u.

    A member fits where every example is right; its loss is the mean cross entropy of z / prod_l (||W_l||_F / unit). Both
    hold before a step, or at the end. It counts for the bin if the loss is above l. A member does not depend on its
    company: each works its way through the batches by itself, and lanes whose member has ended get the next one.

    What float32 cannot tell from certain counts as certain: an example moves no weight once the other classes together
    have less than 2^-24 of its label's probability. Where all examples of a batch are like that the step costs nothing.

    Args:
        program: The net, see `goodminima.population.native`; each parameter belongs to one layer at most.
        input_shape: (channels, height, width) or (features,).
        theta: Starts, a row per member.
        weights: (offset, size) of each weight tensor W_l that enters the normaliser.
        unit: What ||W_l||_F is measured in.
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
        ValueError: Shapes, labels, offsets or rows do not fit together.

    Cost: per step with an example that is not certain, about four forward passes for each of these, and one for every
    other example that the member gets right before the first it gets wrong.
    """
    compiled, chosen = native._compiled(), native.instruction_set()
    if not (unit > 0 and lr > 0 and 0 <= momentum < 1):
        raise ValueError(f"train: unit and lr must be positive, momentum in [0, 1); got {unit}, {lr}, {momentum}")
    rows = np.concatenate([np.zeros(0, np.int64), *batches]).astype(np.int64)
    found, nonfinite = compiled.train(
        chosen,
        program,
        input_shape,
        np.ascontiguousarray(theta, np.float32),
        weights,
        unit,
        native._images(x, input_shape),
        np.ascontiguousarray(y, np.int64),
        rows,
        [len(batch) for batch in batches],
        lr,
        momentum,
        bins,
        callback,
    )
    return [Frozen(*frozen) for frozen in found], nonfinite
