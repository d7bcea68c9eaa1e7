"""Levels: the nested sets of parameters that splitting descends through."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor


@final
@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """{theta : margin_i(theta) > margin_above[i] for every example i, loss_at_least <= loss(theta) < loss_below}.

    Margins are strict and taken at a particle's own value, so that this particle is left out: with it, the share of
    survivors would be biased upwards (k of N survivors behind an order statistic estimate its survival without bias if,
    and only if, that particle is not one of the k).

    Args:
        margin_above: A threshold per example, on the CPU; -inf where nothing is asked of it.
        loss_at_least: Least normalised loss, nats per example; -inf if none is asked.
        loss_below: The normalised loss is below this, nats per example; inf if nothing is asked.

    Raises:
        ValueError: If `loss_at_least` is not less than `loss_below`.

    >>> level = Level(torch.tensor([0.0, -math.inf], dtype=torch.float64))
    >>> level.holds(torch.tensor([[1.0, -5.0], [-1.0, 5.0]]), torch.zeros(2)).tolist()
    [True, False]
    """

    margin_above: Float64[Tensor, "n"]
    loss_at_least: float = -math.inf
    loss_below: float = math.inf

    def __post_init__(self) -> None:
        if not self.loss_at_least < self.loss_below:
            got = f"{self.loss_at_least}, {self.loss_below}"
            raise ValueError(f"Level: loss_at_least must be less than loss_below, got {got}")

    @classmethod
    def everything(cls, num_examples: int) -> "Level":
        """The level that asks for nothing.

        Args:
            num_examples: n.

        Returns:
            The level that all parameters are in.
        """
        return cls(torch.full((num_examples,), -math.inf, dtype=torch.float64))

    @property
    def asks_for_loss(self) -> bool:
        """Whether the loss matters."""
        return self.loss_at_least > -math.inf or self.loss_below < math.inf

    def holds(self, margins: Float[Tensor, "P n"], losses: Float[Tensor, "P"]) -> Bool[Tensor, "P"]:
        """Which members are in the level. NaN never is, where it is asked for.

        Args:
            margins: Of each member on each example.
            losses: Normalised loss of each member, nats per example.

        Returns:
            Whether each member is.
        """
        asked = self.margin_above > -math.inf
        inside = (margins[:, asked] > self.margin_above[asked].to(margins.device)).all(dim=1)
        if self.asks_for_loss:
            inside &= (losses >= self.loss_at_least) & (losses < self.loss_below)
        return inside
