"""The optimizers of Table 1, as published and as two cores can run them, and what each of them trains."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

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
from goodminima.experiments.settings import Count, Positive, Settings
from goodminima.nets import VGG13
from goodminima.population.parameters import num_parameters
from goodminima.tasks import Task
from goodminima.train import Constant, Cosine, CropFlip, Epoch, MultiStep, OptimizerConfig, Recipe
from goodminima.train.batch_norm import with_statistics_of

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


@final
@dataclass(frozen=True, kw_only=True)
class ZooCell(Settings):
    """What a row of an optimizer sets.

    Args:
        optimizer: As Table 1 calls it.
        short: How it trains on few images.
        published: How the paper trains with it.
    """

    optimizer: str
    short: OptimizerConfig
    published: Recipe


@final
@dataclass(frozen=True, kw_only=True)
class ZooLinearCell(Settings):
    """What the row of the linear model sets: nothing.

    Args:
        optimizer: As the row is labelled.
    """

    optimizer: Literal["linear"] = "linear"


@final
@dataclass(frozen=True, kw_only=True)
class ShortTraining(Settings):
    """How nets are trained on few images.

    Args:
        epochs: Of each optimizer.
        batch: Images a step.
        lbfgs_batch: Those of L-BFGS: its steps are few and long, and a line search wants a loss that means something.
    """

    epochs: Count
    batch: Count
    lbfgs_batch: Count


@final
@dataclass(frozen=True, kw_only=True)
class ZooScale(Settings):
    """What a scale sets.

    Args:
        images: Training images; None for all.
        classes: How many they are of, from the first on.
        width: Of VGG13, in units of the usual one.
        short: How nets are trained; None for the recipes of Table 1.
    """

    images: Count | None
    classes: Count
    width: Positive
    short: ShortTraining | None


# For every entry that trains the zoo.
ZOO: Mapping[str, ZooScale] = {
    "smoke": ZooScale(images=80, classes=4, width=1 / 16, short=ShortTraining(epochs=12, batch=20, lbfgs_batch=40)),
    "laptop": ZooScale(images=2000, classes=4, width=1 / 8, short=ShortTraining(epochs=15, batch=64, lbfgs_batch=500)),
    "paper": ZooScale(images=None, classes=10, width=1.0, short=None),
}


def run_zoo(cell: Cell[ZooCell | ZooLinearCell], context: Context[ZooScale]) -> Outcome:
    """One optimizer, or the linear model, on the replicate's images."""
    scale, settings = context.scale_settings, cell.settings
    task = task_of(context, scale.images, scale.classes)
    if isinstance(settings, ZooLinearCell):
        weights = task.num_classes * (features_of(task).num_features + 1)
        return outcome_of(_linear(context, task), weights=weights)
    epoch, weights = _optimized(context, task, settings)
    return outcome_of(epoch, weights=weights, beaten=_linear(context, task))


def zoo_cell(name: str) -> Cell[ZooCell]:
    """The row of an optimizer."""
    printed: Mapping[str, Printed] = dict(zip(MEASURES, _as_fractions(*_PRINTED[name]), strict=True))
    return Cell(
        name=name.lower().replace(" ", "-"),
        settings=ZooCell(optimizer=name, short=_SHORT[name], published=PUBLISHED[name]),
        measures=(*MEASURES, GAIN),
        printed=printed,
        claims={
            "train accuracy": Claim(f"{name}: fits the training images, as all in the paper do", above=0.995),
            GAIN: Claim(f"{name}: test accuracy is far above the linear model's, both fitting", above=0.05),
        },
    )


def zoo_linear_cell() -> Cell[ZooLinearCell]:
    """The row of the linear model, on the same images."""
    return Cell(
        name="linear",
        settings=ZooLinearCell(),
        measures=MEASURES,
        claims={"train accuracy": Claim("linear model: fits every training image", above=0.99999)},
    )


OPTIMIZERS = tuple(_PRINTED)


def _as_fractions(train_loss: float, test_loss: float, train: float, test: float) -> tuple[Printed, ...]:
    return tuple(map(Printed, (train_loss, test_loss, round(train / 100, 6), round(test / 100, 6))))


def _linear(context: Context, task: Task) -> Epoch:
    return linear(context, task, "zoo linear").last


def _optimized(context: Context[ZooScale], task: Task, cell: ZooCell) -> tuple[Epoch, int]:
    """What an optimizer's net comes to, and how many weights it has."""
    scale = context.scale_settings

    def net_of(task: Task) -> nn.Module:
        return VGG13(width=scale.width, in_channels=task.train.x.shape[1], num_classes=task.num_classes)

    found = trained(context, task, f"zoo {cell.optimizer}", recipe=recipe_of(cell, scale), make=net_of)
    if cell.optimizer == "LBFGS" and scale.short is not None:
        still = with_statistics_of(found.net, task.train.x)
        return measured(still, task, number=found.last.number), num_parameters(still)
    return found.last, num_parameters(found.net)


def recipe_of(cell: ZooCell, scale: ZooScale) -> Recipe:
    """How an optimizer trains at a scale; a line search chooses its own steps, and has no schedule."""
    if scale.short is None:
        return cell.published
    searches = cell.optimizer == "LBFGS"
    return Recipe(
        epochs=scale.short.epochs,
        batch_size=scale.short.lbfgs_batch if searches else scale.short.batch,
        optimizer=cell.short,
        schedule=Constant() if searches else Cosine(),
    )
