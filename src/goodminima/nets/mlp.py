"""Multilayer perceptrons as Chiang et al. build them."""

from collections.abc import Sequence
from typing import ClassVar, final

from torch import nn


@final
class MLP(nn.Sequential):
    """Fully connected ReLU layers; the output layer has a bias, the hidden ones have none unless asked for.

    Without hidden biases f(x) - f(-x) is linear in x, whatever the weights.

    Args:
        in_features: Inputs; images are flattened.
        hidden: Units of each hidden layer.
        num_classes: Number of classes C.
        hidden_bias: Whether hidden layers have biases.

    Raises:
        ValueError: If there is no hidden layer, or one without units.

    Reference: Chiang et al. 2023, section 3 (hidden layers of 2 to 20 units).

    >>> sum(parameter.numel() for parameter in MLP(in_features=2, hidden=(20,)).parameters())
    82
    """

    norm_unit: ClassVar[float] = 1.0  # logits are divided by prod_l ||W_l||_F / norm_unit

    def __init__(
        self, *, in_features: int, hidden: Sequence[int], num_classes: int = 2, hidden_bias: bool = False
    ) -> None:
        if not hidden or min(hidden) < 1:
            raise ValueError(f"MLP: hidden must name at least one layer of at least one unit, got {tuple(hidden)}")
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in zip((in_features, *hidden[:-1]), hidden, strict=True):
            layers += [nn.Linear(inputs, outputs, bias=hidden_bias), nn.ReLU()]
        super().__init__(*layers, nn.Linear(hidden[-1], num_classes))
