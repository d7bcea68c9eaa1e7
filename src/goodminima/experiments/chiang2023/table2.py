"""Table 2: test accuracy at equal normalised loss on two-class MNIST: Guess & Check, SGD, and a linear model."""

from goodminima.experiments.chiang2023.two_class import (
    LABELS,
    BlockTraining,
    Method,
    TwoClassScale,
    run_two_class,
    two_class_cell,
)
from goodminima.experiments.experiment import Experiment, Scale
from goodminima.experiments.paper_values import printed_row
from goodminima.search import bins

_BINS = bins((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65))

_PRINTED: dict[tuple[int, Method], str] = {
    (32, "gc"): "93.02±0.27 92.39±0.29 90.59±0.34 89.18±0.38 87.22±0.43 86.23±0.44 83.15±0.51",
    (32, "sgd"): "- - 94.04±0.25 93.49±0.28 92.54±0.28 91.63±0.33 88.60±0.35",
    (32, "linear"): "84.75±0.47 82.69±0.43 81.24±0.44 79.04±3.14 78.94±4.74 - -",
    (16, "gc"): "89.21±0.47 87.01±0.50 85.18±0.56 84.69±0.54 81.91±0.62 78.61±0.65 75.37±0.63",
    (16, "sgd"): "91.24±0.40 90.87±0.41 90.84±0.38 88.77±0.48 87.93±0.48 86.98±0.47 83.90±0.49",
    (16, "linear"): "80.68±0.55 78.50±0.56 75.69±0.60 72.09±0.56 67.16±0.67 69.51±3.40 -",
    (8, "gc"): "83.05±0.67 80.72±0.75 78.23±0.81 78.05±0.72 76.40±0.79 70.76±0.74 67.48±0.78",
    (8, "sgd"): "83.63±0.63 84.82±0.63 82.62±0.74 81.85±0.72 79.70±0.70 79.74±0.63 76.51±0.71",
    (8, "linear"): "74.29±0.72 71.72±0.75 67.79±0.69 67.36±0.76 63.46±0.75 58.65±0.79 54.87±0.75",
    (4, "gc"): "76.28±0.90 73.93±0.92 72.63±0.86 70.89±0.90 68.27±0.83 65.63±0.92 62.38±0.91",
    (4, "sgd"): "77.35±0.81 75.01±0.85 75.61±0.83 73.95±0.85 73.28±0.85 69.15±0.84 67.65±0.84",
    (4, "linear"): "65.12±0.81 61.94±0.82 62.14±0.78 58.11±0.88 57.21±0.91 55.38±0.88 53.60±0.83",
    (2, "gc"): "66.89±1.04 65.87±1.05 64.03±0.92 62.81±0.90 61.02±0.84 59.90±0.91 56.82±0.95",
    (2, "sgd"): "69.67±0.98 67.11±0.93 64.94±0.95 63.42±0.87 64.38±0.88 63.82±0.89 62.33±0.87",
    (2, "linear"): "58.93±0.94 58.45±0.92 56.59±0.89 54.11±0.91 54.21±0.87 53.13±0.93 51.59±0.89",
}

_CELLS = tuple(
    two_class_cell(samples, method, _BINS, printed_row(tuple(map(str, _BINS)), row))
    for (samples, method), row in _PRINTED.items()
)


def _rows(*sample_counts: int) -> tuple[str, ...]:
    return tuple(cell.name for cell in _CELLS if cell.settings.samples in sample_counts)


TABLE2 = Experiment(
    name="chiang2023/table2",
    title="Guess & Check against SGD on two-class MNIST",
    claim="At equal loss and sample count, guessed minima generalise about as well as trained ones, and both far better "
    "than a linear model: the loss landscape alone carries most of the bias.",
    source="Chiang et al. 2023, Table 2",
    data="digits",
    paper_data=("mnist",),
    cells=_CELLS,
    scales={
        "smoke": Scale(
            replicates=10,
            cells=_rows(2, 4),
            settings=TwoClassScale(
                num_solutions=1, keep=4, budget=100_000, lenet_lr=1e-3,
                sgd=BlockTraining(members=64, member_images=4096), linear=BlockTraining(members=256, member_images=16_384),
                lowest_loss={"gc": {2: 0.4, 4: 0.5}, "sgd": {2: 0.4, 4: 0.5}, "linear": {2: 0.4, 4: 0.5}},
            ),
        ),
        "laptop": Scale(
            replicates=40,
            settings=TwoClassScale(
                num_solutions=1, keep=4, budget=8_000_000, lenet_lr=1e-3,
                sgd=BlockTraining(members=256, member_images=128_000), linear=BlockTraining(members=1024, member_images=800_000),
                lowest_loss={"gc": {16: 0.4, 32: 0.5}, "sgd": {16: 0.4, 32: 0.5}},
            ),
        ),
        "paper": Scale(
            replicates=175,
            settings=TwoClassScale(
                num_solutions=10, keep=10, budget=10_000_000_000, lenet_lr=1e-3,
                sgd=BlockTraining(members=1500, member_images=10**7), linear=BlockTraining(members=2500, member_images=10**8),
            ),
        ),
    },
    run_cell=run_two_class,
    row_labels=LABELS,
    picture="accuracy_by_loss",
    remarks=(
        "A replicate is a pair of random classes with random images; its value is the mean test accuracy of the first "
        "`keep` minima in the bin. The paper averages over 175 data splits and training seeds.",
        "One pass of Guess & Check, and one of SGD, fills all bins of a row; the authors searched each bin anew.",
    ),
)  # fmt: skip
