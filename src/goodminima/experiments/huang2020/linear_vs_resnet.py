"""Section 2: a linear model and a residual net of as many weights, both of which fit every training image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from torch import nn

from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Printed, Scale
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
from goodminima.nets import ThinResNet
from goodminima.population.parameters import num_parameters
from goodminima.tasks import Task
from goodminima.train import Cosine, CropFlip, Epoch, Fit, MultiStep, OptimizerConfig, Recipe
from goodminima.train.dual import fit_least_squares


@final
@dataclass(frozen=True, kw_only=True)
class PairCell(Settings):
    """What a row sets.

    Args:
        model: What is fitted.
    """

    model: Literal["linear", "least squares", "ResNet"]


@final
@dataclass(frozen=True, kw_only=True)
class PairScale(Settings):
    """What a scale sets.

    Args:
        images: Training images; None for all, with the paper's own recipe.
        blocks: Of each stage of the ResNet.
        width: Channels of its first stage.
        epochs: Of SGD.
        batch: Images a step.
        lr: Learning rate at the beginning.
    """

    images: Count | None
    blocks: Count
    width: Count
    epochs: Count
    batch: Count
    lr: Positive


# For every entry that trains the pair.
PAIR: Mapping[str, PairScale] = {
    "smoke": PairScale(images=100, blocks=1, width=8, epochs=12, batch=20, lr=0.1),
    "laptop": PairScale(images=5000, blocks=1, width=24, epochs=30, batch=32, lr=0.03),
    "paper": PairScale(images=None, blocks=3, width=16, epochs=200, batch=128, lr=0.1),
}


def run_pair(cell: Cell[PairCell], context: Context[PairScale]) -> Outcome:
    """One of the models on the replicate's images."""
    scale = context.scale_settings
    task = task_of(context, scale.images, classes=10)
    weights = task.num_classes * (features_of(task).num_features + 1)
    match cell.settings.model:
        case "linear":
            return outcome_of(_linear(context, task), weights=weights)
        case "least squares":
            found = fit_least_squares(features_of(task).kernel, task.train, num_classes=task.num_classes)
            return outcome_of(measured(found.net, task, number=0), weights=weights)
        case "ResNet":
            net = _resnet(context, task)
            return outcome_of(net.last, weights=num_parameters(net.net), beaten=_linear(context, task))


def linear_cell() -> Cell[PairCell]:
    """The linear model as the paper has it."""
    return Cell(
        name="linear",
        settings=PairCell(model="linear"),
        measures=MEASURES,
        printed={"train accuracy": Printed(1.0), "test accuracy": Printed(0.49)},
        claims={
            "train accuracy": Claim("linear model on pixels and products: fits every training image", above=0.99999)
        },
    )


def resnet_cell() -> Cell[PairCell]:
    """The net."""
    return Cell(
        name="resnet",
        settings=PairCell(model="ResNet"),
        measures=(*MEASURES, GAIN),
        printed={"train accuracy": Printed(1.0), "test accuracy": Printed(0.92)},
        claims={
            "train accuracy": Claim("ResNet: fits every training image", above=0.9995),
            GAIN: Claim("ResNet: test accuracy above the linear model's", above=0.1),
        },
    )


def _linear(context: Context, task: Task) -> Epoch:
    return linear(context, task, "pair linear").last


def _resnet(context: Context[PairScale], task: Task) -> Fit[nn.Module]:
    scale = context.scale_settings

    def net_of(task: Task) -> nn.Module:
        return ThinResNet(
            blocks=scale.blocks, width=scale.width, in_channels=task.train.x.shape[1], num_classes=task.num_classes
        )

    return trained(context, task, "pair resnet", recipe=_recipe(scale), make=net_of)


def _recipe(scale: PairScale) -> Recipe:
    """Few images without augmentation: crops would keep the net from fitting them in so few epochs."""
    few = scale.images is not None
    return Recipe(
        epochs=scale.epochs,
        batch_size=scale.batch,
        optimizer=OptimizerConfig(lr=scale.lr, options={"momentum": 0.9}),
        schedule=Cosine() if few else MultiStep(at=(100, 150), factor=0.1),
        weight_decay=0.0 if few else 1e-4,
        augment=None if few else CropFlip(pad=4),
    )


LINEAR_VS_RESNET = Experiment(
    name="huang2020/linear_vs_resnet",
    title="A linear model and a ResNet of as many weights: both fit, one generalises",
    claim="Over-parametrised models can fit the training data perfectly; that a net then generalises is no matter of counting.",
    source="Huang et al. 2020, section 2",
    data="digits",
    paper_data=("cifar10",),
    percent=False,
    cells=(
        linear_cell(),
        Cell(
            name="least-squares",
            settings=PairCell(model="least squares"),
            measures=MEASURES,
            claims={"train accuracy": Claim("the same features, least norm: fits every training image", above=0.99999)},
        ),
        resnet_cell(),
    ),
    scales={
        "smoke": Scale(replicates=1, settings=PAIR["smoke"], comparable=False),
        "laptop": Scale(replicates=3, settings=PAIR["laptop"], comparable=False),
        "paper": Scale(replicates=1, settings=PAIR["paper"]),
    },
    run_cell=run_pair,
    row_labels=("model",),
    picture="linear_and_resnet",
    remarks=(
        "The paper counts 298,369 weights of the linear model: 3,072 pixels, 295,296 products of two of 768, and a bias, for one "
        "output; its ten classes have ten times as many. Here all of them are fitted, by one coefficient an image and class.",
        "The paper trains it by SGD; here it is fitted to the last image in the dual, and is unique: softmax with the largest "
        "penalty of 1e-6, 1e-7, ... that has all right, and the least norm that gives 1 for the class and 0 for others.",
        "Laptop: 5,000 images; a ResNet of 8 layers, 24 to 96 channels, SGD with momentum, no augmentation. Paper: ResNet-20 "
        "(269,722 weights); the paper states no recipe: 200 epochs, falls by 10 at 100 and 150, weight decay 1e-4, crops, mirror "
        "images; its kernel matrix of 50,000 images needs 60 GB.",
    ),
)
