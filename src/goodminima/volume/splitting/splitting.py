"""Multilevel splitting: volumes far below what counting reaches, and uniform draws from the sets.

Particles drawn from the prior descend through nested levels; at each, those that are in it already are kept and copied
until there are as many as before, and all of them walk within it. The volume is the product of the shares kept.

Reference: Kahn and Harris 1951; Cerou, Del Moral, Furon and Guyader 2012 (levels chosen by the particles).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from goodminima.core.log_volume import LogVolume
from goodminima.core.progress import Callback, Progress
from goodminima.core.status import Status
from goodminima.population.compiled import CompiledNet
from goodminima.population.engines import StackEngine
from goodminima.population.population import Population
from goodminima.population.priors import AbstractPrior, Cube
from goodminima.search.fits import Fits, as_fits
from goodminima.search.screening import interleaved
from goodminima.tasks.task import Data, Examples, Task, train_examples
from goodminima.volume.splitting.blocks import BlockMoves
from goodminima.volume.splitting.gibbs import GibbsMoves
from goodminima.volume.splitting.interval import combine, status_of
from goodminima.volume.splitting.moves import AbstractMoves
from goodminima.volume.splitting.sampler import LevelRecord, Sampler, SplittingPlan, SplittingRun

_ANY_FIT = Fits()
_LOWEST = -2500.0


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Where a measurement stands, for whoever listens.

    Args:
        repeat: Number of the run, from 0.
        repeats: How many there will be.
        step: The level just reached.
        evaluations: Forward passes of one example by this run so far.
    """

    repeat: int
    repeats: int
    step: LevelRecord
    evaluations: float


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """What splitting measured.

    Args:
        net: The net; None for the volume of a plain function's set.
        accept: The sets.
        runs: The independent runs: levels, acceptance, families, and one estimate for each set.
        task: Name of the task.
    """

    net: nn.Module | None
    accept: tuple[Fits, ...]
    runs: tuple[SplittingRun, ...]
    task: str

    @property
    def log_volume(self) -> LogVolume:
        """Natural log of the prior probability of the only set, with its 95 % interval; `volume` serves several sets."""
        if len(self.accept) != 1:
            raise ValueError(f"log_volume needs a single Fits, got {len(self.accept)}: use volume(which)")
        return self.volume()

    def volume(self, which: int = 0, *, confidence: float = 0.95) -> LogVolume:
        """The volume of one set; a bound where `status_of` says why.

        Args:
            which: Number of the set, from 0.
            confidence: Coverage of the interval, in (0, 1).

        Returns:
            Log volume, natural log of a probability, with an interval.
        """
        estimates = [run.estimates[which] for run in self.runs]
        return combine(estimates, particles=self.runs[0].particles, confidence=confidence)

    def status_of(self, which: int = 0) -> Status:
        """How the measurement of one set ended.

        Args:
            which: Number of the set, from 0.

        Returns:
            SOLVED, STOPPED_MIXING or EMPTY.
        """
        return status_of([run.estimates[which] for run in self.runs])

    @property
    def status(self) -> Status:
        """SOLVED if every set's volume was measured, else what the first other one is."""
        outcomes = [self.status_of(which) for which in range(len(self.accept))]
        return next((outcome for outcome in outcomes if outcome is not Status.SOLVED), Status.SOLVED)

    @property
    def by_samples(self) -> tuple[tuple[int, LogVolume], ...]:
        """For k = 1, 2, ...: the volume of all that have the first k examples right, classes in turn."""
        columns = zip(*(run.by_samples for run in self.runs), strict=True)
        return tuple((k, combine(column, particles=self.runs[0].particles)) for k, column in enumerate(columns, 1))

    @property
    def evaluations(self) -> float:
        """Forward passes of one example, all runs together."""
        return sum(run.evaluations for run in self.runs)

    def theta(self, which: int = 0) -> Float[Tensor, "K D"]:
        """Draws from one set.

        Args:
            which: Number of the set, from 0.

        Returns:
            K draws, uniform with respect to the prior, those of one run correlated; none from runs that did not arrive.
        """
        return torch.cat([run.theta[which] for run in self.runs])

    def population(self, which: int = 0) -> Population:
        """Draws from one set as members of the net.

        Args:
            which: Number of the set, from 0.

        Returns:
            The members of `theta(which)`.

        Raises:
            ValueError: If there is no net: this is the volume of a function's set.
        """
        if self.net is None:
            raise ValueError("population needs a net, and this is the volume of a function's set: use theta(which)")
        return Population(self.net, self.theta(which))


def split_volume(
    net: nn.Module,
    data: Task | Examples,
    *,
    prior: AbstractPrior | None = None,
    accept: Fits | Sequence[Fits] = _ANY_FIT,
    particles: int = 256,
    sweeps: int = 6,
    repeats: int = 5,
    seed: int = 0,
    min_log_volume: float = _LOWEST,
    threads: int = 1,
    device: str | torch.device = "cpu",
    callback: Callback | None = None,
    moves: AbstractMoves | None = None,
) -> Split:
    """The volume of the parameters that fit a task, by multilevel splitting, and draws from them.

    One descent serves all sets: examples are fitted one after another, classes in turn, then the normalised loss falls past
    every upper edge; a bin's lower edge is reached by a branch. The result is a function of (net, data, prior, accept,
    particles, sweeps, repeats, seed, min_log_volume, moves).

    Args:
        net: Any module.
        data: What is fitted; of a task its `train`, its `test` is never seen.
        prior: What volumes are measured by, `Cube(1.0)` unless given.
        accept: One `Fits`, or several.
        particles: Particles of a run; the variance of a run's log volume is at best levels / particles.
        sweeps: How often all blocks of parameters are moved at each level.
        repeats: Independent runs. Intervals come from between them alone.
        seed: Seed of everything.
        min_log_volume: Natural log of the volume below which a run gives up: the set may well be empty.
        threads: Threads to be used; they change no number.
        device: Where members are evaluated.
        callback: Called after every level with a `Progress`; its `detail` is a `Stage`.
        moves: How particles are drawn and walk, in place of `prior` and `device`.

    Returns:
        The runs: for each set a `volume` with its interval, and draws from it.

    Raises:
        ValueError: For an option out of range.

    Cost: particles x sweeps walks of all blocks of parameters, a level and run, and log2(1 / V) levels. The general moves
    take ten forward passes of the examples asked for a block; those of stacks, which remember activations, a few in all.
    """
    accepted, train = as_fits(accept), train_examples(data)
    if moves is None:
        moves = moves_for(net, data, prior or Cube(), threads=threads, device=device)
    if moves.num_examples != len(train):
        raise ValueError(f"moves are about {moves.num_examples} examples, but data has {len(train)}")
    places = interleaved(Examples(torch.arange(len(train), dtype=torch.float64), train.y.cpu())).x.long()
    plan = SplittingPlan(particles=particles, sweeps=sweeps, repeats=repeats, seed=seed, min_log_volume=min_log_volume)
    runs = _descend(moves, places, accepted, plan, callback)
    return Split(net=net, accept=accepted, runs=runs, task=data.name if isinstance(data, Task) else "")


def moves_for(
    net: nn.Module, data: Data, prior: AbstractPrior, *, threads: int = 1, device: str | torch.device = "cpu"
) -> AbstractMoves:
    """The fastest moves that can serve: unit by unit for stacks with a box prior on the CPU, else the general ones."""
    examples = train_examples(data)
    compiled = CompiledNet.of(net, tuple(examples.x.shape[1:]))
    if compiled.supports(StackEngine.GIBBS, device=device, prior=prior):
        return GibbsMoves(net, examples, prior, threads=threads)
    return BlockMoves.of_net(net, examples, prior, threads=threads, device=device)


def volume_where(
    margins: Callable[[Float[Tensor, "P D"]], Float[Tensor, "P n"]],
    *,
    dimension: int,
    prior: AbstractPrior | None = None,
    losses: Callable[[Float[Tensor, "P D"]], Float[Tensor, "P"]] | None = None,
    accept: Fits | Sequence[Fits] = _ANY_FIT,
    particles: int = 256,
    sweeps: int = 6,
    repeats: int = 5,
    seed: int = 0,
    min_log_volume: float = _LOWEST,
    threads: int = 1,
    callback: Callback | None = None,
) -> Split:
    """The volume of {theta : all margins(theta) > 0}, or of what `accept` says of `losses` there, for plain functions.

    Args:
        margins: float64 (P, D) -> (P, n); each should grow towards the set, for splitting follows it there.
        dimension: D.
        prior: What volumes are measured by, `Cube(1.0)` unless given.
        losses: float64 (P, D) -> (P,), in place of the normalised loss.
        accept: One `Fits`, or several, whose losses are those of `losses`.
        particles: Particles of a run; the variance of a run's log volume is at best levels / particles.
        sweeps: How often all parameters are moved at each level.
        repeats: Independent runs. Intervals come from between them alone.
        seed: Seed of everything.
        min_log_volume: Natural log of the volume below which a run gives up: the set may well be empty.
        threads: Threads to be used; they change no number.
        callback: Called after every level with a `Progress`; its `detail` is a `Stage`.

    Returns:
        The runs: for each set a `volume` with its interval, and draws from it.

    Raises:
        ValueError: For an option out of range.

    Cost: about 10 evaluations of the functions a particle, sweep, level and run, and log2(1 / V) levels.

    >>> import math
    >>> corner = volume_where(lambda theta: theta, dimension=20, repeats=3)  # an orthant
    >>> abs(corner.log_volume.estimate - 20 * math.log(0.5)) < 0.5
    True
    """
    accepted = as_fits(accept)
    moves = BlockMoves.of_function(margins, dimension, prior or Cube(), losses=losses, threads=threads)
    plan = SplittingPlan(particles=particles, sweeps=sweeps, repeats=repeats, seed=seed, min_log_volume=min_log_volume)
    runs = _descend(moves, torch.arange(moves.num_examples), accepted, plan, callback)
    return Split(net=None, accept=accepted, runs=runs, task="a function")


def _progress(stage: Stage, num_examples: int) -> Progress:
    return Progress(
        done=stage.repeat * num_examples + stage.step.fitted,
        total=stage.repeats * num_examples,
        unit="examples fitted",
        effort=round(stage.evaluations),
        effort_unit="evaluations",
        detail=stage,
    )


def _descend(
    moves: AbstractMoves,
    order: Tensor,
    accept: tuple[Fits, ...],
    plan: SplittingPlan,
    callback: Callback | None,
) -> tuple[SplittingRun, ...]:
    def one(repeat: int) -> SplittingRun:
        def heard(step: LevelRecord, evaluations: float) -> None:
            if callback is not None:
                stage = Stage(repeat=repeat, repeats=plan.repeats, step=step, evaluations=evaluations)
                callback(_progress(stage, moves.num_examples))

        return Sampler(moves, order, plan, repeat=repeat, callback=heard).run(accept)

    return tuple(one(repeat) for repeat in range(plan.repeats))
