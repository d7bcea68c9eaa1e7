"""Bars of the zoo's pictures are what was measured, and the line is the linear model's."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from goodminima.experiments.catalogue import find
from goodminima.experiments.experiment import Experiment, Outcome
from goodminima.report.figures import PICTURES
from goodminima.run import Group, Replicate, Results
from goodminima.run.results import identity_of


def results_of(experiment: Experiment, accuracies: dict[str, float]) -> Results:
    """One replicate of some cells, all of which fit."""
    group = Group(experiment=experiment.name, scale="laptop", data="cifar10", seed=0, device="cpu")
    stored: dict[str, tuple[Replicate, ...]] = {cell.name: () for cell in experiment.cells}
    for cell in experiment.cells:
        if cell.name in accuracies:
            values = {"train accuracy": 1.0, "test accuracy": accuracies[cell.name]}
            stored[cell.name] = (
                Replicate(
                    identity=identity_of(experiment, cell, group=group, replicate=0),
                    outcome=Outcome(values=values),
                    seconds=1.0,
                    device="cpu",
                    versions={},
                    revision="",
                    created="",
                ),
            )
    return Results(experiment=experiment, group=group, replicates=stored)


@pytest.mark.parametrize(
    ("entry", "picture", "side"),
    [("huang2020/table1", "zoo_table", ""), ("huang2020/figure2", "linear_and_optimizers", "right/")],
)
def test_bars_are_the_optimizers_and_the_line_the_linear_model(entry: str, picture: str, side: str) -> None:
    found = {f"{side}adam": 0.75, f"{side}linear": 0.6, f"{side}sgd": 0.8}
    experiment = find(entry)
    figure = PICTURES[picture](experiment, results_of(experiment, found))
    plt.close(figure)
    ax = figure.axes[-1]
    train, test = ax.containers[1], ax.containers[3]  # each behind its error bars
    names = [label.get_text() for label in ax.get_xticklabels()]
    heights = {name: bar.get_height() for name, bar in zip(names, test, strict=True)}
    assert (heights["Adam"], heights["SGD"]) == (75, 80)
    assert "linear" not in heights
    assert train[names.index("Adam")].get_height() == 100
    (line,) = [each for each in ax.lines if each.get_linestyle() == "--"]
    assert np.asarray(line.get_ydata()).tolist() == [60, 60]


def test_models_of_section_2_are_written_on_their_bars() -> None:
    experiment = find("huang2020/linear_vs_resnet")
    figure = PICTURES["linear_and_resnet"](experiment, results_of(experiment, {"linear": 0.36, "resnet": 0.55}))
    plt.close(figure)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["36.0", "55.0"]
