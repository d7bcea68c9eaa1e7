"""Guess & Check: draw parameters from a prior, keep those that fit.

The one optimizer without any bias but the loss landscape's own: a set of solutions is found with a probability
proportional to its volume.

Reference: Chiang et al. 2023, section 4.1.1.
"""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from goodminima.core.log_volume import Count, LogVolume
from goodminima.core.progress import Callback, Progress
from goodminima.core.status import Status
from goodminima.population.parameters import slots
from goodminima.population.population import Population
from goodminima.population.priors import AbstractPrior, Cube
from goodminima.search.fits import Fits, as_fits, progress_of_hits
from goodminima.search.screening import SLACK, Candidates, Screen, interleaved, screen_of
from goodminima.tasks.task import Examples, Task, train_examples

_ANY_FIT = Fits()
_DEFAULT_CHUNK = 16_384  # a call of the compiled kernel has fixed costs; this is a tenth of a second
_DEFAULT_BUDGET = 10_000_000


@final
@dataclass(frozen=True, slots=True)
class Bin:
    """The solutions in one loss bin.

    Args:
        fits: What a solution is here.
        hits: How many guesses are solutions.
        indices: The numbers of the first `keep` of them, increasing.
    """

    fits: Fits
    hits: int
    indices: tuple[int, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Found:
    """What Guess & Check found. A solution is the pair (seed, index): `population` remakes it from that.

    Args:
        net: The net that was guessed.
        prior: What it was drawn from.
        seed: The seed of all guesses.
        first: Number of the first guess.
        guesses: How many guesses were made, all of them counted.
        bins: One entry per requested `Fits`.
        num_solutions: Hits asked for in each bin.
        keep: Indices remembered per bin, at most.
        status: SOLVED if every bin has `num_solutions` hits.
        task: Name of the task.
        device: Where members were evaluated.
    """

    net: nn.Module
    prior: AbstractPrior
    seed: int
    first: int
    guesses: int
    bins: tuple[Bin, ...]
    num_solutions: float
    keep: int
    status: Status
    task: str
    device: str

    def count(self, which: int = 0) -> Count:
        """The hits in one bin among all guesses.

        Args:
            which: Number of the bin, from 0.

        Returns:
            Hits and guesses, from which comes a volume.
        """
        return Count(self.bins[which].hits, self.guesses)

    @property
    def log_volume(self) -> LogVolume:
        """Natural log of the prior probability of the only bin, with its 95 % interval; `count` serves several bins."""
        if len(self.bins) != 1:
            raise ValueError(f"log_volume needs a single Fits, got {len(self.bins)}: use count(which).log_volume()")
        return self.count().log_volume()

    def population(self, which: int = 0) -> Population:
        """The kept solutions of one bin, remade from their indices.

        Args:
            which: Number of the bin, from 0.

        Returns:
            At most `keep` members, in the order of their indices, on the device of the search.
        """
        indices = np.array(self.bins[which].indices, np.uint64)
        return Population(self.net, self.prior.draw(self.net, seed=self.seed, indices=indices, device=self.device))

    def __add__(self, other: "Found") -> "Found":
        """Two neighbouring shards of one search as one: the same as a single search over both ranges.

        Raises:
            ValueError: If they are not neighbours, or of different searches, or `num_solutions` is finite: where such a search
                stops is not for a shard to know.
        """
        if self._search() != other._search() or other.first != self.first + self.guesses:
            raise ValueError("Found: only neighbouring shards of the same net, task, prior, seed, bins and keep add up")
        if self.num_solutions != math.inf:
            raise ValueError(
                f"Found: shards add up if they were searched with num_solutions=math.inf, got {self.num_solutions}"
            )
        both = tuple(
            Bin(mine.fits, mine.hits + theirs.hits, (mine.indices + theirs.indices)[: self.keep])
            for mine, theirs in zip(self.bins, other.bins, strict=True)
        )
        return replace(self, guesses=self.guesses + other.guesses, bins=both)

    def _search(self) -> tuple[object, ...]:
        fits = tuple(entry.fits for entry in self.bins)
        return (type(self.net), slots(self.net), self.task, self.prior, self.seed, fits, self.num_solutions, self.keep)


def guess_and_check(
    net: nn.Module,
    data: Task | Examples,
    *,
    prior: AbstractPrior | None = None,
    accept: Fits | Sequence[Fits] = _ANY_FIT,
    num_solutions: float = 1,
    keep: int = 100,
    budget: int = _DEFAULT_BUDGET,
    seed: int = 0,
    first: int = 0,
    chunk: int = _DEFAULT_CHUNK,
    threads: int = 1,
    device: str | torch.device = "cpu",
    callback: Callback | None = None,
) -> Found:
    """Guesses until every bin has `num_solutions` solutions, or the budget is spent.

    One pass serves all bins: each guess that classifies every training example correctly lands in the bin of its
    normalised loss. Guesses are screened in float32, most of them on two images, and doubtful ones decided in float64, so
    that the result is a function of (net, data, prior, accept, seed, first, budget, num_solutions, keep): chunks, threads and
    shards change nothing.

    Args:
        net: Any module; stacks of Linear, Conv2d, ReLU, pooling and Flatten are fast.
        data: What is fitted; of a task its `train`, its `test` is never seen.
        prior: What is guessed from, `Cube(1.0)` unless given.
        accept: One `Fits`, or several disjoint ones filled in one pass.
        num_solutions: Solutions asked for in each bin; `math.inf` to use up the budget (a plain volume measurement).
        keep: Solutions remembered per bin, the first ones; all hits are counted.
        budget: Most guesses made.
        seed: Seed of the guesses.
        first: Number of the first guess: shard i of a search of 2 n guesses is `first=i * n, budget=n`.
        chunk: Guesses between two looks at the stopping rule.
        threads: Chunks screened at once.
        device: Where members are evaluated.
        callback: Called after each chunk with a `Progress`; its `detail` are the hits of each bin.

    Returns:
        The hits of each bin among the guesses, and the numbers of the first ones: `log_volume`, `population()`.

    Raises:
        ValueError: For an option out of range, or a budget whose last guess lies beyond 2^63 - 1.

    Cost: about 1.5 forward passes of one image a guess, and one draw.

    Differs from paper: one search fills all loss bins, where the authors search each bin anew; a guess that falls in an
    already filled bin is counted, so that hits / guesses estimates every bin's volume.
    """
    prior = Cube() if prior is None else prior
    accepted = as_fits(accept)
    _check(num_solutions=num_solutions, keep=keep, budget=budget, first=first, chunk=chunk, threads=threads)
    examples = interleaved(train_examples(data)).to(device)
    screen = screen_of(net, examples, prior, seed=seed, loss_below=max(f.loss_below for f in accepted), device=device)
    decide = _Decision(net, examples, prior, accepted, seed, device)
    tally = _Tally(accepted, num_solutions, keep)
    guesses, solved = 0, False
    for begin, count, candidates in _in_order(screen, first, first + budget, chunk, threads):
        last = tally.add(decide(candidates))
        solved = last is not None
        guesses = (begin + count if last is None else last + 1) - first
        if callback is not None:
            callback(tally.progress(guesses, budget))
        if solved:
            break
    status = Status.SOLVED if solved else Status.BUDGET_SPENT
    return Found(
        net=net,
        prior=prior,
        seed=seed,
        first=first,
        guesses=guesses,
        bins=tally.bins(),
        num_solutions=num_solutions,
        keep=keep,
        status=status,
        task=data.name if isinstance(data, Task) else "",
        device=str(device),
    )


class _Tally:
    """Hits of each bin so far: all of them counted, the first `keep` remembered, so that memory stays flat."""

    def __init__(self, accepted: tuple[Fits, ...], num_solutions: float, keep: int) -> None:
        self.accepted, self.num_solutions, self.keep = accepted, num_solutions, keep
        self.hits = [0] * len(accepted)
        self.kept: list[list[int]] = [[] for _ in accepted]

    def add(self, found: list[list[int]]) -> int | None:
        """Takes the indices that a chunk added to each bin; returns the guess at which the last bin was filled, if any.

        Hits behind that guess are left out: where the search stops must not depend on the size of a chunk.
        """
        last = None
        if all(hits + len(new) >= self.num_solutions for hits, new in zip(self.hits, found, strict=True)):
            missing = [int(self.num_solutions) - hits for hits in self.hits]
            last = max(new[few - 1] for few, new in zip(missing, found, strict=True) if few > 0)
            found = [[index for index in new if index <= last] for new in found]
        for which, new in enumerate(found):
            self.kept[which] += new[: self.keep - len(self.kept[which])]
            self.hits[which] += len(new)
        return last

    def progress(self, guesses: int, budget: int) -> Progress:
        """How many of the solutions asked for are there; of a plain measurement, how much of the budget is spent."""
        hits = tuple(self.hits)
        if self.num_solutions == math.inf:
            return Progress(
                done=guesses,
                total=budget,
                unit=f"guesses, {sum(hits):,} hits",
                effort_unit="guesses",
                effort=guesses,
                detail=hits,
            )
        return progress_of_hits(hits, num_solutions=int(self.num_solutions), effort=guesses, effort_unit="guesses")

    def bins(self) -> tuple[Bin, ...]:
        return tuple(Bin(*entry) for entry in zip(self.accepted, self.hits, map(tuple, self.kept), strict=True))


@final
@dataclass(frozen=True, slots=True)
class _Decision:
    """Sorts candidates into bins: clear ones by their float32 figures, doubtful ones by float64."""

    net: nn.Module
    examples: Examples
    prior: AbstractPrior
    accepted: tuple[Fits, ...]
    seed: int
    device: str | torch.device

    def __call__(self, candidates: Candidates) -> list[list[int]]:
        loss, margin = candidates.loss.double(), candidates.margin.double()
        doubtful = self._doubtful(loss, margin)
        if doubtful.any():
            loss[doubtful], margin[doubtful] = self._exactly(candidates.index[doubtful])
        return [candidates.index[fits.holds(loss, margin)].tolist() for fits in self.accepted]

    def _doubtful(self, loss: Tensor, margin: Tensor) -> Tensor:
        edges = [edge for fits in self.accepted for edge in (fits.loss_above, fits.loss_below) if math.isfinite(edge)]
        doubtful = margin.abs() <= SLACK
        for edge in edges:
            doubtful |= (loss - edge).abs() <= SLACK * abs(edge)
        return doubtful

    def _exactly(self, index: Tensor) -> tuple[Tensor, Tensor]:
        theta = self.prior.draw(self.net, seed=self.seed, indices=index.numpy().astype(np.uint64), device=self.device)
        population = Population(self.net, theta.double())
        x, y = self.examples.x.double(), self.examples.y
        return population.loss(x, y, normalised=True).cpu(), population.margin(x, y).amin(1).cpu()


def _in_order(screen: Screen, start: int, stop: int, chunk: int, threads: int) -> Iterator[tuple[int, int, Candidates]]:
    """(first guess, guesses, candidates) of each chunk, in order; `threads` of them are screened at once."""
    ranges = ((first, min(chunk, stop - first)) for first in range(start, stop, chunk))
    if threads == 1:
        yield from ((first, count, screen(first, count)) for first, count in ranges)
        return
    with ThreadPoolExecutor(threads) as pool:
        pending = [(first, count, pool.submit(screen, first, count)) for first, count in islice(ranges, 2 * threads)]
        try:
            while pending:
                first, count, future = pending.pop(0)
                yield first, count, future.result()
                pending += [(f, c, pool.submit(screen, f, c)) for f, c in islice(ranges, 1)]
        finally:
            for *_, future in pending:
                future.cancel()


def _check(*, num_solutions: float, keep: int, budget: int, first: int, chunk: int, threads: int) -> None:
    for name, value, least in (
        ("num_solutions", num_solutions, 1), ("keep", keep, 0), ("budget", budget, 1), ("first", first, 0), ("chunk", chunk, 1),
        ("threads", threads, 1),
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if num_solutions != math.inf and num_solutions != int(num_solutions):
        raise ValueError(f"num_solutions must be a whole number or math.inf, got {num_solutions}")
    if first + budget > 2**63:
        raise ValueError(f"guesses are numbered up to 2^63 - 1, got first {first} and budget {budget}")
