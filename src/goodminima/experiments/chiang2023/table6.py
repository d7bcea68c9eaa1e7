"""Table 6: Guess & Check on 16 images of MNIST as LeNet grows, with the cells that guessing leaves empty by splitting."""

from goodminima.experiments.chiang2023.two_class import (
    Method,
    TwoClassCell,
    TwoClassScale,
    run_two_class,
    two_class_cell,
)
from goodminima.experiments.experiment import Cell, Experiment, Scale
from goodminima.experiments.paper_values import printed_row
from goodminima.experiments.volume_estimates import Splitting
from goodminima.search import bins

_METHODS: tuple[Method, ...] = ("gc", "splitting")
_BINS = bins((0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65))
_SAMPLES = 16

_PRINTED = {
    1.0: "- - - - - 92.11±1.35 93.44",
    0.9: "- - - - 90.89 86.33±6.81 90.90±3.03",
    0.8: "- - 93.34 83.89±8.97 87.71 93.29 81.94±7.35",
    0.7: "97.73 96.32 95.20±0.42 92.30±1.21 86.10±6.24 80.59±2.96 87.37",
    0.6: "91.20±1.40 89.66±1.88 87.76±2.22 85.45±2.07 83.64±2.78 82.76±3.33 79.43±3.06",
    0.5: "89.21±0.47 87.01±0.50 85.18±0.56 84.69±0.54 81.91±0.62 78.61±0.65 75.37±0.63",
    0.4: "85.82±0.53 83.78±0.61 81.43±0.61 79.63±0.65 77.50±0.64 75.98±0.66 72.30±0.77",
    0.3: "79.55±0.60 79.13±0.60 76.63±0.72 75.43±0.63 74.22±0.66 72.28±0.72 71.75±0.67",
    0.2: "77.39±0.56 76.08±0.63 74.70±0.56 73.40±0.60 71.84±0.60 69.66±0.64 68.49±0.58",
}


def _cell(width: float, method: Method) -> Cell[TwoClassCell]:
    printed = printed_row(tuple(map(str, _BINS)), _PRINTED[width])
    return two_class_cell(_SAMPLES, method, _BINS, printed, name=f"w={width:g}/{method}", width=width)


TABLE6 = Experiment(
    name="chiang2023/table6",
    title="Guess & Check on 16 images of MNIST as the net grows",
    claim="Wider nets generalise better at equal loss, without any training: their good solutions take a larger share of "
    "the volume.",
    source="Chiang et al. 2023, Table 6",
    data="digits",
    paper_data=("mnist",),
    cells=tuple(_cell(width, method) for width in _PRINTED for method in _METHODS),
    scales={
        "smoke": Scale(
            replicates=1,
            cells=("w=0.3/gc", "w=0.3/splitting", "w=0.2/gc", "w=0.2/splitting"),
            settings=TwoClassScale(
                num_solutions=1, keep=4, budget=50_000,
                splitting=Splitting(particles=32, sweeps=1, repeats=1),
            ),
        ),
        "laptop": Scale(
            replicates=12,
            settings=TwoClassScale(
                num_solutions=1, keep=10, budget=1_000_000,
                splitting=Splitting(particles=128, sweeps=6, repeats=1),
            ),
            replicates_of={f"w={width:g}/splitting": 8 for width in _PRINTED},
        ),
        "paper": Scale(
            replicates=175,
            settings=TwoClassScale(
                num_solutions=10, keep=10, budget=10_000_000_000,
                splitting=Splitting(particles=256, sweeps=6, repeats=1),
            ),
            replicates_of={f"w={width:g}/splitting": 40 for width in _PRINTED},
        ),
    },
    run_cell=run_two_class,
    row_labels=("width", "optimizer"),
    picture="accuracy_by_width",
    remarks=(
        "Rows called splitting are multilevel splitting over the same images: solutions drawn uniformly from the bin, "
        "correlated with one another, where guessing would take too long. The paper has n/a where it found none.",
        "Printed values without a standard error are single solutions; they are compared as if they were exact.",
    ),
)  # fmt: skip
