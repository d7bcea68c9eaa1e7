"""Volumes within an experiment, by counting and by splitting: told to the live line, and as tables and pictures keep them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import nn

from goodminima.core.log_volume import LogVolume
from goodminima.core.progress import Progress
from goodminima.core.status import Status
from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Count, Settings
from goodminima.population import AbstractPrior, Population
from goodminima.search import Fits, guess_and_check
from goodminima.tasks import Task
from goodminima.volume.splitting import Split, split_volume

LOG10 = math.log(10)
_ANY_FIT = Fits()
_CHUNK = 65_536  # guesses between two signs of life


@final
@dataclass(frozen=True, kw_only=True)
class Splitting(Settings):
    """How volumes are split; the words are those of `split_volume`.

    Args:
        particles: Of each run.
        sweeps: Of all coordinates at each level.
        repeats: Independent runs.
    """

    particles: Count
    sweeps: Count
    repeats: Count


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class VolumeEstimate:
    """The volume of one set of solutions, and some of them.

    Args:
        volume: With its interval, natural log.
        error: Standard error of log10 V; None where there is none.
        draws: Uniform draws from the set, None if there is none.
        counts: Guesses and hits, or evaluations.
        note: What a footnote says of a volume that is only bounded.
    """

    volume: LogVolume
    error: float | None
    draws: Population | None
    counts: Mapping[str, int]
    note: str

    @property
    def log10(self) -> float | None:
        """log10 V, None where only a bound is known."""
        return None if self.volume.estimate is None else self.volume.estimate / LOG10

    @property
    def interval(self) -> np.ndarray:
        """Lower end, estimate and upper end in log10, NaN where only a bound is known."""
        return in_log10(self.volume)

    @property
    def errors(self) -> Mapping[str, float]:
        """For an `Outcome` with the measure `log10 V`."""
        return {} if self.error is None else {"log10 V": self.error}


def by_counting(net: nn.Module, task: Task, context: Context, *, seed: int, budget: int, keep: int) -> VolumeEstimate:
    """Guesses in the unit cube, all of the budget; the first `keep` hits are the draws."""

    def callback(progress: Progress) -> None:
        context.callback(replace(progress, unit=f"guesses, {progress.detail[0]:,} hits"))

    found = guess_and_check(
        net,
        task,
        num_solutions=math.inf,
        keep=keep,
        budget=budget,
        chunk=_CHUNK,
        seed=seed,
        device=context.device,
        callback=callback,
    )
    count, volume = found.count(), found.log_volume
    hit = count.hits > 0
    return VolumeEstimate(
        volume=volume,
        error=math.sqrt((1 - count.hits / count.guesses) / count.hits) / LOG10 if hit else None,
        draws=found.population() if hit else None,
        counts={"guesses": count.guesses, "hits": count.hits},
        note="" if hit else f"no hit in {count.guesses:,} guesses: log10 V <= {volume.high / LOG10:.2f} (95 %)",
    )


def by_splitting(
    net: nn.Module, task: Task, context: Context, *, seed: int, splitting: Splitting, keep: int
) -> VolumeEstimate:
    """Splitting from the unit cube; the first `keep` particles of each run are the draws: copies of one another least."""
    split = split_told(net, task, context, seed=seed, splitting=splitting)
    theta = torch.cat([run.theta[0][:keep] for run in split.runs])
    return VolumeEstimate(
        volume=split.log_volume,
        error=log10_error(split),
        draws=Population(net, theta) if len(theta) else None,
        counts={"evaluations": round(split.evaluations)},
        note=said_of(split),
    )


def split_told(
    net: nn.Module,
    task: Task,
    context: Context,
    *,
    seed: int,
    splitting: Splitting,
    accept: Fits | Sequence[Fits] = _ANY_FIT,
    prior: AbstractPrior | None = None,
) -> Split:
    """`split_volume` of a task, any fit of it unless `accept` is given, that reports how many examples are fitted.

    Args:
        net: Any module.
        task: What is to be fitted.
        context: Of the replicate.
        seed: Seed of everything.
        splitting: How.
        accept: The sets.
        prior: What volumes are measured by, the unit cube unless given.
    """
    return split_volume(
        net,
        task,
        prior=prior,
        accept=accept,
        particles=splitting.particles,
        sweeps=splitting.sweeps,
        repeats=splitting.repeats,
        seed=seed,
        device=context.device,
        callback=context.callback,
    )


def run_logs(split: Split) -> np.ndarray:
    """(sets, runs): natural log of each set's volume by each run, -inf where a run did not come there."""
    readings = [[reading.log_volume for reading in run.estimates] for run in split.runs]
    return np.array(readings).T


def log10_error(split: Split) -> float | None:
    """Standard error of the first set's log10 V between runs; None if fewer than two came there."""
    logs = run_logs(split)[0] / LOG10
    logs = logs[np.isfinite(logs)]
    return float(logs.std(ddof=1) / math.sqrt(len(logs))) if len(logs) > 1 else None


def in_log10(volume: LogVolume) -> np.ndarray:
    """Lower end, estimate and upper end of an interval in log10, NaN where only a bound is known."""
    return np.array([volume.low, math.nan if volume.estimate is None else volume.estimate, volume.high]) / LOG10


def said_of(split: Split) -> str:
    """What a footnote says of the only set where its volume is merely bounded; empty where it was measured."""
    volume, arrived = split.log_volume, np.isfinite(run_logs(split)[0]).sum()
    match split.status:
        case Status.SOLVED:
            return ""
        case Status.EMPTY:
            return f"no run came there: log10 V <= {volume.high / LOG10:.1f} (95 %)"
        case Status.STOPPED_MIXING:
            bound = f"log10 V >= {volume.low / LOG10:.1f} (95 %)"
            return f"stopped mixing, {arrived} of {len(split.runs)} runs came there: {bound}"
        case other:
            raise ValueError(f"splitting never ends {other!r}")
