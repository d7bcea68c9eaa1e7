"""Figure 3: how large the set of nets is that draws a linear boundary through the slabs, and a zig-zag one round them."""

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from goodminima.experiments.chiang2023.toy_boundaries import class1
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Progress, Scale
from goodminima.nets import MLP
from goodminima.population import Cube, Population
from goodminima.search import guess_and_check
from goodminima.tasks import Task, boundary_probe
from goodminima.tasks.slab import Boundary
from goodminima.theory.odd_part import depth_of_origin, largest_margin, most_on_one_side, odd_part_error
from goodminima.volume import LogVolume

EXTENT = (-1.15, 1.15, -1.15, 1.15)  # x from, x to, y from, y to of the picture
LOG10 = math.log(10)
_HIDDEN = 40
_SHOWN = 100  # solutions whose boundaries are averaged in the picture
_MEMBERS = 100  # guesses on which the identity behind the proof is looked at


def run_volume(cell: Cell, context: Context) -> Outcome:
    """One set's volume by one method, or the proof that it is 0.

    Settings read from the scale: `budget` of guesses by cell; `splitting`, arguments of `split_volume`.
    """
    task = boundary_probe(cast(Boundary, cell.settings["boundary"]), seed=context.key("slab"))
    return _METHODS[cell.settings["method"]](cell, context, task)


def _counted(cell: Cell, context: Context, task: Task) -> Outcome:
    budget = context.scale_settings["budget"][cell.name]

    def listen(guesses: int, hits: tuple[int, ...]) -> None:
        context.report(Progress(done=guesses, wanted=budget, unit=f"guesses, {hits[0]:,} hits", effort=guesses))

    found = guess_and_check(
        _net(cell),
        task,
        wanted=math.inf,
        keep=_SHOWN,
        budget=budget,
        chunk=262_144,
        seed=context.key("guesses", cell.name),
        device=context.device,
        listen=listen,
    )
    count, volume = found.count(), found.log_volume
    counts = {"guesses": count.guesses, "hits": count.hits}
    if not count.hits:
        note = f"no hit in {count.guesses:,} guesses: log10 V <= {volume.high / LOG10:.2f} (95 %)"
        return Outcome(values={"log10 V": None, "slab accuracy": None}, counts=counts, note=note)
    error = math.sqrt((1 - count.hits / count.guesses) / count.hits) / LOG10
    return _measured(volume, error, found.population(), task, counts=counts)


def _measured(
    volume: LogVolume, error: float, population: Population, task: Task, *, counts: Mapping[str, int], note: str = ""
) -> Outcome:
    estimate = volume.estimate
    accuracy = population.accuracy(task.test.x, task.test.y).double()
    arrays = {
        "interval": np.array([volume.low, math.nan if estimate is None else estimate, volume.high]) / LOG10,
        "class1": class1(population, EXTENT).mean(axis=0),
        "probe": task.train.x.cpu().numpy(),
        "slab_x": task.test.x.cpu().numpy(),
        "slab_y": task.test.y.cpu().numpy(),
    }
    return Outcome(
        values={"log10 V": None if estimate is None else estimate / LOG10, "slab accuracy": float(accuracy.mean())},
        errors={"log10 V": error},
        counts=counts,
        arrays=arrays,
        note=note,
    )


def _proved(cell: Cell, context: Context, task: Task) -> Outcome:
    """The set is empty: the probe asks of a linear function what none can do (see `theory.odd_part`)."""
    net = _net(cell)
    indices = np.arange(_MEMBERS, dtype=np.uint64)
    theta = Cube().draw(net, seed=context.key("guesses", cell.name), indices=indices)
    examples = task.train
    zero = examples.x[examples.y == 0].double().numpy()
    one = examples.x[examples.y == 1].double().numpy()
    mirrored = np.linalg.norm(zero[:, None] + one[None], axis=2).min(axis=1).max()
    values = {
        "odd part": float(odd_part_error(net, theta, examples.x).max()),
        "mirror": float(mirrored),
        "margin": largest_margin(zero),
        "depth": depth_of_origin(zero),
        "right": float(most_on_one_side(zero)),
    }
    return Outcome(values=values)


def _net(cell: Cell) -> MLP:
    return MLP(in_features=2, hidden=(_HIDDEN,), hidden_bias=cell.settings["hidden biases"] == "yes")


_METHODS: Mapping[str, Callable[[Cell, Context, Task], Outcome]] = {
    "counting": _counted,
    "proof": _proved,
}

_PROOF = {
    "odd part": Claim("f(x) - f(-x) is linear in x: largest departure, 100 guesses", below=1e-12),
    "mirror": Claim("each point of class 0, mirrored in the origin, is one of class 1: largest distance", below=1e-6),
    "margin": Claim("no linear function is positive on class 0: largest margin", above=-1e-9, below=1e-9),
    "depth": Claim("the origin lies within the hull of class 0, so the set is empty: its depth", above=0.1),
    "right": Claim("the best linear function is positive on 24 of its 30 points", above=23.5, below=24.5),
}


def _cell(boundary: str, hidden_biases: str, method: str, **more: Any) -> Cell:
    short = "biases" if hidden_biases == "yes" else "no-biases"
    settings = {"boundary": boundary, "hidden biases": hidden_biases, "method": method}
    given = {"measures": ("log10 V", "slab accuracy")} | more
    return Cell(name=f"{boundary}/{short}/{method}", settings=settings, **given)


_LINEAR = {"log10 V": Claim("the linear boundary has a volume of about 10^-4", above=-4.5, below=-3.5)}

_CELLS = (
    _cell("linear", "no", "counting", claims=_LINEAR),
    _cell("linear", "no", "splitting", claims=_LINEAR),
    _cell("linear", "yes", "counting"),
    _cell("linear", "yes", "splitting"),
    _cell("zig-zag", "no", "counting"),
    _cell("zig-zag", "no", "proof", measures=tuple(_PROOF), claims=_PROOF),
    _cell("zig-zag", "yes", "counting"),
    _cell("zig-zag", "yes", "splitting"),
)
