"""Figure 4: the replication factor R of the adversarial start."""

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome
from goodminima.experiments.liu2020.per_net import SOURCE
from goodminima.experiments.liu2020.table2 import SAME, SIGNIFICANT
from goodminima.experiments.liu2020.trainings import Trainings, scales

VANILLA, SOTA = "vanilla", "SOTA"
LOST, BENT, FLAT = "vanilla lost at the largest R", "vanilla lost a copy, first less later", "SOTA lost, mean over R"
_GRID = (0, 1, 3, 5, 10)
_SHAPE = "all R"


def run_replicas(cell: Cell, context: Context) -> Outcome:
    """Test accuracy of vanilla and SOTA SGD from a start that knows R copies of each image; 0 is the random start.

    Settings read from the scale: `setting` of the trainings, `net`, `grid` of R.
    """
    trainings = Trainings(context=context, net=context.scale_settings["net"])
    if cell.name != _SHAPE:
        return Outcome(values={mode: _accuracy(trainings, mode, cell.settings["R"]) for mode in (VANILLA, SOTA)})
    grid: tuple[int, ...] = context.scale_settings["grid"]
    vanilla, sota = ({copies: _accuracy(trainings, mode, copies) for copies in grid} for mode in (VANILLA, SOTA))
    none, middle, most = grid[0], grid[len(grid) // 2], grid[-1]
    early = (vanilla[none] - vanilla[middle]) / (middle - none)
    late = (vanilla[middle] - vanilla[most]) / (most - middle)
    lost = [sota[none] - sota[copies] for copies in grid[1:]]
    return Outcome(values={LOST: vanilla[none] - vanilla[most], BENT: early - late, FLAT: sum(lost) / len(lost)})


def _accuracy(trainings: Trainings, mode: str, copies: int) -> float:
    found = trainings.fitted(mode, "adversarial", copies) if copies else trainings.fitted(mode, "random")
    return float(found.test_accuracy[-1])


def _cells() -> tuple[Cell, ...]:
    shape = Cell(
        name=_SHAPE,
        settings={"R": "all"},
        measures=(LOST, BENT, FLAT),
        claims={
            LOST: Claim("vanilla SGD degrades with R: test accuracy lost from R = 0 to the largest", above=SIGNIFICANT),
            BENT: Claim("vanilla SGD degrades fast first, then slower: accuracy lost a copy", above=0.0),
            FLAT: Claim("SOTA SGD stays unaffected by R: mean accuracy lost", above=-SAME, below=SAME),
        },
    )
    rows = (Cell(name=f"R={copies}", settings={"R": copies}, measures=(VANILLA, SOTA)) for copies in _GRID)
    return (*rows, shape)


FIGURE4 = Experiment(
    name="liu2020/figure4",
    title="How many copies of each image have random labels",
    claim="The more copies of each image a start knows random labels of, the worse plain SGD ends; SOTA SGD does not care.",
    source=f"{SOURCE}, Figure 4",
    data="digits",
    cells=_cells(),
    scales=scales(laptop_settings={"grid": _GRID}, smoke_settings={"grid": (0, 1, 3)}),
    run_cell=run_replicas,
    row_labels=("R",),
    picture="replicas",
    remarks=(
        "R = 0 is the random start. The paper shows its four nets; here ResNet18 stands for them at the paper's scale.",
    ),
)
