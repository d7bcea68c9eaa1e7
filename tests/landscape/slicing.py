"""Nets whose slices are known, and the slice as anyone would write it: one module, one point at a time."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.tasks.task import Examples


def squares(outputs: Tensor, y: Tensor) -> Tensor:
    """Half the squared output: with a linear net, a quadratic bowl."""
    return outputs[:, 0].square() / 2


def bowl(curvatures: list[float], centre: list[float]) -> tuple[nn.Module, Examples]:
    """A net whose mean loss under `squares` is sum of curvature_i theta_i^2 / 2, standing at `centre`."""
    size = len(curvatures)
    net = nn.Linear(size, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([centre]))
    x = torch.diag(torch.tensor([math.sqrt(size * each) for each in curvatures]))
    return net, Examples(x, torch.zeros(size, dtype=torch.int64))


class Awkward(nn.Module):
    """BatchNorm, Dropout, and an encoder whose weights decode too."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.norm, self.drop = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)
        self.decode = nn.Linear(5, 6)
        self.back, self.head = nn.Linear(6, 5), nn.Linear(5, 3)
        self.back.weight = self.encode.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.decode(self.drop(torch.tanh(self.norm(self.encode(x)))))
        return self.head(torch.relu(self.back(h)))


class Branching(nn.Module):
    """What cannot be batched: it looks at its own numbers to decide."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits = self.out(x)
        return logits if float(logits.detach().mean()) > 0 else 2 * logits


def six_numbers(count: int = 24) -> Examples:
    generator = torch.Generator().manual_seed(3)
    return Examples(torch.randn(count, 6, generator=generator), torch.arange(count) % 3)


def one_at_a_time(
    net: nn.Module, batch: Examples, steps: Tensor, coordinates: np.ndarray, mode: str = "eval"
) -> np.ndarray:
    """Cross entropy at every row of coordinates; BatchNorm in `mode`, re-estimated on the batch itself."""
    centre, losses = nn.utils.parameters_to_vector(net.parameters()).detach(), []
    for row in coordinates:
        member = copy.deepcopy(net).eval()
        nn.utils.vector_to_parameters(centre + torch.tensor(row, dtype=torch.float32) @ steps, member.parameters())
        layers = [module for module in member.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        if mode != "eval":
            for module in layers:
                module.reset_running_stats()
                module.momentum = None  # a plain average of what is seen
                module.train()
        with torch.no_grad():
            if mode == "re-estimated":
                member(batch.x)
                member.eval()
            losses.append(float(F.cross_entropy(member(batch.x), batch.y)))
    return np.array(losses)
