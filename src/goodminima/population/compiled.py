"""The one way to the compiled kernel: a net, made ready for it once, and what the kernel's engines can do with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from goodminima.population import native
from goodminima.population.engines import StackEngine, unknown_layers
from goodminima.population.native import evaluation, training
from goodminima.population.native.gibbs import GibbsWalker
from goodminima.population.native.local_search import IncrementalPatternSearch, MemberScorer
from goodminima.population.native.program import Instruction, Program
from goodminima.population.native.screening import Screener
from goodminima.population.normalise import norm_unit, normed_ranges
from goodminima.population.parameters import num_parameters
from goodminima.population.priors import AbstractBox, AbstractPrior
from goodminima.population.stack import Conv, Flatten, Layer, Linear, Pool, ReLU, Stack, stack_of
from goodminima.tasks.task import Examples

_NEEDS_A_BOX = frozenset({StackEngine.SCREENING, StackEngine.GIBBS})


@final
@dataclass(frozen=True, eq=False)
class CompiledNet:
    """A net and the shape of its inputs, as the compiled kernel takes them. Ask `supports` before you call an engine.

    Args:
        net: The net; its own parameters are ignored.
        input_shape: (channels, height, width) or (features,).
        stack: Its layers, None if it is no stack.

    >>> compiled = CompiledNet.of(nn.Linear(2, 3), (2,))
    >>> compiled.misfit(StackEngine.EVALUATION, dtype=torch.float64)
    'the compiled kernel computes in float32, not in float64'
    """

    net: nn.Module
    input_shape: tuple[int, ...]
    stack: Stack | None

    @classmethod
    def of(cls, net: nn.Module, input_shape: tuple[int, ...]) -> "CompiledNet":
        """`net` on inputs of one shape. Any net will do."""
        return cls(net, input_shape, stack_of(net))

    @cached_property
    def program(self) -> Program:
        """The kernel's program: the layers, and which weights enter the normaliser.

        Raises:
            ValueError: The net is no stack, or no engine of the kernel knows one of its layers.
        """
        layers = [_instruction(layer) for layer in self.stack or ()]
        known = [layer for layer in layers if layer is not None]
        if not known or len(known) < len(layers):
            raise ValueError(f"{type(self.net).__name__} has no program: ask CompiledNet.supports first")
        size, weights = num_parameters(self.net), normed_ranges(self.net)
        return Program(known, self.input_shape, size, weights, norm_unit(self.net))

    def supports(
        self,
        engine: StackEngine,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        prior: AbstractPrior | None = None,
    ) -> bool:
        """Whether an engine of the kernel can run this net for members of that kind, here and now."""
        return self.unsupported_reason(engine, device=device, dtype=dtype, prior=prior) == ""

    def unsupported_reason(
        self,
        engine: StackEngine,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        prior: AbstractPrior | None = None,
    ) -> str:
        """Why an engine of the kernel cannot run this net; empty if it can.

        Args:
            engine: An engine of the kernel.
            device: Where the members are.
            dtype: What they are stored in.
            prior: What they are drawn from, for the engines that draw.
        """
        return self.misfit(engine, device=device, dtype=dtype, prior=prior) or native.unavailable_reason()

    def misfit(
        self,
        engine: StackEngine,
        *,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        prior: AbstractPrior | None = None,
    ) -> str:
        """The same, whether or not the kernel is there: what of the net and its members does not fit the engine."""
        if self.stack is None:
            return f"{type(self.net).__name__} is no stack of Linear, Conv2d, ReLU, pooling and Flatten"
        if unknown := unknown_layers(engine, self.stack):
            return f"the {engine} does not know {', '.join(unknown)}"
        if torch.device(device).type != "cpu":
            return f"the compiled kernel runs on the CPU, not on {torch.device(device)}"
        if dtype != torch.float32:
            return f"the compiled kernel computes in float32, not in {str(dtype).removeprefix('torch.')}"
        if engine in _NEEDS_A_BOX and not isinstance(prior, AbstractBox):
            return f"the prior must be a box, got {prior}"
        return ""

    # ------------------------------------------------------------------------------------------------------- engines

    def logits(self, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."]) -> Float[Tensor, "P N C"]:
        """Logits of every member on every example. See `native.evaluation`."""
        return torch.from_numpy(evaluation.logits(self.program, _array(theta), _array(x)))

    def gradient(
        self, theta: Float[Tensor, "P D"], x: Float[Tensor, "N ..."], y: Int[Tensor, "N"]
    ) -> Float[Tensor, "P D"]:
        """Gradient of every member's mean cross entropy over the examples. See `native.training`."""
        return torch.from_numpy(training.gradient(self.program, _array(theta), _array(x), y.numpy()))

    def screener(
        self, examples: Examples, prior: AbstractBox, *, seed: int, loss_below: float, slack: float
    ) -> Screener:
        """What screens guesses from a box. See `native.screening`."""
        return Screener(
            self.program,
            half_width=prior.half_widths(self.net),
            x=_array(examples.x),
            y=examples.y.numpy(),
            seed=seed,
            loss_below=loss_below,
            slack=slack,
        )

    def train(
        self,
        theta: Float[Tensor, "P D"],
        examples: Examples,
        *,
        batches: Sequence[Int[Tensor, "_"]],
        lr: float,
        momentum: float,
        bins: Sequence[training.Bin],
        callback: Callable[[int, list[int]], None],
    ) -> tuple[list[training.BinContents], int]:
        """Trains members and puts them into the bins of their losses. See `native.training`."""
        return training.train(
            self.program,
            _array(theta),
            x=_array(examples.x),
            y=examples.y.numpy(),
            batches=[rows.numpy() for rows in batches],
            lr=lr,
            momentum=momentum,
            bins=bins,
            callback=callback,
        )

    def member_scorer(self, examples: Examples) -> MemberScorer:
        """What scores members one after another. See `native.local_search`."""
        return MemberScorer(self.program, x=_array(examples.x), y=examples.y.numpy())

    def pattern_search(
        self,
        examples: Examples,
        theta: Float[Tensor, "D"],
        *,
        seed: int,
        stream: int,
        radius: float,
        best_of: int,
        proceed: bool,
        patience: int,
    ) -> IncrementalPatternSearch:
        """A Pattern Search from `theta`. See `native.local_search`."""
        return IncrementalPatternSearch(
            self.program,
            theta=_array(theta),
            x=_array(examples.x),
            y=examples.y.numpy(),
            seed=seed,
            stream=stream,
            radius=radius,
            best_of=best_of,
            proceed=proceed,
            patience=patience,
        )

    def gibbs_walker(self, examples: Examples, prior: AbstractBox) -> GibbsWalker:
        """What moves members within a level set by units and filters. See `native.gibbs`."""
        box = prior.half_widths(self.net)
        return GibbsWalker(self.program, half_width=box, x=_array(examples.x), y=examples.y.numpy())


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().numpy()


def _instruction(layer: Layer) -> Instruction | None:
    """A layer in the kernel's words; None if no engine of the kernel knows it."""
    match layer:
        case Conv(weight, bias, inputs, outputs, kernel, stride, padding):
            return ("conv", weight, bias, inputs, outputs, *kernel, *stride, *padding)
        case Linear(weight, bias, inputs, outputs):
            return ("linear", weight, bias, inputs, outputs)
        case Pool(kind, kernel, stride):
            return ("maxpool" if kind == "max" else "avgpool", *kernel, *stride)
        case ReLU():
            return ("relu",)
        case Flatten():
            return ("flatten",)
        case _:
            return None
