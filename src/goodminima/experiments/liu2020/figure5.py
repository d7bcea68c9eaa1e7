"""Figure 5: norms of the four models."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from goodminima.experiments.experiment import Cell, Claim, Context, Outcome
from goodminima.experiments.liu2020.per_net import (
    ModelCell,
    TrainingsScale,
    for_each_data_set,
    model_cells,
    trainings_of,
)
from goodminima.experiments.liu2020.trainings import Model
from goodminima.measure import frobenius_norm, path_norm, spectral_norm_product

Norm = Callable[[nn.Module, tuple[int, ...]], float]
FROBENIUS, L1, L2, SPECTRAL = "Frobenius norm", "l1 path norm", "l2 path norm", "product of spectral norms"
NORMS: Mapping[str, Norm] = {
    FROBENIUS: lambda net, in_shape: frobenius_norm(net),
    L1: lambda net, in_shape: path_norm(net, in_shape, order=1),
    L2: lambda net, in_shape: path_norm(net, in_shape, order=2),
    SPECTRAL: spectral_norm_product,
}
_STATED = (FROBENIUS, L1, L2)  # the paper's three
# Model -> the models that it is compared with, and what the paper says of the ratio.
_COMPARED: Mapping[Model, tuple[tuple[Model, str, Mapping[str, float]], ...]] = {
    "V-adv": (("V-rand", "vanilla SGD: larger from the adversarial start", {"above": 1.0}),),
    "S-rand": (("V-rand", "from the random start: smaller for SOTA SGD", {"below": 1.0}),),
    "S-adv": (
        ("V-adv", "from the adversarial start: smaller for SOTA SGD", {"below": 1.0}),
        ("S-rand", "SOTA SGD: unaffected by the start", {"above": 0.8, "below": 1.25}),
    ),
}


def run_model(cell: Cell[ModelCell], context: Context[TrainingsScale]) -> Outcome:
    """Norms of one model, and how they compare with those of others."""
    trainings, model = trainings_of(cell, context), cell.settings.model
    in_shape = tuple(trainings.task.train.x.shape[1:])
    own = trainings.model(model).net.cpu()
    values = {name: norm(own, in_shape) for name, norm in NORMS.items()}
    for other, _, _ in _COMPARED.get(model, ()):
        theirs = trainings.model(other).net.cpu()
        values |= {_ratio(name, model, other): values[name] / NORMS[name](theirs, in_shape) for name in _STATED}
    return Outcome(values=values, note=trainings.note() if model.endswith("adv") else "")


def _ratio(norm: str, model: str, other: str) -> str:
    return f"{norm}, {model} / {other}"


def _of_model(net: str, model: Model) -> dict[str, Any]:
    claims = {
        _ratio(norm, model, other): Claim(f"{norm}: {said}", **bounds)
        for other, said, bounds in _COMPARED.get(model, ())
        for norm in _STATED
    }
    return {"measures": (*NORMS, *claims), "claims": claims}


FIGURE5 = for_each_data_set(
    "figure5",
    title="Norms of the minima",
    claim="Plain SGD from an adversarial start ends at minima of larger norms; SOTA SGD at small norms from either start.",
    cells=lambda data: model_cells(_of_model),
    run_cell=run_model,
    row_labels=("net", "model"),
    picture="norms",
    percent=False,
    remarks=(
        "Path norms have BatchNorm folded into the weights, and count biases. The product of spectral norms is not in the paper.",
        "A norm counts as unaffected by the start within a fifth.",
    ),
)
