"""What local searches lower: the normalised training loss, summed over the examples in float64."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.native.local_search import MemberScorer
from goodminima.population.normalise import norm_product
from goodminima.population.population import Evaluator, cross_entropy, evaluator_of, margins
from goodminima.tasks.task import Examples

_REGISTER = 16  # members that the compiled kernel evaluates in the time of one


class Scores(NamedTuple):
    """How some members score.

    Args:
        loss: Sum of the normalised losses of all examples, nats.
        right: How many examples are right.
    """

    loss: Float64[np.ndarray, "P"]
    num_correct: Int64[np.ndarray, "P"]

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """The scores of several groups of members, one after another.

        Args:
            parts: The scores of each group, at least one.

        Returns:
            The scores of all of them, in order.
        """
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class AbstractObjective(ABC):
    """Scores members of one net on fixed examples. What a member gets does not depend on its company."""

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """How many examples there are."""

    @abstractmethod
    def __call__(
        self, theta: Float[Tensor, "P D"], *, limit: float = math.inf, first: bool = False, threads: int = 1
    ) -> Scores:
        """Scores members in order.

        Args:
            theta: A member a row.
            limit: A sum surely above this may come out as infinity.
            first: Whether members behind the first with a sum below the limit may be left out, as infinite.
            threads: Threads to be used; they change no number.

        Cost: P N forward passes, or fewer where members are left out.
        """


@final
@dataclass(frozen=True, slots=True, eq=False)
class TorchObjective(AbstractObjective):
    """Any net, in the dtype and on the device of its members; many members a call, none of them left out.

    Args:
        net: The net.
        examples: What is fitted, in the dtype and on the device of the members.
        evaluate: How members are evaluated, however many there are.
    """

    net: nn.Module
    examples: Examples
    evaluate: Evaluator

    @classmethod
    def of(cls, net: nn.Module, examples: Examples, like: Float[Tensor, "D"]) -> "TorchObjective":
        """The objective of members of one dtype on one device.

        The path is chosen once, for a registerful of members: groups of different sizes would be rounded differently.

        Args:
            net: The net.
            examples: What is fitted.
            like: Parameters of the dtype and on the device that members have.

        Returns:
            The objective, its examples in that dtype and on that device.
        """
        fitting = Examples(examples.x.to(like), examples.y.to(like.device))
        evaluate = evaluator_of(net, like.expand(_REGISTER, -1), tuple(examples.x.shape[1:]))
        return cls(net, fitting, evaluate)

    @property
    def num_examples(self) -> int:
        return len(self.examples)

    def __call__(
        self, theta: Float[Tensor, "P D"], *, limit: float = math.inf, first: bool = False, threads: int = 1
    ) -> Scores:
        groups = theta.split(max(_REGISTER, math.ceil(len(theta) / threads)))
        if len(groups) == 1:
            return self._score_all(theta)
        with ThreadPoolExecutor(threads) as pool:
            return Scores.joined(list(pool.map(self._score_all, groups)))

    def _score_all(self, theta: Float[Tensor, "P D"]) -> Scores:
        with torch.no_grad():
            totals = self.evaluate.by_chunks(theta, self.examples.x, self._score_chunk).sum(1).cpu().numpy()
        return Scores(totals[:, 0], totals[:, 1].astype(np.int64))

    def _score_chunk(self, theta: Tensor, logits: Tensor, rows: slice) -> Tensor:
        y, factor = self.examples.y[rows], norm_product(self.net, theta, dtype=torch.float64)
        loss = cross_entropy(logits.double() / factor[:, None, None], y)
        return torch.stack([loss, (margins(logits, y) > 0).double()], dim=2)


@final
@dataclass(frozen=True, slots=True, eq=False)
class CompiledObjective(AbstractObjective):
    """Plain stacks in float32 on the CPU: the compiled kernel, which leaves out what need not be scored."""

    scorer: MemberScorer
    num_scored: int

    @property
    def num_examples(self) -> int:
        return self.num_scored

    def __call__(
        self, theta: Float[Tensor, "P D"], *, limit: float = math.inf, first: bool = False, threads: int = 1
    ) -> Scores:
        return Scores(*self.scorer.score(theta.numpy(), limit=limit, first=first, threads=threads))


def objective_of(net: nn.Module, examples: Examples, like: Float[Tensor, "D"]) -> AbstractObjective:
    """The fastest objective that can score members of one dtype on one device.

    Args:
        net: The net.
        examples: What is fitted.
        like: Parameters of the dtype and on the device that members have.

    Returns:
        The compiled objective where it can be had, else that of PyTorch.
    """
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    if compiled.supports(StackEngine.LOCAL_SEARCH, device=like.device, dtype=like.dtype):
        return CompiledObjective(compiled.member_scorer(examples), len(examples))
    return TorchObjective.of(net, examples, like)
