"""Pattern Search as a `torch.optim.Optimizer`."""

from collections.abc import Iterable
from functools import partial
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from goodminima.core.order import Order
from goodminima.search.local import AbstractPerturbations
from goodminima.search.pattern import PatternPerturbations
from goodminima.train.optimizers.direct import DirectSearch, Undo


@final
class PatternSearch(DirectSearch):
    """Moves one number of one parameter at a time, by the radius of its group, and keeps the first improvement.

    A step tries the moves in random order, each once, and ends with the first improvement. When all moves have failed in
    a row, over as many steps as that takes, every radius is halved. `goodminima.pattern_search` searches a whole run of a
    plain network on fixed data, hundreds of times faster; this class serves any model and any loss.

    Args:
        params: Tensors, or groups of them, each with a `radius` if it likes.
        radius: Size of the first steps.
        seed: Seed of the order.
        max_tries: Most tries a step; None for all that are left of the pass, two for each number in the parameters.

    Cost: one call of the closure a try, and one a step.

    Reference: Chiang et al. 2023, section 4.1.2.

    >>> theta = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> optimizer = PatternSearch([theta], radius=1.0)
    >>> for _ in range(20):
    ...     loss = optimizer.step(lambda: theta.square().sum())
    >>> float(loss)
    0.0
    """

    def __init__(
        self, params: Iterable[Any], *, radius: float = 1.0, seed: int = 0, max_tries: int | None = None
    ) -> None:
        super().__init__(params, size="radius", value=radius, seed=seed, max_tries=max_tries)

    def _first_moves(self, num_parameters: int, seed: int) -> AbstractPerturbations:
        return PatternPerturbations(Order.begin(2 * num_parameters, seed=seed, stream=0), proceed=False)

    def _packed(self, moves: AbstractPerturbations) -> dict[str, Any]:
        assert isinstance(moves, PatternPerturbations)
        order = moves.order
        words = torch.from_numpy(order.words.astype(np.int64))
        return {"places": torch.from_numpy(order.places), "words": words, "position": order.position}

    def _unpacked(self, packed: dict[str, Any]) -> AbstractPerturbations:
        words = packed["words"].cpu().numpy().astype(np.uint32)
        return PatternPerturbations(Order(packed["places"].cpu().numpy(), words, packed["position"]), proceed=False)

    def _apply(self, move: int) -> Undo:
        number, sign = move // 2, 1 - 2 * (move % 2)
        for parameter, radius in self._parameters():
            if number < parameter.numel():
                place = tuple(int(i) for i in np.unravel_index(number, parameter.shape))
                before = parameter[place].clone()
                parameter[place] += sign * radius
                return partial(_put, parameter, place, before)
            number -= parameter.numel()
        raise AssertionError(f"move {move} belongs to no parameter")


def _put(parameter: Tensor, place: tuple[int, ...], value: Tensor) -> None:
    parameter[place] = value
