"""How far apart two parameter vectors of one net are."""

import torch
from torch import nn

from goodminima.measure.norms import frobenius_norm


def relative_distance(net: nn.Module, reference: nn.Module) -> float:
    """How far `net` is from `reference`, in units of the norm of `reference`.

    d(W1, W2) = ||W1 - W2||_F / ||W2||_F, over all parameters together: weights, biases, BatchNorm's scales and shifts;
    tied ones once; no buffers, so no running statistics. Not symmetric. Sums are taken in float64.

    Args:
        net: The net of W1.
        reference: Another one of the same parameters, W2.

    Returns:
        d(W1, W2), at least 0, without unit.

    Raises:
        ValueError: If their parameters do not match, or all of W2 is zero.

    Reference: Liu, Papailiopoulos, Achlioptas 2020, section 3.3.

    >>> here, there = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
    >>> here.weight.data, there.weight.data = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]])
    >>> relative_distance(here, there)
    1.0
    """
    ours, theirs = dict(net.named_parameters()), dict(reference.named_parameters())
    for name in (*ours, *theirs):
        shapes = [tuple(of[name].shape) if name in of else "missing" for of in (ours, theirs)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"relative_distance: {name} is {shapes[0]} in one net and {shapes[1]} in the other")
    norm = frobenius_norm(reference)
    if not norm:
        raise ValueError("relative_distance: all parameters of the reference are zero: take the other net as reference")
    apart = [ours[name].detach().double() - theirs[name].detach().double().to(ours[name].device) for name in ours]
    return float(torch.stack([part.norm() for part in apart]).norm()) / norm
