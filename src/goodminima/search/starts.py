"""Where local searches start."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.population.parameters import num_parameters
from goodminima.population.priors import AbstractPrior, Cube
from goodminima.search.until import Until

UNIT_CUBE = Cube(1.0)
UNTIL_FITTED = Until()


def drawn_start(
    net: nn.Module,
    prior: AbstractPrior,
    *,
    seed: int,
    member: int,
    device: str,
    start: Float[Tensor, "D"] | None = None,
) -> Float[Tensor, "D"]:
    """The start of a search: draw number `member` of `seed`, or the given one.

    Args:
        net: The net.
        prior: What the start is drawn from.
        seed: Seed of the draw.
        member: Number of the draw.
        device: Where the start is put.
        start: The start itself, in place of a draw.

    Returns:
        The start, float32: a copy.

    Raises:
        ValueError: If the given start has not as many numbers as the net has parameters.
    """
    if start is None:
        return prior.draw(net, seed=seed, indices=np.array([member], np.uint64), device=device)[0]
    if start.shape != (num_parameters(net),):
        raise ValueError(f"start must have shape ({num_parameters(net)},), got {tuple(start.shape)}")
    return start.detach().to(device=device, dtype=torch.float32, copy=True)
