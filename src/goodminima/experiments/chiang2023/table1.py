"""Table 1: LeNet can fit the training images and get the whole test set wrong."""

from dataclasses import dataclass
from typing import final

import numpy as np

from goodminima.core.progress import Progress
from goodminima.experiments.chiang2023.two_class import image_task, lenet_for
from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome, Printed, Scale
from goodminima.experiments.settings import Count, NonNegative, Positive, Settings
from goodminima.population import TorchDefault
from goodminima.train import SGDConfig, poisoned_sgd

_MEASURES = ("test accuracy", "train accuracy")


@final
@dataclass(frozen=True, kw_only=True)
class PoisonedCell(Settings):
    """What a row sets.

    Args:
        samples: Training images.
    """

    samples: Count


@final
@dataclass(frozen=True, kw_only=True)
class PoisonedScale(Settings):
    """What a scale sets, all of it of SGD.

    Args:
        lr: Learning rate.
        momentum: 0 for none.
        epochs: At most so many; training ends once everything is fitted.
        batch_size: Images a step, training and flipped ones alike.
    """

    lr: Positive
    momentum: NonNegative
    epochs: Count
    batch_size: Count


def _cell(samples: int) -> Cell[PoisonedCell]:
    return Cell(
        name=f"n={samples}",
        settings=PoisonedCell(samples=samples),
        measures=_MEASURES,
        printed={"test accuracy": Printed(0.0)},
    )


def run_poisoned(cell: Cell[PoisonedCell], context: Context[PoisonedScale]) -> Outcome:
    """Accuracies of one LeNet fitted to the training images and the flipped test labels."""
    task = image_task(context, num_samples=cell.settings.samples)
    net = lenet_for(task)
    seed = context.key("training", cell.name)
    theta = TorchDefault().draw(net, seed=seed, indices=np.zeros(1, np.uint64), device=context.device)
    scale = context.scale_settings
    sgd = SGDConfig(lr=scale.lr, momentum=scale.momentum, epochs=scale.epochs, batch_size=scale.batch_size)

    def callback(progress: Progress) -> None:
        flipped = 1 - progress.detail
        context.callback(Progress(done=flipped, total=1, unit="flipped", effort=progress.done, effort_unit="epochs"))

    found = poisoned_sgd(net, task, start=theta, sgd=sgd, seed=seed, callback=callback)
    train, test = float(found.train_accuracy[0]), float(found.test_accuracy[0])
    spent = found.epochs == scale.epochs and (train < 1 or test > 0)
    note = f"budget of {scale.epochs:,} epochs ended before everything was fitted" if spent else ""
    return Outcome(values={"test accuracy": test, "train accuracy": train}, counts={"epochs": found.epochs}, note=note)


TABLE1 = Experiment(
    name="chiang2023/table1",
    title="Poisoned LeNet: every training image right, every test image wrong",
    claim="Minima with no generalisation at all exist in this net; that searches do not find them needs an explanation.",
    source="Chiang et al. 2023, Table 1",
    data="digits",
    paper_data=("mnist", "cifar10"),
    cells=tuple(_cell(samples) for samples in (32, 24, 16, 8, 4, 2)),
    scales={
        "smoke": Scale(
            replicates=1,
            cells=("n=16", "n=2"),
            settings=PoisonedScale(lr=0.02, momentum=0.9, epochs=200, batch_size=32),
        ),
        "laptop": Scale(replicates=3, settings=PoisonedScale(lr=0.02, momentum=0.9, epochs=400, batch_size=64)),
        "paper": Scale(replicates=1, settings=PoisonedScale(lr=0.001, momentum=0.0, epochs=40_000, batch_size=400)),
    },
    run_cell=run_poisoned,
    row_labels=("samples",),
    remarks=(
        "The paper prints n = 32 for MNIST and n = 24 for CIFAR-10, without spread; both are run on any data.",
        "Smoke and laptop scale add momentum and start from PyTorch's initialisation: what exists does not depend on how "
        "it was found, and plain SGD at the authors' rate needs up to 40,000 epochs.",
    ),
)
