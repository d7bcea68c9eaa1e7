"""Pictures: a module per paper. Nothing here computes results; nothing elsewhere draws."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed, and none is opened

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from goodminima.experiments.experiment import Experiment
from goodminima.report.figures import (
    chiang2023,
    chiang2023_searches,
    diagonal_and_labels,
    huang2020,
    huang2020_slices,
    huang2020_zoo,
    linear_networks,
    liu2020,
    margins,
    two_layer,
    volumes,
)

if TYPE_CHECKING:
    from goodminima.run.results import Results

PICTURES: Mapping[str, Callable[[Experiment, "Results"], Figure]] = {
    "wedge": chiang2023.wedge,
    "boundaries": chiang2023.boundaries,
    "accuracy_by_loss": chiang2023.accuracy_by_loss,
    "paired_episodes": chiang2023.paired_episodes,
    "slab_volumes": volumes.slab_volumes,
    "accuracy_by_width": volumes.accuracy_by_width,
    "accuracy_by_sampling": volumes.accuracy_by_sampling,
    "volume_by_samples": volumes.volume_by_samples,
    "searches": chiang2023_searches.searches,
    "toy_boundaries": liu2020.toy_boundaries,
    "both_starts": liu2020.both_starts,
    "accuracy_curves": liu2020.accuracy_curves,
    "replicas": liu2020.replicas,
    "norms": liu2020.norms,
    "fgsm": liu2020.fgsm,
    "minefield": huang2020.minefield,
    "good_and_bad": huang2020.good_and_bad,
    "basins_by_poison": huang2020.basins_by_poison,
    "boundaries_by_gap": huang2020.boundaries_by_gap,
    "rings": huang2020.rings,
    "linear_and_resnet": huang2020_zoo.linear_and_resnet,
    "zoo_table": huang2020_zoo.zoo_table,
    "linear_and_optimizers": huang2020_zoo.linear_and_optimizers,
    "image_slices": huang2020_slices.image_slices,
    "image_rays": huang2020_slices.image_rays,
    "image_basins": huang2020_slices.image_basins,
    "angle_and_margin": margins.angle_and_margin,
    "margin_rates": margins.margin_rates,
    "partly_separable": margins.partly_separable,
    "five_geometries": margins.five_geometries,
    "mirror_descent": margins.mirror_descent,
    "linear_networks": linear_networks.linear_networks,
    "kkt_conditions": two_layer.kkt_conditions,
    "variation_margin": two_layer.variation_margin,
    "diagonal_networks": diagonal_and_labels.diagonal_networks,
    "early_stopping": diagonal_and_labels.early_stopping,
    "random_labels": diagonal_and_labels.random_labels,
}


def draw(experiment: Experiment, results: "Results", path: Path) -> None:
    """Draws the experiment's picture from stored results into a PNG file at `path`."""
    if experiment.picture is None or experiment.picture not in PICTURES:
        raise ValueError(f"{experiment.name} has picture {experiment.picture!r}; there are {', '.join(PICTURES)}")
    figure = PICTURES[experiment.picture](experiment, results)
    figure.savefig(path, dpi=150)
    plt.close(figure)
