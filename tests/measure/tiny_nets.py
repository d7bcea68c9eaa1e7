"""Tiny nets whose BatchNorms have a history."""

from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def lived(net: Net, seed: int = 0) -> Net:
    """The net with random parameters and running statistics, in training mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.7)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.3)
    return net.train()


class Residual(nn.Module):
    """A strided convolution around which a projection goes, BatchNorm behind both."""

    def __init__(self) -> None:
        super().__init__()
        self.path = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.BatchNorm2d(2))
        self.shortcut = nn.Sequential(nn.Conv2d(1, 2, 1, stride=2, bias=False), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.path(x) + self.shortcut(x))
        return self.head(out.mean((2, 3)))


class Dense(nn.Module):
    """BatchNorm in front of its convolution, whose output stands beside its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv, self.head = nn.BatchNorm2d(2), nn.Conv2d(2, 1, 1, bias=False), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        new = self.conv(torch.relu(self.norm(x)))
        pooled = nn.functional.avg_pool2d(torch.cat([x, new], 1), 2)
        return self.head(pooled.flatten(1))
