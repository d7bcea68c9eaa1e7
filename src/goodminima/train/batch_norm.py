"""BatchNorm's running statistics, taken anew."""

from typing import TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from goodminima.core.isolation import isolated_rng
from goodminima.population.private_copies import private_copy

N = TypeVar("N", bound=nn.Module)


@isolated_rng()
@torch.no_grad()
def with_statistics_of(net: N, x: Float[Tensor, "N ..."]) -> N:
    """A copy of a net, in `eval` mode, whose BatchNorms have the statistics of one batch.

    Running statistics lag behind weights that move in few and long steps, and a line search leaves traces of its tries in
    them. All else is in `eval` mode during the pass. Statistics are kept as PyTorch keeps them: the variance divided by one
    less than the numbers that it is of.

    Args:
        net: The net. It is left as it is.
        x: The batch, all training inputs say.

    Returns:
        The copy.

    Cost: one forward pass.

    >>> net = with_statistics_of(nn.Sequential(nn.BatchNorm1d(1)), torch.tensor([[1.0], [3.0]]))
    >>> net[0].running_mean, net[0].running_var
    (tensor([2.]), tensor([2.]))
    """
    still = private_copy(net).eval()
    norms = [module for module in still.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches since the reset
        norm.train()
    still(x)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return cast(N, still.eval())
