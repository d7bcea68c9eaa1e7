"""Figure 2 and appendix A: nine decision boundaries by three methods, from 2 to 20 hidden units."""

from goodminima.experiments.chiang2023.toy_boundaries import METHODS, BoundaryScale, boundary_cell, run_boundaries
from goodminima.experiments.experiment import Experiment, Scale

_HIDDEN = (2, 4, 10, 15, 20)

FIGURE2 = Experiment(
    name="chiang2023/figure2",
    title="Decision boundaries on the wedge as the net grows",
    claim="Larger nets can draw wilder boundaries, as poisoned training shows; neither SGD nor Guess & Check does.",
    source="Chiang et al. 2023, Figure 2 and appendix A",
    cells=tuple(
        boundary_cell(method, hidden=hidden, num_train=11, name=f"{method}/h={hidden}")
        for method in METHODS
        for hidden in _HIDDEN
    ),
    scales={
        "smoke": Scale(replicates=1, settings=BoundaryScale(budget=2_000_000, max_members=1024, poison_epochs=1000)),
        "laptop": Scale(
            replicates=4, settings=BoundaryScale(budget=20_000_000, max_members=16_384, poison_epochs=3000)
        ),
        "paper": Scale(replicates=4, settings=BoundaryScale(budget=10**9, max_members=10**6, poison_epochs=30_000)),
    },
    run_cell=run_boundaries,
    row_labels=("optimizer", "hidden"),
    picture="boundaries",
    remarks=(
        "Replicates are samples of the wedge: the paper shows one in the text and four in the appendix.",
        "Poisoned boundaries come from training against the test points, as the text of the paper says; its code takes "
        "the worst of 500,000 guesses.",
        "Guesses have a normalised loss of at most 0.68, about where SGD first fits everything.",
    ),
)
