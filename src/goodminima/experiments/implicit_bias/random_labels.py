"""Zhang et al.: nets that generalise on true labels fit random ones to the last image, and take longer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from goodminima.core.progress import Progress
from goodminima.experiments.experiment import Cell, Claim, Context, Experiment, Outcome, Scale
from goodminima.experiments.settings import Count, Settings
from goodminima.nets import MLP, LeNet
from goodminima.population import Population, TorchDefault
from goodminima.tasks import Examples, Task, few_shot, load_images
from goodminima.tasks.corrupt import with_random_labels
from goodminima.train import SGDConfig, train_population

_CLASSES = 10


Net = Literal["MLP", "LeNet"]


@final
@dataclass(frozen=True, kw_only=True)
class RandomLabelsCell(Settings):
    """What a row sets.

    Args:
        net: Which of `_NETS`.
    """

    net: Net


@final
@dataclass(frozen=True, kw_only=True)
class LabelsScale(Settings):
    """What a scale sets.

    Args:
        samples: Training images.
        max_epochs: The most that either kind of labels is trained for.
    """

    samples: Count
    max_epochs: Count


def _run(cell: Cell[RandomLabelsCell], context: Context[LabelsScale]) -> Outcome:
    """The same start and order of batches with both kinds of labels, each until every training image is right."""
    scale = context.scale_settings
    assert context.data is not None
    images = load_images(context.data)
    task = few_shot(images, num_samples=scale.samples, num_classes=_CLASSES, seed=context.key("task"))
    task = task.to(context.device)
    noise = with_random_labels(task.train, num_classes=_CLASSES, seed=context.key("labels"))
    net = _NETS[cell.settings.net](task)
    true = _fit(cell, context, net, task.train, before=0)
    random = _fit(cell, context, net, noise, before=len(noise))
    tested = {name: _accuracy(net, fit.theta, task.test) for name, fit in (("true", true), ("random", random))}
    values: dict[str, float | None] = {
        "epochs, true": true.epochs,
        "epochs, random": random.epochs,
        "fits": float(random.accuracy[-1]),
        "test accuracy, true": tested["true"],
        "test accuracy, random": tested["random"],
    }
    if task.train.x.shape[1] == 1:
        values["slow-down"] = random.epochs / true.epochs if true.epochs and random.epochs else None
    unfitted = [name for name, fit in (("true", true), ("random", random)) if fit.epochs is None]
    note = f"{' and '.join(unfitted)} labels not fitted within {scale.max_epochs} epochs" if unfitted else ""
    return Outcome(values=values, arrays={"true": true.accuracy, "random": random.accuracy}, note=note)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class _Fit:
    """A training run: its end, the training accuracy after each epoch, and in which epoch that was 1 first."""

    theta: Tensor
    accuracy: np.ndarray
    epochs: float | None


def _fit(cell: Cell, context: Context[LabelsScale], net: nn.Module, examples: Examples, *, before: int) -> _Fit:
    sgd = SGDConfig(lr=0.01, momentum=0.9, batch_size=50, epochs=context.scale_settings.max_epochs)
    key = context.key("start", cell.name)
    theta = TorchDefault().draw(net, seed=key, indices=np.zeros(1, dtype=np.uint64), device=context.device)
    curve = list[float]()
    for epoch, members in train_population(net, examples, start=theta, sgd=sgd, seed=context.key("batches", cell.name)):
        theta = members
        curve.append(_accuracy(net, theta, examples))
        done, wanted = before + curve[-1] * len(examples), 2 * len(examples)
        context.callback(Progress(done=done, total=wanted, unit="images", effort=epoch + 1, effort_unit="epochs"))
        if curve[-1] == 1:
            break
    return _Fit(theta=theta, accuracy=np.array(curve), epochs=float(len(curve)) if curve[-1] == 1 else None)


@torch.no_grad()
def _accuracy(net: nn.Module, theta: Tensor, examples: Examples) -> float:
    return float(Population(net, theta).accuracy(examples.x, examples.y).double())


def _mlp(task: Task) -> nn.Module:
    return MLP(in_features=task.train.x[0].numel(), hidden=(512,), num_classes=_CLASSES, hidden_bias=True)


def _lenet(task: Task) -> nn.Module:
    channels, height, width = task.train.x.shape[1:]
    return LeNet(width=1.0, in_shape=(channels, height, width), num_classes=_CLASSES)


_NETS: dict[Net, Callable[[Task], nn.Module]] = {"MLP": _mlp, "LeNet": _lenet}


def _cell(net: Net) -> Cell[RandomLabelsCell]:
    return Cell(
        name=net.lower(),
        settings=RandomLabelsCell(net=net),
        measures=(
            "epochs, true", "epochs, random", "test accuracy, true", "fits", "test accuracy, random", "slow-down",
        ),
        claims={
            "fits": Claim(f"{net}: training accuracy with random labels is 1", above=0.9999),
            "test accuracy, random": Claim(f"{net}: having learned nothing, test accuracy", below=0.25),
            "slow-down": Claim(f"{net}, one-channel images: epochs to fit, random / true labels", above=1.5),
        },
    )  # fmt: skip


RANDOM_LABELS = Experiment(
    name="implicit_bias/random_labels",
    title="True and random labels, fitted by the same nets",
    claim="Nets that generalise on true labels can fit random ones to the last image: capacity alone explains nothing.",
    source="Zhang et al. 2017, section 2",
    data="digits",
    percent=False,
    cells=(_cell("MLP"), _cell("LeNet")),
    scales={
        "smoke": Scale(replicates=1, settings=LabelsScale(samples=100, max_epochs=400)),
        "laptop": Scale(replicates=3, settings=LabelsScale(samples=500, max_epochs=400)),
        "paper": Scale(replicates=5, settings=LabelsScale(samples=5000, max_epochs=400)),
    },
    run_cell=_run,
    row_labels=("net",),
    picture="random_labels",
    remarks=(
        "Ten classes; MLP of 512 hidden units, LeNet; SGD, learning rate 0.01, momentum 0.9, batches of 50, the same start "
        "and order for both kinds of labels. An epoch counts as the first to fit if every image is right after it.",
        "The slow-down is stated for one-channel images: a few hundred colour images are fitted about as fast either way.",
    ),
)
