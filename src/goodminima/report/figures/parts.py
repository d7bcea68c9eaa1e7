"""What pictures of several modules are made of: colours that all eyes tell apart, stored runs, the last touches."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from goodminima.run.results import Results

BLUE, ORANGE, GREEN, PURPLE, BROWN, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d31", "#7f7f7f"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, BROWN)


def runs(results: "Results", *cells: str) -> Iterator[tuple[bool, Mapping[str, np.ndarray]]]:
    """The arrays of every replicate of some cells, and whether they are the first: that one labels its lines."""
    stored = [outcome.arrays for cell in cells for outcome in results.outcomes(cell) if outcome.arrays]
    yield from ((number == 0, arrays) for number, arrays in enumerate(stored))


def finished(figure: Figure, *axes: Axes) -> Figure:
    """Grids, and a legend where lines have names."""
    for ax in axes:
        ax.grid(alpha=0.25)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(frameon=False, fontsize=8)
    return figure
