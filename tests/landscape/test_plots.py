"""Pictures of slices: one scale for all panels, and what is not finite is not hidden."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import LogNorm

from goodminima.landscape import Line, Regions, Surface
from goodminima.landscape.plots import lines, surfaces
from goodminima.tasks.task import Examples

FACTS = {"batch_norm": "eval", "num_examples": 3}


def surface_of(loss: np.ndarray) -> Surface:
    x = np.linspace(-1, 1, loss.shape[1])
    y = np.linspace(-1, 1, loss.shape[0])
    return Surface(x=x, y=y, loss=loss, units=("a", "b"), lengths=(1.0, 1.0), cosine=0.0, **FACTS)


def test_panels_share_one_scale() -> None:
    low, high = surface_of(np.full((3, 3), 0.01)), surface_of(np.full((3, 3), 10.0))
    figure = surfaces({"good": low, "bad": high})
    norms = [ax.collections[0].norm for ax in figure.axes[:2]]
    assert all(isinstance(norm, LogNorm) and (norm.vmin, norm.vmax) == (0.01, 10.0) for norm in norms)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["good", "bad"]


def test_what_is_not_finite_is_named() -> None:
    figure = surface_of(np.array([[1.0, np.nan], [np.inf, 2.0]])).plot()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["not a number", "infinite"]
    assert not surface_of(np.ones((2, 2))).plot().legends
    shown = Line(x=np.arange(4.0), loss=np.array([1.0, np.nan, np.inf, 3.0]), unit="a", length=1.0, **FACTS)
    ax = lines({"net": shown}).axes[0]
    assert ax.get_legend_handles_labels()[1] == ["net", "net: infinite", "net: not a number"]


def test_pictures_are_written_and_no_window_is_opened(tmp_path: Path) -> None:
    found = Regions(np.zeros((2, 4, 4), dtype=np.uint8), np.zeros((2, 4, 4)), (0.0, 1.0, 0.0, 1.0))
    points = Examples(torch.rand(5, 2), torch.arange(5) % 2)
    open_before = plt.get_fignums()
    figure = found.plot(tmp_path / "regions.png", examples=points, titles=("one", "two"))
    assert (tmp_path / "regions.png").stat().st_size > 1000
    assert [ax.get_title() for ax in figure.axes] == ["one", "two"]
    assert plt.get_fignums() == open_before
