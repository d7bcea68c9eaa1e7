"""What learns: ordinary `torch.nn.Module`s, each with the normalisation its paper uses."""

from goodminima.nets.lenet import LeNet
from goodminima.nets.linear import LinearModel
from goodminima.nets.mlp import MLP

__all__ = ["MLP", "LeNet", "LinearModel"]
