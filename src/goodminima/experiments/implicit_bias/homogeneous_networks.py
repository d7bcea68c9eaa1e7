"""Lyu and Li: two-layer networks trained to losses like e^-10000, against the KKT conditions of the margin program."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.theory.homogeneous import chord, clarke_residual, conditions, xor_on_sphere
from goodminima.theory.loops import log_spaced, slope
from goodminima.theory.two_layer import TwoLayer, normal_start, train

_AVERAGED = 2000
_WIDTH = 20
Power = Literal[1, 2]
_NAMES: dict[Power, str] = {1: "relu", 2: "relu2"}


@final
@dataclass(frozen=True, kw_only=True)
class NetworkCell(Settings):
    """What a cell sets.

    Args:
        power: Of the ReLU.
        steps: Of the training.
    """

    power: Power
    steps: Count


def _run(cell: Cell[NetworkCell], context: Context) -> Outcome:
    power, stop = cell.settings.power, cell.settings.steps
    x, y = xor_on_sphere(context.key("data"))
    start = normal_start(context.key("start"), d=x.shape[1], width=_WIDTH, power=power)
    times = np.union1d(log_spaced(stop, start=100, per_decade=10), stop - _AVERAGED)
    trained = train(start, x, y, times=times, callback=context.callback)
    course = [conditions(net, x, y) for net in trained.nets]
    if course[-1].log_loss > 0:
        return Outcome(values=dict.fromkeys(cell.measures), note=f"not fitted after {stop} steps")
    curves = {
        name: np.array([getattr(each, name) for each in course])
        for name in ("log_loss", "norm", "smoothed_margin", "epsilon", "delta")
    }
    curves |= {"times": times.astype(np.float64), "cosines": _cosines(trained.nets[-1], x)}
    late = times >= stop / 10
    values = {
        "log loss": course[-1].log_loss,
        "norm": slope(np.log(-curves["log_loss"][late]), np.log(curves["norm"][late])) * (power + 1),
        "delta": course[-1].delta,
        "epsilon": float(curves["epsilon"][late].min()),
    }
    if power == 2:
        then = curves["epsilon"][np.searchsorted(times, stop // 100)]
        values |= {"falls": float(trained.falls), "ratio": course[-1].epsilon / float(then)}
    else:
        curves |= _with_kinks(trained.nets, x, y)
        values |= {name: float(curves[name][-1]) for name in ("averaged", "clarke")}
    return Outcome(values=values, arrays=curves)


def _with_kinks(nets: Sequence[TwoLayer], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Residuals of the mean gradient from each look to the next, which is the way gone, and of Clarke's subdifferential."""
    averaged = [chord(new.theta, new.theta - old.theta) for old, new in pairwise(nets)]
    return {
        "averaged": np.array(averaged),
        "clarke": np.array([clarke_residual(net, x, y).residual for net in nets]),
    }


def _cosines(net: TwoLayer, x: np.ndarray) -> np.ndarray:
    """|cos| of the angles between neurons and examples, in increasing order: 0 at a kink."""
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(net.hidden, axis=0)
    return np.sort((np.abs(x @ net.hidden) / lengths).ravel())


def _cell(power: Power, steps: int, *, log_loss: float, delta: float, residual: float) -> Cell[NetworkCell]:
    shared = {
        "log loss": Claim("the loss is carried to: its natural logarithm", below=log_loss),
        "norm": Claim(
            "||theta|| grows like (-log loss)^(1/L): L times the exponent, last decade", above=0.9, below=1.1
        ),
        "delta": Claim("complementary slackness: delta", below=delta),
    }
    smooth = {
        "falls": Claim("ReLU^2: steps in which the smoothed margin fell", below=0.5),
        "epsilon": Claim("ReLU^2: KKT residual of the gradient, least over the last decade", below=residual),
        "ratio": Claim("and it falls: relative to that after 1 % of the steps", below=0.9),
    }
    kinked = {
        "epsilon": Claim("ReLU: KKT residual of the gradient stays up, least over the last decade", above=0.1),
        "averaged": Claim(f"its mean over the last {_AVERAGED} steps meets the condition: residual", below=residual),
        "clarke": Claim("so does the best of Clarke's subdifferential: residual", below=residual),
    }
    claims = shared | (smooth if power == 2 else kinked)
    return Cell(
        name=f"{_NAMES[power]}/t={steps:.0e}".replace("e+0", "e"),
        settings=NetworkCell(power=power, steps=steps),
        measures=tuple(claims),
        claims=claims,
    )


HOMOGENEOUS_NETWORKS = Experiment(
    name="implicit_bias/homogeneous_networks",
    title="Homogeneous networks tend to a KKT point of the margin program in their parameters",
    claim="Without biases, training past zero error sends the norm to infinity and the direction to a KKT point of the margin "
    "program; for ReLU that holds with Clarke's subdifferential, not with the gradient.",
    source="Lyu and Li 2020",
    percent=False,
    cells=(
        _cell(2, 10**5, log_loss=-500, delta=1e-2, residual=0.3),
        _cell(2, 2 * 10**6, log_loss=-1e4, delta=1e-3, residual=0.2),
        _cell(1, 10**5, log_loss=-500, delta=1e-2, residual=0.1),
        _cell(1, 2 * 10**6, log_loss=-1e4, delta=1e-3, residual=0.05),
    ),
    scales={
        "smoke": Scale(replicates=1, cells=("relu2/t=1e5", "relu/t=1e5")),
        "laptop": Scale(replicates=3, cells=("relu2/t=2e6", "relu/t=2e6")),
        "paper": Scale(replicates=10, cells=("relu2/t=2e6", "relu/t=2e6")),
    },
    run_cell=_run,
    picture="kkt_conditions",
    remarks=(
        f"12 points on the sphere in 4 dimensions, labelled by the sign of x1 x2; two layers, {_WIDTH} hidden neurons. Steps "
        "ascend -log loss; residuals are relative to ||theta||.",
        "The programme says first-order optimality. ReLU neurons settle on kinks, <w, x_i> = 0; there the gradient jumps from "
        "step to step, and what satisfies the condition is its mean, an element of Clarke's subdifferential. A neuron "
        "counts as on a kink where |cos| is below 1e-3.",
        "A KKT point, not a maximum: other starts reach other margins. For ReLU, steps across kinks make the smoothed margin "
        "fall by a hair in about half of the steps; the theorem's flow would not.",
    ),
)
