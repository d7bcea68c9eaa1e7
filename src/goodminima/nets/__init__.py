"""What learns: ordinary `torch.nn.Module`s, each with the normalisation its paper uses."""

from goodminima.nets.densenet40 import DenseNet40
from goodminima.nets.lenet import LeNet
from goodminima.nets.linear import LinearModel
from goodminima.nets.mlp import MLP
from goodminima.nets.pixel_products import PixelProducts
from goodminima.nets.resnet import ResNet18, ResNet50
from goodminima.nets.resnet12 import ResNet12
from goodminima.nets.small_conv import SmallConv
from goodminima.nets.thin_resnet import ThinResNet
from goodminima.nets.vgg import VGG13, VGG16

__all__ = [
    "MLP",
    "VGG13",
    "VGG16",
    "DenseNet40",
    "LeNet",
    "LinearModel",
    "PixelProducts",
    "ResNet12",
    "ResNet18",
    "ResNet50",
    "SmallConv",
    "ThinResNet",
]
