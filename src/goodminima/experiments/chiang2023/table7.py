"""Table 7: Guess & Check on two classes of MNIST, with parameters drawn from cubes of three sizes and from a sphere."""

from goodminima.experiments.chiang2023.sampling_ranges import LABELS, sampling_cells
from goodminima.experiments.chiang2023.two_class import run_two_class
from goodminima.experiments.experiment import Experiment, Scale
from goodminima.search import bins

_BINS = bins((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65))

_PRINTED = {
    "cube-1": "93.02 92.39 90.59 89.18 87.22 86.23 83.15",
    "cube-2": "92.52 90.16 89.06 89.89 87.89 85.17 82.17",
    "cube-5": "92.79 92.04 91.18 87.59 87.16 86.42 82.40",
    "sphere-100": "92.87 92.20 89.79 89.84 87.91 86.70 82.81",
}
