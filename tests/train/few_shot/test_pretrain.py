"""Pre-training learns, repeats itself bit by bit, and follows torch.optim."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from few_digits import few_digits
from torch import Tensor, nn

from goodminima.nets import ResNet12
from goodminima.train import Cosine, CropFlip, OptimizerConfig, Recipe, pretrain
from goodminima.train.batches import Batches

NESTEROV = OptimizerConfig(name="Nesterov", lr=0.05)
RECIPE = Recipe(
    epochs=4,
    batch_size=32,
    optimizer=NESTEROV,
    schedule=Cosine(),
    weight_decay=5e-4,
    augment=CropFlip(pad=2, flip=False),
)


def _batches() -> list[tuple[int, Tensor, Tensor]]:
    """(epoch, rows, standardised pixels) that the recipe gives on seed 5."""
    images = few_digits()
    batches = Batches(images.train_x, batch_size=32, augment=RECIPE.augment, seed=5, channels_last=True, whole=True)
    return [
        (e, rows, images.standardised(x)) for e in range(4) for rows, x in batches.of(e) if isinstance(rows, Tensor)
    ]


def _thin(num_classes: int) -> ResNet12:
    return ResNet12(width=1 / 16, in_channels=1, num_classes=num_classes)


def test_it_learns_the_base_classes_and_repeats_itself() -> None:
    first, again = (pretrain(_thin, few_digits(), recipe=RECIPE, seed=1) for _ in range(2))
    # Chance is 1/5 with a standard deviation of 0.022 over the 320 images of an epoch.
    assert first.accuracy[-1] > 0.6
    assert first.loss[-1] < first.loss[0]
    assert not first.net.training
    assert torch.equal(first.loss, again.loss)
    for name, tensor in first.net.state_dict().items():
        assert torch.equal(tensor, again.net.state_dict()[name]), name
    assert not torch.equal(pretrain(_thin, few_digits(), recipe=RECIPE, seed=2).loss, first.loss)


def test_steps_are_those_of_torch_optim_along_a_cosine() -> None:
    def linear(num_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(256, num_classes))

    found = pretrain(linear, few_digits(), recipe=RECIPE, seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        net = linear(5)
    images, steps = few_digits(), 4 * (len(few_digits().train_y) // 32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    for step, (_, rows, x) in enumerate(_batches()):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        F.cross_entropy(net(x), images.train_y[rows]).backward()
        optimizer.step()
    for ours, theirs in zip(found.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_an_epoch_sees_no_image_twice_and_moves_each_by_at_most_the_border() -> None:
    images = few_digits()
    batches = _batches()
    for epoch in range(4):
        rows = torch.cat([rows for number, rows, _ in batches if number == epoch])
        assert len(rows) == len(rows.unique()) == len(images.train_y) // 32 * 32
    _, rows, x = batches[0]
    assert x.is_contiguous(memory_format=torch.channels_last)
    padded = F.pad(images.train_x[rows], (2, 2, 2, 2))
    moves = [(i, j) for i in range(5) for j in range(5)]
    for image, bordered in zip(x, padded, strict=True):
        cuts = torch.stack([bordered[:, i : i + 16, j : j + 16] for i, j in moves])
        assert (images.standardised(cuts) == image).flatten(1).all(1).any()


def test_whoever_listens_hears_every_step() -> None:
    heard: list[tuple[float, float]] = []
    pretrain(
        _thin,
        few_digits(),
        recipe=RECIPE,
        seed=1,
        callback=lambda progress: heard.append((progress.done, progress.total)),
    )
    wanted = 4 * (len(few_digits().train_y) // 32) * 32
    assert heard == [(done, wanted) for done in range(32, wanted + 1, 32)]


def test_a_step_too_long_is_named() -> None:
    with pytest.raises(ValueError, match=r"the loss is \w+ in epoch 0: lower lr, now 1e\+30"):
        pretrain(
            _thin, few_digits(), recipe=Recipe(epochs=1, batch_size=64, optimizer=OptimizerConfig(lr=1e30)), seed=0
        )


def test_too_few_images_are_named() -> None:
    with pytest.raises(ValueError, match="330 examples do not fill a batch of 1024: lower batch_size"):
        pretrain(_thin, few_digits(), recipe=Recipe(epochs=1, batch_size=1024), seed=0)


@pytest.mark.parametrize("shards", [0, 3])
def test_a_batch_falls_into_equal_parts(shards: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size a multiple of it, got {shards} and 32"):
        pretrain(_thin, few_digits(), recipe=RECIPE, seed=0, shards=shards)


@pytest.mark.parametrize("asked", [{"clip": 1.0}, {"precision": "bfloat16"}, {"compiled": True}])
def test_what_is_not_to_be_had_here_is_named(asked: dict) -> None:
    with pytest.raises(ValueError, match="works in float32 and neither clips nor compiles"):
        pretrain(_thin, few_digits(), recipe=dataclasses.replace(RECIPE, **asked), seed=0)
