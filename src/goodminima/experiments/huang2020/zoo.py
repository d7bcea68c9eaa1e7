"""The optimizers of Table 1, as published and as two cores can run them, and what each of them trains."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from goodminima.experiments.experiment import Cell, Claim, Context, Outcome, Printed
from goodminima.experiments.huang2020.fits import (
    GAIN,
    MEASURES,
    features_of,
    linear,
    measured,
    outcome_of,
    task_of,
    trained,
)
from goodminima.nets import VGG13
from goodminima.population.parameters import num_parameters
from goodminima.tasks import Task
from goodminima.train import Constant, Cosine, CropFlip, Epoch, MultiStep, OptimizerConfig, Recipe
from goodminima.train.batch_norm import with_statistics_of

LINEAR = "linear"
_PHASE = 50  # epochs between two falls of the learning rate
_BATCH = 128

# On few images: cosine to zero; learning rates tried on other seeds than those reported.
_SHORT: Mapping[str, OptimizerConfig] = {
    "Adadelta": OptimizerConfig(name="Adadelta", lr=1.0),
    "Adagrad": OptimizerConfig(name="Adagrad", lr=0.01),
    "Adam": OptimizerConfig(name="Adam", lr=1e-3),
    "Adamax": OptimizerConfig(name="Adamax", lr=2e-3),
    "Amsgrad": OptimizerConfig(name="AMSGrad", lr=1e-3),
    "ASGD": OptimizerConfig(name="ASGD", lr=0.1),
    "LBFGS": OptimizerConfig(name="LBFGSArmijo", lr=1.0),
    "ProxProp": OptimizerConfig(name="ProxProp", lr=1e-3, options={"tau": 0.5, "mode": "cg", "iterations": 10}),
    "RMSprop": OptimizerConfig(name="RMSprop", lr=5e-4),
    "SGD": OptimizerConfig(name="SGD", lr=0.1),
    "SGD Momentum": OptimizerConfig(name="SGD", lr=0.02, options={"momentum": 0.9}),
    "SGD Nesterov": OptimizerConfig(name="Nesterov", lr=0.02),
}


def _published(optimizer: OptimizerConfig, *, phases: int) -> Recipe:
    falls = tuple(_PHASE * phase for phase in range(1, phases))
    return Recipe(
        epochs=_PHASE * phases,
        batch_size=_BATCH,
        optimizer=optimizer,
        schedule=MultiStep(at=falls, factor=0.1),
        augment=CropFlip(pad=4),
    )


# Learning rates and hyper-parameters of Table 1; batch size and augmentation are not stated there.
PUBLISHED: Mapping[str, Recipe] = {
    "Adadelta": _published(OptimizerConfig(name="Adadelta", lr=5.0, options={"rho": 0.5}), phases=3),
    "Adagrad": _published(OptimizerConfig(name="Adagrad", lr=2.5e-2), phases=3),
    "Adam": _published(OptimizerConfig(name="Adam", lr=0.01), phases=2),
    "Adamax": _published(OptimizerConfig(name="Adamax", lr=5e-4, options={"betas": (0.9, 0.99)}), phases=3),
    "Amsgrad": _published(OptimizerConfig(name="AMSGrad", lr=5e-4, options={"betas": (0.9, 0.99)}), phases=2),
    "ASGD": _published(OptimizerConfig(name="ASGD", lr=0.1, options={"lambd": 1e-4, "alpha": 0.75}), phases=3),
    "LBFGS": Recipe(
        epochs=350,
        batch_size=_BATCH,
        optimizer=OptimizerConfig(name="LBFGSArmijo", lr=1.0, options={"history_size": 5}),
        augment=CropFlip(pad=4),
    ),
    "ProxProp": _published(
        OptimizerConfig(
            name="ProxProp", lr=1e-3, options={"tau": 0.5, "mode": "cg", "iterations": 10, "penalty": "sum"}
        ),
        phases=2,
    ),
    "RMSprop": _published(OptimizerConfig(name="RMSprop", lr=5e-4, options={"alpha": 0.72}), phases=3),
    "SGD": _published(OptimizerConfig(name="SGD", lr=0.05), phases=3),
    "SGD Momentum": _published(OptimizerConfig(name="SGD", lr=0.01, options={"momentum": 0.9}), phases=2),
    "SGD Nesterov": _published(OptimizerConfig(name="Nesterov", lr=0.01), phases=3),
}

# Train loss, test loss, train accuracy and test accuracy in per cent.
_PRINTED: Mapping[str, tuple[float, float, float, float]] = {
    "Adadelta": (0.004, 0.538, 99.86, 92.28),
    "Adagrad": (0.012, 0.474, 99.62, 90.35),
    "Adam": (0.003, 0.355, 99.92, 92.5),
    "Adamax": (0.002, 0.556, 99.94, 92.28),
    "Amsgrad": (0.003, 0.359, 99.92, 92.34),
    "ASGD": (0.005, 0.357, 99.88, 92.23),
    "LBFGS": (0.002, 1.052, 99.94, 92.90),
    "ProxProp": (0.004, 0.386, 99.93, 91.36),
    "RMSprop": (0.002, 0.616, 99.94, 92.4),
    "SGD": (0.007, 0.373, 99.84, 91.79),
    "SGD Momentum": (0.005, 0.372, 99.85, 92.07),
    "SGD Nesterov": (0.004, 0.393, 99.90, 92.06),
}

# Read by every entry that trains the zoo: `images` None for all, `recipes` "published" for those of Table 1; L-BFGS has
# batches of its own: its steps are few and long, and a line search wants a loss that means something.
ZOO: Mapping[str, Mapping[str, Any]] = {
    "smoke": {
        "images": 80,
        "classes": 4,
        "width": 1 / 16,
        "recipes": "short",
        "epochs": 12,
        "batch": {"LBFGS": 40, "others": 20},
    },
    "laptop": {
        "images": 2000,
        "classes": 4,
        "width": 1 / 8,
        "recipes": "short",
        "epochs": 15,
        "batch": {"LBFGS": 500, "others": 64},
    },
    "paper": {"images": None, "classes": 10, "width": 1.0, "recipes": "published"},
}


def run_zoo(cell: Cell, context: Context) -> Outcome:
    """One optimizer, or the linear model, on the replicate's images.

    Settings read from the scale: `zoo`, an entry of `ZOO`.
    """
    settings = context.scale_settings["zoo"]
    task = task_of(context, settings["images"], settings["classes"])
    name = cell.settings["optimizer"]
    if name == LINEAR:
        weights = task.num_classes * (features_of(task).num_features + 1)
        return outcome_of(_linear(context, task), weights=weights)
    epoch, weights = _optimized(context, task, name)
    return outcome_of(epoch, weights=weights, beaten=_linear(context, task))


def zoo_cell(name: str, **settings: str) -> Cell:
    """The row of an optimizer."""
    printed: Mapping[str, Printed] = dict(zip(MEASURES, _as_fractions(*_PRINTED[name]), strict=True))
    recipes = {"short": repr(_SHORT[name]), "published": repr(PUBLISHED[name])}  # others are another experiment
    return Cell(
        name=name.lower().replace(" ", "-"),
        settings={"optimizer": name} | recipes | settings,
        measures=(*MEASURES, GAIN),
        printed=printed,
        claims={
            "train accuracy": Claim(f"{name}: fits the training images, as all in the paper do", above=0.995),
            GAIN: Claim(f"{name}: test accuracy is far above the linear model's, both fitting", above=0.05),
        },
    )


def zoo_linear_cell(**settings: str) -> Cell:
    """The row of the linear model, on the same images."""
    return Cell(
        name=LINEAR,
        settings={"optimizer": LINEAR} | settings,
        measures=MEASURES,
        claims={"train accuracy": Claim("linear model: fits every training image", above=0.99999)},
    )


OPTIMIZERS = tuple(_PRINTED)


def _as_fractions(train_loss: float, test_loss: float, train: float, test: float) -> tuple[Printed, ...]:
    return tuple(map(Printed, (train_loss, test_loss, round(train / 100, 6), round(test / 100, 6))))


def _linear(context: Context, task: Task) -> Epoch:
    return linear(context, task, "zoo linear").last


def _optimized(context: Context, task: Task, name: str) -> tuple[Epoch, int]:
    """What an optimizer's net comes to, and how many weights it has."""
    settings = context.scale_settings["zoo"]

    def net_of(task: Task) -> nn.Module:
        return VGG13(width=settings["width"], in_channels=task.train.x.shape[1], num_classes=task.num_classes)

    found = trained(context, task, f"zoo {name}", recipe=recipe_of(name, settings), make=net_of)
    if name == "LBFGS" and settings["recipes"] == "short":
        still = with_statistics_of(found.net, task.train.x)
        return measured(still, task, number=found.last.number), num_parameters(still)
    return found.last, num_parameters(found.net)


def recipe_of(name: str, settings: Mapping[str, Any]) -> Recipe:
    """How an optimizer trains at a scale; a line search chooses its own steps, and has no schedule."""
    if settings["recipes"] == "published":
        return PUBLISHED[name]
    return Recipe(
        epochs=settings["epochs"],
        batch_size=settings["batch"]["LBFGS" if name == "LBFGS" else "others"],
        optimizer=_SHORT[name],
        schedule=Constant() if name == "LBFGS" else Cosine(),
    )
