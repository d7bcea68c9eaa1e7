"""One run of splitting: particles descend from the prior to every set that was asked for."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from goodminima.core.streams import derived_seed
from goodminima.search.fits import Fits
from goodminima.volume.splitting.ladder import Rung, fit_rung, loss_rung, next_above, rising_loss_rung
from goodminima.volume.splitting.level import Level
from goodminima.volume.splitting.lineage import LEAST_FAMILIES, Lineage, correlation, memory
from goodminima.volume.splitting.moves import AbstractMoves, TargetValues

_DRAWS, _RESAMPLING, _WALK = 0, 1, 2  # words of the seeds


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class SplittingPlan:
    """How much work goes into a measurement, and what its numbers come from.

    Args:
        particles: Particles of a run.
        sweeps: How often all blocks of parameters are moved at each level.
        repeats: Independent runs.
        seed: Seed of everything.
        min_log_volume: Natural log of the volume below which a run gives up.
    """

    particles: int
    sweeps: int
    repeats: int
    seed: int
    min_log_volume: float

    def __post_init__(self) -> None:
        for name, least in (("particles", 16), ("sweeps", 1), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.min_log_volume < 0:
            raise ValueError(
                f"min_log_volume is the log of a probability and must be below 0, got {self.min_log_volume}"
            )


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class LevelRecord:
    """What one level was like.

    Args:
        fitted: Examples that all particles have right.
        loss_at_least: Least normalised loss asked for, nats per example.
        loss_below: The normalised loss is below this, nats per example.
        survival: Share of the particles that were in the level already.
        log_volume: Natural log of the level's volume, by the product of the shares.
        acceptance: Accepted proposals over proposals, by block.
        correlation: Of the margins after the walk with those before, mean over examples; 1 is a walk that led nowhere.
        families: Distinct ancestors of the particles at the last level that they do not remember.
    """

    fitted: int
    loss_at_least: float
    loss_below: float
    survival: float
    log_volume: float
    acceptance: Mapping[str, float]
    correlation: float
    families: int


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class RunEstimate:
    """What one run says about one set.

    Args:
        log_volume: Natural log of its volume; -inf if the run did not come there.
        ceiling: Natural log of the volume of the smallest level around it that was reached while particles still mixed.
        levels: How many levels it took.
        families: The fewest families on the way.
    """

    log_volume: float
    ceiling: float
    levels: int
    families: int


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SplittingRun:
    """One run of splitting.

    Args:
        estimates: One for each `Fits`.
        theta: For each `Fits`, draws from it, correlated among themselves; none if it was not reached.
        by_samples: For k = 1, ..., n: one for {the first k examples right}, classes in turn.
        steps: The levels, in the order in which they were reached.
        evaluations: Forward passes of one example.
        particles: How many there were.
    """

    estimates: tuple[RunEstimate, ...]
    theta: tuple[Float[Tensor, "_ D"], ...]
    by_samples: tuple[RunEstimate, ...]
    steps: tuple[LevelRecord, ...]
    evaluations: float
    particles: int


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Particles:
    """Particles in a level. Nothing here is ever changed in place."""

    theta: Float[Tensor, "P D"]
    values: TargetValues
    level: Level
    moves: AbstractMoves
    lineage: Lineage
    estimate: RunEstimate  # of the level


class Sampler:
    """The state of one run, and what all of its branches share."""

    def __init__(
        self,
        moves: AbstractMoves,
        order: Int64[Tensor, "n"],
        plan: SplittingPlan,
        *,
        repeat: int,
        callback: Callable[[LevelRecord, float], None],
    ) -> None:
        self.order, self.plan, self.callback = order, plan, callback
        self.seed = derived_seed(plan.seed, repeat)
        self.by_samples: dict[int, RunEstimate] = {}
        self.steps: list[LevelRecord] = []
        self.evaluations = 0.0
        theta = moves.draw(seed=derived_seed(self.seed, _DRAWS), indices=np.arange(plan.particles, dtype=np.uint64))
        self.start = Particles(
            theta=theta,
            values=self._evaluate(moves, theta),
            level=Level.everything(moves.num_examples),
            moves=moves,
            lineage=Lineage(plan.particles),
            estimate=RunEstimate(log_volume=0.0, ceiling=0.0, levels=0, families=plan.particles),
        )

    def run(self, accept: tuple[Fits, ...]) -> SplittingRun:
        """Descends past all upper edges of the loss, with a branch off for each lower edge.

        Args:
            accept: The sets.

        Returns:
            An estimate and draws for each set, and the levels on the way.
        """
        landed: dict[int, tuple[Particles, bool]] = {}
        particles, alive = self._climb(self.start, self._fit)
        fallen = _fallen(particles.estimate)
        by_samples = [self.by_samples.get(k, fallen) for k in range(1, len(self.order) + 1)]
        for which in sorted(range(len(accept)), key=lambda i: -accept[i].loss_below):
            fits = accept[which]
            if alive:
                particles, alive = self._climb(particles, partial(_loss_rung, fits))
            landed[which] = self._climb(particles, partial(_bin_rung, fits)) if alive else (particles, False)
        ends = [landed[which] for which in range(len(accept))]
        return SplittingRun(
            estimates=tuple(end.estimate if there else _fallen(end.estimate) for end, there in ends),
            theta=tuple(end.theta if there else end.theta[:0] for end, there in ends),
            by_samples=tuple(by_samples),
            steps=tuple(self.steps),
            evaluations=self.evaluations,
            particles=self.plan.particles,
        )

    def _fit(self, particles: Particles) -> Rung | None:
        if (particles.level.margin_above >= 0).all():
            return None
        rung, start = fit_rung(particles.values, particles.level, self.order), particles.estimate
        for k, share in rung.fitted.items():
            log_volume = start.log_volume + (math.log(share) if share > 0 else -math.inf)
            self.by_samples[k] = replace(start, log_volume=log_volume, levels=start.levels + 1)
        return rung

    def _climb(self, particles: Particles, next_rung: Callable[[Particles], Rung | None]) -> tuple[Particles, bool]:
        """Rung by rung to the goal. False if no particle went on, or the volume fell below the lowest of interest."""
        while (rung := next_rung(particles)) is not None:
            if particles.estimate.log_volume < self.plan.min_log_volume or not rung.survivors.any():
                return particles, False
            particles = self._step(particles, rung)
        return particles, True

    def _step(self, particles: Particles, rung: Rung) -> Particles:
        """Keeps every survivor, fills up with copies, walks."""
        number, size = len(self.steps), len(rung.survivors)
        survival = float(rung.survivors.double().mean())
        parents = _parents(rung.survivors, derived_seed(self.seed, _RESAMPLING, number))
        walked = particles.moves.walk(
            particles.theta[parents],
            rung.level,
            seed=derived_seed(self.seed, _WALK, number),
            streams=np.arange(size, dtype=np.uint64),
            sweeps=self.plan.sweeps,
        )
        self.evaluations += walked.evaluations
        values = self._evaluate(particles.moves, walked.theta)
        led = correlation(particles.values.margins[parents], values.margins)
        lineage = particles.lineage.after(parents, memory(led, walked))
        log_volume, families = particles.estimate.log_volume + math.log(survival), lineage.families
        self.steps.append(
            LevelRecord(
                fitted=int((rung.level.margin_above >= 0).sum()),
                loss_at_least=rung.level.loss_at_least,
                loss_below=rung.level.loss_below,
                survival=survival,
                log_volume=log_volume,
                acceptance={name: walked.accepted[name] / tried for name, tried in walked.tried.items() if tried},
                correlation=led,
                families=families,
            )
        )
        self.callback(self.steps[-1], self.evaluations)
        return Particles(
            theta=walked.theta,
            values=values,
            level=rung.level,
            moves=particles.moves.adapted(walked),
            lineage=lineage,
            estimate=_after(particles.estimate, log_volume, families),
        )

    def _evaluate(self, moves: AbstractMoves, theta: Tensor) -> TargetValues:
        self.evaluations += theta.shape[0] * moves.num_examples
        return moves.evaluate(theta)


def _parents(survivors: Tensor, seed: int) -> Int64[Tensor, "P"]:
    """Numbers of the survivors, each at least once, and copies as even as can be, chance deciding who has one more."""
    alive = survivors.nonzero().squeeze(1)
    shuffled = alive[torch.from_numpy(np.random.Generator(np.random.Philox(seed)).permutation(len(alive)))]
    rounds = -(-len(survivors) // len(alive))
    return shuffled.repeat(rounds)[: len(survivors)]


def _after(before: RunEstimate, log_volume: float, families: int) -> RunEstimate:
    fewest = min(before.families, families)
    ceiling = log_volume if fewest >= LEAST_FAMILIES else before.ceiling
    return RunEstimate(log_volume=log_volume, ceiling=ceiling, levels=before.levels + 1, families=fewest)


def _fallen(last: RunEstimate) -> RunEstimate:
    return replace(last, log_volume=-math.inf)


def _loss_rung(fits: Fits, particles: Particles) -> Rung | None:
    if particles.level.loss_below <= next_above(fits.loss_below):
        return None
    return loss_rung(particles.values, particles.level, loss_below=fits.loss_below)


def _bin_rung(fits: Fits, particles: Particles) -> Rung | None:
    if fits.loss_above == -math.inf or particles.level.loss_at_least >= next_above(fits.loss_above):
        return None
    return rising_loss_rung(particles.values, particles.level, loss_above=fits.loss_above)
