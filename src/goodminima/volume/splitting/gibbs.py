"""Moves by single units and filters, with all that the other layers compute remembered: a walk for stacks and boxes."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt64
from torch import Tensor, nn

from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.native.gibbs import GibbsWalker
from goodminima.population.priors import AbstractBox, AbstractPrior
from goodminima.population.stack import Conv, Linear, Stack
from goodminima.tasks.task import Data, train_examples
from goodminima.volume.splitting.level import Level
from goodminima.volume.splitting.moves import AbstractMoves, TargetValues, Walked

_GROUP = 64  # members a thread walks between two chances to be interrupted


@final
@dataclass(frozen=True, eq=False)
class GibbsMoves(AbstractMoves):
    """Other weights for one unit or filter at a time, and exact draws of every output weight, in the compiled kernel.

    A sweep takes the units and filters of all layers but the last in order; `native.gibbs` has the rules. With
    each goes one weight of the last layer, which is integrated out: all margins are linear in it, so that what they leave
    of its range is an interval, whose length is the density to move by, and in which it is then drawn. Then every weight
    and bias of the last layer is drawn from its interval. Where the level bounds the loss too, nothing is integrated out,
    and output weights are drawn by slice sampling.

    Args:
        net: A stack of Linear, Conv2d, ReLU, pooling and Flatten, at least two logits.
        data: What is fitted; of a task its `train`.
        prior: A box of any half widths.
        threads: Threads that walk members side by side; they change nothing.

    Raises:
        RuntimeError: The compiled kernel is not available.
        ValueError: The net is no stack, or the prior no box.

    Cost: about two forward passes of each example that the level asks for, a member and sweep.

    Reference: Neal 2003, section 4 (slice sampling with shrinkage).
    """

    net: nn.Module
    data: Data
    prior: AbstractPrior
    _: KW_ONLY
    threads: int = 1
    _layers: tuple[str, ...] = field(init=False, repr=False)
    _walker: GibbsWalker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        train = train_examples(self.data).to("cpu")
        compiled = CompiledNet.of(self.net, tuple(train.x.shape[1:]))
        misfit = compiled.misfit(StackEngine.GIBBS, prior=self.prior)
        if misfit or compiled.stack is None or not isinstance(self.prior, AbstractBox):
            raise ValueError(f"GibbsMoves: {misfit}: use BlockMoves")
        if self.threads < 1:
            raise ValueError(f"GibbsMoves: threads must be at least 1, got {self.threads}")
        object.__setattr__(self, "_layers", _layer_names(compiled.stack))
        object.__setattr__(self, "_walker", compiled.gibbs_walker(train, self.prior))

    @property
    def num_examples(self) -> int:
        return len(train_examples(self.data))

    def draw(self, *, seed: int, indices: UInt64[np.ndarray, "P"]) -> Float[Tensor, "P D"]:
        return self.prior.draw(self.net, seed=seed, indices=indices)

    def evaluate(self, theta: Float[Tensor, "P D"]) -> TargetValues:
        margins, losses = self._walker.evaluate(theta.numpy(), threads=self.threads)
        return TargetValues(torch.from_numpy(margins), torch.from_numpy(losses))

    def walk(
        self, theta: Float[Tensor, "P D"], level: Level, *, seed: int, streams: UInt64[np.ndarray, "P"], sweeps: int
    ) -> Walked:
        step = _GROUP * self.threads
        parts = [
            self._walker.walk(
                theta[first : first + step].numpy(),
                level.margin_above.numpy(),
                loss_at_least=level.loss_at_least,
                loss_below=level.loss_below,
                seed=seed,
                streams=streams[first : first + step],
                sweeps=sweeps,
                threads=self.threads,
            )
            for first in range(0, max(1, len(theta)), step)  # once for nobody
        ]
        return Walked(
            torch.from_numpy(np.concatenate([part.theta for part in parts])),
            self._by_layer([part.proposed for part in parts]),
            self._by_layer([part.accepted for part in parts]),
            sum(part.multiply_adds for part in parts) / self._walker.multiply_adds,
        )

    def _by_layer(self, counts: Sequence[Sequence[int]]) -> dict[str, int]:
        return {name: sum(column) for name, column in zip(self._layers, zip(*counts, strict=True), strict=True)}


def _layer_names(stack: Stack) -> tuple[str, ...]:
    """conv1, conv2, ..., fc1, fc2, ... of the layers with weights."""
    names, counts = [], {"conv": 0, "fc": 0}
    for layer in stack:
        if isinstance(layer, Conv | Linear):
            kind = "conv" if isinstance(layer, Conv) else "fc"
            counts[kind] += 1
            names.append(f"{kind}{counts[kind]}")
    return tuple(names)
