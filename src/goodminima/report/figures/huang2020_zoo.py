"""Pictures of Huang et al., section 2 and Table 1: models that all fit, and how differently they generalise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Cell, Experiment
from goodminima.experiments.huang2020.figure2 import SideCell
from goodminima.experiments.huang2020.linear_vs_resnet import PairCell
from goodminima.report.figures.parts import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from goodminima.run.results import Results

_TRAIN, _TEST = "train accuracy", "test accuracy"


def linear_and_resnet(experiment: Experiment, results: "Results") -> Figure:
    """Training and test accuracy of each model of section 2."""
    figure, ax = plt.subplots(figsize=(5.6, 4.2), layout="constrained")
    _bars(ax, results, results.cells, title="")
    return _with_legend(figure, ax, columns=2)


def zoo_table(experiment: Experiment, results: "Results") -> Figure:
    """Training and test accuracy of each optimizer's net, with the linear model's as a line."""
    figure, ax = plt.subplots(figsize=(9.5, 4.2), layout="constrained")
    _optimizers(ax, results, results.cells)
    return _with_legend(figure, ax, columns=4)


def linear_and_optimizers(experiment: Experiment, results: "Results") -> Figure:
    """Both beside each other."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12.5, 4.4), layout="constrained", sharey=True, gridspec_kw={"width_ratios": (1, 4.2)}
    )
    sides = {side: [cell for cell in results.cells if cell.settings.side == side] for side in ("left", "right")}
    _bars(left, results, sides["left"], title="linear model and ResNet")
    _optimizers(right, results, sides["right"])
    right.set(title="VGG13 by optimizer", ylabel="")
    return _with_legend(figure, right, columns=4)


def _optimizers(ax: Axes, results: "Results", cells: Sequence[Cell]) -> None:
    nets = [cell for cell in cells if _name_of(cell) != "linear"]
    _bars(ax, results, nets, title="")
    for cell in cells:
        height = results.summary(cell, _TEST).mean
        if _name_of(cell) == "linear" and height is not None:
            ax.axhline(
                100 * height, color=ORANGE, ls="--", lw=1.5, label="test accuracy of the linear model, which fits too"
            )


def _bars(ax: Axes, results: "Results", cells: Sequence[Cell], *, title: str) -> None:
    """Two bars a cell, the test accuracy written above its own, the paper's as a mark."""
    places = np.arange(len(cells))
    for shift, measure, colour in ((-0.2, _TRAIN, GREY), (0.2, _TEST, BLUE)):
        summaries = [results.summary(cell, measure) for cell in cells]
        heights = [np.nan if s.mean is None else 100 * s.mean for s in summaries]
        errors = [0.0 if s.standard_error is None else 100 * s.standard_error for s in summaries]
        ax.bar(places + shift, heights, width=0.38, yerr=errors, color=colour, alpha=0.85, label=measure)
        if measure == _TEST:
            for place, height in zip(places, heights, strict=True):
                if np.isfinite(height):
                    ax.text(place + shift, 2, f"{height:.1f}", ha="center", va="bottom", fontsize=8, color="white")
    printed = [cell.printed[_TEST].mean if _TEST in cell.printed else np.nan for cell in cells]
    if np.isfinite(printed).any():
        label = "test accuracy in the paper, all of CIFAR-10"
        ax.plot(places + 0.2, 100 * np.array(printed), "k_", ms=14, mew=2, label=label)
    many = len(cells) > 3
    names = [_name_of(cell) for cell in cells]
    ax.set_xticks(places, names, rotation=30 if many else 0, ha="right" if many else "center", fontsize=9)
    ax.set(xlim=(-0.6, len(cells) - 0.4), ylim=(0, 104), ylabel="accuracy in %", title=title)
    ax.grid(axis="y", alpha=0.25)
    ax.set_axisbelow(True)


def _name_of(cell: Cell) -> str:
    """Of the optimizer or the model."""
    settings = cell.settings.of if isinstance(cell.settings, SideCell) else cell.settings
    return settings.model if isinstance(settings, PairCell) else settings.optimizer


def _with_legend(figure: Figure, ax: Axes, *, columns: int) -> Figure:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    return figure
