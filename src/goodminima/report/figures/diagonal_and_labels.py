"""Pictures of diagonal linear networks, early stopping and random labels."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Experiment
from goodminima.report.figures.parts import BLUE, COLOURS, GREY, ORANGE, finished, runs

if TYPE_CHECKING:
    from goodminima.run.results import Results


def diagonal_networks(experiment: Experiment, results: "Results") -> Figure:
    """l1 norm against alpha; effective alpha against the step; l1 margins against log(1/loss) / alpha^2."""
    figure, (norm, noise, margins) = plt.subplots(1, 3, figsize=(12.5, 3.9), layout="constrained")
    for first, arrays in runs(results, "regression"):
        label = "least hypentropy, $b = 2\\alpha^2$" if first else None
        norm.semilogx(arrays["grid"], arrays["curve"], color=BLUE, lw=1.3, label=label)
        label = "gradient descent" if first else None
        norm.semilogx(arrays["alphas"], arrays["ratios"], "o", color=ORANGE, ms=4, label=label)
    norm.axhline(1, color="black", lw=0.8, ls="--")
    norm.set(xlabel="$\\alpha$, the scale of the start", title="regression: l1 norm / least l1 norm")
    for first, arrays in runs(results, "noise"):
        for key, marker, colour, label in (
            ("gd", "s", GREY, "gradient descent"),
            ("sgd", "o", ORANGE, "one example a step"),
            ("predicted", "_", "black", "predicted"),
        ):
            noise.semilogx(
                arrays["steps"], arrays[key], marker, color=colour, ms=5, mew=1.5, label=label if first else None
            )
    noise.set(xlabel="step", title="noise: effective $\\alpha$ / $\\alpha$")
    noise.set_xticks(ticks := [0.0025, 0.005, 0.01, 0.02], [f"{tick:g}" for tick in ticks])
    noise.minorticks_off()
    noise.set_xlim(0.0021, 0.0238)
    _margins(margins, results)
    for ax in (norm, noise, margins):
        ax.title.set_fontsize(10)
    return finished(figure, norm, noise, margins)


def _margins(ax: Axes, results: "Results") -> None:
    """The first replicate alone: margins of several data sets in one panel would hide that those of one collapse."""
    arrays = next((arrays for _, arrays in runs(results, "classification")), None)
    if arrays is None:
        return
    ax.axhline(float(arrays["l2"]), color=GREY, lw=1, ls=":", label="l2 maximum margin")
    ax.semilogx(arrays["levels"], arrays["optimum"], "k--", lw=1, label="least hypentropy")
    for colour, alpha, ratio in zip((GREY, *COLOURS), arrays["alphas"], arrays["margins"], strict=False):
        ax.semilogx(arrays["levels"], ratio, color=colour, lw=1.3, label=f"$\\alpha$ = {alpha:g}")
    ax.set(xlabel="$\\log(1/\\mathrm{loss}) / \\alpha^2$", title="classification: l1 margin / maximum")


def early_stopping(experiment: Experiment, results: "Results") -> Figure:
    """Test error along the path, with wrong labels and with clean ones; where one would stop, and where all fits."""
    figure, axes = plt.subplots(
        1, len(results.cells), figsize=(10, 3.9), layout="constrained", squeeze=False, sharey=True
    )
    titles = {"flipped": "10 % of the training labels flipped", "clean": "clean labels"}
    for ax, cell in zip(axes[0], results.cells, strict=True):
        arrays = next((arrays for _, arrays in runs(results, cell.name)), None)
        ax.set_title(titles[cell.name], fontsize=10)
        if arrays is None:
            continue
        times, test = arrays["times"], arrays["test"]
        ax.loglog(times, test.T, color=BLUE, lw=0.5, alpha=0.45)
        ax.loglog(times, test.mean(axis=0), color=BLUE, lw=2, label="test error")
        train = arrays["train"].mean(axis=0)
        ax.loglog(
            times[train > 0], train[train > 0], color=ORANGE, lw=1.6, ls="--", label="training error, until it is 0"
        )
        for key, marker, label in (("stops", "v", "least validation loss"), ("fits", "o", "training error is 0")):
            at = np.searchsorted(times, arrays[key])
            height = test[np.arange(len(at)), at]
            ax.plot(arrays[key], height, marker, color="black", mfc="white", ms=5, ls="none", label=label)
        ax.set_xlabel("step")
        ax.set_ylim(5e-4, 0.6)
    return finished(figure, *axes[0])


def random_labels(experiment: Experiment, results: "Results") -> Figure:
    """Training accuracy against epochs, true and random labels, a panel per net."""
    figure, axes = plt.subplots(1, len(results.cells), figsize=(9.6, 3.7), layout="constrained", squeeze=False)
    for ax, cell in zip(axes[0], results.cells, strict=True):
        for first, arrays in runs(results, cell.name):
            for key, colour in (("true", BLUE), ("random", ORANGE)):
                curve = 100 * arrays[key]
                epochs = np.arange(1, len(curve) + 1)
                ax.semilogx(epochs, curve, color=colour, lw=1.3, label=f"{key} labels" if first else None)
                if arrays[key][-1] == 1:
                    ax.plot(epochs[-1], 100, "o", color=colour, ms=5, clip_on=False, zorder=3)
        ax.set_title(cell.settings.net, fontsize=10)
        ax.set_xlabel("epoch")
        ax.set_ylim(0, 102)
    axes[0, 0].set_ylabel("training accuracy [%]")
    return finished(figure, *axes[0])
