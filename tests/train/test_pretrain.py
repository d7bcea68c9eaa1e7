"""Pre-training learns, repeats itself bit by bit, and follows torch.optim."""

import math

import pytest
import torch
import torch.nn.functional as F
from few_digits import few_digits
from torch import nn

from goodminima.nets import ResNet12
from goodminima.train import Recipe, pretrain
from goodminima.train.pretrain import _batches

RECIPE = Recipe(epochs=4, batch_size=32, lr=0.05, pad=2, flip=False)


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

    found = pretrain(linear, few_digits(), recipe=RECIPE, seed=3)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = linear(5)
    images, steps = few_digits(), 4 * (len(few_digits().train_y) // 32)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
    for step, (_, rows, x) in enumerate(_batches(images, RECIPE, 3)):
        optimiser.param_groups[0]["lr"] = 0.05 * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        F.cross_entropy(net(x), images.train_y[rows]).backward()
        optimiser.step()
    for ours, theirs in zip(found.net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_an_epoch_sees_no_image_twice_and_moves_each_by_at_most_the_border() -> None:
    images = few_digits()
    batches = list(_batches(images, RECIPE, 5))
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
    heard: list[tuple[int, int]] = []
    pretrain(_thin, few_digits(), recipe=RECIPE, seed=1, listen=lambda done, wanted: heard.append((done, wanted)))
    wanted = 4 * (len(few_digits().train_y) // 32) * 32
    assert heard == [(done, wanted) for done in range(32, wanted + 1, 32)]


def test_a_step_too_long_is_named() -> None:
    with pytest.raises(ValueError, match=r"the loss is \w+ in epoch 0: lower lr, now 1e\+30"):
        pretrain(_thin, few_digits(), recipe=Recipe(epochs=1, batch_size=64, lr=1e30), seed=0)


def test_too_few_images_are_named() -> None:
    with pytest.raises(ValueError, match="330 images do not fill a batch of 1024: lower batch_size"):
        pretrain(_thin, few_digits(), recipe=Recipe(epochs=1, batch_size=1024), seed=0)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"batch_size": 3},
        {"shards": 0},
        {"lr": 0.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"pad": -1},
    ],
)
def test_bad_recipes_are_named(options: dict) -> None:
    with pytest.raises(ValueError, match="Recipe: "):
        Recipe(**({"epochs": 1} | options))
