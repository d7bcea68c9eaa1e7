"""Ladders: which level comes next. The particles themselves choose it, halfway along a path that is fixed beforehand.

A path is a family of nested sets, and a particle's score says how far along it is still inside. The next level is the goal,
where more than half of the particles are already, or the score that half of them exceed. Both are stopping times of the
path, so that the product of the shares of survivors is unbiased for independent particles; the longest step that half
survive is not one, for it looks ahead, and is high by 2 / particles a level.
"""

import math
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from goodminima.volume.splitting.level import Level
from goodminima.volume.splitting.moves import TargetValues


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rung:
    """The next level.

    Args:
        level: The level.
        survivors: Which particles are in it.
        fitted: For each k that the path has passed now, the share of particles that have the first k examples right.
    """

    level: Level
    survivors: Bool[Tensor, "P"]
    fitted: dict[int, float] = field(default_factory=dict)


def fit_rung(values: TargetValues, level: Level, order: Int64[Tensor, "n"]) -> Rung:
    """The path to 100 % accuracy: one example after another, the margin of each rising from -inf to 0.

    A block of examples that more than half of the particles have right is a step of this path, and so is a threshold on
    the margin of a single one that most have wrong.

    Args:
        values: The particles, all of them in `level`.
        level: Where they are.
        order: Numbers of the examples, in the order in which they are asked for: classes in turn.

    Returns:
        The next level on that path, and the particles that are in it.
    """
    ordered = values.margins[:, order].double().nan_to_num(nan=-math.inf)
    wrong = ~(ordered > 0)
    num = ordered.shape[1]
    fitted = torch.where(wrong.any(dim=1), wrong.int().argmax(dim=1), num)
    done = fitted == num
    passed = int((level.margin_above[order] >= 0).long().cumprod(0).sum())  # examples that all particles have right
    if 2 * int(done.sum()) > len(fitted):
        goal = replace(level, margin_above=torch.zeros(num, dtype=torch.float64))
        return Rung(goal, done, fitted=_shares(fitted, passed, num))
    beyond = ordered.gather(1, fitted.clamp(max=num - 1)[:, None]).squeeze(1).masked_fill(done, math.inf)
    by_margin = torch.argsort(beyond, stable=True)
    rank = by_margin[torch.argsort(fitted[by_margin], stable=True)]  # by examples right, then by the margin of the next
    pivot = rank[len(rank) // 2 - 1]
    first, margin = int(fitted[pivot]), float(beyond[pivot])
    thresholds = torch.full((num,), -math.inf, dtype=torch.float64)
    thresholds[order[:first]] = 0.0
    thresholds[order[first]] = margin
    survivors = (fitted > first) | ((fitted == first) & (beyond > margin))
    return Rung(replace(level, margin_above=thresholds), survivors, _shares(fitted, passed, first))


def loss_rung(values: TargetValues, level: Level, *, loss_below: float) -> Rung:
    """The path to a normalised loss of at most `loss_below`, from above.

    Args:
        values: The particles, all of them in `level`.
        level: Where they are.
        loss_below: Where the path ends, nats per example.

    Returns:
        The next level on that path, and the particles that are in it.
    """
    threshold, survivors = _halfway(-values.losses.double().nan_to_num(nan=math.inf), goal=-next_above(loss_below))
    return Rung(replace(level, loss_below=-threshold), survivors)


def rising_loss_rung(values: TargetValues, level: Level, *, loss_above: float) -> Rung:
    """The path to a normalised loss above `loss_above`, from below: to the upper part of a loss bin.

    Args:
        values: The particles, all of them in `level`.
        level: Where they are.
        loss_above: Where the path ends, nats per example.

    Returns:
        The next level on that path, and the particles that are in it.
    """
    threshold, survivors = _halfway(values.losses.double(), goal=loss_above)
    return Rung(replace(level, loss_at_least=next_above(threshold)), survivors)


def _halfway(scores: Float64[Tensor, "P"], *, goal: float) -> tuple[float, Bool[Tensor, "P"]]:
    """The threshold that scores must exceed, and which do."""
    beyond = scores > goal
    if 2 * int(beyond.sum()) > len(scores):
        return goal, beyond
    threshold = float(scores.sort().values[len(scores) // 2 - 1])
    return threshold, scores > threshold


def _shares(fitted: Int64[Tensor, "P"], passed: int, first: int) -> dict[int, float]:
    return {k: float((fitted >= k).double().mean()) for k in range(passed + 1, first + 1)}


def next_above(value: float) -> float:
    """The next float.

    Args:
        value: Any float.

    Returns:
        The least float above it: what is at most `value` is below that.
    """
    return math.nextafter(value, math.inf)
