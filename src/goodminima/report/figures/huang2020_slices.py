"""The pictures of Huang et al. 2020 on images: slices, rays and basins of a residual net."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Cell, Experiment, Outcome
from goodminima.experiments.huang2020.figure5_svhn import CUTOFFS
from goodminima.experiments.huang2020.images import CUTOFF
from goodminima.report.figures.parts import BLUE, BROWN, GREEN, GREY, ORANGE

if TYPE_CHECKING:
    from goodminima.run.results import Results

_OF_MINIMUM = {"good": BLUE, "bad": ORANGE}
_OF_CUTOFF = (BLUE, GREEN, BROWN)
_LEVELS = (CUTOFF, 1.0, 10.0)  # of the loss, where contours are drawn


def image_slices(experiment: Experiment, results: "Results") -> Figure:
    """The loss on a plane through each minimum, all on one scale of colours; contours carry their loss."""
    shown = _shown(results)
    figure, axes = plt.subplots(
        1, max(1, len(shown)), figsize=(1.4 + 3.9 * max(1, len(shown)), 4.2), layout="compressed", squeeze=False
    )
    if not shown:
        return figure
    losses = np.concatenate([outcome.arrays["loss"].ravel() for _, outcome in shown])
    losses = losses[np.isfinite(losses) & (losses > 0)]
    norm = LogNorm(float(losses.min()), float(losses.max()))
    for ax, (cell, outcome) in zip(axes[0], shown, strict=True):
        _slice(ax, outcome.arrays["along"], outcome.arrays["loss"], norm)
        ax.set_title(_accuracies(cell, outcome), fontsize=10)
    axes[0, 0].set_ylabel("filter norms")
    figure.colorbar(ScalarMappable(norm, "viridis"), ax=list(axes[0]), label="loss of training images")
    return figure


def _slice(ax: Axes, along: np.ndarray, loss: np.ndarray, norm: LogNorm) -> None:
    ax.pcolormesh(along, along, np.ma.masked_invalid(loss), norm=norm, shading="nearest", rasterized=True)
    ax.set_facecolor("black")  # what is no number
    levels = [level for level in _LEVELS if loss.min() < level < loss.max()]
    if levels:
        lines = ax.contour(along, along, loss, levels=levels, colors="white", linewidths=1.2)
        ax.clabel(lines, fmt="%g", fontsize=8)
    ax.plot(0, 0, marker="+", color="white", ms=7, mew=1.2)
    ax.set(xlabel="filter norms", aspect="equal")


def image_rays(experiment: Experiment, results: "Results") -> Figure:
    """The loss along random directions from each minimum on one scale, and where rays leave the basin."""
    figure, (good, bad, radii) = plt.subplots(1, 3, figsize=(11.6, 3.8), layout="constrained")
    bad.sharey(good)
    shown = _shown(results)
    for ax, (cell, outcome) in zip((good, bad), shown, strict=False):
        arrays, colour = outcome.arrays, _OF_MINIMUM[cell.settings.minimum]
        ax.plot(arrays["along"], arrays["losses"].T, color=colour, lw=1, alpha=0.8)
        ax.axhspan(0, CUTOFF, color=GREY, alpha=0.15, lw=0)
        ax.axhline(CUTOFF, color=GREY, ls="--", lw=1, label=f"cutoff {CUTOFF:g}")
        ax.set(yscale="log", xlabel="along random directions [filter norms]")
        ax.set_title(_accuracies(cell, outcome), fontsize=9.5)
    good.set_ylabel("loss of training images")
    good.legend(frameon=False, fontsize=8, loc="lower left")
    for ax in (good, bad):
        ax.grid(alpha=0.25)
    _radii(radii, shown)
    return figure


def _radii(ax: Axes, shown: list[tuple[Cell, Outcome]]) -> None:
    """Every radius, in increasing order: a level line is a basin that is as wide in all directions."""
    for cell, outcome in shown:
        ordered = np.sort(outcome.arrays["radii"])
        if len(ordered):
            label = f"{cell.settings.minimum}: spread {100 * _number(outcome.values['spread']):.0f} %"
            share = (np.arange(len(ordered)) + 0.5) / len(ordered)
            ax.plot(100 * share, ordered, "o-", ms=3, lw=1, color=_OF_MINIMUM[cell.settings.minimum], label=label)
    ax.set(xlabel="rays, shortest first [%]", ylabel="radius of the basin [filter norms]")
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
    ax.set_title("where the loss first exceeds the cutoff", fontsize=9.5)
    ax.grid(alpha=0.25)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=8, loc="upper left")


def image_basins(experiment: Experiment, results: "Results") -> Figure:
    """Radii of each run's minima, with the range of its rays, and volumes at all cutoffs, against test accuracy."""
    figure, (radii, volumes) = plt.subplots(1, 2, figsize=(9.4, 4.0), layout="constrained")
    every = [o for cell in results.cells if cell.settings.beta != "all" for o in results.outcomes(cell.name)]
    accuracy = np.array([100 * _number(outcome.values["test accuracy"]) for outcome in every])
    at = {name: np.array([o.arrays[name] for o in every]) for name in _DRAWN} if every else {}
    if at:
        mean, least, most = (at[f"{word} radius"][:, 0] for word in ("mean", "smallest", "largest"))
        radii.errorbar(
            accuracy, mean, yerr=[mean - least, most - mean], fmt="o", ms=4, lw=1, capsize=2, color=_OF_CUTOFF[0]
        )
        radii.set_ylim(0, None)
        for place, (cutoff, colour) in enumerate(zip(CUTOFFS, _OF_CUTOFF, strict=True)):
            volumes.plot(accuracy, at["log10 V"][:, place], "o", ms=4, color=colour, label=f"loss below {cutoff:g}")
        figure.legend(loc="outside lower center", ncols=len(CUTOFFS), frameon=False, fontsize=8.5)
    radii.set_ylabel(f"radius below {CUTOFF:g} [filter norms]: mean, range")
    volumes.set_ylabel("log10 V, mean over rays")
    for ax in (radii, volumes):
        ax.set_xlabel("test accuracy [%]")
        ax.grid(alpha=0.25)
    return figure


_DRAWN = ("mean radius", "smallest radius", "largest radius", "log10 V")


def _shown(results: "Results") -> list[tuple[Cell, Outcome]]:
    """The first replicate of each cell that has one."""
    return [(cell, results.outcomes(cell.name)[0]) for cell in results.cells if results.outcomes(cell.name)]


def _accuracies(cell: Cell, outcome: Outcome) -> str:
    train, test = (100 * _number(outcome.values[f"{split} accuracy"]) for split in ("train", "test"))
    return f"{cell.settings.minimum} minimum: training {train:.1f} %, test {test:.1f} %"


def _number(value: float | None) -> float:
    return np.nan if value is None else value
