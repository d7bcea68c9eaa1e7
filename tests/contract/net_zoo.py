"""Nets of all kinds that verbs are called on: tiny classifiers of two classes of images."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

IN_SHAPE = (1, 6, 6)
CLASSES = 2


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(36, 36), nn.Linear(36, 36), nn.Linear(36, CLASSES)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x.flatten(1))))))


class Remembers(nn.Module):
    """Changes itself whenever it is called: buffers in place, numbers, lists."""

    total: Tensor
    latest: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(36, CLASSES)
        self.register_buffer("total", torch.zeros((), dtype=torch.int64))
        self.register_buffer("latest", torch.zeros(2), persistent=False)
        self.calls, self.shapes = 0, [(0, 0)]

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.shapes.append((len(x), x.ndim))
        self.total.add_(1)
        self.latest.fill_(float(len(x)))
        return F.gelu(self.body(x.flatten(1)))


class Noisy(nn.Module):
    """Draws random numbers in evaluation mode, too."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(36, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(F.dropout(x.flatten(1), 0.1, training=True))


def _stack() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.ReLU(), nn.Linear(3, CLASSES))


def _gelu() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.GELU(), nn.Linear(3, CLASSES))


def _conv() -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(32, CLASSES)
    )
    net(torch.randn(4, *IN_SHAPE))  # statistics with a history
    return net


def _frozen() -> nn.Module:
    net = _gelu()
    net[1].requires_grad_(False)
    return net


def _larger(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
    return output * 1.5


def _hooked() -> nn.Module:
    net = _gelu()
    net(torch.randn(2, *IN_SHAPE)).sum().backward()
    net.register_forward_hook(_larger)
    net[1].register_forward_pre_hook(lambda module, inputs: None)
    net[3].register_full_backward_hook(lambda module, inputs, outputs: None)
    return net


def _weight_normed() -> nn.Module:
    net = _gelu()
    weight_norm(net[3])
    return net


def _made(build: Callable[[], nn.Module], *, training: bool = False) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build().train(training)

    return make


NETS: Mapping[str, Callable[[], nn.Module]] = {
    "stack": _made(_stack),
    "GELU": _made(_gelu, training=True),
    "conv": _made(_conv),
    "conv, training": _made(_conv, training=True),
    "tied": _made(Tied),
    "frozen": _made(_frozen),
    "hooks and gradients": _made(_hooked),
    "weight norm": _made(_weight_normed),
    "remembers": _made(Remembers),
}
NOISY = _made(Noisy)
