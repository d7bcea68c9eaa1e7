"""Figure 2: what section 2 and Table 1 measure, in one picture."""

from dataclasses import dataclass, replace
from typing import Literal, final

from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.linear_vs_resnet import (
    LINEAR_VS_RESNET,
    PAIR,
    PairCell,
    PairScale,
    linear_cell,
    resnet_cell,
    run_pair,
)
from goodminima.experiments.huang2020.table1 import TABLE1
from goodminima.experiments.huang2020.zoo import (
    OPTIMIZERS,
    ZOO,
    ZooCell,
    ZooLinearCell,
    ZooScale,
    run_zoo,
    zoo_cell,
    zoo_linear_cell,
)
from goodminima.experiments.settings import Settings

Side = Literal["left", "right"]
_LEFT: Side = "left"
_RIGHT: Side = "right"


@final
@dataclass(frozen=True, kw_only=True)
class SideCell(Settings):
    """What a row sets.

    Args:
        side: Of the picture.
        label: Name of the cell in the entry that it is of.
        of: What the cell sets there.
    """

    side: Side
    label: str
    of: PairCell | ZooCell | ZooLinearCell


@final
@dataclass(frozen=True, kw_only=True)
class SidesScale(Settings):
    """What a scale sets: what it does in the two entries.

    Args:
        pair: Of the left side.
        zoo: Of the right side.
    """

    pair: PairScale
    zoo: ZooScale


def _run(cell: Cell[SideCell], context: Context[SidesScale]) -> Outcome:
    settings, scale = cell.settings.of, context.scale_settings
    if isinstance(settings, PairCell):
        return run_pair(cell.with_settings(settings), context.with_settings(scale.pair))
    return run_zoo(cell.with_settings(settings), context.with_settings(scale.zoo))


def _on(side: Side, cell: Cell[PairCell | ZooCell | ZooLinearCell]) -> Cell[SideCell]:
    settings = SideCell(side=side, label=cell.name, of=cell.settings)
    return replace(cell.with_settings(settings), name=f"{side}/{cell.name}")


FIGURE2 = Experiment(
    name="huang2020/figure2",
    title="Linear model against ResNet, and all optimizers against the linear model",
    claim="Models that fit the training images equally well generalise unequally; nets generalise whatever the optimizer.",
    source="Huang et al. 2020, Figure 2",
    data="digits",
    paper_data=("cifar10",),
    percent=False,
    cells=(
        *(_on(_LEFT, cell) for cell in (linear_cell(), resnet_cell())),
        *(_on(_RIGHT, cell) for cell in (zoo_linear_cell(), *(zoo_cell(name) for name in OPTIMIZERS))),
    ),
    scales={
        scale: Scale(
            replicates=3 if scale == "laptop" else 1,
            settings=SidesScale(pair=PAIR[scale], zoo=zoo),
            comparable=scale == "paper",
            cells=("left/linear", "left/resnet", "right/linear", "right/adam") if scale == "smoke" else None,
        )
        for scale, zoo in ZOO.items()
    },
    run_cell=_run,
    row_labels=("side", "label"),
    picture="linear_and_optimizers",
    remarks=(
        "The trainings are those of huang2020/linear_vs_resnet (left) and huang2020/table1 (right): whichever entry comes first "
        "trains, the others load.",
        *LINEAR_VS_RESNET.remarks,
        *TABLE1.remarks,
    ),
)
