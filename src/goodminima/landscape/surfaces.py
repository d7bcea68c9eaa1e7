"""The loss of any net along lines and on planes through its parameter space.

    gm.surface(net, data, directions="filter", steps=51).plot("surface.png")

Reference: Goodfellow, Vinyals, Saxe 2015 (lines between nets); Li, Xu, Taylor, Studer, Goldstein 2018 (filter-normalised
planes); Huang, Emam, Goldblum, Fowl, Terry, Huang, Goldstein 2020, Figures 3, 4 and 7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from goodminima.core.checks import check_choice
from goodminima.core.identity import architecture_of, text_of
from goodminima.core.progress import Callback
from goodminima.landscape.directions import (
    Direction,
    between,
    hessian_eigenpairs,
    parameters_of,
    random_directions,
    through,
)
from goodminima.landscape.grid import Grid, evaluate
from goodminima.landscape.slices import Line, Surface
from goodminima.population.net_loss import Criterion, cross_entropy_of, loss_of
from goodminima.population.private_copies import private_copy
from goodminima.tasks.task import Examples, Task, train_examples

_WORDS = ("filter", "layer", "plain", "hessian")


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _How:
    """How a slice is evaluated: the options that lines, planes and surfaces share."""

    batch_norm: str
    criterion: Criterion
    statistics: Float[Tensor, "M ..."] | None
    callback: Callback | None
    checkpoint: Path | str | None


def line(
    net: nn.Module,
    data: Task | Examples,
    *,
    to: nn.Module | None = None,
    direction: str | Direction = "filter",
    span: tuple[float, float] | None = None,
    steps: int = 101,
    seed: int = 0,
    batch_norm: str = "eval",
    criterion: Criterion = cross_entropy_of,
    statistics: Float[Tensor, "M ..."] | None = None,
    callback: Callback | None = None,
    checkpoint: Path | str | None = None,
) -> Line:
    """The loss along a line through a net.

    Args:
        net: Any module; it is not changed. Its parameters are the origin; Dropout is off.
        data: What the loss is computed on; of a task, its `train`.
        to: Another net, at coordinate 1; there is then no `direction`.
        direction: "filter", "layer", "plain" (random, see `random_directions`), "hessian" (the largest curvature), or one of your
            own.
        span: First and last coordinate; (-1, 1) unless given, and (-0.5, 1.5) between nets.
        steps: Number of points.
        seed: Of a random direction.
        batch_norm: BatchNorm's statistics: "eval", the net's own; "train", those of the data, anew at every point;
            "re-estimated", running statistics taken anew at every point, from `statistics`.
        criterion: What the net gives, and labels -> the loss of each example. Cross entropy unless given.
        statistics: Inputs to re-estimate on; the data's own unless given.
        callback: Called now and then with a `Progress` in points.
        checkpoint: A file for the points done so far: a call that was cut short is taken up from it. Net and criterion are known
            by code and contents; what cannot be read needs an `identity` (see `goodminima.core.identity`).

    Returns:
        The loss at `steps` coordinates from the first to the last of `span`, and what a coordinate of one means.

    Raises:
        ValueError: If an option is out of range, `direction` is of another net, or `checkpoint` holds points of
            something else.

    Cost: `steps` forward passes over the data.

    >>> net, data = nn.Linear(2, 2), Examples(torch.zeros(4, 2), torch.zeros(4).long())
    >>> line(net, data, steps=3).x
    array([-1.,  0.,  1.])
    """
    batch = train_examples(data)
    how = _How(
        batch_norm=batch_norm, criterion=criterion, statistics=statistics, callback=callback, checkpoint=checkpoint
    )
    if to is not None:
        along = between(net, to)
    elif isinstance(direction, Direction):
        along = direction
    else:
        (along,) = _named(net, batch, direction, number=1, seed=seed, how=how)
    x = _coordinates(span or ((-0.5, 1.5) if to is not None else (-1.0, 1.0)), steps)
    losses = _losses(net, batch, (along,), x[:, None], how)
    return Line(
        x=x,
        loss=losses,
        unit=along.unit,
        length=along.length,
        batch_norm=how.batch_norm,
        num_examples=len(batch),
    )


def surface(
    net: nn.Module,
    data: Task | Examples,
    *,
    directions: str | Sequence[Direction] = "filter",
    span: float | tuple[tuple[float, float], tuple[float, float]] = 1.0,
    steps: int | tuple[int, int] = 51,
    seed: int = 0,
    batch_norm: str = "eval",
    criterion: Criterion = cross_entropy_of,
    statistics: Float[Tensor, "M ..."] | None = None,
    callback: Callback | None = None,
    checkpoint: Path | str | None = None,
) -> Surface:
    """The loss on a plane through a net.

    Args:
        net: Any module; it is not changed. Its parameters are the origin; Dropout is off.
        data: What the loss is computed on; of a task, its `train`.
        directions: "filter", "layer", "plain" (random, see `random_directions`), "hessian" (the two largest curvatures), or two
            of your own.
        span: Coordinates run from -span to span, or between the two pairs given for x and y.
        steps: Points along each direction; odd, and the net itself is one of them.
        seed: Of random directions.
        batch_norm: BatchNorm's statistics: "eval", the net's own; "train", those of the data, anew at every point;
            "re-estimated", running statistics taken anew at every point, from `statistics`.
        criterion: What the net gives, and labels -> the loss of each example. Cross entropy unless given.
        statistics: Inputs to re-estimate on; the data's own unless given.
        callback: Called now and then with a `Progress` in points.
        checkpoint: A file for the points done so far: a call that was cut short is taken up from it. Net and criterion are known
            by code and contents; what cannot be read needs an `identity` (see `goodminima.core.identity`).

    Returns:
        The loss at each point of the grid, a row for each y, and what a coordinate of one means along each direction.

    Raises:
        ValueError: If there are not two directions, one is of another net, an option is out of range, or `checkpoint`
            holds points of something else.

    Cost: steps^2 forward passes over the data.

    >>> net, data = nn.Linear(2, 2), Examples(torch.zeros(4, 2), torch.zeros(4).long())
    >>> surface(net, data, steps=5).loss.shape
    (5, 5)
    """
    batch = train_examples(data)
    how = _How(
        batch_norm=batch_norm, criterion=criterion, statistics=statistics, callback=callback, checkpoint=checkpoint
    )
    if isinstance(directions, str):
        directions = _named(net, batch, directions, number=2, seed=seed, how=how)
    if len(directions) != 2:
        raise ValueError(f"surface: two directions make a plane, got {len(directions)}")
    spans = span if isinstance(span, tuple) else ((-span, span), (-span, span))
    numbers = steps if isinstance(steps, tuple) else (steps, steps)
    x, y = (_coordinates(each, number) for each, number in zip(spans, numbers, strict=True))
    points = np.stack([each.ravel() for each in np.meshgrid(x, y)], axis=1)  # rows of y
    first, second = directions
    return Surface(
        x=x,
        y=y,
        loss=_losses(net, batch, directions, points, how).reshape(len(y), len(x)),
        units=(first.unit, second.unit),
        lengths=(first.length, second.length),
        cosine=float(first.step.double() @ second.step.double()) / (first.length * second.length),
        batch_norm=how.batch_norm,
        num_examples=len(batch),
    )


def plane(
    net: nn.Module,
    data: Task | Examples,
    *,
    others: tuple[nn.Module, nn.Module],
    margin: float = 0.2,
    steps: int = 51,
    batch_norm: str = "eval",
    criterion: Criterion = cross_entropy_of,
    statistics: Float[Tensor, "M ..."] | None = None,
    callback: Callback | None = None,
    checkpoint: Path | str | None = None,
) -> tuple[Surface, Float64[np.ndarray, "3 2"]]:
    """The loss on the plane through three nets, and where on it they lie; distances on it are Euclidean.

    Args:
        net: The net at the origin.
        data: What the loss is computed on; of a task, its `train`.
        others: Two more; the first lies on the x axis.
        margin: How far the picture goes on behind the nets, in parts of the distance they span.
        steps: Points along each axis.
        batch_norm: BatchNorm's statistics: "eval", the net's own; "train", those of the data, anew at every point;
            "re-estimated", running statistics taken anew at every point, from `statistics`.
        criterion: What the net gives, and labels -> the loss of each example. Cross entropy unless given.
        statistics: Inputs to re-estimate on; the data's own unless given.
        callback: Called now and then with a `Progress` in points.
        checkpoint: A file for the points done so far: a call that was cut short is taken up from it. Net and criterion are known
            by code and contents; what cannot be read needs an `identity` (see `goodminima.core.identity`).

    Returns:
        The surface, and (x, y) of each net on it: of `net`, then of the others.

    Raises:
        ValueError: If the three nets lie on one line, an option is out of range, or `checkpoint` holds points of
            something else.

    Cost: steps^2 forward passes over the data.

    Reference: Garipov, Izmailov, Podoprikhin, Vetrov, Wilson 2018, appendix A.1.
    """
    axes = through(net, others)
    steps_to = torch.stack([between(net, other).step.double() for other in others])
    basis = torch.stack([axis.step.double() for axis in axes])
    places = np.concatenate([np.zeros((1, 2)), (steps_to @ basis.T).cpu().numpy()])
    low, high = places.min(0), places.max(0)
    rim = margin * (high - low)
    spans = tuple((float(a), float(b)) for a, b in zip(low - rim, high + rim, strict=True))
    found = surface(
        net,
        data,
        directions=axes,
        span=(spans[0], spans[1]),
        steps=steps,
        batch_norm=batch_norm,
        criterion=criterion,
        statistics=statistics,
        callback=callback,
        checkpoint=checkpoint,
    )
    return found, places


def _named(net: nn.Module, batch: Examples, word: str, *, number: int, seed: int, how: _How) -> tuple[Direction, ...]:
    check_choice("directions", word, _WORDS)
    if word != "hessian":
        return random_directions(net, scale=word, num_directions=number, seed=seed)
    # Re-estimation cannot be differentiated; training mode, too, takes the statistics anew from a batch.
    mode = "eval" if how.batch_norm == "eval" else "train"
    return hessian_eigenpairs(
        net, batch, num_pairs=number, batch_norm=mode, criterion=how.criterion, seed=seed
    ).directions


def _coordinates(span: tuple[float, float], steps: int) -> Float64[np.ndarray, "n"]:
    first, last = span
    if not (np.isfinite([first, last]).all() and first < last):
        raise ValueError(f"span must run from a finite number to a larger one, got {span}")
    if steps < 2:
        raise ValueError(f"steps must be at least 2, got {steps}")
    x = np.linspace(first, last, steps)
    x[np.abs(x) < 1e-12 * (last - first)] = 0.0  # the net itself, and not next to it
    return x


def _losses(
    net: nn.Module, batch: Examples, directions: Sequence[Direction], points: np.ndarray, how: _How
) -> Float64[np.ndarray, "P"]:
    loss = loss_of(net, batch, batch_norm=how.batch_norm, criterion=how.criterion, statistics=how.statistics)
    centre = parameters_of(net).to(batch.x.device)
    for direction in directions:
        if direction.step.shape != centre.shape:
            raise ValueError(
                f"a direction of {type(net).__name__} has {len(centre):,} entries, got {len(direction.step):,}"
            )
    grid = Grid(centre, torch.stack([direction.step for direction in directions]).to(centre), points)
    if how.checkpoint is None:
        return evaluate(grid, loss, callback=how.callback)
    identity = _identity(net, batch, how)
    return evaluate(grid, loss, callback=how.callback, checkpoint=Path(how.checkpoint), identity=identity)


def _identity(net: nn.Module, batch: Examples, how: _How) -> tuple[Tensor | str, ...]:
    """What losses depend on besides the points.

    Raises:
        ValueError: If the net or the criterion cannot be told from others for sure.
    """
    shown = () if how.statistics is None else (how.statistics,)
    words = (architecture_of(private_copy(net).eval()), text_of(how.criterion, name="criterion"), how.batch_norm)
    return (batch.x, batch.y, *net.buffers(), *shown, *words)
