"""SGD stopped at a loss level: each member is frozen once it fits and its normalised loss has come down into the bin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.progress import Callback
from goodminima.core.status import Status
from goodminima.population.parameters import num_parameters
from goodminima.population.population import Population
from goodminima.population.priors import AbstractPrior
from goodminima.search.fits import Fits, as_fits, progress_of_hits
from goodminima.search.screening import interleaved
from goodminima.tasks.task import Examples, Task, train_examples
from goodminima.train.blocks import Harvest, trainer_of
from goodminima.train.sgd import SGDConfig


@final
@dataclass(frozen=True, slots=True)
class BinMembers:
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
class TrainedBins:
    """What a population of SGD runs ended as.

    Args:
        net: The net that was trained.
        trained: How many members were trained.
        nonfinite: How many of them ran off to infinity or NaN; they are in no bin.
        bins: One entry per requested `Fits`.
        status: SOLVED if every bin has `num_solutions` members.
    """

    net: nn.Module
    trained: int
    nonfinite: int
    bins: tuple[BinMembers, ...]
    status: Status

    def population(self, which: int = 0) -> Population:
        """The kept members of one bin.

        Args:
            which: Number of the bin, from 0.

        Returns:
            At most `keep` members, in the order of their numbers.
        """
        return Population(self.net, self.bins[which].theta)


def train_into_bins(
    net: nn.Module,
    data: Task | Examples,
    *,
    sgd: SGDConfig,
    prior: AbstractPrior,
    accept: Fits | Sequence[Fits],
    num_solutions: int = 1,
    keep: int = 100,
    members: int = 64,
    max_members: int = 6400,
    seed: int = 0,
    device: str = "cpu",
    callback: Callback | None = None,
) -> TrainedBins:
    """Trains blocks of `members` members until every bin has `num_solutions` of them, or `max_members` are spent.

    Before each step a member's normalised loss over all training examples is looked at. For a bin (l, u] the member
    stops the first time that it is right everywhere with a loss of at most u, and counts if that loss is above l. A
    member's path does not depend on where it will stop, so one pass serves all bins. Blocks are always trained to the
    end: stopping early would favour members that train fast.

    Args:
        net: Any module.
        data: What is fitted; of a task its `train`, its `test` is never seen.
        sgd: Step, epochs, batch.
        prior: Where members start: member k at draw k of `seed`.
        accept: One `Fits`, or several disjoint bins.
        num_solutions: Members asked for in each bin.
        keep: Members remembered per bin, the first ones; all are counted.
        members: Block size; part of what is computed, since a block is trained whole.
        max_members: Most members trained.
        seed: Seed of the starts and of the order of batches.
        device: Where members live.
        callback: Called after each block with a `Progress`, its `detail` the hits of each bin; now and then within a block that
            takes longer than half a second in the compiled kernel.

    Returns:
        How many members ended in each bin, and the parameters of the first ones.

    Raises:
        ValueError: If a number is out of range, or `accept` is empty.

    Cost: three forward passes over the batch, a step and member, and one over as many training examples as it gets right;
    in the compiled kernel, where a stack runs on the CPU, steps that move nothing cost nothing (`native.training`).

    Differs from paper: the authors train anew for each bin; the distribution of a bin's members is the same.

    Reference: Chiang et al. 2023, section 4.2 ("we use SGD and apply early stopping when the desired loss level is
    achieved"); the freezing is in their code.
    """
    accepted = as_fits(accept)
    _check(num_solutions=num_solutions, keep=keep, members=members, max_members=max_members)
    examples, harvest = interleaved(train_examples(data)).to(device), [Harvest(fits, keep) for fits in accepted]
    train, trained, nonfinite = trainer_of(net, examples, sgd, seed), 0, 0

    def tell(members: int, hits: tuple[int, ...]) -> None:
        if callback is not None:
            callback(progress_of_hits(hits, num_solutions=num_solutions, effort=members, effort_unit="members"))

    while trained < max_members and any(bin_.hits < num_solutions for bin_ in harvest):
        block = np.arange(trained, min(trained + members, max_members), dtype=np.uint64)
        theta = prior.draw(net, seed=seed, indices=block, device=device)
        nonfinite += train(theta, trained, harvest, tell)
        trained += len(block)
        tell(trained, tuple(bin_.hits for bin_ in harvest))
    status = Status.SOLVED if all(bin_.hits >= num_solutions for bin_ in harvest) else Status.BUDGET_SPENT
    frozen = tuple(_frozen(bin_, num_parameters(net)) for bin_ in harvest)
    return TrainedBins(net=net, trained=trained, nonfinite=nonfinite, bins=frozen, status=status)


def _frozen(bin_: Harvest, size: int) -> BinMembers:
    theta = torch.stack([row for _, row in bin_.rows]) if bin_.rows else torch.empty(0, size)
    return BinMembers(bin_.fits, bin_.hits, theta, tuple(number for number, _ in bin_.rows))


def _check(*, num_solutions: int, keep: int, members: int, max_members: int) -> None:
    for name, value, least in (
        ("num_solutions", num_solutions, 1),
        ("keep", keep, 0),
        ("members", members, 1),
        ("max_members", max_members, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
