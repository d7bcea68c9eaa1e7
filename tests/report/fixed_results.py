"""Results that are written down, not computed, so that what is made of them can be written down too."""

from dataclasses import dataclass

from goodminima.experiments.experiment import Cell, Experiment, Outcome, Printed, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.run import Group, Replicate, Results
from goodminima.run.results import identity_of

LOW, HIGH = "(0.3, 0.35]", "(0.35, 0.4]"


@dataclass(frozen=True, kw_only=True)
class Row(Settings):
    samples: Count
    method: str


@dataclass(frozen=True, kw_only=True)
class RowInBins(Settings):
    samples: Count
    method: str
    edges: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Budget(Settings):
    budget: Count


def never(cell, context):
    raise AssertionError("nothing is computed here")


CELLS = (
    Cell(
        name="n=2/gc",
        settings=RowInBins(samples=2, method="G&C", edges=(0.3, 0.35, 0.4)),
        measures=(LOW, HIGH),
        printed={LOW: Printed(0.669, 0.01), HIGH: Printed(0.9, 0.01)},
    ),
    Cell(name="n=2/sgd", settings=Row(samples=2, method="SGD"), measures=(LOW, HIGH), printed={LOW: Printed(0.7)}),
    Cell(name="n=4/gc", settings=Row(samples=4, method="G&C"), measures=(HIGH,)),
)
EXPERIMENT = Experiment(
    name="paper/table",
    title="A table",
    claim="It claims.",
    source="Somebody 2000, Table 1",
    cells=CELLS,
    scales={name: Scale(replicates=2, settings=Budget(budget=1000)) for name in ("smoke", "laptop", "paper")},
    run_cell=never,
    row_labels=("samples", "method"),
    data="digits",
    paper_data=("digits",),
    remarks=("Ours is smaller.",),
)
GROUP = Group(experiment="paper/table", scale="laptop", data="digits", seed=0, device="cpu")

OUTCOMES = {
    "n=2/gc": (
        Outcome(values={LOW: 0.66, HIGH: 0.5}, counts={"guesses": 600}),
        Outcome(values={LOW: 0.68, HIGH: 0.6}, counts={"guesses": 400}),
        Outcome(values={LOW: None, HIGH: 0.7}, counts={"guesses": 1000}, note="budget of 1,000 guesses ended"),
    ),
    "n=2/sgd": (Outcome(values={LOW: None}, note="a"), Outcome(values={LOW: None}, note="a")),
    "n=4/gc": (),
}


def replicate(cell: Cell, number: int, outcome: Outcome) -> Replicate:
    return Replicate(
        identity=identity_of(EXPERIMENT, cell, group=GROUP, replicate=number),
        outcome=outcome,
        seconds=1.5,
        device="cpu",
        versions={"goodminima": "0.1.0", "torch": "2.9"},
        revision="abc",
        created=f"2026-01-0{number + 1}T00:00:00+00:00",
    )


RESULTS = Results(
    experiment=EXPERIMENT,
    group=GROUP,
    replicates={
        cell.name: tuple(replicate(cell, number, outcome) for number, outcome in enumerate(OUTCOMES[cell.name]))
        for cell in CELLS
    },
    outdated=7,
)
