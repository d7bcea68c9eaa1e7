"""Pictures of slices through losses, and of what classifiers say in the plane.

Figures are made without pyplot: nothing opens a window, and the reader's own settings of matplotlib stay as they are.
"""

import math
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from goodminima.landscape.boundary import Regions
from goodminima.landscape.slices import Line, Surface
from goodminima.tasks.task import Examples

_NAN, _INFINITE = "#bdbdbd", "#000000"
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d31", "#7f7f7f")
_REGIONS = ("#fbe3d6", "#d6e6f4", "#d8efe6", "#f4e0ec", "#ece4d4", "#e4e4e4")
_POINTS = ("#d55e00", "#0072b2", *_LINES[2:])
_DECADES = 2  # a loss that spans more is drawn on a logarithmic scale


def lines(shown: Mapping[str, Line]) -> Figure:
    """Losses along lines, in one panel; a gap where a loss is not finite, and a mark on top that says which it is.

    Args:
        shown: What is drawn, by name; an empty name for one alone.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    ax = figure.subplots()
    losses = np.concatenate([each.loss for each in shown.values()])
    if isinstance(_norm(losses), LogNorm):
        ax.set_yscale("log")
    for number, (name, each) in enumerate(shown.items()):
        colour = _LINES[number % len(_LINES)]
        ax.plot(each.x, np.where(np.isfinite(each.loss), each.loss, np.nan), color=colour, lw=1.6, label=name or None)
        for mark, bad, word in (("^", np.isinf(each.loss), "infinite"), ("x", np.isnan(each.loss), "not a number")):
            if bad.any():
                top = ax.get_xaxis_transform()
                ax.plot(
                    each.x[bad],
                    np.full(bad.sum(), 0.97),
                    mark,
                    color=colour,
                    ms=4,
                    transform=top,
                    label=f"{name}: {word}" if name else word,
                )
    units = {each.unit for each in shown.values()}
    ax.set(xlabel=units.pop() if len(units) == 1 else "coordinate", ylabel="loss")
    ax.grid(alpha=0.25)
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize=8)
    return figure


def surfaces(shown: Mapping[str, Surface]) -> Figure:
    """Losses on planes, a panel each, all on one scale of colours; what is not finite in grey and black.

    Args:
        shown: What is drawn, by title.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(0.9 + 3.5 * len(shown), 3.7), layout="constrained")
    norm = _norm(np.concatenate([each.loss.ravel() for each in shown.values()]))
    colours = matplotlib.colormaps["viridis"].with_extremes(bad=_NAN)
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    image = None
    for ax, (name, each) in zip(axes, shown.items(), strict=True):
        image = _surface(ax, each, norm, colours)
        ax.set_title(name, fontsize=10)
    assert image is not None
    figure.colorbar(image, ax=list(axes), label="loss")
    patches = [Patch(color=_NAN, label="not a number")] * any(each.num_nan for each in shown.values())
    patches += [Patch(color=_INFINITE, label="infinite")] * any(each.num_infinite for each in shown.values())
    if patches:
        figure.legend(handles=patches, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def _surface(ax: Axes, each: Surface, norm: Normalize, colours: Colormap):
    image = ax.pcolormesh(
        each.x, each.y, np.ma.masked_invalid(each.loss), norm=norm, cmap=colours, shading="nearest", rasterized=True
    )
    infinite = np.isinf(each.loss)
    if infinite.any():
        black = np.ma.masked_array(np.ones_like(each.loss), ~infinite)
        ax.pcolormesh(each.x, each.y, black, cmap=ListedColormap([_INFINITE]), shading="nearest", rasterized=True)
    ax.plot(0, 0, marker="+", color="white", ms=8, mew=1.5)
    ax.set_xlabel(f"x ({each.units[0]})", fontsize=8.5)
    ax.set_ylabel(f"y ({each.units[1]})", fontsize=8.5)
    return image


def regions(shown: Regions, *, examples: Examples | None, titles: Sequence[str]) -> Figure:
    """What classifiers say in the plane, a panel each, with examples as points.

    Args:
        shown: What is drawn.
        examples: Points in the plane with their labels, or None.
        titles: One a panel, or none.

    Returns:
        The figure.

    Raises:
        ValueError: If there are some titles, but not as many as classifiers.
    """
    count = len(shown.classes)
    if titles and len(titles) != count:
        raise ValueError(f"as many titles as classifiers are needed, got {len(titles)} and {count}")
    columns = min(count, 5)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(2.6 * columns, 2.7 * rows), layout="constrained")
    for number, ax in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if number >= count:
            ax.axis("off")
            continue
        classes = shown.classes[number] % len(_REGIONS)
        colours = ListedColormap(_REGIONS)
        ax.imshow(
            classes, origin="lower", extent=shown.extent, cmap=colours, vmin=-0.5, vmax=len(_REGIONS) - 0.5,
            interpolation="nearest", aspect="auto",
        )  # fmt: skip
        if examples is not None:
            x, y = examples.x.cpu().numpy(), examples.y.cpu().numpy()
            ax.scatter(x[:, 0], x[:, 1], s=6, c=[_POINTS[label % len(_POINTS)] for label in y], linewidths=0)
        ax.set(xticks=[], yticks=[], xlim=shown.extent[:2], ylim=shown.extent[2:])
        ax.set_title(titles[number] if titles else "", fontsize=9)
    return figure


def _norm(losses: np.ndarray) -> Normalize:
    """One scale for all: logarithmic where positive losses span more than two decades."""
    finite = losses[np.isfinite(losses)]
    if not len(finite):
        return Normalize(0, 1)
    least, most = float(finite.min()), float(finite.max())
    if least > 0 and most / least > 10**_DECADES:
        return LogNorm(least, most)
    return Normalize(least, most)
