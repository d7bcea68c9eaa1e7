"""Figure 3: how large the set of nets is that draws a linear boundary through the slabs, and a zig-zag one round them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.chiang2023.toy_boundaries import class1
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.experiments.volume_estimates import Splitting, VolumeEstimate, by_counting, by_splitting
from goodminima.nets import MLP
from goodminima.population import Cube
from goodminima.tasks import Task, boundary_probe
from goodminima.tasks.slabs import Boundary
from goodminima.theory.odd_part import depth_of_origin, largest_margin, most_on_one_side, odd_part_error

EXTENT = (-1.15, 1.15, -1.15, 1.15)  # x from, x to, y from, y to of the picture
_HIDDEN = 40
_SHOWN = 100  # solutions whose boundaries are averaged in the picture
_MEMBERS = 100  # guesses on which the identity behind the proof is looked at


Biases = Literal["yes", "no"]
Method = Literal["counting", "splitting", "proof"]


@final
@dataclass(frozen=True, kw_only=True)
class SlabCell(Settings):
    """What a row sets.

    Args:
        boundary: Which one the nets of the set draw.
        hidden_biases: Whether they have biases in the hidden layer.
        method: How the set's volume is found.
    """

    boundary: Boundary
    hidden_biases: Biases
    method: Method


@final
@dataclass(frozen=True, kw_only=True)
class Guesses(Settings):
    """How many guesses are counted, by the set that they are to hit.

    Args:
        linear: The nets that draw the linear boundary, with or without hidden biases.
        empty: Those that draw the zig-zag without: there are none.
        zig_zag: Those that draw it with.
    """

    linear: Count
    empty: Count
    zig_zag: Count


@final
@dataclass(frozen=True, kw_only=True)
class SlabScale(Settings):
    """What a scale sets.

    Args:
        budget: Guesses, all of which are made.
        splitting: How volumes are split.
    """

    budget: Guesses
    splitting: Splitting

    def guesses(self, cell: SlabCell) -> int:
        """How many are made for a row."""
        if cell.boundary == "linear":
            return self.budget.linear
        return self.budget.zig_zag if cell.hidden_biases == "yes" else self.budget.empty


_Cell = Cell[SlabCell]


def run_figure3(cell: Cell[SlabCell], context: Context[SlabScale]) -> Outcome:
    """One set's volume by one method, or the proof that it is 0."""
    task = boundary_probe(cell.settings.boundary, seed=context.key("slab"))
    if cell.settings.method == "proof":
        return _proved(cell, context, task)
    scale, seed = context.scale_settings, context.key("volume", cell.name)
    if cell.settings.method == "counting":
        budget = scale.guesses(cell.settings)
        measured = by_counting(_net(cell), task, context, seed=seed, budget=budget, keep=_SHOWN)
    else:
        measured = by_splitting(_net(cell), task, context, seed=seed, splitting=scale.splitting, keep=_SHOWN)
    return _outcome(cell, task, measured)


def _outcome(cell: _Cell, task: Task, measured: VolumeEstimate) -> Outcome:
    draws, accuracy, arrays = measured.draws, None, {}
    if draws is not None:
        accuracy = float(draws.accuracy(task.test.x, task.test.y).double().mean())
        arrays = {
            "class1": class1(draws, EXTENT).mean(axis=0),
            "probe": task.train.x.cpu().numpy(),
            "slab_x": task.test.x.cpu().numpy(),
            "slab_y": task.test.y.cpu().numpy(),
        }
    values = {"log10 V": measured.log10, "slab accuracy": accuracy, "order": measured.log10}
    return Outcome(
        values={measure: values[measure] for measure in cell.measures},
        errors=measured.errors,
        counts=measured.counts,
        arrays=arrays | {"interval": measured.interval},
        note=measured.note,
    )


def _proved(cell: _Cell, context: Context, task: Task) -> Outcome:
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


def _net(cell: _Cell) -> MLP:
    return MLP(in_features=2, hidden=(_HIDDEN,), hidden_bias=cell.settings.hidden_biases == "yes")


_VOLUME = ("log10 V", "slab accuracy")
_ORDER = {"order": Claim("the linear boundary has a volume of 10^-4: its logarithm", above=-4.5, below=-3.5)}
_PROOF = {
    "odd part": Claim("f(x) - f(-x) is linear in x: largest departure, 100 guesses", below=1e-12),
    "mirror": Claim("each point of class 0, mirrored in the origin, is one of class 1: largest distance", below=1e-6),
    "margin": Claim("no linear function is positive on class 0: largest margin", above=-1e-9, below=1e-9),
    "depth": Claim("the origin lies within the hull of class 0, so the set is empty: its depth", above=0.1),
    "right": Claim("the best linear function is positive on 24 of its 30 points", above=23.5, below=24.5),
}


def _cell(
    boundary: Boundary, hidden_biases: Biases, method: Method, *, claims: Mapping[str, Claim] | None = None
) -> Cell[SlabCell]:
    """The cell of a boundary, of the net with hidden biases ("yes") or the authors' without ("no"), and of a method."""
    short, claims = {"yes": "biases", "no": "no-biases"}[hidden_biases], claims or {}
    return Cell(
        name=f"{boundary}/{short}/{method}",
        settings=SlabCell(boundary=boundary, hidden_biases=hidden_biases, method=method),
        measures=(*(() if method == "proof" else _VOLUME), *claims),
        claims=claims,
    )


_CELLS = (
    _cell("linear", "no", "counting", claims=_ORDER),
    _cell("linear", "no", "splitting"),
    _cell("linear", "yes", "counting"),
    _cell("linear", "yes", "splitting"),
    _cell("zig-zag", "no", "counting"),
    _cell("zig-zag", "no", "proof", claims=_PROOF),
    _cell("zig-zag", "yes", "counting"),
    _cell("zig-zag", "yes", "splitting"),
)


FIGURE3 = Experiment(
    name="chiang2023/figure3",
    title="The volume of a linear boundary through the slabs, and of a zig-zag one round them",
    claim="The linear boundary takes up far more of the parameters than the zig-zag one, so nets that fit draw it, whatever "
    "trains them.",
    source="Chiang et al. 2023, Figure 3 and section 6",
    percent=False,
    cells=_CELLS,
    scales={
        "smoke": Scale(
            replicates=1,
            settings=SlabScale(
                budget=Guesses(linear=1_000_000, empty=1_000_000, zig_zag=1_000_000),
                splitting=Splitting(particles=64, sweeps=2, repeats=2),
            ),
        ),
        "laptop": Scale(
            replicates=1,
            settings=SlabScale(
                budget=Guesses(linear=50_000_000, empty=100_000_000, zig_zag=1_000_000_000),
                splitting=Splitting(particles=256, sweeps=6, repeats=5),
            ),
        ),
        "paper": Scale(
            replicates=1,
            settings=SlabScale(
                budget=Guesses(linear=1_000_000_000, empty=10_000_000_000, zig_zag=10_000_000_000),
                splitting=Splitting(particles=1024, sweeps=6, repeats=10),
            ),
        ),
    },
    run_cell=run_figure3,
    row_labels=("boundary", "hidden_biases", "method"),
    picture="slab_volumes",
    remarks=(
        "A set is all nets with 40 hidden units, drawn from the unit cube, that are right on 60 points along a boundary.",
        "The authors' net has no hidden biases. Then no parameters draw the zig-zag: its volume, bounded by 10^-10 in the paper, "
        "is exactly 0. With hidden biases it is about 10^-7.6.",
        "slab accuracy: the members' on 60 points of the slabs themselves.",
    ),
)  # fmt: skip
