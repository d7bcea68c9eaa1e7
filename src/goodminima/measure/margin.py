"""Logit margins: how far each example is from another label, as the net has it."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.isolation import isolated_rng
from goodminima.population.population import margins
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples, Task, train_examples

CHUNK = 100  # examples a pass; constant, since products of other shapes round differently


@final
@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """The distribution of logit margins over a batch.

    Args:
        values: z_y - max_{j != y} z_j of each example, in the order of the batch; positive where it is classified right.

    Raises:
        ValueError: If `values` is no vector.

    >>> found = Margins(torch.tensor([3.0, -1.0, 0.0, 2.0]))
    >>> found.minimum, found.median, found.accuracy, found.share_below(2.0)
    (-1.0, 1.0, 0.5, 0.5)
    """

    values: Float[Tensor, "N"]

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or not len(self.values):
            raise ValueError(f"Margins: values must be one number an example, got shape {tuple(self.values.shape)}")

    @property
    def minimum(self) -> float:
        """The margin of the batch."""
        return float(self.values.min())

    @property
    def median(self) -> float:
        """The margin that half of the examples exceed."""
        return self.quantile(0.5)

    @property
    def accuracy(self) -> float:
        """Fraction of examples of positive margin; a tie counts as wrong."""
        return float((self.values > 0).double().mean())

    def quantile(self, share: float) -> float:
        """A quantile of the margins, interpolated between neighbours.

        Args:
            share: Fraction of the examples, in [0, 1].

        Returns:
            The margin that so many examples do not exceed, in units of the logits.

        Raises:
            ValueError: If `share` is out of range.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"Margins.quantile: share must lie in [0, 1], got {share}")
        ordered, place = self.values.double().sort().values, share * (len(self.values) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return float(torch.lerp(ordered[below], ordered[above], place - below))

    def share_below(self, level: float) -> float:
        """How many margins are small.

        Args:
            level: In units of the logits.

        Returns:
            Fraction of the examples whose margin is smaller than `level`.
        """
        return float((self.values < level).double().mean())


@isolated_rng()
def logit_margins(net: nn.Module, data: Task | Examples) -> Margins:
    """The label's logit minus the largest other one, of each example, in eval mode.

    In units of the logits, which grow with the weights: compare nets at one norm, or divide by `spectral_norm_product` or
    `path_norm`.

    Args:
        net: Any classifier of two classes or more. It is copied and left as it is.
        data: Examples with their labels, on the device of the net; of a task, its `train`.

    Returns:
        The margin of each of N examples, in units of the logits.

    Cost: one forward pass of the batch.

    Reference: Bartlett, Foster, Telgarsky 2017, section 1 (the distribution of margins over norms).

    >>> net = nn.Linear(1, 2, bias=False)
    >>> net.weight.data = torch.tensor([[1.0], [-1.0]])
    >>> logit_margins(net, Examples(torch.tensor([[2.0], [0.5]]), torch.tensor([0, 1]))).values
    tensor([ 4., -1.])
    """
    still = private_copy(net).eval()
    with torch.no_grad():
        parts = [margins_of(still, x, y) for x, y in chunks(train_examples(data))]
    return Margins(torch.cat(parts))


def chunks(batch: Examples) -> list[tuple[Tensor, Tensor]]:
    """A batch in parts that fit in memory.

    Args:
        batch: At least one example.

    Returns:
        Inputs and labels of each part, in order.

    Raises:
        ValueError: If it is empty.
    """
    if not len(batch):
        raise ValueError("the batch is empty: there is nothing to measure")
    return list(zip(batch.x.split(CHUNK), batch.y.split(CHUNK), strict=True))


def margins_of(net: nn.Module, x: Float[Tensor, "N ..."], y: Tensor) -> Float[Tensor, "N"]:
    """The label's logit minus the largest other one, of each example of a chunk.

    Args:
        net: A classifier that stands still: nothing in it is random or changes.
        x: Inputs.
        y: Their labels, int64, (N,).

    Returns:
        Margins, in units of the logits.
    """
    return margins(net(x)[None], y)[0]
