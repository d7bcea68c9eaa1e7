"""The pictures of Chiang et al. 2023."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from goodminima.experiments.chiang2023.toy_boundaries import EXTENT
from goodminima.experiments.experiment import Cell, Experiment, Outcome
from goodminima.tasks.toy import wedge_curve

if TYPE_CHECKING:
    from goodminima.run.results import Results

_NOUNS = {"hidden": "units", "samples": "points"}
_COLOURS = {"G&C": "#0072b2", "SGD": "#d55e00", "Linear": "#7f7f7f"}
_REGIONS = ListedColormap(["#fbe3d6", "#d6e6f4"])
_POINTS = ("#d55e00", "#0072b2")
_QUESTION = 100 / 75  # points of accuracy that one of an episode's questions is worth


def wedge(experiment: Experiment, results: "Results") -> Figure:
    """The two curves the points come from, and the sample."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained", sharex=True, sharey=True)
    outcome = next(iter(results.outcomes(experiment.cells[0].name)))
    for label, curve in enumerate(wedge_curve(outcome.values["margin"] or 0.0, 3)):
        left.plot(curve[:, 0], curve[:, 1], color=_POINTS[label], lw=2, label=f"class {label}")
    left.set_title("where points come from", fontsize=10)
    left.legend(frameon=False, fontsize=8, loc="lower center")
    _scatter(right, outcome.arrays, size=28)
    right.set_title("a sample: training points filled, test points open", fontsize=10)
    return figure


def boundaries(experiment: Experiment, results: "Results") -> Figure:
    """Nine decision boundaries per cell: replicates and in them optimizers down, the other label across."""
    methods = list(dict.fromkeys(cell.settings.optimizer for cell in results.cells))
    label = next(name for name in experiment.row_labels if name != "optimizer")
    levels = list(dict.fromkeys(getattr(cell.settings, label) for cell in results.cells))
    stored = {
        cell.name: {r.identity.replicate: r.outcome for r in results.replicates[cell.name]} for cell in results.cells
    }
    replicates = 1 + max(number for by_number in stored.values() for number in by_number)
    rows = len(methods) * replicates
    figure = plt.figure(figsize=(2.3 * len(levels), 2.55 * rows), layout="constrained")
    grid = figure.subfigures(rows, len(levels), squeeze=False, wspace=0.03, hspace=0.03)
    for cell in results.cells:
        row, column = methods.index(cell.settings.optimizer), levels.index(getattr(cell.settings, label))
        for replicate in range(replicates):
            panel = grid[replicate * len(methods) + row, column]
            which = f", sample {replicate}" if replicates > 1 else ""
            panel.suptitle(
                f"{cell.settings.optimizer}, {getattr(cell.settings, label)} {_NOUNS[label]}{which}", fontsize=7.5
            )
            _nine(panel, stored[cell.name].get(replicate))
    return figure


def _nine(panel: Any, outcome: Outcome | None) -> None:
    if outcome is None or "class1" not in outcome.arrays:
        panel.text(0.5, 0.45, "not run" if outcome is None else "none found", ha="center", fontsize=8)
        return
    classes = outcome.arrays["class1"]
    for index, ax in enumerate(panel.subplots(3, 3).flat):
        ax.set(xticks=[], yticks=[])
        if index >= len(classes):
            ax.axis("off")
            continue
        ax.imshow(classes[index], origin="lower", extent=EXTENT, cmap=_REGIONS, vmin=0, vmax=1, interpolation="nearest")
        _scatter(ax, outcome.arrays, size=5)
        ax.set(xlim=EXTENT[:2], ylim=EXTENT[2:])


def _scatter(ax: Axes, arrays: Mapping[str, np.ndarray], *, size: float) -> None:
    for name, filled in (("test", False), ("train", True)):
        x, y = arrays[f"{name}_x"], arrays[f"{name}_y"]
        for label, colour in enumerate(_POINTS):
            chosen = x[y == label]
            face = colour if filled else "white"
            ax.scatter(chosen[:, 0], chosen[:, 1], s=size, facecolor=face, edgecolor=colour, linewidth=0.6, zorder=3)


def accuracy_by_loss(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy against the loss bin, a panel per sample count: ours with error bars, the paper's dashed."""
    counts = sorted({cell.settings.samples for cell in results.cells})
    figure, axes = plt.subplots(
        1,
        len(counts),
        figsize=(max(6.4, 1.2 + 2.6 * len(counts)), 3.6),
        layout="constrained",
        sharey=True,
        squeeze=False,
    )
    for ax, count in zip(axes[0], counts, strict=True):
        for cell in results.cells:
            if cell.settings.samples == count:
                _line_of(ax, cell, results)
        edges = next(cell for cell in results.cells if cell.settings.samples == count).settings.edges
        ax.set_title(f"{count} training images", fontsize=10)
        ax.set_xticks(edges[::2])
        ax.set_xlabel("normalised training loss")
        ax.grid(alpha=0.25)
    axes[0, 0].set_ylabel("test accuracy [%]")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", ls="--", lw=1))
    labels.append("as printed in the paper")
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8.5)
    return figure


def _line_of(ax: Axes, cell: Cell, results: "Results") -> None:
    kind = "Linear" if cell.settings.net == "Linear" else cell.settings.optimizer
    name = "linear model" if kind == "Linear" else f"LeNet, {kind}"
    edges = np.array(cell.settings.edges)
    middles = (edges[:-1] + edges[1:]) / 2
    summaries = [results.summary(cell, measure) for measure in cell.measures]
    ours = np.array([np.nan if s.mean is None else 100 * s.mean for s in summaries])
    errors = np.array([np.nan if s.standard_error is None else 100 * s.standard_error for s in summaries])
    ax.errorbar(middles, ours, yerr=errors, color=_COLOURS[kind], marker="o", ms=3.5, lw=1.6, capsize=2, label=name)
    printed = np.array([100 * cell.printed[m].mean if m in cell.printed else np.nan for m in cell.measures])
    ax.plot(middles, printed, color=_COLOURS[kind], ls="--", lw=1, alpha=0.7)


def paired_episodes(experiment: Experiment, results: "Results") -> Figure:
    """How much more than SGD Pattern Search gets right, episode by episode; with the mean, and its 95 % interval."""
    gains = {
        cell: 100 * np.concatenate([each.arrays["accuracy"] - each.arrays["sgd"] for each in results.outcomes(cell)])
        for cell in (each.name for each in results.cells if each.settings.optimizer == "Pattern Search")
        if results.outcomes(cell)
    }
    figure, axes = plt.subplots(
        1,
        max(1, len(gains)),
        figsize=(max(4.2, 0.6 + 2.8 * len(gains)), 3.2),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    most = round(max((np.abs(each).max() for each in gains.values()), default=0) / _QUESTION)
    bins = [_QUESTION * (number - 0.5) for number in range(-most, most + 2)]  # one number of questions each
    settings = {cell.name: cell.settings for cell in results.cells}
    for ax, (cell, values) in zip(axes[0], gains.items(), strict=False):
        ax.set_title(f"{settings[cell].shots}-shot, start: {settings[cell].start}", fontsize=10)
        _gains(ax, values, bins=bins)
    figure.supxlabel("Pattern Search less SGD on the same episode [points of accuracy]", fontsize=9)
    axes[0, 0].set_ylabel("episodes")
    return figure


def _gains(ax: Axes, gains: np.ndarray, *, bins: list[float]) -> None:
    mean, half = gains.mean(), 1.96 * gains.std(ddof=1) / np.sqrt(len(gains))
    ax.hist(gains, bins=bins, color=_COLOURS["G&C"], alpha=0.55)
    ax.axvline(0, color="black", lw=0.8)
    ax.axvspan(mean - half, mean + half, color=_COLOURS["SGD"], alpha=0.4, lw=0)
    ax.axvline(mean, color=_COLOURS["SGD"], lw=1.4)
    ax.text(0.97, 0.95, f"{mean:+.2f} ± {half:.2f}", transform=ax.transAxes, ha="right", va="top", fontsize=8.5)
