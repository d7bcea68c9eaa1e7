"""A linear model and nets that many optimizers train, on images within an experiment: made once, shared by entries."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from goodminima.core.checkpoint import Checkpoint, digest
from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Context, Outcome
from goodminima.experiments.shared_trainings import shared_training
from goodminima.nets import PixelProducts
from goodminima.tasks import Task, few_shot, full_task, load_images
from goodminima.train import Epoch, Fit, Recipe, fit
from goodminima.train.dual import DualModel, fit_softmax
from goodminima.train.training import loss_and_accuracy

MEASURES = ("train loss", "test loss", "train accuracy", "test accuracy")
GAIN = "above the linear model"


def task_of(context: Context, images: int | None, classes: int) -> Task:
    """So many training images of so many classes, drawn anew by each replicate; all of them for None."""
    data = load_images(context.data or "")
    if images is None:
        return full_task(data).to(context.device)
    task = few_shot(data, num_samples=images, num_classes=classes, seed=context.key("images", images, classes))
    return task.to(context.device)


def trained(
    context: Context, task: Task, name: str, *, recipe: Recipe, make: Callable[[Task], nn.Module]
) -> Fit[nn.Module]:
    """The net of this name, trained from the replicate's start in the replicate's order of batches."""

    def train(file: Path | None) -> Fit[nn.Module]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.key("start"))
            start = make(task)
        return fit(
            start,
            task,
            recipe=recipe,
            seed=context.key("order"),
            evaluate_every=0,
            checkpoint=file,
            device=context.device,
            callback=named(context, f"examples of {name}"),
        )

    return shared_training(context, name, train)


def linear(context: Context, task: Task, name: str) -> Fit[DualModel]:
    """The linear model on pixels and their products, fitted with softmax to the last example; its epochs are iterations."""
    features = features_of(task)
    identity = {"model": repr(features), "task": digest((task.train.x, task.train.y, task.test.x, task.test.y))}

    def train(file: Path | None) -> Fit[DualModel]:
        checkpoint = None if file is None else Checkpoint(file, identity)
        stored = None if checkpoint is None else checkpoint.read()
        if stored is None:
            found = fit_softmax(
                features.kernel,
                task.train,
                num_classes=task.num_classes,
                callback=named(context, f"examples right of {name}"),
            )
            stored = {"alpha": found.net.alpha, "measured": asdict(measured(found.net, task, number=found.iterations))}
            if checkpoint is not None:
                checkpoint.write(stored)
        net = DualModel(features.kernel, task.train.x, stored["alpha"])
        return Fit(net=net, history=(Epoch(**stored["measured"]),))

    return shared_training(context, name, train)


def features_of(task: Task) -> PixelProducts:
    """Pixels, and products of pixels of the image made smaller by 2."""
    channels, height, width = task.train.x.shape[1:]
    return PixelProducts(in_shape=(channels, height, width))


def measured(net: nn.Module, task: Task, *, number: int) -> Epoch:
    """Losses and accuracies of a net as it is, after so many epochs."""
    loss, accuracy = loss_and_accuracy(net, task.train)
    test_loss, test_accuracy = loss_and_accuracy(net, task.test)
    return Epoch(
        number=number,
        steps=number,
        loss=loss,
        train_accuracy=accuracy,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
    )


def outcome_of(epoch: Epoch, *, weights: int, beaten: Epoch | None = None) -> Outcome:
    """The four measures; with the gain in test accuracy where there is a linear model to compare with."""
    shown = (epoch.loss, epoch.test_loss, epoch.train_accuracy, epoch.test_accuracy)
    values: dict[str, float | None] = dict(zip(MEASURES, shown, strict=True))
    if beaten is not None:
        assert epoch.test_accuracy is not None
        assert beaten.test_accuracy is not None
        values[GAIN] = epoch.test_accuracy - beaten.test_accuracy
    return Outcome(values=values, counts={"weights": weights})
