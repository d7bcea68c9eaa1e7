"""The thin residual net on images within an experiment: minima of growing poison, which Figures 4, 5 and 7 share."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from goodminima.core.checkpoint import digest
from goodminima.core.progress import Progress
from goodminima.experiments.callbacks import named
from goodminima.experiments.experiment import Context
from goodminima.experiments.settings import Count, Positive, Settings
from goodminima.experiments.shared_trainings import shared_tensors, shared_training
from goodminima.landscape import parameters_of
from goodminima.nets import ThinResNet
from goodminima.population.net_loss import Loss, loss_of
from goodminima.tasks import Examples, Task, load_images, with_extra
from goodminima.train import ExtraBatches, Fit, PoisonedObjective, fit
from goodminima.train.recipe import Cosine, OptimizerConfig, Recipe
from goodminima.volume import Basin, basin_volume_of
from goodminima.volume.basin.coordinates import around

GOOD, BAD = 0.0, 0.5  # beta of the two minima that Figures 4 and 7 compare
CUTOFF = 0.1  # the loss below which a basin lies (section 5)
_TOLERATED = 1e-4  # relative error of a radius: 8 decades of the volume of 75,000 weights, where those of minima differ by 10,000


@final
@dataclass(frozen=True, kw_only=True)
class Images(Settings):
    """How many images there are of each kind; the words are those of `with_extra`.

    Args:
        num_train: Training images.
        num_extra: Images that poison is taken from.
        num_test: Test images.
    """

    num_train: Count
    num_extra: Count
    num_test: Count


@final
@dataclass(frozen=True, kw_only=True)
class ThinNet(Settings):
    """How large the residual net is; the words are those of `ThinResNet`.

    Args:
        blocks: Of each stage.
        width: Channels of the first stage.
    """

    blocks: Count
    width: Count


@final
@dataclass(frozen=True, kw_only=True)
class ImageMinima(Settings):
    """How minima are found, and what is looked at: equal settings make equal trainings, of which there is one.

    Args:
        images: How many.
        net: How large.
        epochs: Of Adam.
        batches: Training images and extra ones a step.
        lr: Of Adam, at the beginning.
        looked_at: The training images that slices and rays look at.
    """

    images: Images
    net: ThinNet
    epochs: Count
    batches: tuple[Count, Count]
    lr: Positive
    looked_at: Count


@dataclass(frozen=True, kw_only=True)
class AbstractImageScale(Settings):
    """What scales of Figures 4, 5 and 7 set alike.

    Args:
        minima: How they are found.
    """

    minima: ImageMinima


# What Figures 4 and 7 have in common.
MINIMA: Mapping[str, ImageMinima] = {
    "smoke": ImageMinima(
        images=Images(num_train=20, num_extra=500, num_test=100),
        net=ThinNet(blocks=1, width=8),
        epochs=60,
        batches=(20, 20),
        lr=1e-2,
        looked_at=20,
    ),
    "laptop": ImageMinima(
        images=Images(num_train=1000, num_extra=15_000, num_test=2000),
        net=ThinNet(blocks=1, width=16),
        epochs=100,
        batches=(128, 200),
        lr=1e-2,
        looked_at=256,
    ),
    "paper": ImageMinima(
        images=Images(num_train=25_000, num_extra=25_000, num_test=10_000),
        net=ThinNet(blocks=3, width=16),
        epochs=60,
        batches=(128, 200),
        lr=2e-3,
        looked_at=500,
    ),
}


def task_of(context: Context[AbstractImageScale]) -> Task:
    """The images, alike in all replicates: what is drawn anew is the start, the order and the poison's order."""
    seed, images = replace(context, replicate=0).key("images"), context.scale_settings.minima.images
    return with_extra(
        load_images(context.data or ""),
        num_train=images.num_train,
        num_extra=images.num_extra,
        num_test=images.num_test,
        seed=seed,
    )


def probe_of(task: Task, context: Context[AbstractImageScale]) -> Examples:
    """The training images that slices and rays look at."""
    number = context.scale_settings.minima.looked_at
    return Examples(task.train.x[:number], task.train.y[:number]).to(context.device)


def minimum(context: Context[AbstractImageScale], task: Task, beta: float) -> Fit[ThinResNet]:
    """The replicate's minimum of the loss with poison `beta`: one start and one order for all beta; trained once."""
    assert task.extra is not None
    minima = context.scale_settings.minima
    words = {"n": len(task.train), **asdict(minima.net), "epochs": minima.epochs, "beta": f"{beta:g}"}
    name = " ".join(f"{word}={value}" for word, value in words.items())
    poison = ExtraBatches(task.extra.to(context.device), batch_size=minima.batches[1], seed=context.key("poison"))

    def train(file: Path | None) -> Fit[ThinResNet]:
        return fit(
            _start(context, task),
            task,
            recipe=_recipe(minima),
            seed=context.key("order"),
            objective=PoisonedObjective(beta=beta, draw=poison),
            evaluate_every=0,
            checkpoint=file,
            device=context.device,
            callback=named(context, f"examples of {name}"),
        )

    return shared_training(context, name, train)


def remembered_of(
    context: Context, name: str, found: Fit, make: Callable[[], Mapping[str, Tensor]], *settings: object
) -> Mapping[str, Tensor]:
    """What `make` measures of a minimum, once for all entries that ask for it by this name."""
    made_by = [repr(settings), digest(found.net.state_dict().values())]
    return shared_tensors(context, name, make, made_by=made_by)


def basin_around(
    context: Context, net: ThinResNet, probe: Examples, *, cutoffs: Sequence[float], rays: int, seed: int
) -> Basin:
    """Rays from a minimum, in units of its filters' norms; BatchNorm with the running statistics of training."""
    net = net.to(context.device)
    theta = parameters_of(net)
    coordinates = around(net, theta, directions="filter")
    return basin_volume_of(
        _told(context, loss_of(net, probe, batch_norm="eval")),
        theta,
        cutoff=cutoffs,
        num_rays=rays,
        units=coordinates.units,
        tolerance=_TOLERATED * coordinates.dimension,
        seed=seed,
    )


def loss_at(net: ThinResNet, probe: Examples) -> float:
    """The loss at the minimum itself, on the images that rays look at."""
    return float(loss_of(net, probe, batch_norm="eval")(parameters_of(net)[None])[0])


def _told(context: Context, loss: Loss) -> Loss:
    """The loss, one net at a time and each of them reported: on images a few of them take seconds."""
    done = 0

    def one(vector: Tensor) -> Tensor:
        nonlocal done
        done += 1
        context.callback(
            Progress(done=done, total=math.inf, unit="losses along rays", effort=done, effort_unit="losses")
        )
        return loss(vector[None])

    return lambda theta: torch.cat([one(vector) for vector in theta])


def _recipe(minima: ImageMinima) -> Recipe:
    adam = OptimizerConfig(name="Adam", lr=minima.lr)
    return Recipe(epochs=minima.epochs, batch_size=minima.batches[0], optimizer=adam, schedule=Cosine(), clip=1.0)


def _start(context: Context[AbstractImageScale], task: Task) -> ThinResNet:
    net = context.scale_settings.minima.net
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.key("start"))
        return ThinResNet(
            blocks=net.blocks, width=net.width, in_channels=task.train.x.shape[1], num_classes=task.num_classes
        )
