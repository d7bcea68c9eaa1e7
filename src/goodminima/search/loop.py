"""The shared loop of local searches: it owns ends, budgets, reports and the trace, and knows nothing of moves."""

import math
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64
from torch import Tensor, nn

from goodminima.core.progress import Callback, Progress
from goodminima.core.status import Status
from goodminima.population.population import Population
from goodminima.search.objective import TorchObjective
from goodminima.search.until import Until
from goodminima.tasks.task import Examples

_DENSITY = 1.2  # one mark of the trace lies so many times further on than the one before


@runtime_checkable
class Engine(Protocol):
    """A search under way, here or in the compiled kernel. `loss` is the mean over the examples."""

    @property
    def theta(self) -> Float[Tensor, "D"] | Float32[np.ndarray, "D"]: ...
    @property
    def loss(self) -> float: ...
    @property
    def num_correct(self) -> int: ...
    @property
    def candidates(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def radius(self) -> float: ...
    @property
    def num_halvings(self) -> int: ...
    def run(self, *, candidates: int, steps: int | None, fitted: bool, loss_below: float, threads: int) -> None:
        """Tries at most `candidates` further candidates; `steps` counts from the beginning. Slices change nothing."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Point:
    """Where a search stood at one moment.

    Args:
        candidates: Candidates tried so far.
        steps: How many of them were accepted.
        loss: Mean normalised loss, nats per example.
        accuracy: Fraction of the training examples that are right.
        radius: Size of the steps.
    """

    candidates: int
    steps: int
    loss: float
    accuracy: float
    radius: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The course of a search: its points at about geometric numbers of candidates, from the start to the end.

    Args:
        candidates: Candidates tried so far, at each of T points.
        steps: Candidates accepted so far.
        loss: Mean normalised loss, nats per example.
        accuracy: Fraction of the training examples that are right.
        radius: Size of the steps.
    """

    candidates: Int64[np.ndarray, "T"]
    steps: Int64[np.ndarray, "T"]
    loss: Float64[np.ndarray, "T"]
    accuracy: Float64[np.ndarray, "T"]
    radius: Float64[np.ndarray, "T"]

    @classmethod
    def of(cls, points: list[Point]) -> "Trace":
        """A trace of points.

        Args:
            points: In the order of the search.

        Returns:
            Their columns.
        """
        return cls(
            candidates=np.array([point.candidates for point in points], np.int64),
            steps=np.array([point.steps for point in points], np.int64),
            loss=np.array([point.loss for point in points], np.float64),
            accuracy=np.array([point.accuracy for point in points], np.float64),
            radius=np.array([point.radius for point in points], np.float64),
        )


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Searched:
    """What a local search came to.

    Args:
        net: The net.
        theta: Where the search ended.
        loss: Mean normalised loss of the training examples there, computed anew in float64; nats per example.
        accuracy: Fraction of them that are right there, computed anew in float64.
        steps: Candidates accepted.
        candidates: Candidates tried.
        radius: Size of the steps at the end.
        num_halvings: How often it was halved.
        status: SOLVED if a goal of `Until` was reached, BUDGET_SPENT or STUCK.
        trace: The course of the search.
    """

    net: nn.Module
    theta: Float[Tensor, "D"]
    loss: float
    accuracy: float
    steps: int
    candidates: int
    radius: float
    num_halvings: int
    status: Status
    trace: Trace

    def population(self) -> Population:
        """The end of the search.

        Returns:
            A population of one member.
        """
        return Population(self.net, self.theta[None])


def run_search(
    net: nn.Module,
    data: Examples,
    engine: Engine,
    *,
    until: Until,
    span: int,
    group: int = 1,
    slice_: int,
    threads: int = 1,
    callback: Callback | None = None,
) -> Searched:
    """Runs an engine to its end.

    Args:
        net: The net.
        data: What is fitted.
        engine: The search.
        until: When it ends.
        span: Failures in a row that halve the radius.
        group: Candidates that are tried together.
        slice_: Most candidates between two reports.
        threads: Threads that the engine may use.
        callback: Called after each slice with a `Progress`; its `detail` is the `Point` where the search stands.

    Returns:
        Where the search ended and why, its loss and accuracy computed anew in float64, and its course.
    """
    points = [_point(engine, len(data))]
    while (status := _end(engine, len(data), until, group=group, span=span)) is None:
        wanted = min(slice_, _next_mark(points[-1].candidates) - engine.candidates)
        size = _whole_groups(max(wanted, group), engine, until, group=group, span=span)
        engine.run(
            candidates=size, steps=until.steps, fitted=until.fitted, loss_below=until.loss_below, threads=threads
        )
        point = _point(engine, len(data))
        if point.candidates >= _next_mark(points[-1].candidates):
            points.append(point)
        if callback is not None:
            callback(_progress(point, len(data)))
    if points[-1].candidates < engine.candidates:
        points.append(_point(engine, len(data)))
    return _searched(net, data, engine, status, Trace.of(points))


def _progress(point: Point, num_examples: int) -> Progress:
    right = round(point.accuracy * num_examples)
    return Progress(
        done=right,
        total=num_examples,
        unit="examples right",
        effort=point.candidates,
        effort_unit="candidates",
        detail=point,
    )


def _whole_groups(wanted: int, engine: Engine, until: Until, *, group: int, span: int) -> int:
    """A slice that neither begins a group without ending it nor goes on behind the end of a pass.

    So a search ends with the same candidate on every engine, and right after the halving that leaves it stuck.
    """
    size = min(wanted, _left(engine, until), span - engine.failures)
    return size if size < group else size - size % group


def _next_mark(candidates: int) -> int:
    return max(candidates + 1, math.ceil(_DENSITY * candidates))


def _left(engine: Engine, until: Until) -> int:
    return 2**62 if until.candidates is None else until.candidates - engine.candidates


def _end(engine: Engine, num_examples: int, until: Until, *, group: int, span: int) -> Status | None:
    if (until.fitted and engine.num_correct == num_examples) or engine.loss <= until.loss_below:
        return Status.SOLVED
    if engine.radius < until.radius_below:
        return Status.STUCK
    enough_steps = until.steps is not None and engine.steps >= until.steps
    if enough_steps or _left(engine, until) < min(group, span - engine.failures):
        return Status.BUDGET_SPENT
    return None


def _point(engine: Engine, num_examples: int) -> Point:
    return Point(
        candidates=int(engine.candidates),
        steps=int(engine.steps),
        loss=float(engine.loss),
        accuracy=engine.num_correct / num_examples,
        radius=float(engine.radius),
    )


def _searched(net: nn.Module, examples: Examples, engine: Engine, status: Status, trace: Trace) -> Searched:
    theta = torch.as_tensor(engine.theta)
    exactly = TorchObjective.of(net, examples, theta.double())(theta.double()[None])
    return Searched(
        net=net,
        theta=theta,
        loss=float(exactly.loss[0]) / len(examples),
        accuracy=int(exactly.num_correct[0]) / len(examples),
        steps=int(engine.steps),
        candidates=int(engine.candidates),
        radius=float(engine.radius),
        num_halvings=int(engine.num_halvings),
        status=status,
        trace=trace,
    )
