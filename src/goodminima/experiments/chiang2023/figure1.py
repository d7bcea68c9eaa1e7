"""Figure 1: the wedge, and a sample from it."""

import numpy as np

from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Scale
from goodminima.tasks.toy import wedge

_MARGIN = 0.25


def run_wedge(cell: Cell, context: Context) -> Outcome:
    """Draws the sample; its measures say what was drawn."""
    task = wedge(seed=context.key("wedge"), margin=_MARGIN)
    points = {"train": task.train, "test": task.test}
    arrays: dict[str, np.ndarray] = {}
    for name, examples in points.items():
        arrays |= {f"{name}_x": examples.x.numpy(), f"{name}_y": examples.y.numpy()}
    values = {f"{name} points": float(len(examples)) for name, examples in points.items()}
    return Outcome(values=values | {"margin": _MARGIN}, arrays=arrays)


FIGURE1 = Experiment(
    name="chiang2023/figure1",
    title="The wedge and a sample from it",
    claim="A toy problem that one kink solves, and that a large net can fit in many worse ways.",
    source="Chiang et al. 2023, Figure 1 and section 3",
    cells=(Cell(name="wedge", measures=("train points", "test points", "margin")),),
    scales={name: Scale(replicates=1) for name in ("smoke", "laptop", "paper")},
    run_cell=run_wedge,
    percent=False,
    picture="wedge",
)
