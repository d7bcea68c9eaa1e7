"""Moves by single units and filters, with all that the other layers compute remembered: a walk for stacks and boxes."""

from dataclasses import KW_ONLY, dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt64
from torch import Tensor, nn

from goodminima.population import native
from goodminima.population.compiled import program_of
from goodminima.population.native.neurons import Neurons
from goodminima.population.normalise import norm_unit, normed_ranges
from goodminima.population.priors import AbstractBox
from goodminima.population.stack import Conv, Linear, Stack, stack_of
from goodminima.tasks.task import Task
from goodminima.volume.level import Level
from goodminima.volume.moves import AbstractMoves, Seen, Walked


@final
@dataclass(frozen=True, eq=False)
class NeuronMoves(AbstractMoves):
    """Moves of one unit or filter at a time, in the compiled kernel.

    Args:
        net: A stack of Linear, Conv2d, ReLU, pooling and Flatten.
        task: Its `train` decides.
        prior: A box.
        threads: Threads that walk particles side by side; they change nothing.

    Raises:
        RuntimeError: The compiled kernel is not available.
        ValueError: The net is no stack, or the prior no box.
    """

    net: nn.Module
    task: Task
    prior: AbstractBox
    _: KW_ONLY
    threads: int = 1
    _layers: tuple[str, ...] = field(init=False, repr=False)
    _neurons: Neurons = field(init=False, repr=False)

    def __post_init__(self) -> None:
        stack = stack_of(self.net)
        if stack is None:
            raise ValueError(
                f"NeuronMoves: {type(self.net).__name__} is no stack of Linear, Conv2d, ReLU, pooling and Flatten: use PcnMoves"
            )
        if not isinstance(self.prior, AbstractBox):
            raise ValueError(f"NeuronMoves: the prior must be a box, got {self.prior}: use PcnMoves")
        if self.threads < 1:
            raise ValueError(f"NeuronMoves: threads must be at least 1, got {self.threads}")
        train = self.task.train.to("cpu")
        neurons = Neurons(
            program_of(stack),
            tuple(train.x.shape[1:]),
            half_width=self.prior.half_widths(self.net),
            weights=normed_ranges(self.net),
            unit=norm_unit(self.net),
            x=train.x.float().numpy(),
            y=train.y.numpy(),
        )
        object.__setattr__(self, "_layers", _layer_names(stack))
        object.__setattr__(self, "_neurons", neurons)

    @staticmethod
    def why_not(net: nn.Module, prior: object) -> str:
        """Why these moves cannot serve; empty if they can."""
        if not native.available():
            return native.why_not()
        if stack_of(net) is None:
            return f"{type(net).__name__} is no stack of Linear, Conv2d, ReLU, pooling and Flatten"
        return "" if isinstance(prior, AbstractBox) else f"the prior {prior} is no box"

    @property
    def num_examples(self) -> int:
        return len(self.task.train)

    def draw(self, *, seed: int, indices: UInt64[np.ndarray, "P"]) -> Float[Tensor, "P D"]:
        return self.prior.draw(self.net, seed=seed, indices=indices)

    def see(self, theta: Float[Tensor, "P D"]) -> Seen:
        margins, losses = self._neurons.see(theta.numpy(), threads=self.threads)
        return Seen(torch.from_numpy(margins), torch.from_numpy(losses))

    def walk(
        self, theta: Float[Tensor, "P D"], level: Level, *, seed: int, streams: UInt64[np.ndarray, "P"], sweeps: int
    ) -> Walked:
        walked = self._neurons.walk(
            theta.numpy(),
            level.margin_above.numpy(),
            loss_at_least=level.loss_at_least,
            loss_below=level.loss_below,
            seed=seed,
            streams=streams,
            sweeps=sweeps,
            threads=self.threads,
        )
        return Walked(
            torch.from_numpy(walked.theta),
            dict(zip(self._layers, walked.tried, strict=True)),
            dict(zip(self._layers, walked.accepted, strict=True)),
            walked.evaluations,
        )


def _layer_names(stack: Stack) -> tuple[str, ...]:
    """conv1, conv2, ..., fc1, fc2, ... of the layers with weights."""
    names, counts = [], {"conv": 0, "fc": 0}
    for layer in stack:
        if isinstance(layer, Conv | Linear):
            kind = "conv" if isinstance(layer, Conv) else "fc"
            counts[kind] += 1
            names.append(f"{kind}{counts[kind]}")
    return tuple(names)
