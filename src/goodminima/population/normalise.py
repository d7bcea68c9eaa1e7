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
    """What the norms of a net's weights are measured in.

    Args:
        net: Any module; it may have an attribute `norm_unit`.

    Returns:
        That attribute, or 1.

    Raises:
        ValueError: If the attribute is no positive number.
    """
    unit = getattr(net, "norm_unit", 1.0)
    if not (isinstance(unit, int | float) and unit > 0):
        raise ValueError(f"{type(net).__name__}.norm_unit must be a positive number, got {unit!r}")
    return float(unit)


def normed_slots(net: nn.Module) -> tuple[Slot, ...]:
    """The weights whose norms enter the product: all that are matrices or filters.

    Args:
        net: Any module with parameters.

    Returns:
        Their slots in theta, in order.
    """
    return tuple(slot for slot in slots(net) if slot.is_matrix)


def normed_ranges(net: nn.Module) -> list[tuple[int, int]]:
    """Where the weights of `normed_slots` lie, as the compiled kernel takes it.

    Args:
        net: Any module with parameters.

    Returns:
        (offset, size) of each in theta.
    """
    return [(slot.start, slot.stop - slot.start) for slot in normed_slots(net)]


def norm_product(
    net: nn.Module, theta: Float[Tensor, "P D"], *, dtype: torch.dtype | None = None
) -> Float[Tensor, "P"]:
    """What normalised losses divide the logits by: prod_l ||W_l||_F / unit.

    Args:
        net: The net that members are parameters of.
        theta: A member a row.
        dtype: What it is computed in; that of theta unless given.

    Returns:
        The product of each member.

    Reference: Chiang et al. 2023, section 4.2 ("after the model's weights have been normalized").

    >>> net = nn.Linear(2, 1)
    >>> norm_product(net, torch.tensor([[3.0, 4.0, 100.0]]))
    tensor([5.])
    """
    unit = norm_unit(net)
    norms = [theta[:, slot.start : slot.stop].norm(dim=1, dtype=dtype) / unit for slot in normed_slots(net)]
    return torch.stack(norms).prod(dim=0)
