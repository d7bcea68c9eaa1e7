"""What the entries have in common that measure vanilla and SOTA SGD from both starts: rows by net and model, four data sets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome
from goodminima.experiments.liu2020.recipes import PAPER_NETS
from goodminima.experiments.liu2020.trainings import MODELS, SMALL, Trainings, scales

DATA: Mapping[str, str] = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "cinic10": "CINIC-10",
    "restricted_imagenet": "Restricted ImageNet",
}
SOURCE = "Liu, Papailiopoulos, Achlioptas 2020"
SMALL_HERE = (
    "Smoke and laptop train a small net on a few images of four classes, the paper's scale its four nets on all images."
)
_TELL_APART = {"restricted_imagenet": ("Restricted ImageNet has no name on the hub: give a folder, `--data FOLDER`.",)}


def trainings_of(cell: Cell, context: Context) -> Trainings:
    """Those of the cell's net."""
    return Trainings(context=context, net=cell.settings["net"])


def model_cells(of_model: Callable[[str, str], Mapping[str, Any]]) -> tuple[Cell, ...]:
    """A cell for each net and model; `of_model(net, model)` says what it measures: `measures`, `claims`."""
    return tuple(
        Cell(name=f"{net}/{model}", settings={"net": net, "model": model}, **of_model(net, model))
        for net in (SMALL, *PAPER_NETS)
        for model in MODELS
    )


def for_each_data_set(
    entry: str,
    *,
    title: str,
    claim: str,
    cells: Callable[[str], tuple[Cell, ...]],
    run_cell: Callable[[Cell, Context], Outcome],
    row_labels: tuple[str, ...],
    picture: str | None,
    percent: bool,
    remarks: Sequence[str] = (),
) -> dict[str, Experiment]:
    """The entry of CIFAR-10, `liu2020/ENTRY`, and those of the appendix, `liu2020/ENTRY_cifar100` and so on, by data set.

    Args:
        entry: `figure2`, `table1`.
        title: Without the data set.
        claim: As in `Experiment`, and so are the others.
        cells: Name of a data set -> the cells, whose names begin with their net's.
    """
    source = entry.replace("figure", "Figure ").replace("table", "Table ")
    return {
        data: Experiment(
            name=f"liu2020/{entry}" if data == "cifar10" else f"liu2020/{entry}_{data}",
            title=f"{title}: {said}",
            claim=claim,
            source=f"{SOURCE}, {source} and the appendix",
            data="digits",
            cells=(here := cells(data)),
            scales=scales(data, small=_of_nets(here, [SMALL]), paper=_of_nets(here, PAPER_NETS)),
            run_cell=run_cell,
            row_labels=row_labels,
            picture=picture,
            percent=percent,
            remarks=(*remarks, SMALL_HERE, *_TELL_APART.get(data, ())),
        )
        for data, said in DATA.items()
    }


def _of_nets(cells: tuple[Cell, ...], nets: Sequence[str] | Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(cell.name for cell in cells if cell.settings["net"] in nets)
