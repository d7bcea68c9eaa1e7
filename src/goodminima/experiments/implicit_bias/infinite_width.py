"""Chizat and Bach: wide two-layer networks against the largest margin in variation norm, and against a kernel's."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from goodminima.experiments.callbacks import as_part
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Positive, Settings
from goodminima.theory.infinite_width import (
    balanced_start,
    circle,
    kernel_margin_of,
    max_kernel_margin,
    max_variation_margin,
    points_in_plane,
    variation_margin_of,
    xor_in_two,
)
from goodminima.theory.loops import log_spaced
from goodminima.theory.two_layer import TwoLayer, train

_ANGLES = 720
_DRAWS = 5
_TESTED = 4000


@final
@dataclass(frozen=True, kw_only=True)
class WidthCell(Settings):
    """What a cell sets.

    Args:
        part: Both layers trained, in the plane; or the output layer alone; or each where two of ten dimensions matter.
        width: Hidden neurons.
        steps: Of the training.
        scale: Of the start, whose variation norm is its square.
    """

    part: Literal["both", "output", "relevant"]
    width: Count
    steps: Count
    scale: Positive = 1.0


def _run(cell: Cell[WidthCell], context: Context) -> Outcome:
    match cell.settings.part:
        case "both":
            return _both(cell.settings, context)
        case "output":
            return _output(cell.settings, context)
        case "relevant":
            return _relevant(cell.settings, context)


def _both(cell: WidthCell, context: Context) -> Outcome:
    """Both layers trained, in the plane: how near the margin is to the largest of any width."""
    x, y = points_in_plane(context.key("data"))
    best, stop = max_variation_margin(x, y), cell.steps
    start = balanced_start(context.key("start"), d=2, width=cell.width, scale=cell.scale)
    times = log_spaced(stop, start=100, per_decade=10)
    nets = train(start, x, y, times=times, callback=context.callback).nets
    ratios = np.array([variation_margin_of(net, x, y) for net in nets]) / best.margin
    return Outcome(
        values={"proof": best.gap, "ratio": float(ratios[-1])},
        arrays={
            "times": times.astype(np.float64),
            "ratios": ratios,
            "x": x,
            "y": y,
            "best": _on_circle(best.net, x, y),
            "trained": _on_circle(nets[-1], x, y),
        },
    )


def _output(cell: WidthCell, context: Context) -> Outcome:
    """The output layer alone, on the same points: the margin of its kernel, and what that is worth in F1."""
    x, y = points_in_plane(context.key("data"))
    stop = cell.steps
    start = balanced_start(context.key("start"), d=2, width=cell.width, scale=cell.scale)
    kernel_net, kernel_margin = max_kernel_margin(start, x, y)
    times = log_spaced(stop, start=100, per_decade=10)
    nets = train(start, x, y, times=times, output_only=True, callback=context.callback).nets
    best = max_variation_margin(x, y).margin
    ratios = np.array([variation_margin_of(net, x, y) for net in nets]) / best
    return Outcome(
        values={
            "kernel": kernel_margin_of(nets[-1], x, y) / kernel_margin,
            "ratio": float(ratios[-1]),
            "limit": variation_margin_of(kernel_net, x, y) / best,
        },
        arrays={"times": times.astype(np.float64), "ratios": ratios, "trained": _on_circle(nets[-1], x, y)},
    )


def _on_circle(net: TwoLayer, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """f at evenly spaced angles, scaled to a margin of 1 on the points."""
    return net(circle(_ANGLES).T) / (y * net(x)).min()


def _relevant(cell: WidthCell, context: Context) -> Outcome:
    """Test errors where two of ten dimensions matter, mean over several draws of data and start."""
    stop = cell.steps
    times = log_spaced(stop, start=100, per_decade=5)
    errors, limits = np.empty((_DRAWS, 2, len(times))), np.empty(_DRAWS)
    for draw in range(_DRAWS):
        x, y = xor_in_two(context.key("data", draw), n=60)
        unseen, labels = xor_in_two(context.key("unseen", draw), n=_TESTED)
        start = balanced_start(context.key("start", draw), d=x.shape[1], width=cell.width, scale=cell.scale)
        for row, output_only in enumerate((False, True)):
            told = as_part(context, total=2 * _DRAWS * stop, before=(2 * draw + row) * stop)
            nets = train(start, x, y, times=times, output_only=output_only, callback=told).nets
            errors[draw, row] = [_error(net, unseen, labels) for net in nets]
        limits[draw] = _error(max_kernel_margin(start, x, y)[0], unseen, labels)
    both, output = errors[:, :, -1].mean(axis=0).tolist()
    return Outcome(
        values={"both": both, "output": output, "limit": float(limits.mean())},
        arrays={"times": times.astype(np.float64), "errors": errors.mean(axis=0)},
    )


def _error(net: TwoLayer, x: np.ndarray, y: np.ndarray) -> float:
    return float((y * net(x) <= 0).mean())


def _both_cell(width: int, scale: float, steps: int, *, ratio: float) -> Cell[WidthCell]:
    return Cell(
        name=f"both/H={width}/init={scale:g}/t={steps:.0e}".replace("e+0", "e"),
        settings=WidthCell(part="both", width=width, scale=scale, steps=steps),
        measures=("proof", "ratio"),
        claims={
            "proof": Claim("no network of any width has a larger F1 margin than the reference, but for", below=1e-8),
            "ratio": Claim("both layers trained: F1 margin relative to the largest", above=ratio),
        },
    )


def _output_cell(width: int, steps: int) -> Cell[WidthCell]:
    return Cell(
        name=f"output/H={width}/t={steps:.0e}".replace("e+0", "e"),
        settings=WidthCell(part="output", width=width, steps=steps),
        measures=("kernel", "ratio", "limit"),
        claims={
            "kernel": Claim("output layer alone: margin relative to its kernel's largest", above=0.998),
            "ratio": Claim("its F1 margin stays below the largest, relative to it", below=0.95),
        },
    )


INFINITE_WIDTH = Experiment(
    name="implicit_bias/infinite_width",
    title="Wide two-layer networks: both layers reach the F1 margin, the output layer a kernel's",
    claim="Trained in both layers, a wide ReLU network has the largest margin in variation norm; trained in the last alone, the "
    "largest of a kernel, which does not find out which dimensions matter.",
    source="Chizat and Bach 2020",
    percent=False,
    cells=(
        _both_cell(50, 1.0, 10**5, ratio=0.99),
        _both_cell(50, 1e-3, 10**6, ratio=0.998),
        _both_cell(50, 10.0, 10**6, ratio=0.998),
        _both_cell(400, 1e-3, 5 * 10**5, ratio=0.998),
        _both_cell(400, 1.0, 5 * 10**5, ratio=0.998),
        _output_cell(50, 5 * 10**5),
        _output_cell(400, 2 * 10**5),
        Cell(
            name="relevant",
            settings=WidthCell(part="relevant", width=200, steps=3000),
            measures=("both", "output", "limit"),
            claims={
                "both": Claim("two of ten dimensions matter, 60 examples: test error, both layers", below=0.01),
                "output": Claim("test error of the output layer alone", above=0.05),
                "limit": Claim("and of the support vector machine of its kernel, to which it tends", above=0.05),
            },
        ),
    ),
    scales={
        "smoke": Scale(replicates=1, cells=("both/H=50/init=1/t=1e5", "output/H=50/t=5e5", "relevant")),
        "laptop": Scale(replicates=3),
        "paper": Scale(replicates=10),
    },
    run_cell=_run,
    picture="variation_margin",
    remarks=(
        "Ten points in the plane, the labels of a cross, no biases. F1 margin: min y f(x) over sum |a| ||w||; its largest by a "
        "linear programme over 1,000 directions and those it turns out to lack, bounded by its dual over the whole circle.",
        "The programme asks for vanishing initialisation. It is not needed: starts of F1 norm 1e-6 to 100 (init^2) reach the "
        "same margin. What is needed is that neurons cover the circle with both signs. So they start with |a| = ||w||, which "
        "the flow keeps, and with it their sign; of 50 normal ones of norm 1e-6 none may be left for some point.",
        f"relevant: means over {_DRAWS} draws of data and start, {_TESTED} unseen examples each.",
    ),
)
