"""Figure 2: what section 2 and Table 1 measure, in one picture."""

from dataclasses import replace

from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Scale
from goodminima.experiments.huang2020.linear_vs_resnet import LINEAR_VS_RESNET, PAIR, linear_cell, resnet_cell, run_pair
from goodminima.experiments.huang2020.table1 import TABLE1
from goodminima.experiments.huang2020.zoo import OPTIMIZERS, ZOO, run_zoo, zoo_cell, zoo_linear_cell

_LEFT, _RIGHT = "left", "right"


def _run(cell: Cell, context: Context) -> Outcome:
    return run_pair(cell, context) if cell.settings["side"] == _LEFT else run_zoo(cell, context)


def _on(side: str, cell: Cell) -> Cell:
    return replace(cell, name=f"{side}/{cell.name}", settings={**cell.settings, "side": side, "label": cell.name})


FIGURE2 = Experiment(
    name="huang2020/figure2",
    title="Linear model against ResNet, and all optimizers against the linear model",
    claim="Models that fit the training images equally well generalise unequally; nets generalise whatever the optimizer.",
    source="Huang et al. 2020, Figure 2",
    data="digits",
    percent=False,
    cells=(
        *(_on(_LEFT, cell) for cell in (linear_cell(), resnet_cell())),
        *(_on(_RIGHT, cell) for cell in (zoo_linear_cell(), *(zoo_cell(name) for name in OPTIMIZERS))),
    ),
    scales={
        scale: Scale(
            replicates=3 if scale == "laptop" else 1,
            settings={"pair": PAIR[scale], "zoo": zoo},
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
