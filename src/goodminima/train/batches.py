"""Minibatches of one training: order, crops and mirror images of an epoch, a function of the seed and its number."""

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from goodminima.core.streams import stream
from goodminima.train.augment import crop_and_flip
from goodminima.train.recipe import CropFlip


@final
class Batches:
    """All minibatches of inputs, epoch by epoch.

    Args:
        x: The inputs; (N, C, H, W) where images are cut and mirrored.
        batch_size: Examples a batch.
        augment: How images are cut and mirrored, or None.
        seed: Epoch e is a function of (seed, e).
        channels_last: Whether images come in channels-last memory, in which convolutions are faster.
        whole: Whether examples that do not fill a batch are left for another epoch's order. Otherwise they make a smaller
            one, unless there is but one of them: BatchNorm cannot take a batch of one.

    Raises:
        ValueError: If there is not one batch, or inputs that are no images are to be cut.
    """

    def __init__(
        self,
        x: Shaped[Tensor, "N ..."],
        *,
        batch_size: int,
        augment: CropFlip | None,
        seed: int,
        channels_last: bool = False,
        whole: bool = False,
    ) -> None:
        if whole and len(x) < batch_size:
            raise ValueError(f"{len(x)} examples do not fill a batch of {batch_size}: lower batch_size")
        if augment is not None and x.ndim != 4:
            raise ValueError(f"{augment} cuts images (N, C, H, W), got inputs {(*x.shape,)}: leave augment out")
        self._by_pixel = x.ndim == 4 and (channels_last or augment is not None)
        self._x = x.permute(0, 2, 3, 1).contiguous() if self._by_pixel else x
        self._size, self._augment, self._seed, self._channels_last = batch_size, augment, seed, channels_last
        left_over = len(x) % batch_size
        self.examples = len(x) - left_over * (whole or (left_over == 1 < len(x)))
        self.per_epoch = -(-self.examples // batch_size)
        self._all = self._as_images(self._x) if self.per_epoch == 1 and augment is None and not whole else None

    def of(self, epoch: int) -> Iterator[tuple[Int[Tensor, "B"] | slice, Shaped[Tensor, "B ..."]]]:
        """The batches of an epoch.

        Args:
            epoch: Its number, from 0.

        Yields:
            (rows, inputs) of each batch. The full batch comes as it is: in its own order, and not copied.
        """
        if self._all is not None:
            yield slice(None), self._all
            return
        random, cut = stream(self._seed, epoch), self._augment
        order = random.permutation(len(self._x))
        moves = {} if cut is None else _moves(cut, random, len(order))
        for start in range(0, self.examples, self._size):
            part = slice(start, min(start + self._size, self.examples))
            rows = torch.from_numpy(order[part])
            x = self._x[rows.to(self._x.device)]
            if cut is not None:
                x = crop_and_flip(x, pad=cut.pad, fill=cut.fill, **{name: all_[part] for name, all_ in moves.items()})
            yield rows, self._as_images(x)

    def _as_images(self, x: Tensor) -> Tensor:
        if not self._by_pixel:
            return x
        images = x.permute(0, 3, 1, 2)
        # `contiguous` would leave grey images as they are, with strides that convolutions take for channels-last.
        return images if self._channels_last else images.clone(memory_format=torch.contiguous_format)


def channels_last(images: Shaped[Tensor, "N C H W"]) -> Shaped[Tensor, "N C H W"]:
    """Images in channels-last memory, grey ones too, as `Batches` gives them.

    Args:
        images: In any memory.

    Returns:
        The same images, copied.
    """
    return images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def _moves(cut: CropFlip, random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Where each image of an epoch is cut, and which are mirrored."""
    top, left = random.integers(0, 2 * cut.pad + 1, (2, count))
    return {"top": top, "left": left, "mirrored": random.random(count) < (0.5 if cut.flip else 0.0)}
