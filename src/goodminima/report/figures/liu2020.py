"""The pictures of Liu et al. 2020."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from goodminima.experiments.experiment import Cell, Experiment
from goodminima.experiments.liu2020.figure1 import EXTENT, LENGTH, MARGIN
from goodminima.experiments.liu2020.figure4 import SOTA, VANILLA
from goodminima.experiments.liu2020.figure5 import NORMS
from goodminima.experiments.liu2020.trainings import MODELS, STARTS
from goodminima.report.figures.parts import BLUE, GREY, ORANGE, finished, runs

if TYPE_CHECKING:
    from goodminima.run.results import Results

_REGIONS = ListedColormap(["#fbe3d6", "#d6e6f4"])
_POINTS = (ORANGE, BLUE)
_COLOURS = {"V": BLUE, "S": ORANGE}
_DASHES = {"rand": "-", "adv": "--"}
_NAMES = {
    "V-rand": "vanilla, random start",
    "V-adv": "vanilla, adversarial start",
    "S-rand": "SOTA, random start",
    "S-adv": "SOTA, adversarial start",
}


def toy_boundaries(experiment: Experiment, results: "Results") -> Figure:
    """The boundary that each setting ends at in the first replicate, with the points that were to be fitted."""
    figure, axes = plt.subplots(2, 2, figsize=(8.6, 6.0), layout="constrained", sharex=True, sharey=True)
    for number, (ax, cell) in enumerate(zip(axes.flat, results.cells, strict=True), start=1):
        ax.set_title(f"{number}. {cell.settings.setting}", fontsize=9)
        ax.set(xlim=EXTENT[:2], ylim=EXTENT[2:], aspect="equal", xticks=[], yticks=[])
        outcome = next(iter(results.outcomes(cell.name)), None)
        if outcome is None:
            ax.text(0.5, 0.5, "not run", ha="center", transform=ax.transAxes, fontsize=9)
            continue
        lead, x, y = (outcome.arrays[name] for name in ("lead", "x", "y"))
        across, up = (
            np.linspace(*ends, count) for ends, count in zip((EXTENT[:2], EXTENT[2:]), lead.T.shape, strict=True)
        )
        ax.contourf(across, up, lead > 0, levels=[-0.5, 0.5, 1.5], cmap=_REGIONS)
        ax.contour(across, up, lead, levels=[0], colors="black", linewidths=0.9)
        ax.scatter(
            x[:, 0], x[:, 1], s=11, c=[_POINTS[label] for label in y], edgecolors="white", linewidths=0.3, zorder=3
        )
        length, margin = (outcome.values[name] or 0.0 for name in (LENGTH, MARGIN))
        ax.set_xlabel(f"length {length:.2f} times the straight line's, margin {margin:.2g}", fontsize=8)
    return figure


def both_starts(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy of each mode from a random start (open) and from an adversarial one (filled): ours, and the paper's."""
    cells = results.cells
    figure, axes = plt.subplots(1, 2, figsize=(9.4, 0.5 + 0.42 * len(cells)), layout="constrained", sharey=True)
    for ax, title, colour in zip(axes, ("ours", "the paper's ResNet18 on all of CIFAR-10"), (BLUE, GREY), strict=True):
        for row, cell in enumerate(cells):
            random, adversarial = (_test_accuracy(results, cell, start, ours=colour == BLUE) for start in STARTS)
            _pair(ax, row, random, adversarial, colour)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("test accuracy [%]")
        ax.grid(alpha=0.25)
    axes[0].set_yticks(range(len(cells)), [cell.name for cell in cells])
    axes[0].invert_yaxis()
    marks = [
        Line2D([], [], marker="o", ls="", mfc="white", mec="black", label="random start"),
        Line2D([], [], marker="o", ls="", mfc="black", mec="black", label="adversarial start"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, frameon=False, fontsize=8.5)
    return figure


def _test_accuracy(results: "Results", cell: Cell, start: str, *, ours: bool) -> tuple[float, float]:
    """Mean and standard error in per cent; NaN where there is none."""
    measure = f"test, {start}"
    found = results.summary(cell, measure) if ours else cell.printed[measure]
    if found.mean is None:
        return np.nan, np.nan
    return 100 * found.mean, 100 * (found.standard_error or 0.0)


def _pair(ax: Axes, row: int, random: tuple[float, float], adversarial: tuple[float, float], colour: str) -> None:
    ax.plot([random[0], adversarial[0]], [row, row], color=colour, lw=1.4, alpha=0.6)
    for (mean, error), face, size in (
        (random, "white", 8),
        (adversarial, colour, 4.5),
    ):  # both are seen where they meet
        ax.errorbar(mean, row, xerr=error, fmt="o", ms=size, mfc=face, mec=colour, ecolor=colour, capsize=2, lw=1)


def accuracy_curves(experiment: Experiment, results: "Results") -> Figure:
    """Accuracy of the four models along the epochs, a panel a net: mean over replicates, from the least to the largest."""
    figure, axes = _panels(nets := _nets(results))
    for ax, net in zip(axes, nets, strict=True):
        for model, cell in _models(results, net):
            stored = [arrays for _, arrays in runs(results, cell.name)]
            _band(ax, model, [(arrays["epochs"], 100 * arrays["accuracy"]) for arrays in stored])
        ax.set(title=net, xlabel="epoch")
    axes[0].set_ylabel(f"{'training' if 'figure2' in experiment.name else 'test'} accuracy [%]")
    return _with_one_legend(figure, axes)


def fgsm(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy of the four models against how far each pixel is moved, a panel a net; bands as in the curves."""
    figure, axes = _panels(nets := _nets(results))
    for ax, net in zip(axes, nets, strict=True):
        for model, cell in _models(results, net):
            stored = [arrays for _, arrays in runs(results, cell.name)]
            _band(ax, model, [(arrays["levels"], 100 * arrays["accuracy"]) for arrays in stored], marker="o")
        ax.set(title=net, xlabel="$\\epsilon$ [1/255]")
        ax.set_ylim(bottom=0)
    axes[0].set_ylabel("test accuracy [%]")
    return _with_one_legend(figure, axes)


def norms(experiment: Experiment, results: "Results") -> Figure:
    """Each norm of the four models on a logarithmic axis, a row a net: a point a replicate, a bar their mean."""
    nets = _nets(results)
    figure, axes = plt.subplots(
        len(nets), len(NORMS), figsize=(3.0 * len(NORMS), 0.6 + 2.5 * len(nets)), layout="constrained", squeeze=False
    )
    for row, net in zip(axes, nets, strict=True):
        for ax, norm in zip(row, NORMS, strict=True):
            for place, (model, cell) in enumerate(_models(results, net)):
                values = [value for each in results.outcomes(cell.name) if (value := each.values[norm]) is not None]
                colour, face = _COLOURS[model[0]], "white" if model.endswith("rand") else _COLOURS[model[0]]
                ax.plot([place] * len(values), values, "o", mfc=face, mec=colour, ms=5, alpha=0.9)
                if values:
                    ax.hlines(np.mean(values), place - 0.3, place + 0.3, color=colour, lw=1.6)
            ax.set_yscale("log")
            ax.set_xticks(range(len(MODELS)), list(MODELS), fontsize=8)
            ax.set_xlim(-0.6, len(MODELS) - 0.4)
            ax.set_title(f"{net}: {norm}" if len(nets) > 1 else norm, fontsize=8.5)
            ax.grid(alpha=0.25)
    return figure


def replicas(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy of vanilla and SOTA SGD against R: a point a replicate, and their means."""
    figure, ax = plt.subplots(figsize=(5.4, 3.8), layout="constrained")
    cells = [cell for cell in results.cells if VANILLA in cell.measures]
    for mode, colour in ((VANILLA, BLUE), (SOTA, ORANGE)):
        means = [results.summary(cell, mode).mean for cell in cells]
        copies = [cell.settings.R for cell in cells]
        ax.plot(
            copies,
            [np.nan if mean is None else 100 * mean for mean in means],
            color=colour,
            lw=1.6,
            label=f"{mode} SGD",
        )
        for cell in cells:
            values = [100 * (outcome.values[mode] or np.nan) for outcome in results.outcomes(cell.name)]
            ax.plot([cell.settings.R] * len(values), values, "o", color=colour, ms=4, alpha=0.6)
    ax.set(xlabel="R, copies of each image with random labels", ylabel="test accuracy [%]")
    return finished(figure, ax)


def _nets(results: "Results") -> list[str]:
    return list(dict.fromkeys(cell.settings.net for cell in results.cells))


def _models(results: "Results", net: str) -> Iterator[tuple[str, Cell]]:
    yield from ((cell.settings.model, cell) for cell in results.cells if cell.settings.net == net)


def _panels(nets: Sequence[str]) -> tuple[Figure, Sequence[Axes]]:
    width = 5.6 if len(nets) == 1 else 0.8 + 3.0 * len(nets)
    figure, axes = plt.subplots(1, len(nets), figsize=(width, 3.9), layout="constrained", sharey=True, squeeze=False)
    return figure, axes[0]


def _band(ax: Axes, model: str, lines: Sequence[tuple[np.ndarray, np.ndarray]], marker: str = "") -> None:
    """The mean of some lines over what they have in common of x, and what lies between the least and the largest."""
    if not lines:
        return
    kind, start = model.split("-")
    x = lines[0][0]
    y = np.stack([np.interp(x, *line) for line in lines])
    style = {"color": _COLOURS[kind], "ls": _DASHES[start], "lw": 1.6, "ms": 3.5, "marker": marker}
    ax.plot(x, y.mean(0), label=_NAMES[model], **style)
    ax.fill_between(x, y.min(0), y.max(0), color=_COLOURS[kind], alpha=0.15, lw=0)


def _with_one_legend(figure: Figure, axes: Sequence[Axes]) -> Figure:
    for ax in axes:
        ax.grid(alpha=0.25)
        ax.title.set_fontsize(10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8.5)
    return figure
