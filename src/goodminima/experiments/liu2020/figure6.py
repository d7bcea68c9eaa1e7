"""Figure 6: accuracy on images that are moved against the net."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Cell, Claim, Context, Outcome
from goodminima.experiments.liu2020.per_net import (
    ModelCell,
    TrainingsScale,
    for_each_data_set,
    model_cells,
    trainings_of,
)
from goodminima.experiments.liu2020.trainings import Model, Trainings
from goodminima.measure import fgsm_accuracy

LEVELS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # in steps of an 8-bit image
_STATED = 1.0  # the level at which models are compared
_ACCURACY = {level: f"ε = {level:g}/255" for level in LEVELS}
# Model -> the one that it is compared with, who of the two keeps more, and what the paper says of it.
_COMPARED: Mapping[Model, tuple[Model, int, str]] = {
    "V-adv": ("V-rand", -1, "vanilla SGD from adversarial is more prone to small perturbations than from random"),
    "S-rand": ("V-rand", 1, "SOTA SGD from random is less prone than vanilla"),
    "S-adv": ("V-adv", 1, "SOTA SGD from adversarial is less prone than vanilla"),
}


def run_model(cell: Cell[ModelCell], context: Context[TrainingsScale]) -> Outcome:
    """Test accuracy of one model under FGSM, and how much of it is kept in comparison with another."""
    trainings, model = trainings_of(cell, context), cell.settings.model
    accuracies = _under_attack(trainings, model)
    values = {_ACCURACY[level]: float(value) for level, value in zip(LEVELS, accuracies, strict=True)}
    if model in _COMPARED:
        other, sign, _ = _COMPARED[model]
        values[_kept_more(model)] = sign * (_kept(accuracies) - _kept(_under_attack(trainings, other)))
    note = trainings.note() if model.endswith("adv") else ""
    return Outcome(values=values, arrays={"levels": np.array(LEVELS), "accuracy": accuracies}, note=note)


def _under_attack(trainings: Trainings, model: Model) -> np.ndarray:
    context, images = trainings.context, trainings.images
    found = fgsm_accuracy(
        trainings.model(model).net.to(context.device),
        trainings.task.test.to(context.device),
        epsilons=[level / 255 for level in LEVELS],
        mean=images.statistics.mean.tolist(),
        std=[std or 1.0 for std in images.statistics.std.tolist()],
        callback=named(context, "images moved"),
    )
    return found.cpu().numpy()


def _kept(accuracies: np.ndarray) -> float:
    """The share of the accuracy on the images themselves that is left."""
    return float(accuracies[LEVELS.index(_STATED)] / accuracies[0])


def _kept_more(model: Model) -> str:
    other, sign, _ = _COMPARED[model]
    more, less = (model, other) if sign > 0 else (other, model)
    return f"share kept at ε = {_STATED:g}/255, {more} less {less}"


def _of_model(net: str, model: Model) -> dict[str, Any]:
    claims = {_kept_more(model): Claim(f"{_COMPARED[model][2]}: share kept", above=0.0)} if model in _COMPARED else {}
    return {"measures": (*_ACCURACY.values(), *claims), "claims": claims}


FIGURE6 = for_each_data_set(
    "figure6",
    title="Accuracy on adversarial examples",
    claim="What plain SGD finds from an adversarial start is more easily fooled by small changes of the image; what SOTA SGD "
    "finds is fooled least.",
    cells=lambda data: model_cells(_of_model),
    run_cell=run_model,
    row_labels=("net", "model"),
    picture="fgsm",
    percent=True,
    remarks=(
        "FGSM on the test images, ε in units of the pixels before standardisation, cut to [0, 1]; a share kept is the accuracy "
        "at ε over that at 0.",
    ),
)
