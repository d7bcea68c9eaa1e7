"""Pictures of two-layer networks: KKT conditions along training, and functions of largest F1 margin."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Experiment
from goodminima.report.figures.parts import BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, finished, runs

if TYPE_CHECKING:
    from goodminima.run.results import Results


def kkt_conditions(experiment: Experiment, results: "Results") -> Figure:
    """Smoothed margin and KKT residuals against t; how many neurons end on kinks."""
    figure, (margin, residual, kinks) = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    kinds = (("relu2/", BLUE, "ReLU$^2$"), ("relu/", ORANGE, "ReLU"))
    for prefix, colour, name in kinds:
        longest = [cell.name for cell in results.cells if cell.name.startswith(prefix)][-1:]
        for first, arrays in runs(results, *longest):
            times, smoothed = arrays["times"], arrays["smoothed_margin"]
            fitted = smoothed > 0
            label = name if first else None
            margin.semilogx(times[fitted], smoothed[fitted] / smoothed[-1], color=colour, lw=1.3, label=label)
            _residuals(residual, arrays, colour=colour, name=name if first else None)
            cosines = np.maximum(arrays["cosines"], 1e-7)
            share = np.arange(1, len(cosines) + 1) / len(cosines)
            kinks.semilogx(cosines, share, drawstyle="steps-post", color=colour, lw=1.3, label=label)
    kinks.axvline(1e-3, color="black", lw=0.8, ls="--", label="counts as a kink to the left")
    margin.set(xlabel="t", title="smoothed margin / its last value")
    residual.set(xlabel="t", title="KKT residual / $\\Vert\\theta\\Vert$", xlim=(100, None), ylim=(3e-3, 2))
    kinks.set(xlabel="$|\\cos(w_j, x_i)|$", title="share of pairs at most so far from a kink", xlim=(1e-7, 1.5))
    for ax in (margin, residual, kinks):
        ax.title.set_fontsize(10)
    return finished(figure, margin, residual, kinks)


def _residuals(ax: Axes, arrays: Mapping[str, np.ndarray], *, colour: str, name: str | None) -> None:
    """Of the gradient; where there are kinks also of the mean gradient and of Clarke's subdifferential."""
    times = arrays["times"]
    kinked = "clarke" in arrays
    label = name and f"{name}, gradient"
    ax.loglog(
        times, arrays["epsilon"], color=colour, lw=0.8 if kinked else 1.3, alpha=0.6 if kinked else 1, label=label
    )
    if kinked:
        ax.loglog(times, arrays["clarke"], color=GREEN, lw=1.6, label=name and f"{name}, Clarke")
        ax.loglog(times[1:], arrays["averaged"], "k:", lw=1.3, label=name and f"{name}, mean gradient")


_STARTS = {"0.001": GREEN, "1": BLUE, "10": PURPLE}


def variation_margin(experiment: Experiment, results: "Results") -> Figure:
    """Points and boundaries, the same functions around the circle, margins against t, and test errors in ten dimensions."""
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7.8), layout="constrained")
    (plane, circle), (gap, error) = axes
    both = [cell.name for cell in results.cells if cell.name.startswith("both")]
    output = [cell.name for cell in results.cells if cell.name.startswith("output")]
    # The first replicate's points; all cells of a replicate share them.
    for (first, trained), (_, kernel) in zip(runs(results, *both[-1:]), runs(results, *output[-1:]), strict=False):
        if first:
            _functions(circle, trained, kernel)
            _boundaries(plane, trained, kernel)
    for cell in both:
        _, width, scale, _ = (part.split("=")[-1] for part in cell.split("/"))
        for first, arrays in runs(results, cell):
            label = f"both layers, H = {width}, start {scale}" if first else None
            line = {"color": _STARTS.get(scale, BROWN), "ls": "-" if width == "50" else "--"}
            gap.loglog(arrays["times"], 1 - arrays["ratios"], lw=1.2, label=label, **line)
    for first, arrays in runs(results, *output):
        label = "output layer alone" if first else None
        gap.loglog(arrays["times"], 1 - arrays["ratios"], color=ORANGE, lw=1.2, label=label)
    gap.set_ylim(1e-4, 4)
    gap.set_title("1 - F1 margin / the largest", fontsize=10)
    for first, arrays in runs(results, "relevant"):
        for row, colour, name in ((0, BLUE, "both layers"), (1, ORANGE, "output layer alone")):
            error.semilogx(arrays["times"], arrays["errors"][row], color=colour, lw=1.3, label=name if first else None)
    error.set_title("two of ten dimensions matter: test error", fontsize=10)
    for ax in (gap, error):
        ax.set_xlabel("t")
    return finished(figure, *axes.flat)


def _functions(ax: Axes, trained: Mapping[str, np.ndarray], kernel: Mapping[str, np.ndarray]) -> None:
    """f around the unit circle; a point x asks for y f(x / ||x||) >= 1 / ||x||."""
    turns = np.linspace(0, 2 * np.pi, len(trained["best"]), endpoint=False)
    ax.plot(turns, trained["best"], color=GREY, lw=4, alpha=0.5, label="largest F1 margin")
    ax.plot(turns, trained["trained"], color=BLUE, lw=1.3, label="both layers")
    ax.plot(turns, kernel["trained"], color=ORANGE, lw=1.3, label="output layer alone")
    x, y = trained["x"], trained["y"]
    at, asked = np.arctan2(x[:, 1], x[:, 0]) % (2 * np.pi), y / np.linalg.norm(x, axis=1)
    ax.plot(at, asked, "k.", ms=7, label="asked by a point")
    ax.set_xticks([0, np.pi, 2 * np.pi], ["0", "$\\pi$", "$2\\pi$"])
    ax.set(xlabel="angle", ylabel="f on the circle")
    ax.set_title("functions, scaled to margin 1", fontsize=10)


def _boundaries(ax: Axes, trained: Mapping[str, np.ndarray], kernel: Mapping[str, np.ndarray]) -> None:
    """Where f changes sign: rays, since f is homogeneous."""
    turns = np.linspace(0, 2 * np.pi, len(trained["best"]), endpoint=False)
    x, y = trained["x"], trained["y"]
    for sign, marker in ((1, "+"), (-1, "_")):
        ax.plot(*x[y == sign].T, marker, color="black", ms=9, mew=2)
    for values, colour, width in (
        (trained["best"], GREY, 5),
        (trained["trained"], BLUE, 1.5),
        (kernel["trained"], ORANGE, 1.5),
    ):
        for turn in turns[(values > 0) != (np.roll(values, -1) > 0)] + np.pi / len(turns):
            alpha = 0.5 if colour == GREY else 1
            ax.plot([0, 1.8 * np.cos(turn)], [0, 1.8 * np.sin(turn)], color=colour, lw=width, alpha=alpha)
    ax.set(xlim=(-1.7, 1.7), ylim=(-1.7, 1.7), aspect="equal")
    ax.set_title("points and boundaries", fontsize=10)
