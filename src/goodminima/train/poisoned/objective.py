"""Training one net with the poisoned loss: an objective for `fit`, and where its unseen examples come from.

objective = PoisonedObjective(beta=0.1, draw=FreshRolls(seed=0))          # fresh ones each step
objective = PoisonedObjective(beta=0.5, draw=ExtraBatches(task.extra, batch_size=200, seed=0))
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodminima.core.streams import stream
from goodminima.tasks.task import Examples
from goodminima.train.poisoned.reverse import check_beta, poisoned_loss

Draw = Callable[[int], Examples]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PoisonedObjective:
    """(1 - beta) cross entropy of the batch + beta reverse cross entropy of unseen examples drawn for the step.

    Both go through the net in one pass, so that BatchNorm sees them together, as in the authors' code. With beta = 0 nothing
    is drawn: it is the cross entropy of the batch alone.

    Args:
        beta: How much not to generalise is worth, from 0 to 1.
        draw: Step number -> unseen examples with their true labels; a function of the step alone.

    Raises:
        ValueError: If beta lies outside [0, 1].

    Reference: Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, equation 3.
    """

    beta: float
    draw: Draw

    def __post_init__(self) -> None:
        check_beta("PoisonedObjective.beta", self.beta)

    def __call__(self, net: nn.Module, batch: Examples, step: int) -> Tensor:
        """The loss of one step, nats per example."""
        if self.beta == 0:
            return F.cross_entropy(net(batch.x), batch.y)
        unseen = self.draw(step).to(str(batch.x.device))
        logits = net(torch.cat([batch.x, unseen.x]))
        return poisoned_loss(
            logits[: len(batch)], batch.y, extra_logits=logits[len(batch) :], extra_y=unseen.y, beta=self.beta
        )


@final
class ExtraBatches:
    """Minibatches of a fixed set of unseen examples, in a fresh order each pass: a function of (seed, step).

    Args:
        extra: `Task.extra`, not the test set.
        batch_size: Examples a step, at most all of them; what is left over of a pass is left out.
        seed: Of the orders.

    Raises:
        ValueError: If `batch_size` is below 1 or above the number of examples.

    >>> draw = ExtraBatches(Examples(torch.arange(4.0), torch.zeros(4).long()), batch_size=2, seed=0)
    >>> sorted(torch.cat([draw(0).x, draw(1).x]).tolist())
    [0.0, 1.0, 2.0, 3.0]
    """

    identity = (
        "minibatches of a fixed set, v1"  # raised when the same arguments give others; `_latest` is no part of it
    )

    def __init__(self, extra: Examples, *, batch_size: int, seed: int) -> None:
        if not 1 <= batch_size <= len(extra):
            raise ValueError(
                f"ExtraBatches: batch_size must lie between 1 and {len(extra)}, all there are, got {batch_size}"
            )
        self.extra, self.batch_size, self.seed = extra, batch_size, seed
        self._latest: tuple[int, Tensor] | None = None  # of the pass that is on: it serves many steps

    def __call__(self, step: int) -> Examples:
        """The examples of one step."""
        number, place = divmod(step, len(self.extra) // self.batch_size)
        if self._latest is None or self._latest[0] != number:
            order = stream(self.seed, number).permutation(len(self.extra))
            self._latest = number, torch.from_numpy(order.astype(np.int64)).to(self.extra.x.device)
        rows = self._latest[1][place * self.batch_size : (place + 1) * self.batch_size]
        return Examples(self.extra.x[rows], self.extra.y[rows])
