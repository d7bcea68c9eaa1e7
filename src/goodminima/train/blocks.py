"""Blocks of members trained to their end and sorted into loss bins: in the compiled kernel, and in PyTorch.

Both do the same; which member ends in which bin may differ only where a loss or a margin lies within the rounding of
float32 of its bound.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.normalise import norm_product
from goodminima.population.population import Evaluator, cross_entropy, evaluator_of, margins
from goodminima.search.fits import Fits
from goodminima.search.screening import stages
from goodminima.tasks.task import Examples
from goodminima.train.sgd import SGDConfig, SGDState, init, minibatches, step

BlockCallback = Callable[[int, tuple[int, ...]], None]  # (members trained so far, hits of each bin)


@dataclass(slots=True)
class Harvest:
    """What has been frozen in one bin so far.

    Args:
        fits: The bin.
        keep: Most members kept.
        hits: How many members ended in the bin.
        rows: The first ones by number, and their parameters.
    """

    fits: Fits
    keep: int
    hits: int = 0
    rows: list[tuple[int, Float[Tensor, "D"]]] = field(default_factory=list)

    def take(self, hits: int, rows: Sequence[tuple[int, Float[Tensor, "D"]]]) -> None:
        """Adds a block's members, whichever step they were frozen at.

        Args:
            hits: How many of them ended in the bin.
            rows: Some of these: numbers, which follow all before, and parameters.
        """
        self.hits += hits
        self.rows += sorted(rows, key=lambda row: row[0])[: self.keep - len(self.rows)]


# (starts, number of the first, bins to fill, listener) -> how many members ran off to numbers that are not finite
BlockTrainer = Callable[[Float[Tensor, "P D"], int, list[Harvest], BlockCallback], int]


def trainer_of(net: nn.Module, examples: Examples, sgd: SGDConfig, seed: int) -> BlockTrainer:
    """What trains a block of members: the compiled kernel for a stack on the CPU, else PyTorch."""
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    if compiled.supports(StackEngine.TRAINING, device=examples.x.device):
        return _CompiledTrainer(compiled, examples, sgd, seed).train
    return _TorchTrainer(net, examples, sgd, seed).train


@final
@dataclass(frozen=True, slots=True)
class _CompiledTrainer:
    """Trains blocks of members in the compiled kernel, each at its own pace."""

    compiled: CompiledNet
    examples: Examples
    sgd: SGDConfig
    seed: int

    def train(self, theta: Float[Tensor, "P D"], first: int, harvest: list[Harvest], callback: BlockCallback) -> int:
        """Returns how many members ran off to numbers that are not finite."""
        hits = [bin_.hits for bin_ in harvest]
        found, nonfinite = self.compiled.train(
            theta,
            self.examples,
            batches=[rows for _, rows in minibatches(len(self.examples), self.sgd, self.seed)],
            lr=self.sgd.lr,
            momentum=self.sgd.momentum,
            bins=[(bin_.fits.loss_above, bin_.fits.loss_below, bin_.keep - len(bin_.rows)) for bin_ in harvest],
            callback=lambda ended, new: callback(first + ended, tuple(map(sum, zip(hits, new, strict=True)))),
        )
        for bin_, contents in zip(harvest, found, strict=True):
            numbers = (first + contents.members).tolist()
            bin_.take(contents.hits, list(zip(numbers, torch.from_numpy(contents.theta), strict=True)))
        return nonfinite


_Rows = list[list[tuple[int, Tensor]]]  # bin by bin: a member's number and its parameters


@final
@dataclass(frozen=True, slots=True)
class _MemberBlock:
    """The members of a block that still train.

    Args:
        state: Where they are.
        numbers: Their numbers.
        pending: The bins that each may still enter.
        fitted: Whether each was right everywhere when last looked at.
        nonfinite: How many others have run off to numbers that are not finite.
    """

    state: SGDState
    numbers: Int[Tensor, "P"]
    pending: Bool[Tensor, "P B"]
    fitted: Bool[Tensor, "P"]
    nonfinite: int = 0

    def __getitem__(self, members: Bool[Tensor, "P"]) -> "_MemberBlock":
        state = self.state[members.to(self.state.theta.device)]
        return _MemberBlock(state, self.numbers[members], self.pending[members], self.fitted[members], self.nonfinite)


@final
@dataclass(frozen=True, slots=True)
class _TorchTrainer:
    """Trains blocks of members step by step, all of them on the same batch."""

    net: nn.Module
    examples: Examples
    sgd: SGDConfig
    seed: int

    def train(self, theta: Float[Tensor, "P D"], first: int, harvest: list[Harvest], callback: BlockCallback) -> int:
        """Returns how many members ran off to numbers that are not finite."""
        evaluate = evaluator_of(self.net, theta, tuple(self.examples.x.shape[1:]))
        pending = torch.ones(len(theta), len(harvest), dtype=torch.bool)
        numbers, fitted = torch.arange(first, first + len(theta)), torch.zeros(len(theta), dtype=torch.bool)
        block, frozen = _MemberBlock(init(theta), numbers, pending, fitted), [[] for _ in harvest]
        for _, rows in minibatches(len(self.examples), self.sgd, self.seed):
            block = self._look(evaluate, block, harvest, frozen)
            if not len(block.numbers):
                break
            batch = Examples(self.examples.x[rows], self.examples.y[rows])
            block = replace(block, state=step(evaluate, block.state, batch, self.sgd))
        block = self._look(evaluate, block, harvest, frozen)
        for bin_, rows in zip(harvest, frozen, strict=True):
            bin_.take(len(rows), rows)
        return block.nonfinite

    @torch.no_grad()
    def _look(self, evaluate: Evaluator, block: _MemberBlock, harvest: list[Harvest], frozen: _Rows) -> _MemberBlock:
        """Freezes members, and lets go of those that have run off and of those that have no bin left to enter."""
        theta = block.state.theta
        factor = norm_product(self.net, theta)
        finite = (factor.isfinite() & theta.isfinite().all(1)).cpu()
        if not finite.all():
            block, factor = block[finite], factor[finite.to(factor.device)]
            block = replace(block, nonfinite=block.nonfinite + int((~finite).sum()))
        block = self._freeze(evaluate, block, factor, harvest, frozen)
        active = block.pending.any(1)
        return block if active.all() else block[active]

    def _freeze(
        self,
        evaluate: Evaluator,
        block: _MemberBlock,
        factor: Float[Tensor, "P"],
        harvest: list[Harvest],
        frozen: _Rows,
    ) -> _MemberBlock:
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
                rows = theta[there[inside.to(theta.device)]]  # indexing copies
                frozen[which] += zip(block.numbers[places[inside]].tolist(), rows, strict=True)
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
