"""Priors: distributions over theta from which guesses are drawn. Draw k of seed s depends on (s, k) alone."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt64
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.population.parameters import Slot, num_parameters, slots


class AbstractPrior(ABC):
    """A distribution over the parameter vectors of a net."""

    @abstractmethod
    def draw(
        self, net: nn.Module, *, seed: int, indices: UInt64[np.ndarray, "P"], device: str | torch.device = "cpu"
    ) -> Float[Tensor, "P D"]:
        """Draws parameter vectors. On the CPU, so that every device sees the same bits.

        Args:
            net: The net whose parameters are drawn; it is not changed.
            seed: 0 to 2^64 - 1.
            indices: Numbers of the draws, 0 to 2^63 - 1.
            device: Where they are put.

        Returns:
            Row p: draw number `indices[p]` of `seed`, float32.
        """


class AbstractBox(AbstractPrior):
    """A prior uniform on a box centred at 0: all that distinguishes one box from another is its half widths."""

    @abstractmethod
    def half_width(self, slot: Slot, net: nn.Module) -> float:
        """Half the box's width along the parameters of one tensor.

        Args:
            slot: The tensor's place in theta.
            net: The net it is of.

        Returns:
            Half the width, in units of the parameters, at least 0.
        """

    def half_widths(self, net: nn.Module) -> Float[np.ndarray, "D"]:
        """Half the box's width along each parameter.

        Args:
            net: The net.

        Returns:
            Half the widths, float32.
        """
        widths = np.empty(num_parameters(net), np.float32)
        for slot in slots(net):
            widths[slot.start : slot.stop] = self.half_width(slot, net)
        return widths

    def draw(
        self, net: nn.Module, *, seed: int, indices: UInt64[np.ndarray, "P"], device: str | torch.device = "cpu"
    ) -> Float[Tensor, "P D"]:
        widths = self.half_widths(net)
        unit = generator.uniform(seed, indices, len(widths))
        unit *= widths
        return torch.from_numpy(unit).to(device)


@final
@dataclass(frozen=True, slots=True)
class Cube(AbstractBox):
    """Uniform on [-radius, radius]^D (Chiang et al. 2023, section 4.1.1, with radius 1; Table 7 with 2 and 5).

    Args:
        radius: Half the width of the cube, above 0.

    Raises:
        ValueError: If `radius` is not above 0 and finite.
    """

    radius: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("Cube.radius", self.radius)

    def half_width(self, slot: Slot, net: nn.Module) -> float:
        return self.radius


@final
@dataclass(frozen=True, slots=True)
class FanOut(AbstractBox):
    """Weights uniform within 1/sqrt(outputs of their layer), biases uniform within `bias_radius`.

    The start of linear models and toy MLPs in the code behind Chiang et al. 2023, where it is called "regular"; PyTorch's
    own initialisation divides by the inputs instead.

    Args:
        bias_radius: Half the width along biases, above 0.

    Raises:
        ValueError: If `bias_radius` is not above 0 and finite.
    """

    bias_radius: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("FanOut.bias_radius", self.bias_radius)

    def half_width(self, slot: Slot, net: nn.Module) -> float:
        return 1 / math.sqrt(slot.shape[0]) if slot.is_matrix else self.bias_radius


@final
@dataclass(frozen=True, slots=True)
class TorchDefault(AbstractBox):
    """The distribution of `nn.Linear`'s and `nn.Conv2d`'s `reset_parameters`: uniform within 1/sqrt(fan in), biases too."""

    def half_width(self, slot: Slot, net: nn.Module) -> float:
        """1/sqrt(fan in) of the layer that a tensor belongs to.

        Args:
            slot: The tensor's place in theta.
            net: The net it is of.

        Returns:
            Half the width, in units of the parameters.

        Raises:
            ValueError: If the layer is neither linear nor a convolution.
        """
        owner = net.get_submodule(slot.name.rpartition(".")[0])
        if not isinstance(owner, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            raise ValueError(
                f"TorchDefault knows Linear and Conv layers, got {type(owner).__name__} for {slot.name!r}: "
                "use Cube, Gaussian or Sphere, or write an AbstractBox"
            )
        return 1 / math.sqrt(math.prod(owner.weight.shape[1:]))


@final
@dataclass(frozen=True, slots=True)
class Glorot(AbstractBox):
    """Weights uniform within sqrt(6 / (fan in + fan out)), biases 0 (Glorot, Bengio 2010, equation 16); TensorFlow's default."""

    def half_width(self, slot: Slot, net: nn.Module) -> float:
        if not slot.is_matrix:
            return 0.0
        outputs, inputs, *kernel = slot.shape
        return math.sqrt(6 / ((inputs + outputs) * math.prod(kernel)))


@final
@dataclass(frozen=True, slots=True)
class Gaussian(AbstractPrior):
    """Independent normal entries with standard deviation `std`.

    Args:
        std: Standard deviation, above 0.

    Raises:
        ValueError: If `std` is not above 0 and finite.
    """

    std: float = 1.0

    def __post_init__(self) -> None:
        _check_positive("Gaussian.std", self.std)

    def draw(
        self, net: nn.Module, *, seed: int, indices: UInt64[np.ndarray, "P"], device: str | torch.device = "cpu"
    ) -> Float[Tensor, "P D"]:
        normal = generator.normal(seed, indices, num_parameters(net))
        normal *= np.float32(self.std)
        return torch.from_numpy(normal).to(device)


@final
@dataclass(frozen=True, slots=True)
class Sphere(AbstractPrior):
    """Uniform on the sphere ||theta|| = norm (Chiang et al. 2023, Tables 7 and 8, with norm 100).

    Args:
        norm: Radius of the sphere, above 0.

    Raises:
        ValueError: If `norm` is not above 0 and finite.
    """

    norm: float = 100.0

    def __post_init__(self) -> None:
        _check_positive("Sphere.norm", self.norm)

    def draw(
        self, net: nn.Module, *, seed: int, indices: UInt64[np.ndarray, "P"], device: str | torch.device = "cpu"
    ) -> Float[Tensor, "P D"]:
        normal = generator.normal(seed, indices, num_parameters(net)).astype(np.float64)
        normal *= self.norm / np.linalg.norm(normal, axis=1, keepdims=True)
        return torch.from_numpy(normal.astype(np.float32)).to(device)


def _check_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be positive and finite, got {value}")
