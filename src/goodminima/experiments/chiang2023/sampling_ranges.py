"""What Tables 7 and 8 share: all but their data, loss bins, printed values and budgets."""

from collections.abc import Mapping, Sequence

from goodminima.experiments.chiang2023.two_class import Method, TwoClassCell, run_two_class, two_class_cell
from goodminima.experiments.experiment import Cell, Experiment, Scale
from goodminima.experiments.paper_values import printed_row
from goodminima.population import AbstractPrior, Cube, Sphere
from goodminima.search import Fits

PRIORS: Mapping[str, tuple[str, AbstractPrior]] = {
    "cube-1": ("uniform (-1, 1)", Cube(1.0)),
    "cube-2": ("uniform (-2, 2)", Cube(2.0)),
    "cube-5": ("uniform (-5, 5)", Cube(5.0)),
    "sphere-100": ("sphere of norm 100", Sphere(100.0)),
}
_METHODS: tuple[Method, ...] = ("gc", "splitting")
NO_ERRORS = "Printed without standard errors: differences take the printed values as exact."


def sampling_cells(
    printed: Mapping[str, str], accept: tuple[Fits, ...], *, samples: Sequence[int]
) -> tuple[Cell[TwoClassCell], ...]:
    """A cell of each prior, sample count and method, `cube-1/n=24/gc` say; every one beside the prior's printed row."""
    return tuple(
        two_class_cell(
            count,
            method,
            accept,
            printed_row(tuple(map(str, accept)), row),
            name=f"{short}/n={count}/{method}",
            sampling=PRIORS[short][0],
            prior=PRIORS[short][1],
        )
        for count in samples
        for short, row in printed.items()
        for method in _METHODS
    )


def sampling_table(
    number: int,
    data: str,
    *,
    hub_name: str,
    cells: tuple[Cell[TwoClassCell], ...],
    scales: Mapping[str, Scale],
    remarks: tuple[str, ...],
) -> Experiment:
    """One of the two tables.

    Args:
        number: 7 or 8.
        data: The paper's data set, as it is written.
        hub_name: What to type after `--data` for it; the printed values are for it alone.
        cells: As `sampling_cells` makes them.
        scales: The three.
        remarks: Where ours differs from the paper.
    """
    return Experiment(
        name=f"chiang2023/table{number}",
        title=f"Guess & Check on two classes of {data}, from cubes of three sizes and from a sphere",
        claim="From where the parameters are drawn makes no material difference to how guessed minima generalise.",
        source=f"Chiang et al. 2023, Table {number}",
        data="digits",
        paper_data=(hub_name,),
        cells=cells,
        scales=scales,
        run_cell=run_two_class,
        row_labels=("sampling", "samples", "optimizer"),
        picture="accuracy_by_sampling",
        remarks=remarks,
    )
