"""Random Greedy: add Gaussian noise to all parameters, keep what lowers the loss, halve the noise when nothing does.

Reference: Chiang et al. 2023, section 4.1.2.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.core.progress import Callback
from goodminima.core.streams import derived_seed
from goodminima.population.priors import AbstractPrior
from goodminima.search.full_evaluation import FullEvaluation
from goodminima.search.local import AbstractPerturbations
from goodminima.search.loop import Searched, run_search
from goodminima.search.objective import objective_of
from goodminima.search.starts import UNIT_CUBE, UNTIL_FITTED, drawn_start
from goodminima.search.until import Until
from goodminima.tasks.task import Examples, Task, train_examples

_NOISE = 12  # a stream of the seed: the start is drawn from others
_TOGETHER = 16  # draws that take no longer than one
_REMEMBERED_NUMBERS = 1 << 22


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class GreedyRule:
    """How Random Greedy proposes and accepts. As it stands, what the paper describes.

    Args:
        sigma: Standard deviation of the first noise ("we start the procedure with sigma = 1").
        patience: Failures in a row that halve it ("30000 random steps"). Some 100 make a variant of ours, an adapted
            sigma: it keeps more than a few per cent of the candidates acceptable, and so needs far fewer of them.
        best_of: 1 for the first improvement, as in the text; K for the best of K candidates, as in the authors' code,
            where K is 200,000 / examples - 1 and a hundred failures of a whole group halve sigma.

    Raises:
        ValueError: If a number is out of range.
    """

    sigma: float = 1.0
    patience: int = 30_000
    best_of: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.sigma < float("inf"):
            raise ValueError(f"GreedyRule.sigma must be positive and finite, got {self.sigma}")
        for name, value in (("patience", self.patience), ("best_of", self.best_of)):
            if value < 1:
                raise ValueError(f"GreedyRule.{name} must be at least 1, got {value}")


_AS_IN_THE_PAPER = GreedyRule()


@final
@dataclass(frozen=True, slots=True)
class NoisePerturbations(AbstractPerturbations):
    """Move k adds the radius times draw k of the seed, standard normal numbers: a function of both alone."""

    patience: int
    seed: int
    first: int = 0

    @property
    def span(self) -> int:
        return self.patience

    def names(self, count: int) -> Int64[np.ndarray, "count"]:
        return np.arange(self.first, self.first + count)

    def applied(
        self, theta: Float[Tensor, "D"], radius: float, names: Int64[np.ndarray, "count"]
    ) -> Float[Tensor, "count D"]:
        noise = _noise(self.seed, int(names[0]), int(names[-1]) + 1, len(theta))
        noise *= np.float32(radius)  # not fused with the sum: fused, its bits would depend on the place in memory
        return torch.from_numpy(noise).to(theta.device).add_(theta)

    def after(self, tried: int, *, accepted: bool, halved: bool) -> "NoisePerturbations":
        return replace(self, first=self.first + tried)


def _noise(seed: int, start: int, stop: int, size: int) -> Float32[np.ndarray, "count size"]:
    """Draws number start .. stop - 1, a copy. Moves handed back are proposed again: small ones are remembered."""
    if size * _TOGETHER > _REMEMBERED_NUMBERS:
        return generator.normal(seed, np.arange(start, stop, dtype=np.uint64), size)
    firsts = range(start - start % _TOGETHER, stop, _TOGETHER)
    return np.concatenate([_sixteen(seed, first, size)[max(0, start - first) : stop - first] for first in firsts])


@lru_cache(maxsize=2)
def _sixteen(seed: int, first: int, size: int) -> Float32[np.ndarray, "16 size"]:
    return generator.normal(seed, np.arange(first, first + _TOGETHER, dtype=np.uint64), size)


def random_greedy(
    net: nn.Module,
    data: Examples | Task,
    *,
    prior: AbstractPrior = UNIT_CUBE,
    start: Float[Tensor, "D"] | None = None,
    rule: GreedyRule = _AS_IN_THE_PAPER,
    until: Until = UNTIL_FITTED,
    seed: int = 0,
    member: int = 0,
    device: str = "cpu",
    threads: int = 1,
    callback: Callback | None = None,
) -> Searched:
    """Searches from draw number `member` of `seed` until the examples are fitted, or whatever else `until` says.

    Args:
        net: Any module; stacks of Linear, Conv2d, ReLU, pooling and Flatten are fast.
        data: What is fitted; of a task, its `train`.
        prior: What the start is drawn from.
        start: The start itself, in place of a draw.
        rule: How noise is drawn and accepted.
        until: When it ends.
        seed: Seed of the start and of the noise.
        member: Number of the search: with one seed, every member has a start and noise of its own.
        device: Where candidates are evaluated.
        threads: Threads of the evaluation; they change no number.
        callback: Called now and then with a `Progress`; its `detail` is the `Point` where the search stands.

    Returns:
        Where the search ended, its loss and accuracy there, and its course.

    Raises:
        ValueError: If the start has no finite loss, or of the wrong length.

    Cost: a candidate costs one forward pass of all examples and a draw; they are scored 16 at a time and thread, so that
    an accepted step costs half as many more.

    >>> from goodminima.nets import LinearModel
    >>> four = Examples(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2, 3]))
    >>> random_greedy(LinearModel(in_features=2, num_classes=4), four).accuracy
    1.0
    """
    train = train_examples(data)
    theta = drawn_start(net, prior, seed=seed, member=member, device=device, start=start)
    engine = greedy_engine(net, train, theta, rule=rule, seed=derived_seed(seed, _NOISE, member))
    return run_search(
        net,
        train,
        engine,
        until=until,
        span=rule.patience,
        group=rule.best_of,
        slice_=engine.slice,
        threads=threads,
        callback=callback,
    )


def greedy_engine(
    net: nn.Module, examples: Examples, theta: Float[Tensor, "D"], *, rule: GreedyRule, seed: int
) -> FullEvaluation:
    """The engine of a search whose candidate k adds draw k of a seed.

    Args:
        net: The net.
        examples: What is fitted.
        theta: The start.
        rule: How noise is drawn and accepted.
        seed: Seed of the noise, 0 to 2^64 - 1.

    Returns:
        A search that has not begun.
    """
    objective, moves = objective_of(net, examples, theta), NoisePerturbations(rule.patience, seed)
    return FullEvaluation(objective, theta, moves=moves, radius=rule.sigma, best_of=rule.best_of)
