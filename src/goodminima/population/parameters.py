"""Where each parameter of a net lies in the flat vector theta: the order of `net.named_parameters()`."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor, nn


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter tensor's place in theta: `theta[start:stop].view(shape)`.

    Args:
        name: Name of the parameter in the net.
        start: Where it begins in theta.
        stop: Where the next one begins.
        shape: Its shape.
    """

    name: str
    start: int
    stop: int
    shape: tuple[int, ...]

    @property
    def is_matrix(self) -> bool:
        """Whether this is a weight (two axes or more) and not a bias or a scale."""
        return len(self.shape) > 1

    def filters(self, theta: Float[Tensor, "D"]) -> Float[Tensor, "O K"]:
        """The weights of each output unit or channel.

        Args:
            theta: All parameters.

        Returns:
            A row for each of the O units, of K weights: a view of theta.
        """
        return theta[self.start : self.stop].view(self.shape[0], -1)


def slots(net: nn.Module) -> tuple[Slot, ...]:
    """Where the parameters of a net lie in theta.

    Args:
        net: Any module with parameters.

    Returns:
        A slot for each parameter tensor, in order; their sizes add up to D.

    Raises:
        ValueError: If the net has no parameters.

    >>> [(slot.name, slot.start, slot.stop) for slot in slots(nn.Linear(3, 2))]
    [('weight', 0, 6), ('bias', 6, 8)]
    """
    found, start = [], 0
    for name, parameter in net.named_parameters():
        found.append(Slot(name, start, start + parameter.numel(), tuple(parameter.shape)))
        start = found[-1].stop
    if not found:
        raise ValueError(f"{type(net).__name__} has no parameters: there is nothing to search")
    return tuple(found)


def num_parameters(net: nn.Module) -> int:
    """How many parameters a net has.

    Args:
        net: Any module with parameters.

    Returns:
        D, the length of theta.
    """
    return slots(net)[-1].stop
