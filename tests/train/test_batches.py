"""Minibatches are functions of the seed and the epoch, and see every example once."""

import numpy as np
import pytest
import torch
from torch import Tensor

from goodminima.train import CropFlip
from goodminima.train.batches import Batches

X = torch.arange(13.0)[:, None]


def rows_of(batches: Batches, epoch: int) -> list[Tensor]:
    return [rows for rows, _ in batches.of(epoch) if isinstance(rows, Tensor)]


@pytest.mark.parametrize(
    ("size", "whole", "lengths"),
    [(5, False, [5, 5, 3]), (5, True, [5, 5]), (4, False, [4, 4, 4]), (6, True, [6, 6]), (1, False, [1] * 13)],
)
def test_an_epoch_sees_every_example_at_most_once(size: int, whole: bool, lengths: list[int]) -> None:
    batches = Batches(X, batch_size=size, augment=None, seed=1, whole=whole)
    for epoch in range(3):
        parts = list(batches.of(epoch))
        rows = torch.cat(rows_of(batches, epoch))
        assert [len(x) for _, x in parts] == lengths
        assert len(rows.unique()) == len(rows) == sum(lengths) == batches.examples
        assert torch.equal(torch.cat([x for _, x in parts])[:, 0], rows.float())
    assert batches.per_epoch == len(lengths)


def test_an_epoch_is_a_function_of_seed_and_number() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return torch.cat(rows_of(Batches(X, batch_size=5, augment=None, seed=seed), epoch)).tolist()

    assert order(1, 4) == order(1, 4)
    assert order(1, 4) != order(1, 5)
    assert order(1, 4) != order(2, 4)


def test_the_full_batch_is_the_tensor_itself() -> None:
    ((rows, x),) = Batches(X, batch_size=20, augment=None, seed=1).of(0)
    assert rows == slice(None)
    assert x.data_ptr() == X.data_ptr()


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_cuts_show_the_image_or_its_border(channels: int, last: bool) -> None:
    images, border = torch.rand(40, channels, 6, 5), tuple(-1.0 - c for c in range(channels))
    cut = CropFlip(pad=2, flip=True, fill=border)
    batches = Batches(images, batch_size=16, augment=cut, seed=2, channels_last=last)
    padded = torch.tensor(border)[:, None, None].expand(40, channels, 10, 9).clone()
    padded[:, :, 2:8, 2:7] = images
    mirrored = 0
    for rows, x in batches.of(0):
        assert x.stride()[1] == (1 if last else 30)
        for image, large in zip(x, padded[rows], strict=True):
            places = [(i, j) for i in range(5) for j in range(5)]
            cuts = torch.stack([large[:, i : i + 6, j : j + 5] for i, j in places])
            straight, turned = ((each == image).flatten(1).all(1).any().item() for each in (cuts, cuts.flip(3)))
            assert straight or turned
            mirrored += turned
    # Binomial(40, 1/2): outside 8..32 with probability 6e-5.
    assert 8 <= mirrored <= 32


def test_without_mirror_images_and_border_an_image_is_itself() -> None:
    images = torch.rand(9, 2, 4, 4)
    for rows, x in Batches(images, batch_size=4, augment=CropFlip(pad=0, flip=False), seed=3).of(1):
        assert torch.equal(x, images[rows])


def test_what_cannot_be_cut_or_filled_is_named() -> None:
    with pytest.raises(ValueError, match=r"cuts images \(N, C, H, W\), got inputs \(13, 1\)"):
        Batches(X, batch_size=4, augment=CropFlip(), seed=0)
    with pytest.raises(ValueError, match="13 examples do not fill a batch of 14: lower batch_size"):
        Batches(X, batch_size=14, augment=None, seed=0, whole=True)


def test_order_is_uniform() -> None:
    """The first example of an epoch: chi-square over 13 values and 2,000 epochs, at a false-alarm rate of 1e-4."""
    batches = Batches(X, batch_size=13 // 2, augment=None, seed=4)
    first = [int(rows_of(batches, epoch)[0][0]) for epoch in range(2000)]
    counts = np.bincount(first, minlength=13)
    assert ((counts - 2000 / 13) ** 2 / (2000 / 13)).sum() < 39.13
