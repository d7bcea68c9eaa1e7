"""The swiss-roll pictures of Huang et al. 2020."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Cell, Experiment, Outcome
from goodminima.experiments.huang2020.figure3 import CUTOFF
from goodminima.experiments.huang2020.figure5 import CUTOFFS, TABLE, measure_of
from goodminima.report.figures.parts import BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, finished
from goodminima.tasks.concentric_rings import FRAME as RINGS_FRAME
from goodminima.tasks.rolls import FRAME as ROLL_FRAME

if TYPE_CHECKING:
    from goodminima.run.results import Results

_RED = (0.75, 0.0, 0.0)
_YELLOW = "#f0e442"
_REGIONS = ListedColormap(["#fbe3d6", "#d6e6f4"])
_POINTS = np.array([ORANGE, BLUE])
_LEAST = 1e-3  # smaller losses have the colour of this one
_BY_CUTOFF = (PURPLE, BLUE, GREEN, BROWN, ORANGE)


def minefield(experiment: Experiment, results: "Results") -> Figure:
    """Iterates of SGD and the bad minima found from them, by t-SNE and by principal components; their distances."""
    figure, axes = plt.subplots(1, 3, figsize=(12.6, 4.0), layout="constrained")
    outcome = next(iter(results.outcomes("minefield")), None)
    if outcome is None:
        return figure
    arrays, values = outcome.arrays, outcome.values
    for ax, name, title in zip(axes, ("tsne", "pca"), ("t-SNE", "principal components"), strict=False):
        _field(ax, arrays[name], arrays["epochs"], values)
        ax.set(title=title, xticks=[], yticks=[])
    axes[1].set(xlabel="distances as they are, on two of many axes", aspect="equal", adjustable="datalim")
    axes[0].set_xlabel("only who is near whom means anything")
    far = axes[2]
    far.plot(arrays["epochs"], arrays["distance"], "o", color=BLUE, ms=4, label="distance to its bad minimum")
    far.plot(arrays["epochs"], arrays["norm"], color=ORANGE, lw=1.6, label="norm of the iterate")
    far.set(title="how near is near", xlabel="epoch of the iterate", ylim=(0, None))
    far.set_ylim(0, 1.3 * max(arrays["distance"].max(), arrays["norm"].max()))
    figure = finished(figure, far)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _field(ax: Axes, places: np.ndarray, epochs: np.ndarray, values: Mapping[str, float | None]) -> None:
    """Red dots fade in with the epochs, as in the paper; a line leads from each to its bad minimum."""
    way, bad = np.split(places, 2)
    for start, end in zip(way, bad, strict=True):
        ax.plot(*zip(start, end, strict=True), color=GREY, lw=0.5, alpha=0.35, zorder=1)
    low, high = (
        100 * _number(values["bad minima, lowest train accuracy"]),
        100 * _number(values["bad minima, highest test accuracy"]),
    )
    ax.scatter(
        *bad.T,
        s=18,
        color=BLUE,
        label=f"bad minima: training at least {low:.1f} %, test at most {high:.1f} %",
        zorder=2,
    )
    fading = [(*_RED, 0.25 + 0.75 * epoch / epochs.max()) for epoch in epochs]
    ax.scatter(*way.T, s=18, color=fading, label="SGD, every tenth epoch", zorder=3)
    final = f"its last iterate: test {100 * _number(values['final test accuracy']):.1f} %"
    ax.scatter(*way[-1], s=170, marker="*", color=_YELLOW, edgecolor="black", lw=0.7, label=final, zorder=4)


def good_and_bad(experiment: Experiment, results: "Results") -> Figure:
    """Decision boundaries above; below, the loss on a plane through each minimum, on one scale of colours."""
    figure, axes = plt.subplots(2, 2, figsize=(8.6, 8.0), layout="compressed")
    shown = [(cell, results.outcomes(cell.name)[0]) for cell in results.cells if results.outcomes(cell.name)]
    losses = np.concatenate([outcome.arrays["loss"].ravel() for _, outcome in shown])
    least = max(_LEAST, float(losses.min()))
    norm = LogNorm(least, float(losses.max()))
    image = None
    for (cell, outcome), (above, below) in zip(shown, axes.T, strict=False):
        _boundary(above, outcome, ROLL_FRAME, size=7)
        above.set_title(_accuracies(cell, outcome), fontsize=10)
        arrays = outcome.arrays
        image = below.pcolormesh(
            arrays["along"], arrays["along"], np.maximum(arrays["loss"], least), norm=norm, cmap="viridis",
            shading="nearest", rasterized=True,
        )  # fmt: skip
        below.contour(arrays["along"], arrays["along"], arrays["loss"], levels=[CUTOFF], colors="white", linewidths=1.2)
        below.plot(0, 0, "+", color="white", ms=8, mew=1.5)
        share = 100 * _number(outcome.values["area below 0.1"])
        below.set_title(f"below {CUTOFF:g} (white line): {share:.2f} % of the slice", fontsize=10)
        below.set(xlabel="filter norms", aspect="equal")
    axes[1, 0].set_ylabel("filter norms")
    if image is not None:
        figure.colorbar(image, ax=list(axes[1]), label="training loss")
    return figure


def _accuracies(cell: Cell, outcome: Outcome) -> str:
    train, test = (100 * _number(outcome.values[f"{split} accuracy"]) for split in ("train", "test"))
    return f"{cell.settings.minimum}: training {train:.1f} %, test {test:.1f} %"


def basins_by_poison(experiment: Experiment, results: "Results") -> Figure:
    """Radii against test accuracy, with their range over runs and rays; volumes at all cutoffs by both means over rays."""
    figure, (radii, volumes, geometric) = plt.subplots(1, 3, figsize=(13.2, 4.4), layout="constrained")
    by_beta = [results.outcomes(cell.name) for cell in results.cells if cell.settings.beta != "all"]
    _radii(radii, [outcomes for outcomes in by_beta if outcomes])
    all_runs = next(iter(results.outcomes("all")), None)
    every = [outcome for outcomes in by_beta for outcome in outcomes]
    accuracy = np.array([100 * _number(outcome.values["test accuracy"]) for outcome in every])
    for ax, statistic in ((volumes, "log10 V"), (geometric, "log10 V, geometric mean")):
        for place, (cutoff, colour) in enumerate(zip(CUTOFFS, _BY_CUTOFF, strict=True)):
            values = [outcome.arrays[statistic][place] for outcome in every]
            label = f"loss below {cutoff:g}{_correlation(all_runs, measure_of(statistic, place))}"
            ax.plot(accuracy, values, "o", ms=3, alpha=0.75, color=colour, label=label)
        ax.set_xlabel("test accuracy [%]")
    volumes.set_title("log10 of the volume, mean over rays: a lower bound", fontsize=10)
    geometric.set_title("the same by the geometric mean over rays", fontsize=10)
    for ax in (volumes, geometric):
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.42 * (high - low), high)  # room for the legend
        ax.grid(alpha=0.25)
        ax.legend(
            frameon=False, fontsize=7.5, loc="lower right", title="rank correlation [95 % interval]", title_fontsize=7.5
        )
    return figure


def _radii(ax: Axes, by_beta: list[tuple[Outcome, ...]]) -> None:
    """The paper's dashed mean and filled range, in order of the mean accuracy at each beta."""
    at = {name: [np.array([o.arrays[name][TABLE] for o in outcomes]) for outcomes in by_beta] for name in _RADII}
    accuracy = np.array([100 * np.mean([_number(o.values["test accuracy"]) for o in outcomes]) for outcomes in by_beta])
    order = np.argsort(accuracy)
    lowest, highest = (
        np.array([pick(each) for each in at[name]])[order]
        for name, pick in (("smallest radius", np.nanmin), ("largest radius", np.nanmax))
    )
    ax.fill_between(accuracy[order], lowest, highest, color=BLUE, alpha=0.15, lw=0, label="all rays of all runs")
    for name, style in (("mean radius", "--"), ("geometric mean radius", ":")):
        means = np.array([np.nanmean(each) for each in at[name]])[order]
        ax.plot(accuracy[order], means, style, color=BLUE, marker="o", ms=3.5, label=name)
    ax.set(yscale="log", xlabel="test accuracy [%], mean of each beta's runs", ylabel="radius [filter norms]")
    ax.set_title("radius of the basin below 0.1", fontsize=10)
    ax.grid(alpha=0.25, which="both")
    ax.legend(frameon=False, fontsize=8, loc="upper left")


_RADII = ("mean radius", "geometric mean radius", "smallest radius", "largest radius")


def _correlation(all_runs: Outcome | None, measure: str) -> str:
    if all_runs is None or all_runs.values.get(measure) is None:
        return ""
    low, high = all_runs.arrays["intervals"][list(all_runs.values).index(measure)]
    return f": {_number(all_runs.values[measure]):.2f} [{low:.2f}, {high:.2f}]"


def boundaries_by_gap(experiment: Experiment, results: "Results") -> Figure:
    """What each minimum of one run says in the plane, the generalisation gap above it."""
    shown = [
        (cell, outcomes[0])
        for cell in results.cells
        if (outcomes := results.outcomes(cell.name)) and "classes" in outcomes[0].arrays
    ]
    shown.sort(key=lambda pair: _number(pair[1].values["generalisation gap"]))
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, 3.4 * rows), layout="compressed", squeeze=False)
    for ax, (cell, outcome) in zip(axes.flat, shown, strict=False):
        _boundary(ax, outcome, ROLL_FRAME, size=5)
        gap = 100 * _number(outcome.values["generalisation gap"])
        ax.set_title(f"gap {gap:.1f} % (beta {cell.settings.beta:g})", fontsize=10)
    for ax in axes.flat[len(shown) :]:
        ax.axis("off")
    return figure


def rings(experiment: Experiment, results: "Results") -> Figure:
    """The first run of each net on each gap, and how all of them went."""
    nets = list(dict.fromkeys(cell.settings.net for cell in results.cells))
    gaps = list(dict.fromkeys(cell.settings.gap for cell in results.cells))
    figure, axes = plt.subplots(
        len(nets), len(gaps), figsize=(3.9 * len(gaps), 4.4 * len(nets)), layout="compressed", squeeze=False
    )
    for cell in results.cells:
        ax = axes[nets.index(cell.settings.net), gaps.index(cell.settings.gap)]
        outcomes = results.outcomes(cell.name)
        ax.set_title(f"{cell.settings.net}, gap {cell.settings.gap:g}", fontsize=10)
        if not outcomes:
            ax.axis("off")
            continue
        _boundary(ax, outcomes[0], RINGS_FRAME, size=9)
        others = ", ".join(f"{_number(outcome.values['not the disc']):.0%}" for outcome in outcomes)
        ax.set_xlabel(f"not the disc: {others}", fontsize=8.5)
    return figure


def _boundary(ax: Axes, outcome: Outcome, frame: tuple[float, float, float, float], *, size: float) -> None:
    arrays = outcome.arrays
    ax.imshow(arrays["classes"], origin="lower", extent=frame, cmap=_REGIONS, vmin=0, vmax=1, interpolation="nearest")
    ax.scatter(*arrays["x"].T, s=size, c=list(_POINTS[arrays["y"]]), linewidths=0)
    ax.set(xticks=[], yticks=[], xlim=frame[:2], ylim=frame[2:])


def _number(value: float | None) -> float:
    return np.nan if value is None else value
