"""Figure 8: decision boundaries as the number of training points grows."""

from goodminima.experiments.chiang2023.toy_boundaries import BoundaryScale, Method, boundary_cell, run_boundaries
from goodminima.experiments.experiment import Experiment, Scale

_METHODS: tuple[Method, ...] = ("sgd", "gc")
_SAMPLES = (3, 5, 7, 11, 15)

FIGURE8 = Experiment(
    name="chiang2023/figure8",
    title="Decision boundaries on the wedge as the training set grows",
    claim="Few points leave the boundary open; each further point narrows it, for SGD and Guess & Check alike.",
    source="Chiang et al. 2023, Figure 8",
    cells=tuple(
        boundary_cell(method, hidden=10, num_train=samples, name=f"{method}/n={samples}")
        for method in _METHODS
        for samples in _SAMPLES
    ),
    scales={
        "smoke": Scale(replicates=1, settings=BoundaryScale(budget=2_000_000, max_members=1024)),
        "laptop": Scale(replicates=4, settings=BoundaryScale(budget=20_000_000, max_members=16_384)),
        "paper": Scale(replicates=4, settings=BoundaryScale(budget=10**9, max_members=10**6)),
    },
    run_cell=run_boundaries,
    row_labels=("optimizer", "samples"),
    picture="boundaries",
    remarks=(
        "The paper does not say which sample counts and widths it shows; here 3 to 15 points and 10 hidden units.",
    ),
)
