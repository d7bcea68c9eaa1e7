"""What Tables 7 and 8 share: Guess & Check from four distributions of the parameters."""

from collections.abc import Mapping, Sequence

from goodminima.experiments.chiang2023.two_class import two_class_cell
from goodminima.experiments.experiment import Cell
from goodminima.experiments.paper_values import printed_row
from goodminima.population import AbstractPrior, Cube, Sphere
from goodminima.population.priors import AbstractBox
from goodminima.search import Fits

PRIORS: Mapping[str, tuple[str, AbstractPrior]] = {
    "cube-1": ("uniform (-1, 1)", Cube(1.0)),
    "cube-2": ("uniform (-2, 2)", Cube(2.0)),
    "cube-5": ("uniform (-5, 5)", Cube(5.0)),
    "sphere-100": ("sphere of norm 100", Sphere(100.0)),
}
LABELS = ("sampling", "samples", "optimizer")


def budgets(box: int, *, sphere: int) -> Mapping[str, int]:
    """Guesses by `sampling`: those from a sphere cost thirty times more, for the compiled kernel knows boxes alone."""
    return {name: box if isinstance(prior, AbstractBox) else sphere for name, prior in PRIORS.values()}


def sampling_cells(
    printed: Mapping[str, str], accept: tuple[Fits, ...], *, samples: Sequence[int], methods: Sequence[str]
) -> tuple[Cell, ...]:
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
        for method in methods
    )
