"""Pictures of volumes: two boundaries through the slabs, nets of growing width, priors of growing range, growing samples."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from goodminima.experiments.chiang2023.figure3 import EXTENT
from goodminima.experiments.experiment import Cell, Experiment, Outcome
from goodminima.report.figures.parts import BLUE, COLOURS, GREEN, GREY, ORANGE, finished

if TYPE_CHECKING:
    from goodminima.run.results import Results

_SHARE = LinearSegmentedColormap.from_list("share", ["#fbe3d6", "#ffffff", "#d6e6f4"])
_CLASSES = (ORANGE, BLUE)
_METHODS = {"counting": BLUE, "G&C": BLUE, "splitting": GREEN, "SGD": ORANGE}


def slab_volumes(experiment: Experiment, results: "Results") -> Figure:
    """Where solutions on each boundary say class 1, on average, and the volumes of all sets by both methods."""
    figure, (linear, zigzag, volumes) = plt.subplots(1, 3, figsize=(11.4, 3.7), layout="constrained")
    _boundary(linear, results, [f"linear/no-biases/{method}" for method in ("counting", "splitting")])
    _boundary(zigzag, results, [f"zig-zag/biases/{method}" for method in ("counting", "splitting")])
    linear.set_title("linear, without hidden biases", fontsize=10)
    zigzag.set_title("zig-zag, with hidden biases", fontsize=10)
    rows = list(dict.fromkeys((cell.settings.boundary, cell.settings.hidden_biases) for cell in results.cells))
    for cell in results.cells:
        row = rows.index((cell.settings.boundary, cell.settings.hidden_biases))
        _volume_bar(volumes, cell, results, row)
    names = [f"{boundary},\nhidden biases: {biases}" for boundary, biases in rows]
    volumes.set_yticks(range(len(rows)), names, fontsize=8)
    volumes.set_ylim(len(rows) - 0.5, -0.5)
    volumes.set_xlim(-10.5, -3)
    volumes.set_xlabel("log10 of the volume, 95 % intervals")
    handles = [Line2D([], [], color=_METHODS[m], marker="o", ms=4, label=m) for m in ("counting", "splitting")]
    volumes.legend(handles=handles, frameon=False, fontsize=8, loc="upper left")
    volumes.grid(alpha=0.25)
    return figure


def _boundary(ax: Axes, results: "Results", names: Iterable[str]) -> None:
    """The first of some cells that has solutions to show."""
    ax.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], xlim=EXTENT[:2], ylim=EXTENT[2:], aspect="equal")
    shown = [
        o.arrays
        for name in names
        for o in results.replicates.get(name, ())
        for o in [o.outcome]
        if "class1" in o.arrays
    ]
    if not shown:
        ax.text(0, 0, "none found", ha="center", fontsize=9)
        return
    arrays = shown[0]
    ax.imshow(arrays["class1"], origin="lower", extent=EXTENT, cmap=_SHARE, vmin=0, vmax=1)
    for label, colour in enumerate(_CLASSES):
        chosen = arrays["slab_x"][arrays["slab_y"] == label]
        ax.scatter(chosen[:, 0], chosen[:, 1], s=14, color=colour, label=f"class {label}")
        probe = np.array_split(arrays["probe"], 2)[label]
        ax.scatter(probe[:, 0], probe[:, 1], s=12, color=colour, marker="x", linewidth=0.8)


def _volume_bar(ax: Axes, cell: Cell, results: "Results", row: int) -> None:
    method = cell.settings.method
    if method == "proof":
        ax.text(0.03, row + 0.3, "empty: proved", transform=ax.get_yaxis_transform(), fontsize=8, color=GREY)
        return
    y = row + (-0.12 if method == "counting" else 0.12)
    for outcome in results.outcomes(cell.name):
        _interval(ax, outcome.arrays["interval"], y, colour=_METHODS[method])


def _interval(ax: Axes, interval: np.ndarray, y: float, *, colour: str) -> None:
    """An estimate with its interval, or an arrow away from a bound."""
    low, estimate, high = interval
    if np.isfinite(estimate):
        ax.plot([max(low, estimate - 2), min(high, 0)], [y, y], color=colour, lw=1.4)
        ax.plot(estimate, y, "o", ms=4, color=colour)
        ax.text(max(low, estimate - 2) - 0.1, y, f"{estimate:.2f}", ha="right", va="center", fontsize=7.5, color=colour)
        return
    bound, step = (low, 0.8) if np.isfinite(low) else (high, -0.8)
    ax.annotate("", (bound + step, y), (bound, y), arrowprops={"arrowstyle": "->", "color": colour})
    ax.plot(bound, y, "|", ms=8, color=colour)


def accuracy_by_width(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy against the width, a panel per loss bin, beside the paper's; and how large the bins are."""
    bins = results.cells[0].measures
    figure, axes = plt.subplots(2, 4, figsize=(11.4, 5.4), layout="constrained", sharex=True)
    panels = list(axes.flat)
    for measure, ax in zip(bins, panels, strict=False):
        for method in ("G&C", "splitting"):
            cells = [cell for cell in results.cells if cell.settings.optimizer == method]
            _accuracies(ax, [(cell.settings.width, cell, measure) for cell in cells], results, method)
        printed = [(c.settings.width, c.printed[measure]) for c in results.cells if measure in c.printed]
        ax.plot(*zip(*((x, 100 * p.mean) for x, p in printed), strict=True), color=GREY, ls="--", lw=1, label="paper")
        ax.set_title(f"loss in {measure}", fontsize=9)
        ax.set_ylim(60, 100)
    figure.supylabel("test accuracy [%]", fontsize=10)
    for ax in axes[1]:
        ax.set_xlabel("width of LeNet")
    _bin_volumes(axes[1, 3], results)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    for ax in panels:
        ax.grid(alpha=0.25)
    return finished(figure, axes[1, 3])


def _accuracies(ax: Axes, points: list[tuple[float, Cell, str]], results: "Results", method: str) -> None:
    """Mean test accuracy of measures of cells, at given places, with standard errors."""
    drawn = [(x, results.summary(cell, measure)) for x, cell, measure in points]
    xs = [x for x, summary in drawn if summary.mean is not None]
    ys = [100 * summary.mean for _, summary in drawn if summary.mean is not None]
    errors = [100 * (summary.standard_error or 0) for _, summary in drawn if summary.mean is not None]
    ax.errorbar(xs, ys, yerr=errors, color=_METHODS[method], marker="o", ms=3.5, lw=1.3, capsize=2, label=method)


def _bin_volumes(ax: Axes, results: "Results") -> None:
    """log10 V of each bin against the width by splitting: mean over runs, hollow where one stopped mixing."""
    cells = [cell for cell in results.cells if cell.settings.optimizer == "splitting"]
    stored = {cell.settings.width: results.outcomes(cell.name) for cell in cells if results.outcomes(cell.name)}
    measures = cells[0].measures if cells else ()
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(measures)))
    for number, (measure, colour) in enumerate(zip(measures, colours, strict=True)):
        found = {width: _mean_log10(outcomes, number) for width, outcomes in stored.items()}
        ax.plot(list(found), [mean for mean, _ in found.values()], color=colour, lw=1, label=measure)
        for width, (mean, mixed) in found.items():
            ax.plot(width, mean, "o", ms=3.5, color=colour, markerfacecolor=colour if mixed else "white")
    ax.set_title("log10 V of the bins, splitting", fontsize=9)


def _mean_log10(outcomes: Sequence[Outcome], number: int) -> tuple[float, bool]:
    """Mean over the runs of all replicates that came to bin `number`, and whether all of them mixed."""
    asked = [outcome.arrays for outcome in outcomes if number < len(outcome.arrays["mixed"])]
    logs = np.concatenate([arrays["log10 volume"][number] for arrays in asked]) if asked else np.empty(0)
    logs = logs[np.isfinite(logs)]
    return (float(logs.mean()) if len(logs) else math.nan), all(arrays["mixed"][number] for arrays in asked)


def accuracy_by_sampling(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy against the loss bin, a panel per sample count and method, a colour per prior; the paper's dashed."""
    panels = list(dict.fromkeys((cell.settings.samples, cell.settings.optimizer) for cell in results.cells))
    priors = list(dict.fromkeys(cell.settings.sampling for cell in results.cells))
    shape = (1, len(panels))
    figure, axes = plt.subplots(
        *shape, figsize=(1.2 + 3.0 * len(panels), 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for (samples, method), ax in zip(panels, axes[0], strict=True):
        ax.set_title(f"{samples} training images, {method}", fontsize=9)
        ax.set_xlabel("normalised training loss")
        for cell in results.cells:
            if (cell.settings.samples, cell.settings.optimizer) == (samples, method):
                prior = cell.settings.sampling
                _by_loss(ax, cell, results, colour=COLOURS[priors.index(prior)], name=prior)
        ax.grid(alpha=0.25)
    axes[0, 0].set_ylabel("test accuracy [%]")
    shown = {label: line for ax in axes.flat for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    shown["as printed in the paper"] = Line2D([], [], color="black", ls="--", lw=1)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _by_loss(ax: Axes, cell: Cell, results: "Results", *, colour: str, name: str, ls: str = "-") -> None:
    """A cell's accuracies against the middles of its loss bins, and the printed ones dashed."""
    edges = np.array(cell.settings.edges)
    middles = (edges[:-1] + edges[1:]) / 2
    summaries = [results.summary(cell, measure) for measure in cell.measures[-len(middles) :]]
    ours = np.array([np.nan if s.mean is None else 100 * s.mean for s in summaries])
    errors = np.array([np.nan if s.standard_error is None else 100 * s.standard_error for s in summaries])
    ax.errorbar(middles, ours, yerr=errors, color=colour, marker="o", ms=3.5, lw=1.4, ls=ls, capsize=2, label=name)
    if cell.printed:
        printed = [100 * cell.printed[m].mean if m in cell.printed else np.nan for m in cell.measures]
        ax.plot(middles, printed, color=colour, ls="--", lw=1, alpha=0.7)


def volume_by_samples(experiment: Experiment, results: "Results") -> Figure:
    """Volumes and accuracies of all that fit against the sample count; and accuracies by loss, draws beside SGD."""
    figure, (volumes, accuracies, by_loss) = plt.subplots(1, 3, figsize=(11.4, 3.7), layout="constrained")
    for method, shift in (("counting", 0.96), ("splitting", 1.04)):
        cells = [cell for cell in results.cells if cell.settings.method == method]
        for cell in cells:
            for outcome in results.outcomes(cell.name):
                _upright(volumes, cell.settings.samples * shift, outcome.arrays["interval"], _METHODS[method])
        points = [(cell.settings.samples * shift, cell, "test accuracy") for cell in cells]
        _accuracies(accuracies, points, results, method)
        volumes.plot([], [], "o", ms=4, color=_METHODS[method], label=f"{method}, 95 % interval")
    for ax in (volumes, accuracies):
        ax.set_xscale("log", base=2)
        ax.set_xlabel("training images")
        counts = sorted({cell.settings.samples for cell in results.cells})
        ax.set_xticks(counts, [str(count) for count in counts])
    for cell in results.cells:
        if cell.settings.edges is not None:
            name = f"{cell.settings.optimizer}, {cell.settings.samples} images"
            ls = "-" if cell.settings.samples == 128 else ":"
            _by_loss(by_loss, cell, results, colour=_METHODS[cell.settings.optimizer], name=name, ls=ls)
    volumes.set_ylabel("log10 of the volume of all that fit; triangles: bounds")
    accuracies.set_ylabel("test accuracy of draws [%]")
    by_loss.set_xlabel("normalised training loss")
    by_loss.set_ylabel("test accuracy [%]")
    return finished(figure, volumes, accuracies, by_loss)


def _upright(ax: Axes, x: float, interval: np.ndarray, colour: str) -> None:
    low, estimate, high = interval
    if np.isfinite(estimate):
        ax.plot([x, x], [max(low, estimate - 2), min(high, 0)], color=colour, lw=1.2)
        ax.plot(x, estimate, "o", ms=4, color=colour)
    else:
        ax.plot(x, high if not np.isfinite(low) else low, "v" if not np.isfinite(low) else "^", ms=5, color=colour)
