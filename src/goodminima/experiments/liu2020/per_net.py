"""What the entries have in common that measure vanilla and SOTA SGD from both starts: rows by net and model, four data sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome
from goodminima.experiments.liu2020.recipes import PAPER_NETS, PaperNet
from goodminima.experiments.liu2020.trainings import (
    LAPTOP,
    MODELS,
    SMALL,
    SMOKE,
    Model,
    Net,
    Setting,
    Trainings,
    paper_setting,
    scales,
)
from goodminima.experiments.settings import Settings

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


@final
@dataclass(frozen=True, kw_only=True)
class NetCell(Settings):
    """What a row of a net sets.

    Args:
        net: Which.
    """

    net: Net


@final
@dataclass(frozen=True, kw_only=True)
class ModelCell(Settings):
    """What a row of a net's model sets.

    Args:
        net: Which net.
        model: Which recipe trained it, from which start.
    """

    net: Net
    model: Model


@final
@dataclass(frozen=True, kw_only=True)
class TrainingsScale(Settings):
    """What a scale sets.

    Args:
        setting: Of the trainings.
    """

    setting: Setting


def trainings_of(cell: Cell[NetCell | ModelCell], context: Context[TrainingsScale]) -> Trainings:
    """Those of the cell's net."""
    return Trainings(context=context, setting=context.scale_settings.setting, net=cell.settings.net)


def model_cells(of_model: Callable[[Net, Model], Mapping[str, Any]]) -> tuple[Cell[ModelCell], ...]:
    """A cell for each net and model; `of_model(net, model)` says what it measures: `measures`, `claims`."""
    return tuple(
        Cell(name=f"{net}/{model}", settings=ModelCell(net=net, model=model), **of_model(net, model))
        for net in (SMALL, *PAPER_NETS)
        for model in MODELS
    )


def for_each_data_set(
    entry: str,
    *,
    title: str,
    claim: str,
    cells: Callable[[str], tuple[Cell[NetCell] | Cell[ModelCell], ...]],
    run_cell: Callable[[Cell[Any], Context[TrainingsScale]], Outcome],
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
            paper_data=(data,),
            cells=(here := cells(data)),
            scales=scales(
                smoke=TrainingsScale(setting=SMOKE),
                laptop=TrainingsScale(setting=LAPTOP),
                paper=TrainingsScale(setting=paper_setting(data)),
                small_cells=_of_nets(here, [SMALL]),
                paper_cells=_of_nets(here, PAPER_NETS),
            ),
            run_cell=run_cell,
            row_labels=row_labels,
            picture=picture,
            percent=percent,
            remarks=(*remarks, SMALL_HERE, *_TELL_APART.get(data, ())),
        )
        for data, said in DATA.items()
    }


def _of_nets(
    cells: Sequence[Cell[NetCell] | Cell[ModelCell]], nets: Sequence[Net] | Mapping[PaperNet, Any]
) -> tuple[str, ...]:
    return tuple(cell.name for cell in cells if cell.settings.net in nets)
