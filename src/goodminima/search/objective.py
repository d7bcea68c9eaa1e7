"""What local searches lower: the normalised training loss, summed over the examples in float64."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from goodminima.population.normalise import norm_product
from goodminima.population.parameters import num_parameters
from goodminima.population.population import Evaluator, cross_entropy, evaluator_of, margins
from goodminima.tasks.task import Examples

_REGISTER = 16  # members that the compiled kernel evaluates in the time of one


class Scores(NamedTuple):
    """Sums of the normalised losses of some members, nats, and how many examples each has right."""

    loss: Float64[np.ndarray, "P"]
    right: Int64[np.ndarray, "P"]

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """The scores of several groups of members, one after another."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """Scores members of one net on fixed examples. What a member gets does not depend on its company.

    Args:
        net: The net.
        examples: What is fitted, in the dtype and on the device of the members.
        evaluate: How members are evaluated, however many there are.
    """

    net: nn.Module
    examples: Examples
    evaluate: Evaluator

    @classmethod
    def of(cls, net: nn.Module, examples: Examples, like: Float[Tensor, "D"]) -> "Objective":
        """The objective for members of the dtype and device of `like`.

        The path is chosen once, for a registerful of members: groups of different sizes would be rounded differently.
        """
        fitting = Examples(examples.x.to(like), examples.y.to(like.device))
        evaluate = evaluator_of(net, like.expand(_REGISTER, -1), tuple(examples.x.shape[1:]))
        return cls(net, fitting, evaluate)

    def __call__(self, theta: Float[Tensor, "P D"]) -> Scores:
        """Cost: P N forward passes."""
        with torch.no_grad():
            totals = self.evaluate.by_chunks(theta, self.examples.x, self._score).sum(1).cpu().numpy()
        return Scores(totals[:, 0], totals[:, 1].astype(np.int64))

    def _score(self, theta: Tensor, logits: Tensor, rows: slice) -> Tensor:
        y, factor = self.examples.y[rows], norm_product(self.net, theta, dtype=torch.float64)
        loss = cross_entropy(logits.double() / factor[:, None, None], y)
        return torch.stack([loss, (margins(logits, y) > 0).double()], dim=2)

    @property
    def block(self) -> int:
        """Fewest members that are worth a call."""
        return _REGISTER

    @property
    def products(self) -> int:
        """Products of a weight and an input that scoring one member takes, at the least."""
        return num_parameters(self.net) * len(self.examples)
