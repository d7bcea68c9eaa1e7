"""The picture of Table 4 of Chiang et al. 2023: where searches without gradients end, and how they got there."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from goodminima.experiments.experiment import Cell, Experiment
from goodminima.report.figures.parts import BLUE, GREEN, ORANGE

if TYPE_CHECKING:
    from goodminima.run.results import Results

_COLOURS = {"SGD": ORANGE, "Pattern Search": BLUE, "Random Greedy": GREEN}
_LINES = {"Pattern Search": "-", "Random Greedy": ":"}
_EARLY = ", early halving"
_LINES |= {f"Pattern Search{_EARLY}": "--", f"Random Greedy{_EARLY}": "-."}
_CURVES = ("loss", "acceptance", "radius")
_FIRST = 100  # candidates: before that a share of them is all noise


def searches(experiment: Experiment, results: "Results") -> Figure:
    """Test accuracy against the number of images; then loss, acceptance and radius along every search."""
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.9), layout="constrained")
    _ends(axes[0], results)
    counts = sorted({cell.settings.samples for cell in results.cells})
    shades = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, len(counts)))
    for ax, curve in zip(axes[1:], _CURVES, strict=True):
        for cell in results.cells:
            if cell.settings.optimizer in _LINES:
                _courses(ax, cell, results, curve, shades[counts.index(cell.settings.samples)])
        ax.set(xscale="log", xlabel="candidates tried")
        ax.set_xlim(left=_FIRST)
        ax.grid(alpha=0.25)
    axes[1].set(title="normalised training loss", ylabel="nats per image")
    axes[2].set(title="share of candidates accepted", yscale="log")
    axes[3].set(title="size of a step", yscale="log")
    handles = [
        Line2D([], [], color=shade, lw=2, label=f"{n:,} images") for n, shade in zip(counts, shades, strict=True)
    ]
    kinds = {cell.settings.optimizer for cell in results.cells} & set(_LINES)
    handles += [Line2D([], [], color="black", ls=_LINES[kind], label=kind) for kind in sorted(kinds)]
    axes[3].legend(handles=handles, frameon=False, fontsize=8, loc="lower left")
    return figure


def _ends(ax: Axes, results: "Results") -> None:
    kinds = [kind for base in _COLOURS for kind in (base, base + _EARLY)]
    for number, kind in enumerate(kinds):
        cells = [cell for cell in results.cells if cell.settings.optimizer == kind]
        if not cells:
            continue
        colour, early = _COLOURS[kind.removesuffix(_EARLY)], kind.endswith(_EARLY)
        line, filling = ("none", "white") if early else ("-", colour)
        shift = 1.035 ** (number - 2)  # side by side, or the bars would hide each other
        summaries = [results.summary(cell, cell.measures[0]) for cell in cells]
        x = np.array([cell.settings.samples for cell in cells])
        mean = np.array([np.nan if s.mean is None else 100 * s.mean for s in summaries])
        error = np.array([0.0 if s.standard_error is None else 100 * s.standard_error for s in summaries])
        ax.errorbar(
            x * shift,
            mean,
            yerr=error,
            color=colour,
            marker="o",
            mfc=filling,
            ms=4,
            ls=line,
            lw=1.2,
            capsize=2,
            label=kind,
        )
        printed = np.array([np.nan if s.printed is None else 100 * s.printed.mean for s in summaries])
        ax.plot(x * shift, printed, color=colour, marker="_", ms=11, mew=1.5, ls="none")
    handles, labels = ax.get_legend_handles_labels()
    handles.append(Line2D([], [], color="black", marker="_", ms=11, mew=1.5, ls="none"))
    ax.legend(handles, [*labels, "as printed in the paper"], frameon=False, fontsize=8, loc="lower right")
    ax.set(xscale="log", xlabel="training images", ylabel="test accuracy [%]", title="where they end")
    ticks = sorted({cell.settings.samples for cell in results.cells})
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks], minor=False)
    ax.minorticks_off()
    ax.grid(alpha=0.25)


def _courses(ax: Axes, cell: Cell, results: "Results", curve: str, colour: tuple[float, ...]) -> None:
    style = _LINES[cell.settings.optimizer]
    for outcome in results.outcomes(cell.name):
        candidates, steps = outcome.arrays["candidates"], outcome.arrays["steps"]
        later = candidates >= _FIRST
        if curve == "acceptance":
            y = np.diff(steps, prepend=0) / np.maximum(np.diff(candidates, prepend=0), 1)
        else:
            y = outcome.arrays[curve]
        ax.plot(candidates[later], y[later], color=colour, ls=style, lw=0.7, alpha=0.7)
