"""Gunasekar et al. 2018b: what linear networks prefer, fully connected and convolutional, against exact optima."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.callbacks import as_part
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.theory.bridge import (
    half_spectrum,
    least_spectrum,
    nearby_stationary_point,
    penalty,
    planted_spectrum,
    stationarity,
)
from goodminima.theory.convex import margin, max_margin
from goodminima.theory.linear_networks import convolutional, fully_connected, normal_filters, white_filters
from goodminima.theory.loops import log_spaced

_STARTS = 8


@final
@dataclass(frozen=True, kw_only=True)
class FullyConnectedCell(Settings):
    """What a cell of fully connected networks sets.

    Args:
        depth: Layers.
        part: Which architecture it is.
    """

    depth: Count
    part: Literal["fully connected"] = "fully connected"


@final
@dataclass(frozen=True, kw_only=True)
class ConvolutionalCell(Settings):
    """What a cell of convolutional networks sets.

    Args:
        part: How deep they are: each depth has optima, and a start, of its own.
    """

    part: Literal["one layer", "two layers", "three layers"]


@final
@dataclass(frozen=True, kw_only=True)
class StepsScale(Settings):
    """What a scale sets.

    Args:
        steps: Of each training.
    """

    steps: Count


def _run(cell: Cell[FullyConnectedCell | ConvolutionalCell], context: Context[StepsScale]) -> Outcome:
    settings = cell.settings
    match settings.part:
        case "fully connected":
            return _fully_connected(context, depth=settings.depth)
        case "one layer":
            return _one_layer(context)
        case "two layers":
            return _two_layers(context)
        case "three layers":
            return _three_layers(context)


def _fully_connected(context: Context[StepsScale], *, depth: int) -> Outcome:
    z, stop = planted_spectrum(context.key("data")).z, context.scale_settings.steps
    times, seed, callback = log_spaced(stop), context.key("start"), context.callback
    path = fully_connected(z, depth=depth, width=8, times=times, seed=seed, callback=callback)
    gap = 1 - margin(z, path) / max_margin(z).margin
    return Outcome(values={"gap": float(gap[-1])}, arrays={"times": times, "gap": gap})


def _one_layer(context: Context[StepsScale]) -> Outcome:
    z, stop = planted_spectrum(context.key("data")).z, context.scale_settings.steps
    start = normal_filters(context.key("start"), depth=1, d=z.shape[1])
    beta = convolutional(z, start, times=log_spaced(stop), callback=context.callback)[-1]
    values = {
        "gap": 1 - float(margin(z, beta)) / max_margin(z).margin,
        "excess": float(penalty(z, beta, power=1.0)) / least_spectrum(z).value - 1,
    }
    return Outcome(values=values, arrays={"spectrum": _amplitudes(z, beta)})


def _two_layers(context: Context[StepsScale]) -> Outcome:
    data, stop = planted_spectrum(context.key("data")), context.scale_settings.steps
    z, optimum, times = data.z, least_spectrum(data.z), log_spaced(stop)
    start = white_filters(context.key("start"), depth=2, d=z.shape[1])
    path = convolutional(z, start, times=times, callback=context.callback)
    excess = penalty(z, path, power=1.0) / optimum.value - 1
    values = {
        "excess": float(excess[-1]),
        "solver": abs(optimum.value / float(penalty(z, data.beta, power=1.0)) - 1),
        "svm": float(penalty(z, max_margin(z).direction, power=1.0)) / optimum.value - 1,
    }
    arrays = {"times": times, "excess": excess, "svm": np.array(values["svm"])}
    spectra = {"spectrum": _amplitudes(z, path[-1]), "optimum": _amplitudes(z, optimum.beta)}
    return Outcome(values=values, arrays=arrays | spectra)


def _three_layers(context: Context[StepsScale]) -> Outcome:
    """From several starts: where each ends, whether that is a stationary point, and that what is none is seen to be none."""
    data, steps = planted_spectrum(context.key("data")), context.scale_settings.steps
    z, ends, points = data.z, [], []
    for number in range(_STARTS):
        start = normal_filters(context.key("start", number), depth=3, d=z.shape[1])
        told = as_part(context, total=_STARTS * steps, before=number * steps)
        # Not log-spaced: only the end counts, and a line of progress now and then.
        end = convolutional(z, start, times=np.linspace(steps / 5, steps, 5).astype(np.int64), callback=told)[-1]
        ends.append(end / (z @ end).min())
        points.append(_stationary_point(z, ends[-1]))
    residuals = [np.inf if each is None else stationarity(z, each, power=2 / 3).residual for each in points]
    distances = [
        np.inf if point is None else float(np.linalg.norm(end - point) / np.linalg.norm(point))
        for end, point in zip(ends, points, strict=True)
    ]
    reached = np.array([residual < 1e-10 for residual in residuals]) & (np.array(distances) < 0.02)
    bridge = penalty(z, np.array(ends), power=2 / 3)
    values = {
        "residual": float(np.median(residuals)),
        "distance": float(np.median(distances)),
        "reached": float(reached.mean()),
        "svm": stationarity(z, max_margin(z).direction, power=2 / 3).residual,
        "l1": stationarity(z, data.beta, power=2 / 3).residual,
        "spread": float(bridge.max() / bridge.min() - 1),
    }
    return Outcome(values=values, arrays={"spectrum": _amplitudes(z, ends[int(bridge.argmin())])})


def _stationary_point(z: np.ndarray, beta: np.ndarray) -> np.ndarray | None:
    """Where training from this start is going; None where it has not yet come near enough to say."""
    try:
        return nearby_stationary_point(z, beta, power=2 / 3)
    except RuntimeError:
        return None


def _amplitudes(z: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return np.abs(half_spectrum(beta / (z @ beta).min()))


def _fully_connected_cell(depth: int) -> Cell[FullyConnectedCell]:
    return Cell(
        name=f"fully-connected/L={depth}",
        settings=FullyConnectedCell(depth=depth),
        measures=("gap",),
        claims={"gap": Claim("gap to the l2 maximum margin", below=1e-3)},
    )


LINEAR_NETWORKS = Experiment(
    name="implicit_bias/linear_networks",
    title="Linear networks: the same functions, another preference with each architecture",
    claim="Fully connected linear networks find the l2 maximum margin; convolutional ones of depth L a stationary point of "
    "the 2/L-bridge penalty of the spectrum, which is its optimum for L = 2.",
    source="Gunasekar et al. 2018b",
    percent=False,
    cells=(
        _fully_connected_cell(2),
        _fully_connected_cell(3),
        _fully_connected_cell(4),
        Cell(
            name="convolutional/L=1",
            settings=ConvolutionalCell(part="one layer"),
            measures=("gap", "excess"),
            claims={
                "gap": Claim("gap to the l2 maximum margin", below=1e-3),
                "excess": Claim("sum of spectral amplitudes, above the optimum: not minimised", above=0.1),
            },
        ),
        Cell(
            name="convolutional/L=2",
            settings=ConvolutionalCell(part="two layers"),
            measures=("excess", "solver", "svm"),
            claims={
                "excess": Claim("sum of spectral amplitudes, above the convex optimum", below=0.01),
                "solver": Claim("the conic solver's optimum is the planted one", below=1e-6),
                "svm": Claim("control, the l2 maximum margin: above the optimum", above=0.1),
            },
        ),
        Cell(
            name="convolutional/L=3",
            settings=ConvolutionalCell(part="three layers"),
            measures=("residual", "distance", "reached", "svm", "l1", "spread"),
            claims={
                "residual": Claim("KKT residual of the stationary point ahead, median of 8 starts", below=1e-10),
                "distance": Claim("distance to that point, relative, median of 8 starts", below=0.01),
                "svm": Claim("control, the l2 maximum margin: KKT residual", above=0.1),
                "l1": Claim("control, the optimum of depth 2: KKT residual", above=1e-3),
                "spread": Claim("penalty reached: worst start above best, so not all are global optima", above=0.01),
            },
        ),
    ),
    scales={
        "smoke": Scale(
            replicates=1,
            settings=StepsScale(steps=100_000),
            cells=("fully-connected/L=2", "convolutional/L=1", "convolutional/L=2"),
        ),
        "laptop": Scale(replicates=3, settings=StepsScale(steps=1_000_000)),
        "paper": Scale(replicates=10, settings=StepsScale(steps=10_000_000)),
    },
    run_cell=_run,
    picture="linear_networks",
    remarks=(
        "Programme, section The geometry enters. For L >= 3 the theorem promises first-order stationary points, not "
        "minimisers: which one depends on the start.",
        "Data: 12 rows of 16 numbers whose optimum for L = 2 is planted; on Gaussian rows the approach can be a power of "
        "the margin too small to see. L = 2 starts with all frequencies equal, L = 3 with normal filters.",
        "The point ahead is found by Newton's method from the predictor reached, on its support; `reached` is the share of "
        "starts within 2% of a point with residual below 1e-10. A frequency near the border between growing and dying "
        "keeps the others out of it for long.",
    ),
)
