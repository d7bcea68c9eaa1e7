"""What learns: ordinary `torch.nn.Module`s, each with the normalisation its paper uses."""

from goodminima.nets.lenet import LeNet
from goodminima.nets.linear import LinearModel
from goodminima.nets.mlp import MLP
from goodminima.nets.resnet12 import ResNet12

__all__ = ["MLP", "LeNet", "LinearModel", "ResNet12"]
