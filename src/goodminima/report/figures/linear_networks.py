"""The picture of linear networks: what each architecture approaches, and the spectra it ends with."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Experiment

if TYPE_CHECKING:
    from goodminima.run.results import Results

_DEPTHS = {1: "#7f7f7f", 2: "#0072b2", 3: "#d55e00", 4: "#009e73"}


def linear_networks(experiment: Experiment, results: "Results") -> Figure:
    """Margin gaps of fully connected networks, spectral excess of two convolutions, spectra of one to three."""
    figure, (gap, excess, spectra) = plt.subplots(1, 3, figsize=(12.4, 3.9), layout="constrained")
    for depth in (2, 3, 4):
        for number, arrays in enumerate(_runs(results, f"fully-connected/L={depth}")):
            label = f"L = {depth}" if number == 0 else None
            late = arrays["times"] >= 100
            gap.loglog(arrays["times"][late], arrays["gap"][late], color=_DEPTHS[depth], lw=1.3, label=label)
    gap.set_title("fully connected: gap to the l2 margin", fontsize=10)
    for number, arrays in enumerate(_runs(results, "convolutional/L=2")):
        right = np.isfinite(arrays["excess"])
        time, value = arrays["times"][right], arrays["excess"][right]
        excess.loglog(time, value, color=_DEPTHS[2], lw=1.3, label="L = 2" if number == 0 else None)
        label = "the l2 maximum margin" if number == 0 else None
        excess.axhline(float(arrays["svm"]), color=_DEPTHS[1], lw=0.9, ls="--", label=label)
    excess.set_title("convolutional: sum of amplitudes above optimum", fontsize=10)
    for ax in (gap, excess):
        ax.set_xlabel("steps")
        ax.grid(alpha=0.25)
        ax.legend(frameon=False, fontsize=9)
    _spectra(spectra, results)
    return figure


def _spectra(ax: Axes, results: "Results") -> None:
    """Bars of |beta^_k| side by side, of the first replicate; the convex optimum as ticks across those of L = 2."""
    for place, depth in enumerate((1, 2, 3)):
        for arrays in _runs(results, f"convolutional/L={depth}")[:1]:
            at = np.arange(len(arrays["spectrum"])) + 0.27 * (place - 1)
            ax.bar(at, arrays["spectrum"], width=0.25, color=_DEPTHS[depth], label=f"L = {depth}")
            if "optimum" in arrays:
                ax.plot(at, arrays["optimum"], "_", color="black", ms=9, mew=1.4, label="optimum for L = 2")
    ax.set_title("convolutional: spectrum of the predictor", fontsize=10)
    ax.set(xlabel="frequency", ylabel="amplitude at margin 1")
    ax.legend(frameon=False, fontsize=9)


def _runs(results: "Results", cell: str) -> list[dict[str, np.ndarray]]:
    """The arrays of a cell's replicates, of those that ran."""
    names = {each.name for each in results.cells}
    return [dict(outcome.arrays) for outcome in results.outcomes(cell)] if cell in names else []
