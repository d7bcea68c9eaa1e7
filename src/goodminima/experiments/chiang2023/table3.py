"""Table 3: test accuracy at equal normalised loss on two-class CIFAR-10: Guess & Check and SGD."""

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

_BINS = bins((0.55, 0.57, 0.59, 0.61, 0.63, 0.65, 0.67))

_PRINTED: dict[tuple[int, Method], str] = {
    (24, "gc"): "66.59±0.74 65.91±0.80 64.09±0.96 61.08±0.89 59.33±0.88 57.18±0.89",
    (24, "sgd"): "63.16±0.87 62.02±0.84 60.74±0.73 58.21±0.75 57.62±0.69 56.24±0.55",
    (16, "gc"): "61.10±0.98 59.54±0.98 59.21±0.90 57.53±0.86 57.71±0.81 55.06±0.70",
    (16, "sgd"): "58.58±0.77 58.98±0.69 57.86±0.79 57.11±0.61 56.77±0.62 53.90±0.50",
    (8, "gc"): "54.39±0.80 53.99±0.76 57.17±0.94 54.61±0.68 52.66±0.66 52.82±0.62",
    (8, "sgd"): "56.76±0.71 55.02±0.62 54.79±0.72 54.62±0.68 53.39±0.66 53.53±0.55",
    (4, "gc"): "55.51±0.84 53.59±0.96 52.78±0.82 52.30±0.67 52.38±0.63 54.07±0.72",
    (4, "sgd"): "53.49±0.68 52.14±0.51 53.75±0.62 51.53±0.63 52.18±0.66 50.44±0.55",
    (2, "gc"): "51.66±0.74 52.39±0.67 52.00±0.60 51.37±0.56 50.01±0.71 50.66±0.62",
    (2, "sgd"): "51.93±0.66 51.39±0.47 51.98±0.59 51.16±0.48 50.65±0.45 50.05±0.43",
}

_CELLS = tuple(
    two_class_cell(samples, method, _BINS, printed_row(tuple(map(str, _BINS)), row))
    for (samples, method), row in _PRINTED.items()
)


def _rows(*sample_counts: int) -> tuple[str, ...]:
    return tuple(cell.name for cell in _CELLS if cell.settings.samples in sample_counts)


TABLE3 = Experiment(
    name="chiang2023/table3",
    title="Guess & Check against SGD on two-class CIFAR-10",
    claim="On CIFAR-10 guessed minima generalise slightly better than trained ones at equal loss.",
    source="Chiang et al. 2023, Table 3",
    data="digits",
    paper_data=("cifar10",),
    cells=_CELLS,
    scales={
        "smoke": Scale(
            replicates=4,
            cells=_rows(2, 4),
            settings=TwoClassScale(
                num_solutions=1, keep=4, budget=20_000, lenet_lr=1e-4,
                sgd=BlockTraining(members=64, member_images=1024),
            ),
        ),
        "laptop": Scale(
            replicates=40,
            cells=_rows(2, 4, 8),
            settings=TwoClassScale(
                num_solutions=1, keep=4, budget=5_000_000, lenet_lr=1e-4,
                sgd=BlockTraining(members=64, member_images=25_600),
            ),
        ),
        "paper": Scale(
            replicates=75,
            settings=TwoClassScale(
                num_solutions=1, keep=1, budget=10_000_000_000, lenet_lr=1e-4,
                sgd=BlockTraining(members=500, member_images=10**7),
            ),
        ),
    },
    run_cell=run_two_class,
    row_labels=LABELS,
    picture="accuracy_by_loss",
    remarks=(
        "One pass of Guess & Check, and one of SGD, fills all bins of a row; the authors searched each bin anew.",
    ),
)  # fmt: skip
