"""The linear model: the most restricted hypothesis class in the comparison."""

from typing import ClassVar, final

from torch import nn


@final
class LinearModel(nn.Sequential):
    """One affine map from the flattened input to the logits.

    Args:
        in_features: Inputs; images are flattened.
        num_classes: Number of classes C.

    >>> sum(parameter.numel() for parameter in LinearModel(in_features=784).parameters())
    1570
    """

    norm_unit: ClassVar[float] = 1.0  # logits are divided by prod_l ||W_l||_F / norm_unit

    def __init__(self, *, in_features: int, num_classes: int = 2) -> None:
        super().__init__(nn.Flatten(), nn.Linear(in_features, num_classes))
