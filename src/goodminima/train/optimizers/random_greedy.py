"""Random Greedy as a `torch.optim.Optimizer`."""

from collections.abc import Iterable
from typing import Any, final

import numpy as np
import torch

from goodminima.core import generator
from goodminima.search.greedy import NoisePerturbations
from goodminima.search.local import AbstractPerturbations
from goodminima.train.optimizers.direct import DirectSearch, Undo


@final
class RandomGreedy(DirectSearch):
    """Adds Gaussian noise to all parameters, with the sigma of each group, and keeps the first improvement.

    After `patience` failures in a row, over as many steps as that takes, every sigma is halved. Try number k of a seed is
    the same noise on every device, drawn on the CPU.

    Args:
        params: Tensors, or groups of them, each with a `sigma` if it likes.
        sigma: Standard deviation of the first noise.
        patience: Failures in a row that halve it.
        seed: Seed of the noise.
        max_tries: Most tries a step; None for all that are left of the patience.

    Raises:
        ValueError: If a number is out of range.

    Cost: one call of the closure and one draw a try, and one call a step.

    Reference: Chiang et al. 2023, section 4.1.2.

    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> optimizer = RandomGreedy([theta], patience=20)
    >>> for _ in range(40):
    ...     loss = optimizer.step(lambda: theta.square().sum())
    >>> float(loss) < 0.01
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        sigma: float = 1.0,
        patience: int = 30_000,
        seed: int = 0,
        max_tries: int | None = None,
    ) -> None:
        if patience < 1:
            raise ValueError(f"RandomGreedy: patience must be at least 1, got {patience}")
        self._patience = patience
        super().__init__(params, size="sigma", value=sigma, seed=seed, max_tries=max_tries)

    def _first_moves(self, num_parameters: int, seed: int) -> AbstractPerturbations:
        return NoisePerturbations(self._patience, seed)

    def _packed(self, moves: AbstractPerturbations) -> dict[str, Any]:
        assert isinstance(moves, NoisePerturbations)
        return {"seed": moves.seed, "patience": moves.patience, "first": moves.first}

    def _unpacked(self, packed: dict[str, Any]) -> AbstractPerturbations:
        return NoisePerturbations(packed["patience"], packed["seed"], packed["first"])

    def _apply(self, move: int) -> Undo:
        before = [(parameter, parameter.clone()) for parameter, _ in self._parameters()]
        sizes = [parameter.numel() for parameter, _ in before]
        noise = torch.from_numpy(generator.normal(self._search["seed"], np.array([move], np.uint64), sum(sizes))[0])
        for part, (parameter, sigma) in zip(noise.split(sizes), self._parameters(), strict=True):
            parameter.add_(sigma * part.view(parameter.shape).to(parameter))

        def undo() -> None:
            for parameter, value in before:
                parameter.copy_(value)

        return undo
