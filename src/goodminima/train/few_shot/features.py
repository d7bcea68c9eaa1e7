"""Frozen features: a ResNet-12 trained on base classes, and what it says of images of novel ones. Kept on disk."""

import json
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from goodminima.core import files
from goodminima.core.checkpoint import digest
from goodminima.core.progress import Callback, Progress, no_callback
from goodminima.nets import ResNet12
from goodminima.tasks.image_data import ImageData
from goodminima.train.few_shot.pretrain import pretrain
from goodminima.train.recipe import Recipe

_FORMAT = 1  # raise it when the same recipe gives other features
_BATCH = 256

# What is under way, how many images are done, how many there are to do.


_BY_ANOTHER = Progress(done=0, total=1, unit="images, trained on by another worker")


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """Features of the novel classes' images.

    Args:
        x: One row an image of `images.test_x`.
        y: Their labels, those of `images.test_y`.
        base_loss: Of each epoch of pre-training, nats an image.
        base_accuracy: Of each epoch of pre-training, on cropped images of the base classes.
    """

    x: Float[Tensor, "M F"]
    y: Int[Tensor, "M"]
    base_loss: Float[Tensor, "epochs"]
    base_accuracy: Float[Tensor, "epochs"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Extractor:
    """A ResNet-12 and how it is trained.

    Args:
        width: As in `ResNet12`.
        drop_rate: As in `ResNet12`.
        drop_size: As in `ResNet12`.
        recipe: As in `pretrain`.
        shards: As in `pretrain`.
    """

    width: float
    drop_rate: float = 0.0
    drop_size: int = 5
    recipe: Recipe
    shards: int = 2

    def net(self, num_classes: int, *, in_channels: int) -> ResNet12:
        """The net before training.

        Args:
            num_classes: Classes that it is trained on.
            in_channels: Channels of an image.

        Returns:
            A ResNet-12 with PyTorch's initialisation.
        """
        return ResNet12(
            width=self.width,
            in_channels=in_channels,
            num_classes=num_classes,
            drop_rate=self.drop_rate,
            drop_size=self.drop_size,
        )


def pretrained_features(
    images: ImageData, extractor: Extractor, *, seed: int, device: str = "cpu", callback: Callback = no_callback
) -> Features:
    """Trains a ResNet-12 on the train split, and gives the features of the test split: other classes' images.

    Made once and kept beside the decoded images; of several processes that want the same one makes it, on
    `extractor.shards` threads, and the others wait. Kept under all that decides it: the pixels and labels themselves, the
    arguments, PyTorch's version and the processor's instruction set.

    Args:
        images: `base_and_novel(...)`.
        extractor: The net and how it is trained.
        seed: At least 0.
        device: Where it is trained.
        callback: Called now and then with a `Progress`, its unit what is under way.

    Returns:
        F features of each of M images, with their labels, and the course of the training.
    """
    file = files.cache_file(f"features-{images.name}", _identity(images, extractor, seed, device))
    with files.turn(file, waiting=lambda: callback(_BY_ANOTHER)):
        stored = files.read_tensors(file)
        if stored is None:
            made = _make(images, extractor, seed, device, callback)
            files.write_tensors(file, {name: getattr(made, name) for name in Features.__slots__}, images.origin)
            return made
    return Features(**stored[0])


def _make(images: ImageData, extractor: Extractor, seed: int, device: str, callback: Callback) -> Features:
    make = partial(extractor.net, in_channels=images.train_x.shape[1])
    trained = pretrain(
        make, images, recipe=extractor.recipe, seed=seed, shards=extractor.shards, device=device, callback=callback
    )
    return Features(
        x=_features_of(trained.net, images, device, callback),
        y=images.test_y,
        base_loss=trained.loss,
        base_accuracy=trained.accuracy,
    )


@torch.no_grad()
def _features_of(net: ResNet12, images: ImageData, device: str, callback: Callback) -> Float[Tensor, "M F"]:
    parts, done = [], 0
    for pixels in images.test_x.split(_BATCH):
        x = images.standardised(pixels).to(device=device, memory_format=torch.channels_last)
        parts.append(net.features(x).cpu())
        done += len(pixels)
        callback(Progress(done=done, total=len(images.test_x), unit="features"))
    return torch.cat(parts)


def _identity(images: ImageData, extractor: Extractor, seed: int, device: str) -> str:
    pictures = digest([images.train_x, images.train_y, images.test_x, images.test_y])
    machine = [torch.__version__, torch.backends.cpu.get_cpu_capability(), device]
    return json.dumps([_FORMAT, pictures, repr(extractor), seed, *machine])
