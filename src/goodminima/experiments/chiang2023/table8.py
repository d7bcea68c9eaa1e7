"""Table 8: Guess & Check on two classes of CIFAR-10, with parameters drawn from cubes of three sizes and from a sphere."""

from goodminima.experiments.chiang2023.sampling_ranges import LABELS, sampling_cells
from goodminima.experiments.chiang2023.two_class import run_two_class
from goodminima.experiments.experiment import Experiment, Scale
from goodminima.search import bins

_BINS = bins((0.55, 0.57, 0.59, 0.61, 0.63, 0.65, 0.67))

_PRINTED = {
    "cube-1": "66.59 65.91 64.09 61.08 59.33 57.18",
    "cube-2": "65.93 65.14 64.93 61.31 61.85 57.22",
    "cube-5": "67.63 61.69 63.63 62.19 60.33 58.41",
    "sphere-100": "61.81 64.31 59.30 62.01 56.72 60.77",
}
