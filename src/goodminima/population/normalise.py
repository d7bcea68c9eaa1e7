"""Normalised loss: losses of nets with different weight norms made comparable, as Chiang et al. 2023 do.

Logits are divided by prod_l ||W_l||_F / unit over all weight matrices and filters; biases have no part in it. A net
declares its `unit` in an attribute `norm_unit` (LeNet 3, MLPs and linear models 1, as in the authors' code; 1 where a net
declares nothing).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.population.parameters import Slot, slots


def norm_unit(net: nn.Module) -> float:
    """The unit that `net` declares, or 1."""
    unit = getattr(net, "norm_unit", 1.0)
    if not (isinstance(unit, int | float) and unit > 0):
        raise ValueError(f"{type(net).__name__}.norm_unit must be a positive number, got {unit!r}")
    return float(unit)


def normed_slots(net: nn.Module) -> tuple[Slot, ...]:
    """The slots of the weights whose norms enter the product."""
    return tuple(slot for slot in slots(net) if slot.is_matrix)


def normed_ranges(net: nn.Module) -> list[tuple[int, int]]:
    """(offset, size) of these weights in theta, as the compiled kernel takes them."""
    return [(slot.start, slot.stop - slot.start) for slot in normed_slots(net)]


def norm_product(
    net: nn.Module, theta: Float[Tensor, "P D"], *, dtype: torch.dtype | None = None
) -> Float[Tensor, "P"]:
    """prod_l ||W_l||_F / unit of each member, computed in `dtype`, that of theta unless given.

    Reference: Chiang et al. 2023, section 4.2 ("after the model's weights have been normalized").

    >>> net = nn.Linear(2, 1)
    >>> norm_product(net, torch.tensor([[3.0, 4.0, 100.0]]))
    tensor([5.])
    """
    unit = norm_unit(net)
    norms = [theta[:, slot.start : slot.stop].norm(dim=1, dtype=dtype) / unit for slot in normed_slots(net)]
    return torch.stack(norms).prod(dim=0)
