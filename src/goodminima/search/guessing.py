"""Guess & Check: draw parameters from a prior, keep those that fit.

The one optimizer without any bias but the loss landscape's own: a set of solutions is found with a probability
proportional to its volume.

Reference: Chiang et al. 2023, section 4.1.1.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import final

import numpy as np
from torch import Tensor, nn

from goodminima.core.log_volume import Count, LogVolume
from goodminima.population.parameters import slots
from goodminima.population.population import Population
from goodminima.population.priors import AbstractPrior, Cube
from goodminima.search.fits import Fits, Status
from goodminima.search.screening import SLACK, Candidates, Screen, interleaved, screen_of
from goodminima.tasks.task import Examples, Task

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
        start: Number of the first guess.
        guesses: How many guesses were made, all of them counted.
        bins: One entry per requested `Fits`.
        wanted: Hits asked for in each bin.
        keep: Indices remembered per bin, at most.
        status: SOLVED if every bin has as many hits as were wanted.
        task: Name of the task.
        device: Where members were evaluated.
    """

    net: nn.Module
    prior: AbstractPrior
    seed: int
    start: int
    guesses: int
    bins: tuple[Bin, ...]
    wanted: float
    keep: int
    status: Status
    task: str
    device: str

    def count(self, which: int = 0) -> Count:
        """Hits in bin number `which` among all guesses."""
        return Count(self.bins[which].hits, self.guesses)

    @property
    def log_volume(self) -> LogVolume:
        """Natural log of the prior probability of the only bin, with its 95 % interval; `count` serves several bins."""
        if len(self.bins) != 1:
            raise ValueError(f"log_volume needs a single Fits, got {len(self.bins)}: use count(which).log_volume()")
        return self.count().log_volume()

    def population(self, which: int = 0) -> Population:
        """The kept solutions of bin number `which`, remade from their indices on the device of the search."""
        indices = np.array(self.bins[which].indices, np.uint64)
        return Population(self.net, self.prior.draw(self.net, seed=self.seed, indices=indices, device=self.device))

    def __add__(self, other: "Found") -> "Found":
        """Two neighbouring shards of one search as one: the same as a single search over both ranges.

        Raises:
            ValueError: If they are not neighbours, or of different searches, or `wanted` is finite: where such a search
                stops is not for a shard to know.
        """
        if self._search() != other._search() or other.start != self.start + self.guesses:
            raise ValueError("Found: only neighbouring shards of the same net, task, prior, seed, bins and keep add up")
        if self.wanted != math.inf:
            raise ValueError(f"Found: shards add up if they were searched with wanted=math.inf, got {self.wanted}")
        both = tuple(
            Bin(mine.fits, mine.hits + theirs.hits, (mine.indices + theirs.indices)[: self.keep])
            for mine, theirs in zip(self.bins, other.bins, strict=True)
        )
        return replace(self, guesses=self.guesses + other.guesses, bins=both)

    def _search(self) -> tuple[object, ...]:
        fits = tuple(entry.fits for entry in self.bins)
        return (type(self.net), slots(self.net), self.task, self.prior, self.seed, fits, self.wanted, self.keep)


def guess_and_check(
    net: nn.Module,
    task: Task,
    *,
    prior: AbstractPrior | None = None,
    accept: Fits | Sequence[Fits] = _ANY_FIT,
    wanted: float = 1,
    keep: int = 100,
    budget: int = _DEFAULT_BUDGET,
    seed: int = 0,
    start: int = 0,
    chunk: int = _DEFAULT_CHUNK,
    threads: int = 1,
    device: str = "cpu",
    callback: Callable[[int, tuple[int, ...]], None] | None = None,
) -> Found:
    """Guesses until every bin has `wanted` solutions, or the budget is spent.

    One pass serves all bins: each guess that classifies every training example correctly lands in the bin of its
    normalised loss. Guesses are screened in float32, most of them on two images, and doubtful ones decided in float64, so
    that the result is a function of (net, task, prior, accept, seed, start, budget, wanted, keep): chunks, threads and
    shards change nothing.

    Args:
        net: Any module; stacks of Linear, Conv2d, ReLU, pooling and Flatten are fast.
        task: Its `train` decides; its `test` is never seen.
        prior: What is guessed from, `Cube(1.0)` unless given.
        accept: One `Fits`, or several disjoint ones filled in one pass.
        wanted: Solutions asked for in each bin; `math.inf` to use up the budget (a plain volume measurement).
        keep: Solutions remembered per bin, the first ones; all hits are counted.
        budget: Most guesses made.
        seed: Seed of the guesses.
        start: Number of the first guess: shard i of a search of 2 n guesses is `start=i * n, budget=n`.
        chunk: Guesses between two looks at the stopping rule.
        threads: Chunks screened at once.
        device: Where members are evaluated.
        callback: Called after each chunk with the guesses so far and the hits of each bin.

    Raises:
        ValueError: For an option out of range, or a budget whose last guess lies beyond 2^63 - 1.

    Cost: about 1.5 forward passes of one image a guess, and one draw.

    Differs from paper: one search fills all loss bins, where the authors search each bin anew; a guess that falls in an
    already filled bin is counted, so that hits / guesses estimates every bin's volume.
    """
    prior = Cube() if prior is None else prior
    accepted = (accept,) if isinstance(accept, Fits) else tuple(accept)
    _check(accepted, wanted=wanted, keep=keep, budget=budget, start=start, chunk=chunk, threads=threads)
    examples = interleaved(task.train).to(device)
    screen = screen_of(net, examples, prior, seed=seed, loss_below=max(f.loss_below for f in accepted), device=device)
    decide = _Decision(net, examples, prior, accepted, seed, device)
    tally = _Tally(accepted, wanted, keep)
    guesses, solved = 0, False
    for first, count, candidates in _in_order(screen, start, start + budget, chunk, threads):
        last = tally.add(decide(candidates))
        solved = last is not None
        guesses = (first + count if last is None else last + 1) - start
        if callback is not None:
            callback(guesses, tuple(tally.hits))
        if solved:
            break
    status = Status.SOLVED if solved else Status.BUDGET_SPENT
    return Found(
        net=net,
        prior=prior,
        seed=seed,
        start=start,
        guesses=guesses,
        bins=tally.bins(),
        wanted=wanted,
        keep=keep,
        status=status,
        task=task.name,
        device=device,
    )


class _Tally:
    """Hits of each bin so far: all of them counted, the first `keep` remembered, so that memory stays flat."""

    def __init__(self, accepted: tuple[Fits, ...], wanted: float, keep: int) -> None:
        self.accepted, self.wanted, self.keep = accepted, wanted, keep
        self.hits = [0] * len(accepted)
        self.kept: list[list[int]] = [[] for _ in accepted]

    def add(self, found: list[list[int]]) -> int | None:
        """Takes the indices that a chunk added to each bin; returns the guess at which the last bin was filled, if any.

        Hits behind that guess are left out: where the search stops must not depend on the size of a chunk.
        """
        last = None
        if all(hits + len(new) >= self.wanted for hits, new in zip(self.hits, found, strict=True)):
            missing = [int(self.wanted) - hits for hits in self.hits]
            last = max(new[few - 1] for few, new in zip(missing, found, strict=True) if few > 0)
            found = [[index for index in new if index <= last] for new in found]
        for which, new in enumerate(found):
            self.kept[which] += new[: self.keep - len(self.kept[which])]
            self.hits[which] += len(new)
        return last

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
    device: str

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


def _check(
    accepted: tuple[Fits, ...], *, wanted: float, keep: int, budget: int, start: int, chunk: int, threads: int
) -> None:
    if not accepted:
        raise ValueError("accept needs at least one Fits")
    for name, value, least in (
        ("wanted", wanted, 1), ("keep", keep, 0), ("budget", budget, 1), ("start", start, 0), ("chunk", chunk, 1),
        ("threads", threads, 1),
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if wanted != math.inf and wanted != int(wanted):
        raise ValueError(f"wanted must be a whole number or math.inf, got {wanted}")
    if start + budget > 2**63:
        raise ValueError(f"guesses are numbered up to 2^63 - 1, got start {start} and budget {budget}")
