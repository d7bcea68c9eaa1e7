"""How members are evaluated: their margins and losses, through a population or a plain function."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.population.normalise import norm_product
from goodminima.population.parameters import num_parameters
from goodminima.population.population import Evaluator, cross_entropy, evaluator_of, margins
from goodminima.tasks.task import Examples
from goodminima.volume.splitting.moves import TargetValues

_REGISTER = 16  # members that the compiled kernel evaluates in the time of one


class AbstractTarget(ABC):
    """Looks at members. What it sees of one does not depend on its company."""

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """How many examples there are."""

    @abstractmethod
    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        """Evaluates members.

        Args:
            theta: A member a row.

        Returns:
            All margins, and the losses.
        """

    @abstractmethod
    def margins_of(self, theta: Float[Tensor, "P D"], asked: Int[Tensor, "m"]) -> Float[Tensor, "P m"]:
        """The margins of some examples alone.

        Args:
            theta: A member a row.
            asked: Numbers of the m examples.

        Returns:
            The margin of each member on each of them.
        """


@final
@dataclass(frozen=True, slots=True, eq=False)
class NetTarget(AbstractTarget):
    """A net on some examples: margins in the dtype of its members, losses in float64.

    Args:
        net: The net.
        examples: What it is asked about, on the device of the members.
        evaluator: How members are evaluated, however many there are.
    """

    net: nn.Module
    examples: Examples
    evaluator: Evaluator

    @classmethod
    def of(cls, net: nn.Module, examples: Examples) -> "NetTarget":
        """The target of a net on some examples.

        Args:
            net: The net.
            examples: What it is asked about, on the device of the members.

        Returns:
            The target. Its path is chosen once, for a registerful of members: groups of other sizes might be rounded
            differently.
        """
        like = examples.x.new_empty(_REGISTER, num_parameters(net))
        return cls(net, examples, evaluator_of(net, like, tuple(examples.x.shape[1:])))

    @property
    def num_examples(self) -> int:
        return len(self.examples)

    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        y = self.examples.y

        def both(part: Tensor, logits: Tensor, rows: slice) -> Tensor:
            factor = norm_product(self.net, part, dtype=torch.float64)
            loss = cross_entropy(logits.double() / factor[:, None, None], y[rows])
            return torch.stack([margins(logits, y[rows]).double(), loss], dim=2)

        values = self.evaluator.by_chunks(theta, self.examples.x, both)
        return TargetValues(values[..., 0], values[..., 1].mean(dim=1))

    def margins_of(self, theta: Float[Tensor, "P D"], asked: Int[Tensor, "m"]) -> Float[Tensor, "P m"]:
        if not len(asked):
            return theta.new_zeros(len(theta), 0)
        x, y = self.examples.x[asked], self.examples.y[asked]
        return self.evaluator.by_chunks(theta, x, lambda part, logits, rows: margins(logits, y[rows]))


@final
@dataclass(frozen=True, slots=True)
class FunctionTarget(AbstractTarget):
    """A plain function of vectors.

    Args:
        margins: (P, D) -> (P, n).
        num: n.
        losses: (P, D) -> (P,), or None where no loss is asked for.
    """

    margins: Callable[[Tensor], Tensor]
    num: int
    losses: Callable[[Tensor], Tensor] | None = None

    @property
    def num_examples(self) -> int:
        return self.num

    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        losses = theta.new_zeros(len(theta)) if self.losses is None else self.losses(theta)
        return TargetValues(self.margins(theta), losses)

    def margins_of(self, theta: Float[Tensor, "P D"], asked: Int[Tensor, "m"]) -> Float[Tensor, "P m"]:
        return self.margins(theta)[:, asked]
