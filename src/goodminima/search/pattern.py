"""Pattern Search: move one parameter at a time by a fixed amount, keep what lowers the loss, halve the amount when nothing does.

Reference: Chiang et al. 2023, section 4.1.2.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from goodminima.core.order import Order
from goodminima.core.progress import Callback
from goodminima.core.streams import derived_seed
from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.priors import AbstractPrior
from goodminima.search.full_evaluation import FullEvaluation
from goodminima.search.local import AbstractPerturbations
from goodminima.search.loop import Engine, Searched, run_search
from goodminima.search.objective import TorchObjective
from goodminima.search.starts import UNIT_CUBE, UNTIL_FITTED, drawn_start
from goodminima.search.until import Until
from goodminima.tasks.task import Examples, Task, train_examples

_ORDER = 11  # a stream of the seed: the start is drawn from others
_SLICE_PRODUCTS = 1 << 40  # what full evaluation would take between two reports: about a second in the compiled kernel
_LONGEST_SLICE = 1 << 16


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PatternRule:
    """How Pattern Search proposes and accepts. As it stands, what the paper describes.

    Args:
        radius: Size of the first steps ("a starting radius of 1").
        best_of: 1 for the first improvement in a random order, as in the text; K for the best of K candidates, as in the
            authors' code, where K is 10,000 / examples - 1 on MNIST.
        proceed: Whether the order goes on after an accepted step instead of beginning anew; a variant of ours.
        patience: Failures in a row that halve the radius, 2 D at most; None for a whole pass, as in the paper. A variant of
            ours: what fits a thousand images of CIFAR-10, where at radius 1 successes thin out without ever ending.

    Raises:
        ValueError: If a number is out of range.
    """

    radius: float = 1.0
    best_of: int = 1
    proceed: bool = False
    patience: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.radius < float("inf"):
            raise ValueError(f"PatternRule.radius must be positive and finite, got {self.radius}")
        if self.best_of < 1:
            raise ValueError(f"PatternRule.best_of must be at least 1, got {self.best_of}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"PatternRule.patience must be at least 1, or None for a pass, got {self.patience}")

    def span(self, num_parameters: int) -> int:
        """Failures in a row that halve the radius.

        Args:
            num_parameters: D, at least 1.

        Returns:
            `patience`, or 2 D where that is less or there is none.

        >>> PatternRule().span(10), PatternRule(patience=7).span(10), PatternRule(patience=70).span(10)
        (20, 7, 20)
        """
        whole_pass = 2 * num_parameters
        return whole_pass if self.patience is None else min(self.patience, whole_pass)


_AS_IN_THE_PAPER = PatternRule()


@final
@dataclass(frozen=True, slots=True, eq=False)
class PatternPerturbations(AbstractPerturbations):
    """Move 2 p adds the radius to parameter p, move 2 p + 1 takes it away; a pass tries each of them once."""

    order: Order
    proceed: bool
    patience: int | None = None

    @property
    def span(self) -> int:
        return len(self.order.places) if self.patience is None else self.patience

    def names(self, count: int) -> Int64[np.ndarray, "count"]:
        return self.order.take(count)[0]

    def applied(
        self, theta: Float[Tensor, "D"], radius: float, names: Int64[np.ndarray, "count"]
    ) -> Float[Tensor, "count D"]:
        which, sign = torch.from_numpy(names // 2).to(theta.device), torch.from_numpy(1 - 2 * (names % 2)).to(theta)
        moved = theta.repeat(len(names), 1)
        moved[torch.arange(len(names), device=theta.device), which] = theta[which] + sign * radius
        return moved

    def after(self, tried: int, *, accepted: bool, halved: bool) -> "PatternPerturbations":
        _, order = self.order.take(tried)
        return replace(self, order=order.anew() if halved or (accepted and not self.proceed) else order)


def pattern_search(
    net: nn.Module,
    data: Examples | Task,
    *,
    prior: AbstractPrior = UNIT_CUBE,
    start: Float[Tensor, "D"] | None = None,
    rule: PatternRule = _AS_IN_THE_PAPER,
    until: Until = UNTIL_FITTED,
    seed: int = 0,
    member: int = 0,
    device: str = "cpu",
    threads: int = 1,
    callback: Callback | None = None,
) -> Searched:
    """Searches from draw number `member` of `seed` until the examples are fitted, or whatever else `until` says.

    A candidate is one parameter moved by the radius, up or down. Candidates come in random order without repetition; the
    first that lowers the normalised loss is accepted, and the order begins anew. When all 2 D candidates have failed in a
    row, the radius is halved. Stacks of Linear, Conv2d, ReLU, pooling and Flatten in float32 on the CPU run in the
    compiled kernel, which evaluates only what a candidate changes; everything else by full evaluation, with the same
    decisions except where two losses differ by less than 1e-6 of themselves.

    Args:
        net: Any module.
        data: What is fitted; of a task, its `train`.
        prior: What the start is drawn from.
        start: The start itself, in place of a draw.
        rule: How candidates are proposed and accepted.
        until: When it ends.
        seed: Seed of the start and of the order.
        member: Number of the search: with one seed, every member has a start and an order of its own.
        device: Where candidates are evaluated.
        threads: Threads of the evaluation; they change no number.
        callback: Called now and then with a `Progress`; its `detail` is the `Point` where the search stands.

    Returns:
        Where the search ended, its loss and accuracy there, and its course.

    Raises:
        ValueError: If the start has no finite loss, or of the wrong length.

    Cost: a candidate costs one forward pass of all examples; in the compiled kernel hundreds of times less.

    >>> from goodminima.nets import LinearModel
    >>> four = Examples(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]]), torch.tensor([0, 1, 2, 3]))
    >>> found = pattern_search(LinearModel(in_features=2, num_classes=4), four)
    >>> found.status, found.accuracy
    (<Status.SOLVED: 'solved'>, 1.0)
    """
    train = train_examples(data)
    theta = drawn_start(net, prior, seed=seed, member=member, device=device, start=start)
    engine, slice_ = pattern_engine(net, train, theta, rule=rule, seed=derived_seed(seed, _ORDER), stream=member)
    return run_search(
        net,
        train,
        engine,
        until=until,
        span=rule.span(len(theta)),
        group=rule.best_of,
        slice_=slice_,
        threads=threads,
        callback=callback,
    )


def pattern_engine(
    net: nn.Module, examples: Examples, theta: Float[Tensor, "D"], *, rule: PatternRule, seed: int, stream: int
) -> tuple[Engine, int]:
    """The fastest engine that can run a search.

    Args:
        net: The net.
        examples: What is fitted.
        theta: The start.
        rule: How candidates are proposed and accepted.
        seed: Seed of the order, 0 to 2^64 - 1.
        stream: The stream of the seed that the order is made of.

    Returns:
        A search that has not begun, and how many candidates it tries between two reports.
    """
    patience = rule.span(len(theta))
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    if compiled.supports(StackEngine.LOCAL_SEARCH, device=theta.device, dtype=theta.dtype):
        search = compiled.pattern_search(
            examples,
            theta,
            seed=seed,
            stream=stream,
            radius=rule.radius,
            best_of=rule.best_of,
            proceed=rule.proceed,
            patience=patience,
        )
        return search, min(_LONGEST_SLICE, max(1, _SLICE_PRODUCTS // (len(theta) * len(examples))))
    moves = PatternPerturbations(Order.begin(2 * len(theta), seed=seed, stream=stream), rule.proceed, patience)
    objective = TorchObjective.of(net, examples, theta)
    engine = FullEvaluation(objective, theta, moves=moves, radius=rule.radius, best_of=rule.best_of)
    return engine, engine.slice
