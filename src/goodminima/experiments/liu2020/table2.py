"""Table 2: all combinations of three heuristics, from a random and from an adversarial start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Printed
from goodminima.experiments.liu2020.recipes import MODES, Heuristics, Mode
from goodminima.experiments.liu2020.trainings import (
    LAPTOP,
    SMALL,
    SMOKE,
    STARTS,
    Net,
    Setting,
    Trainings,
    paper_setting,
    scales,
)
from goodminima.experiments.paper_values import printed_row
from goodminima.experiments.settings import Settings

DROP, RECOVERED = "drop", "drop less half of vanilla's"
ACCURACIES = tuple(f"{split}, {start}" for start in STARTS for split in ("train", "test"))

# Train and test accuracy from a random, then from an adversarial start; after ± what the paper calls nothing: taken as
# the standard deviation of its five runs.
_PRINTED: Mapping[Mode, str] = {
    "vanilla": "100±0 84.838±0.193 100±0 56.024±0.883",
    "DA": "100±0 93.370±0.115 99.995±0.003 89.402±0.175",
    "l2": "100±0 87.352±0.055 100±0 83.172±3.732",
    "momentum": "100±0 89.200±0.176 100±0 89.016±0.142",
    "DA+l2": "100±0 94.680±0.071 100±0 94.192±0.173",
    "DA+momentum": "100±0 93.448±0.242 100±0.001 92.756±0.347",
    "l2+momentum": "100±0 89.050±0.110 100±0 88.932±0.373",
    "SOTA": "100±0 95.324±0.086 100±0.001 95.346±0.098",
}
_RUNS = 5

SIGNIFICANT = 0.07  # a drop that is one; the paper's is 0.29
SAME = 0.015  # less than this apart, two accuracies count as nearly the same; the paper's pairs are within 0.007


@final
@dataclass(frozen=True, kw_only=True)
class ModeCell(Settings):
    """What a row sets.

    Args:
        mode: Which heuristics SGD has.
    """

    mode: Mode


@final
@dataclass(frozen=True, kw_only=True)
class ModesScale(Settings):
    """What a scale sets.

    Args:
        setting: Of the trainings.
        net: What is trained.
    """

    setting: Setting
    net: Net


def run_mode(cell: Cell[ModeCell], context: Context[ModesScale]) -> Outcome:
    """One mode from both starts; single heuristics are compared with vanilla, whose trainings they share."""
    scale = context.scale_settings
    trainings = Trainings(context=context, setting=scale.setting, net=scale.net)
    values, note = _accuracies(trainings, cell.settings.mode)
    if RECOVERED in cell.measures:
        vanilla, _ = _accuracies(trainings, "vanilla")
        values[RECOVERED] = values[DROP] - vanilla[DROP] / 2
    return Outcome(values=values, note=note)


def _accuracies(trainings: Trainings, mode: Mode) -> tuple[dict[str, float], str]:
    values = dict[str, float]()
    for start, found in trainings.both(mode).items():
        values[f"train, {start}"] = found.last.train_accuracy
        values[f"test, {start}"] = float(found.test_accuracy[-1])
    values[DROP] = values["test, random"] - values["test, adversarial"]
    return values, trainings.note()


def _printed(mode: Mode) -> dict[str, Printed]:
    return {measure: _of_runs(value) for measure, value in printed_row(ACCURACIES, _PRINTED[mode]).items()}


def _of_runs(printed: Printed) -> Printed:
    """The standard error of the mean of runs, from their standard deviation; a spread that rounds to 0 says nothing."""
    spread = printed.standard_error
    return Printed(printed.mean, round(spread / _RUNS**0.5, 6) if spread else None)


def _cell(mode: Mode, has: Heuristics) -> Cell[ModeCell]:
    count = sum((has.augmentation, has.decay, has.momentum))
    claims = _CLAIMS[count](mode)
    return Cell(
        name=mode,
        settings=ModeCell(mode=mode),
        measures=(*ACCURACIES, DROP, *[measure for measure in claims if measure not in (*ACCURACIES, DROP)]),
        printed=_printed(mode),
        claims=claims,
    )


def _of_vanilla(mode: str) -> dict[str, Claim]:
    return {
        "train, adversarial": Claim("vanilla SGD reaches 100 % train from the adversarial start too", above=0.9999),
        DROP: Claim("vanilla SGD: test accuracy lost by the adversarial start", above=SIGNIFICANT),
    }


def _of_one(mode: str) -> dict[str, Claim]:
    return {
        RECOVERED: Claim(f"{mode} alone largely escapes: its loss less half of vanilla's", below=0.0),
        DROP: Claim(f"{mode} alone does not reach the same accuracy: test accuracy lost", above=0.0),
    }


def _of_several(mode: str) -> dict[str, Claim]:
    return {DROP: Claim(f"{mode} is independent of the start: test accuracy lost", below=SAME, above=-SAME)}


def _of_all(mode: str) -> dict[str, Claim]:
    return {DROP: Claim("SOTA SGD escapes: test accuracy lost by the adversarial start", below=SAME)}


_CLAIMS = (_of_vanilla, _of_one, _of_several, _of_all)

TABLE2 = Experiment(
    name="liu2020/table2",
    title="Eight ways to train, from a random and from an adversarial start",
    claim="Plain SGD ends at bad minima when it starts from a net that has memorised random labels; augmentation, l2 and "
    "momentum each help it to escape, and any two make the start irrelevant.",
    source="Liu, Papailiopoulos, Achlioptas 2020, Table 2",
    data="digits",
    paper_data=("cifar10",),
    cells=tuple(_cell(mode, has) for mode, has in MODES.items()),
    scales=scales(
        smoke=ModesScale(setting=SMOKE, net=SMALL),
        laptop=ModesScale(setting=LAPTOP, net=SMALL),
        paper=ModesScale(setting=paper_setting("cifar10"), net="ResNet18"),
    ),
    run_cell=run_mode,
    row_labels=("mode",),
    picture="both_starts",
    remarks=(
        "The paper's values are for ResNet18 on all of CIFAR-10; after ±, it prints what is taken here for the standard "
        "deviation of its five runs.",
        "Smoke and laptop train a small net on a few images of four classes.",
        f"A mode counts as independent of its start where its two accuracies are within {100 * SAME:g} points.",
    ),
)
