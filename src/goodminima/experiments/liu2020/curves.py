"""Figures 2 and 3: accuracies while vanilla and SOTA SGD train, from both starts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from goodminima.experiments.experiment import Cell, Claim, Context, Outcome
from goodminima.experiments.liu2020.per_net import (
    ModelCell,
    TrainingsScale,
    for_each_data_set,
    model_cells,
    trainings_of,
)
from goodminima.experiments.liu2020.table2 import SAME, SIGNIFICANT
from goodminima.experiments.liu2020.trainings import Model
from goodminima.train import Fit

TRAIN, EPOCHS, SPEED = "train accuracy", "epochs to 100 %", "epochs, adversarial / random"
TEST, LOST = "test accuracy", "lost to the start"


def run_train_curve(cell: Cell[ModelCell], context: Context[TrainingsScale]) -> Outcome:
    """Training accuracy of one model, epoch by epoch, and how soon it was 100 %."""
    trainings, model = trainings_of(cell, context), cell.settings.model
    found = trainings.model(model)
    values: dict[str, float | None] = {TRAIN: found.last.train_accuracy, EPOCHS: _epochs_to_fit(found)}
    notes = [f"not at 100 % after {found.last.number} epochs"] if values[EPOCHS] is None else []
    if SPEED in cell.measures:
        slow, fast = values[EPOCHS], _epochs_to_fit(trainings.model(_FROM_RANDOM[model]))
        values[SPEED] = slow / fast if slow and fast else None
        notes += [each for each in ("not at 100 % from random" if fast is None else "", trainings.note()) if each]
    arrays = {"epochs": found.epochs.astype(np.float32), "accuracy": found.train_accuracy}
    return Outcome(values=values, arrays=arrays, note="; ".join(notes))


def run_test_curve(cell: Cell[ModelCell], context: Context[TrainingsScale]) -> Outcome:
    """Test accuracy of one model, epoch by epoch, and what it lost to an adversarial start."""
    trainings, model = trainings_of(cell, context), cell.settings.model
    found = trainings.model(model)
    values: dict[str, float | None] = {TEST: float(found.test_accuracy[-1])}
    note = ""
    if LOST in cell.measures:
        values[LOST] = float(trainings.model(_FROM_RANDOM[model]).test_accuracy[-1]) - float(found.test_accuracy[-1])
        note = trainings.note()
    arrays = {"epochs": found.epochs.astype(np.float32), "accuracy": found.test_accuracy}
    return Outcome(values=values, arrays=arrays, note=note)


def _epochs_to_fit(found: Fit) -> float | None:
    """The first measured epoch after which every training example was right."""
    fitted = found.epochs[found.train_accuracy == 1]
    return float(fitted[0]) if len(fitted) else None


_FROM_RANDOM: Mapping[Model, Model] = {"V-adv": "V-rand", "S-adv": "S-rand"}
_SAID = {"V": "vanilla", "S": "SOTA"}


def _train_cell(net: str, model: str) -> dict[str, Any]:
    said, start = _SAID[model[0]], "adversarial" if model.endswith("adv") else "random"
    claims = {TRAIN: Claim(f"{said} SGD reaches 100 % train from the {start} start", above=0.999)}
    if start == "adversarial":
        claims[SPEED] = Claim(f"{said} SGD: as fast to 100 % train from either start", above=0.5, below=2.0)
    return {"measures": (TRAIN, EPOCHS, *[each for each in claims if each != TRAIN]), "claims": claims}


def _test_cell(net: str, model: str) -> dict[str, Any]:
    claims = {
        "V-adv": {LOST: Claim("vanilla SGD from adversarial flattens out below: accuracy lost", above=SIGNIFICANT)},
        "S-adv": {LOST: Claim("SOTA SGD: the effect vanishes: accuracy lost", above=-SAME, below=SAME)},
    }.get(model, {})
    return {"measures": (TEST, *claims), "claims": claims}


FIGURE2 = for_each_data_set(
    "figure2",
    title="Training accuracy along the way",
    claim="Whatever the start and the recipe, training reaches 100 %, and about as fast.",
    cells=lambda data: model_cells(_train_cell),
    run_cell=run_train_curve,
    row_labels=("net", "model"),
    picture="accuracy_curves",
    percent=False,
    remarks=(
        "V and S: vanilla and SOTA SGD; rand and adv: from a random and from an adversarial start. Accuracies are of whole "
        "splits, without augmentation.",
    ),
)
FIGURE3 = for_each_data_set(
    "figure3",
    title="Test accuracy along the way",
    claim="From an adversarial start plain SGD flattens out well below where it ends from a random one; SOTA SGD does not.",
    cells=lambda data: model_cells(_test_cell),
    run_cell=run_test_curve,
    row_labels=("net", "model"),
    picture="accuracy_curves",
    percent=True,
    remarks=("V and S: vanilla and SOTA SGD; rand and adv: from a random and from an adversarial start.",),
)
