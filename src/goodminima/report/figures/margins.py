"""Pictures of the implicit-bias entries on linear predictors: margins against time."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Experiment
from goodminima.report.figures.parts import BLUE, COLOURS, GREY, ORANGE, finished, runs
from goodminima.theory.steepest import NORMS

if TYPE_CHECKING:
    from goodminima.run.results import Results


def angle_and_margin(experiment: Experiment, results: "Results") -> Figure:
    """Angle and margin gap against log t, by steps and by the flow; and the training error of data as they come."""
    figure, (angle, gap, error) = plt.subplots(1, 3, figsize=(12, 3.7), layout="constrained")
    descent = [cell.name for cell in results.cells if cell.name.startswith("descent")]
    for ax, name in ((angle, "angle"), (gap, "gap")):
        for first, arrays in runs(results, "flow"):
            ax.loglog(arrays["tau"], arrays[name], color=BLUE, lw=1.3, label="gradient flow" if first else None)
        for first, arrays in runs(results, *descent[-1:]):
            far = arrays["tau"] > 1
            tau, value = arrays["tau"][far][::4], arrays[name][far][::4]
            ax.loglog(tau, value, ".", color=ORANGE, ms=5, label="gradient descent" if first else None)
        ax.set_xlabel("log t")
        ax.set_xlim(0.7, 800)
    for first, arrays in runs(results, "flow"):
        tau = arrays["tau"][arrays["tau"] > 3]
        angle.loglog(tau, arrays["limit"] / tau, "k--", lw=0.8, label="constant / log t" if first else None)
    angle.set_title("angle to the maximum margin [rad]", fontsize=10)
    gap.set_title("margin gap", fontsize=10)
    for first, arrays in runs(results, "error"):
        t = np.expm1(arrays["tau"])
        error.semilogx(t, arrays["error"], color=ORANGE, lw=1.3, label="training error" if first else None)
        error.semilogx(t, arrays["gap"], color=BLUE, lw=1.3, label="margin gap" if first else None)
    error.set_title("Gaussian data: fitted long before", fontsize=10)
    error.set_xlabel("t")
    error.set_ylim(-0.03, 1.03)  # the gap is above 1 while points are wrong
    return finished(figure, angle, gap, error)


def margin_rates(experiment: Experiment, results: "Results") -> Figure:
    """The margin gap of five rules against t."""
    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    names = {
        "descent": "gradient descent",
        "normalised-decaying": "normalised, steps $t^{-1/2}$",
        "over-loss": "gradient / loss",
        "normalised": "normalised",
        "dual-acceleration": "dual acceleration",
    }
    for colour, cell in zip(COLOURS, results.cells, strict=True):
        for first, arrays in runs(results, cell.name):
            ax.loglog(arrays["times"], arrays["gap"], color=colour, lw=1.3, label=names[cell.name] if first else None)
    t = np.array([1e4, 1e6])
    for exponent, start in ((-0.5, 3e-2), (-1, 3e-3), (-2, 2e-6)):
        ax.loglog(t, start * (t / t[0]) ** exponent, color="black", lw=0.8, ls="--")
        ax.annotate(f"$t^{{{exponent:g}}}$", (t[-1], start * 100**exponent), xytext=(4, 0), textcoords="offset points")
    ax.set_xlim(1, 4e6)
    ax.set(xlabel="t", ylabel="margin gap")
    return finished(figure, ax)


def partly_separable(experiment: Experiment, results: "Results") -> Figure:
    """Distances to the limit, and norms, in the span of the non-separable rows and across it."""
    figure, (distance, norm) = plt.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    partly = [cell.name for cell in results.cells if cell.name.startswith("partly")]
    lines = (("inside", BLUE, "in the span: to the minimiser"), ("across", ORANGE, "across: to the ray"))
    for first, arrays in runs(results, *partly[-1:]):
        for key, colour, label in lines:
            kept = arrays["times"] >= 10
            distance.loglog(
                arrays["times"][kept], arrays[key][kept], color=colour, lw=1.3, label=label if first else None
            )
        norm.semilogx(
            arrays["times"], arrays["norm_inside"], color=BLUE, lw=1.3, label="in the span" if first else None
        )
        norm.semilogx(arrays["times"], arrays["norm_across"], color=ORANGE, lw=1.3, label="across" if first else None)
    for first, arrays in runs(results, "control"):
        shown = arrays["distance"] > 1e-13  # below, rounding only
        label = "nothing separable" if first else None
        distance.loglog(arrays["times"][shown], arrays["distance"][shown], color=GREY, lw=1.3, label=label)
        norm.semilogx(arrays["times"], arrays["norm"], color=GREY, lw=1.3, label=label)
    distance.set_title("distance to the limit", fontsize=10)
    norm.set_title("norm", fontsize=10)
    for ax in (distance, norm):
        ax.set_xlabel("t")
    return finished(figure, distance, norm)


def five_geometries(experiment: Experiment, results: "Results") -> Figure:
    """Each norm's gap to its own margin against t, and where every iterate ends in every norm."""
    figure, (path, matrix) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    labels = ["$\\ell_\\infty$" if p == np.inf else f"$\\ell_{{{p:g}}}$" for p in NORMS]
    at_end = np.full((len(NORMS), len(NORMS)), np.nan)
    for colour, cell in zip(COLOURS, results.cells, strict=True):
        number = NORMS.index(float(cell.settings.p))
        ends = []
        for first, arrays in runs(results, cell.name):
            own = np.where(arrays["gaps"][:, number] > 0, arrays["gaps"][:, number], np.nan)
            path.loglog(arrays["times"], own, color=colour, lw=1, label=labels[number] if first else None)
            ends.append(arrays["gaps"][-1])
        if ends:
            at_end[number] = 100 * np.mean(ends, axis=0)
    path.set_title("gap to its own margin", fontsize=10)
    path.set_xlabel("t")
    matrix.imshow(np.maximum(at_end, 0.1), norm="log", cmap="Blues", vmin=0.1, vmax=100)
    for row, column in np.ndindex(at_end.shape):
        if np.isfinite(value := at_end[row, column]):
            dark = "white" if value > 9 else "black"
            matrix.text(column, row, f"{abs(value):.2g} %", ha="center", va="center", fontsize=9, color=dark)
    ticks = range(len(NORMS))
    matrix.set_xticks(ticks, labels)
    matrix.set_yticks(ticks, labels)
    matrix.set(xlabel="margin measured in", ylabel="steepest descent in")
    matrix.set_title("margin gap at the end, mean of replicates", fontsize=10)
    return finished(figure, path)


def mirror_descent(experiment: Experiment, results: "Results") -> Figure:
    """Solutions of mirror descent and of AdaGrad, natural gradient against its step, Adam with and without epsilon."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), layout="constrained")
    (mirror, natural), (adagrad, adam) = axes
    names = [cell.name for cell in results.cells if cell.name.startswith("mirror")]
    for colour, name in zip(COLOURS, names, strict=True):
        for first, arrays in runs(results, name):
            if first:
                order = arrays["targets"][0].argsort()[::-1]
                mirror.plot(arrays["targets"][0][order], color=colour, lw=1)
                label = name.removeprefix("mirror/")
                mirror.plot(arrays["limits"][0][order], ".", color=colour, ms=5, label=label)
    mirror.set_title("mirror descent (points) at its projection (lines)", fontsize=10)
    for first, arrays in runs(results, "natural-gradient"):
        label = "natural gradient" if first else None
        natural.loglog(arrays["steps"], arrays["distances"], "o-", color=BLUE, ms=4, lw=1.3, label=label)
    natural.loglog([1e-5, 3e-3], [3e-6, 9e-4], "k--", lw=0.8, label="proportional to the step")
    natural.set(xlabel="step size")
    natural.set_title("natural gradient: distance to the projection", fontsize=10)
    for first, arrays in runs(results, "adagrad"):
        if first:
            for colour, limit, what in zip(COLOURS, arrays["limits"], ("0.1, 1", "0.1, 100", "1, 1"), strict=False):
                adagrad.plot(np.sort(limit)[::-1], ".-", color=colour, ms=5, lw=1, label=f"step, sum at start: {what}")
    adagrad.set_title("AdaGrad: one problem, three limits", fontsize=10)
    for colour, name in ((BLUE, "adam/eps=0"), (ORANGE, "adam/eps=1e-8")):
        for first, arrays in runs(results, name):
            for key, style, norm in (("sup", "-", "$\\ell_\\infty$"), ("euclidean", ":", "$\\ell_2$")):
                epsilon = name.removeprefix("adam/eps=")
                label = f"$\\epsilon$ = {epsilon}, {norm} gap" if first else None
                adam.loglog(arrays["times"], arrays[key], style, color=colour, lw=1.3, label=label)
    adam.set(xlabel="t")
    adam.set_title("Adam: margin gaps", fontsize=10)
    for ax in (mirror, adagrad):
        ax.set_xlabel("coordinates of the solution, sorted")
    return finished(figure, *axes.flat)
