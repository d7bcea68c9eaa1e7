"""Figure 4: the replication factor R of the adversarial start."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, final

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome
from goodminima.experiments.liu2020.per_net import SOURCE
from goodminima.experiments.liu2020.recipes import Mode
from goodminima.experiments.liu2020.table2 import SAME, SIGNIFICANT
from goodminima.experiments.liu2020.trainings import (
    LAPTOP,
    SMALL,
    SMOKE,
    Net,
    Setting,
    Trainings,
    paper_setting,
    scales,
)
from goodminima.experiments.settings import Settings

VANILLA: Mode = "vanilla"
SOTA: Mode = "SOTA"
LOST, BENT, FLAT = "vanilla lost at the largest R", "vanilla lost a copy, first less later", "SOTA lost, mean over R"
_GRID = (0, 1, 3, 5, 10)


@final
@dataclass(frozen=True, kw_only=True)
class ReplicasCell(Settings):
    """What a row sets.

    Args:
        R: The paper's R: copies of each image that the start knows random labels of; 0 for the random start. "all" for
            what the scale's whole grid shows.
    """

    R: int | Literal["all"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.R != "all" and self.R < 0:
            raise ValueError(f"ReplicasCell: R must be at least 0, got {self.R}")


@final
@dataclass(frozen=True, kw_only=True)
class ReplicasScale(Settings):
    """What a scale sets.

    Args:
        setting: Of the trainings.
        net: What is trained.
        grid: Every R of the row over all of them, from 0 up.
    """

    setting: Setting
    net: Net
    grid: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.grid) < 3 or self.grid[0] != 0 or any(less >= more for less, more in pairwise(self.grid)):
            raise ValueError(f"ReplicasScale: grid must be 0 and at least two more, increasing, got {self.grid}")


def run_replicas(cell: Cell[ReplicasCell], context: Context[ReplicasScale]) -> Outcome:
    """Test accuracy of vanilla and SOTA SGD from a start that knows R copies of each image; 0 is the random start."""
    scale = context.scale_settings
    trainings, copies = Trainings(context=context, setting=scale.setting, net=scale.net), cell.settings.R
    if copies != "all":
        return Outcome(values={mode: _accuracy(trainings, mode, copies) for mode in (VANILLA, SOTA)})
    grid = scale.grid
    vanilla, sota = ({copies: _accuracy(trainings, mode, copies) for copies in grid} for mode in (VANILLA, SOTA))
    none, middle, most = grid[0], grid[len(grid) // 2], grid[-1]
    early = (vanilla[none] - vanilla[middle]) / (middle - none)
    late = (vanilla[middle] - vanilla[most]) / (most - middle)
    lost = [sota[none] - sota[copies] for copies in grid[1:]]
    return Outcome(values={LOST: vanilla[none] - vanilla[most], BENT: early - late, FLAT: sum(lost) / len(lost)})


def _accuracy(trainings: Trainings, mode: Mode, copies: int) -> float:
    found = trainings.fitted(mode, "adversarial", copies) if copies else trainings.fitted(mode, "random")
    return float(found.test_accuracy[-1])


def _cells() -> tuple[Cell[ReplicasCell], ...]:
    shape = Cell(
        name="all R",
        settings=ReplicasCell(R="all"),
        measures=(LOST, BENT, FLAT),
        claims={
            LOST: Claim("vanilla SGD degrades with R: test accuracy lost from R = 0 to the largest", above=SIGNIFICANT),
            BENT: Claim("vanilla SGD degrades fast first, then slower: accuracy lost a copy", above=0.0),
            FLAT: Claim("SOTA SGD stays unaffected by R: mean accuracy lost", above=-SAME, below=SAME),
        },
    )
    rows = (Cell(name=f"R={copies}", settings=ReplicasCell(R=copies), measures=(VANILLA, SOTA)) for copies in _GRID)
    return (*rows, shape)


FIGURE4 = Experiment(
    name="liu2020/figure4",
    title="How many copies of each image have random labels",
    claim="The more copies of each image a start knows random labels of, the worse plain SGD ends; SOTA SGD does not care.",
    source=f"{SOURCE}, Figure 4",
    data="digits",
    paper_data=("cifar10",),
    cells=_cells(),
    scales=scales(
        smoke=ReplicasScale(setting=SMOKE, net=SMALL, grid=(0, 1, 3)),
        laptop=ReplicasScale(setting=LAPTOP, net=SMALL, grid=_GRID),
        paper=ReplicasScale(setting=paper_setting("cifar10"), net="ResNet18", grid=_GRID),
    ),
    run_cell=run_replicas,
    row_labels=("R",),
    picture="replicas",
    remarks=(
        "R = 0 is the random start. The paper shows its four nets; here ResNet18 stands for them at the paper's scale.",
    ),
)
