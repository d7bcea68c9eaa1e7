"""SGD stopped at a loss level: each member is frozen once it fits and its normalised loss has come down into the bin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from goodminima.population.normalise import norm_product
from goodminima.population.parameters import num_parameters
from goodminima.population.population import Evaluator, Population, cross_entropy, evaluator_of, margins
from goodminima.population.priors import AbstractPrior
from goodminima.search.fits import Fits, Status
from goodminima.search.screening import interleaved, stages
from goodminima.tasks.task import Examples, Task
from goodminima.train.sgd import SGD, State, init, minibatches, step


@final
@dataclass(frozen=True, slots=True)
class Frozen:
    """The members that ended in one bin.

    Args:
        fits: The bin.
        hits: How many members ended in it.
        theta: (M, D), the first `keep` of them, frozen.
        members: Their numbers.
    """

    fits: Fits
    hits: int
    theta: Float[Tensor, "M D"]
    members: tuple[int, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a population of SGD runs ended as.

    Args:
        net: The net that was trained.
        trained: How many members were trained.
        nonfinite: How many of them ran off to infinity or NaN; they are in no bin.
        bins: One entry per requested `Fits`.
        status: SOLVED if every bin has as many members as were wanted.
    """

    net: nn.Module
    trained: int
    nonfinite: int
    bins: tuple[Frozen, ...]
    status: Status

    def population(self, which: int = 0) -> Population:
        """The kept members of bin number `which`."""
        return Population(self.net, self.bins[which].theta)


def train_into_bins(
    net: nn.Module,
    task: Task,
    *,
    sgd: SGD,
    start: AbstractPrior,
    accept: Sequence[Fits],
    wanted: int = 1,
    keep: int = 100,
    members: int = 64,
    max_members: int = 6400,
    seed: int = 0,
    device: str = "cpu",
    listen: Callable[[int, tuple[int, ...]], None] | None = None,
) -> Trained:
    """Trains blocks of `members` members until every bin has `wanted` of them, or `max_members` are spent.

    Before each step a member's normalised loss over all training examples is looked at. For a bin (l, u] the member
    stops the first time that it is right everywhere with a loss of at most u, and counts if that loss is above l. A
    member's path does not depend on where it will stop, so one pass serves all bins. Blocks are always trained to the
    end: stopping early would favour members that train fast.

    Args:
        net: Any module.
        task: Its `train` is fitted; its `test` is never seen.
        sgd: Step, epochs, batch.
        start: Where members start: member k at draw k of `seed`.
        accept: The bins.
        wanted: Members asked for in each bin.
        keep: Members remembered per bin, the first ones; all are counted.
        members: Block size; part of what is computed, since a block is trained whole.
        max_members: Most members trained.
        seed: Seed of the starts and of the order of batches.
        device: Where members live.
        listen: Called after each block with the members trained so far and the hits of each bin.

    Cost: three forward passes over the batch, a step and member, and one over as many training examples as it gets right.

    Reference: Chiang et al. 2023, section 4.2 ("we use SGD and apply early stopping when the desired loss level is
    achieved"); the freezing is in their code.

    Differs from paper: the authors train anew for each bin; the distribution of a bin's members is the same.
    """
    _check(accept, wanted=wanted, keep=keep, members=members, max_members=max_members)
    trainer = _BlockTrainer(net, interleaved(task.train).to(device), sgd, seed)
    harvest = [_Harvest(fits, keep, num_parameters(net)) for fits in accept]
    trained, nonfinite = 0, 0
    while trained < max_members and any(bin_.hits < wanted for bin_ in harvest):
        block = np.arange(trained, min(trained + members, max_members), dtype=np.uint64)
        theta = start.draw(net, seed=seed, indices=block, device=device)
        nonfinite += trainer.train(theta, torch.from_numpy(block.astype(np.int64)), harvest)
        trained += len(block)
        if listen is not None:
            listen(trained, tuple(bin_.hits for bin_ in harvest))
    status = Status.SOLVED if all(bin_.hits >= wanted for bin_ in harvest) else Status.BUDGET_SPENT
    frozen = tuple(bin_.frozen() for bin_ in harvest)
    return Trained(net=net, trained=trained, nonfinite=nonfinite, bins=frozen, status=status)


@dataclass(slots=True)
class _Harvest:
    """What has been frozen in one bin so far."""

    fits: Fits
    keep: int
    size: int
    hits: int = 0
    rows: list[tuple[int, Tensor]] = field(default_factory=list)
    block: list[tuple[int, Tensor]] = field(default_factory=list)

    def take(self, numbers: Tensor, theta: Tensor) -> None:
        self.hits += len(numbers)
        self.block += zip(numbers.tolist(), theta.clone(), strict=True)

    def close_block(self) -> None:
        """Keeps the block's first members by number, whichever step they were frozen at."""
        self.rows += sorted(self.block, key=lambda row: row[0])[: self.keep - len(self.rows)]
        self.block = []

    def frozen(self) -> Frozen:
        theta = torch.stack([row for _, row in self.rows]) if self.rows else torch.empty(0, self.size)
        return Frozen(self.fits, self.hits, theta, tuple(number for number, _ in self.rows))


@final
@dataclass(frozen=True, slots=True)
class _Block:
    """The members of a block that still train.

    Args:
        state: Where they are.
        numbers: Their numbers.
        pending: The bins that each may still enter.
        fitted: Whether each was right everywhere when last looked at.
    """

    state: State
    numbers: Int[Tensor, "P"]
    pending: Bool[Tensor, "P B"]
    fitted: Bool[Tensor, "P"]

    def __getitem__(self, members: Bool[Tensor, "P"]) -> "_Block":
        state = self.state[members.to(self.state.theta.device)]
        return _Block(state, self.numbers[members], self.pending[members], self.fitted[members])


@final
@dataclass(frozen=True, slots=True)
class _BlockTrainer:
    """Trains blocks of members to their end and sorts them into the bins."""

    net: nn.Module
    examples: Examples
    sgd: SGD
    seed: int

    def train(self, theta: Float[Tensor, "P D"], numbers: Int[Tensor, "P"], harvest: list[_Harvest]) -> int:
        """Returns how many members ran off to numbers that are not finite."""
        evaluate = evaluator_of(self.net, theta, tuple(self.examples.x.shape[1:]))
        pending = torch.ones(len(theta), len(harvest), dtype=torch.bool)
        block, nonfinite = _Block(init(theta), numbers, pending, torch.zeros(len(theta), dtype=torch.bool)), 0
        for _, rows in minibatches(len(self.examples), self.sgd, self.seed):
            factor = norm_product(self.net, block.state.theta)
            block = self._freeze(evaluate, block, factor, harvest)
            finite = factor.isfinite().cpu()
            nonfinite += int((~finite).sum())
            active = block.pending.any(1) & finite
            block = block if active.all() else block[active]
            if not len(block.numbers):
                break
            batch = Examples(self.examples.x[rows], self.examples.y[rows])
            block = replace(block, state=step(evaluate, block.state, batch, self.sgd))
        if len(block.numbers):
            self._freeze(evaluate, block, norm_product(self.net, block.state.theta), harvest)
            nonfinite += int((~block.state.theta.isfinite().all(1)).sum())
        for bin_ in harvest:
            bin_.close_block()
        return nonfinite

    @torch.no_grad()
    def _freeze(
        self, evaluate: Evaluator, block: _Block, factor: Float[Tensor, "P"], harvest: list[_Harvest]
    ) -> _Block:
        """Puts members that have just come down to a bin's upper edge into that bin; notes what that leaves."""
        theta, pending, fitted = block.state.theta, block.pending.clone(), torch.zeros_like(block.fitted)
        whole, few_first = [slice(0, len(self.examples))], stages(len(self.examples), first=2)
        for which_members, slices in ((block.fitted, whole), (~block.fitted, few_first)):
            places, logits = self._fitting(evaluate, theta, which_members.nonzero().squeeze(1), slices)
            if not len(places):
                continue
            there = places.to(theta.device)
            loss = cross_entropy(logits / factor[there, None, None], self.examples.y).mean(1).cpu()
            fitted[places] = True
            for which, bin_ in enumerate(harvest):
                stops = (loss <= bin_.fits.loss_below) & pending[places, which]
                inside = stops & (loss > bin_.fits.loss_above)
                if inside.any():
                    bin_.take(block.numbers[places[inside]], theta[there[inside.to(theta.device)]])
                pending[places[stops], which] = False
        return replace(block, pending=pending, fitted=fitted)

    def _fitting(
        self, evaluate: Evaluator, theta: Float[Tensor, "P D"], places: Int[Tensor, "M"], slices: Sequence[slice]
    ) -> tuple[Int[Tensor, "K"], Float[Tensor, "K N C"]]:
        """Which of some members are right everywhere, and their logits; further slices only for those right so far."""
        logits: list[Tensor] = []
        for rows in slices:
            if not len(places):
                break
            some = theta if len(places) == len(theta) else theta[places.to(theta.device)]
            answers = evaluate.logits(some, self.examples.x[rows])
            right = margins(answers, self.examples.y[rows]).amin(1) > 0
            logits = [before[right] for before in (*logits, answers)]
            places = places[right.cpu()]
        return places, torch.cat(logits, dim=1) if logits else theta.new_empty(0, 0, 0)


def _check(accept: Sequence[Fits], *, wanted: int, keep: int, members: int, max_members: int) -> None:
    if not accept:
        raise ValueError("accept needs at least one Fits")
    for name, value, least in (
        ("wanted", wanted, 1),
        ("keep", keep, 0),
        ("members", members, 1),
        ("max_members", max_members, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
