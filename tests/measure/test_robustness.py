"""The fast gradient sign method, by hand on linear nets and image by image on another."""

import copy

import pytest
import torch
import torch.nn.functional as F
from tiny_nets import Residual, lived
from torch import nn

from goodminima.measure import fgsm_accuracy, logit_margins
from goodminima.tasks import Examples, load_images

EPSILONS = (0.0, 0.01, 0.05, 0.2)
MEAN, STD = (0.4, 0.5), (0.2, 0.3)


def _batch(*shape: int, classes: int, seed: int = 0) -> Examples:
    """Standardised images with pixels all over [0, 1], some of them at its ends."""
    generator = torch.Generator().manual_seed(seed)
    pixels = (torch.rand(shape, generator=generator) * 1.4 - 0.2).clamp(0, 1)
    mean, std = (torch.tensor(values[: shape[1]])[:, None, None] for values in (MEAN, STD))
    return Examples((pixels - mean) / std, torch.randint(classes, shape[:1], generator=generator))


def test_two_linear_classes_fall_at_their_margin_over_the_l1_norm() -> None:
    """Each pixel moves by epsilon / std towards the other class: the margin falls by epsilon ||(w_y - w_other) / std||_1."""
    net = lived(nn.Sequential(nn.Flatten(), nn.Linear(18, 2))).double()
    batch = _batch(400, 2, 3, 3, classes=2)
    batch = Examples(batch.x.double(), batch.y)
    std = torch.tensor(STD, dtype=torch.float64).repeat_interleave(9)
    fall = ((net[1].weight[0] - net[1].weight[1]) / std).abs().sum().item()
    margins = logit_margins(net, batch).values
    found = fgsm_accuracy(net, batch, epsilons=EPSILONS, mean=MEAN, std=STD, pixels=None)
    assert found.tolist() == [float((margins > epsilon * fall).double().mean()) for epsilon in EPSILONS]
    assert 0 < found[-1] < found[0] < 1


def test_many_linear_classes_with_pixels_kept_in_their_range() -> None:
    net = lived(nn.Sequential(nn.Flatten(), nn.Linear(18, 4))).double()
    batch = _batch(60, 2, 3, 3, classes=4)
    batch = Examples(batch.x.double(), batch.y)
    weight = net.get_parameter("1.weight").detach()
    mean, std = (torch.tensor(values, dtype=torch.float64).repeat_interleave(9) for values in (MEAN, STD))
    right = []
    for epsilon in EPSILONS:
        hits = 0
        for x, label in zip(batch.x.flatten(1), batch.y, strict=True):
            share = torch.softmax(net[1](x).detach(), 0)
            share[label] -= 1  # what reaches the logits is softmax - one-hot
            pixels = x * std + mean + epsilon * torch.sign(share @ weight / std)
            moved = (pixels.clamp(0, 1) - mean) / std
            hits += int(net[1](moved).argmax() == label)
        right.append(hits / len(batch))
    found = fgsm_accuracy(net, batch, epsilons=EPSILONS, mean=MEAN, std=torch.tensor(STD))
    assert found.tolist() == right
    assert len(set(right)) > 2


def test_image_by_image_on_a_net_with_batch_norm() -> None:
    net = lived(Residual()).double()
    net.head.bias.data *= 0.01  # both answers are given
    images, some = _batch(130, 1, 4, 4, classes=2).x.double(), torch.arange(130) % 5 == 0
    said = copy.deepcopy(net).eval()(images).argmax(1)
    batch = Examples(images, torch.where(some, 1 - said, said))
    found = fgsm_accuracy(net, batch, epsilons=EPSILONS, mean=MEAN[0], std=STD[0], pixels=(0.0, 1.0))
    assert net.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())
    net.eval()
    right = torch.zeros(len(EPSILONS), dtype=torch.float64)
    for x, label in zip(batch.x.split(1), batch.y.split(1), strict=True):
        pixels = (x * STD[0] + MEAN[0]).requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(net((pixels - MEAN[0]) / STD[0]), label), pixels)
        for number, epsilon in enumerate(EPSILONS):
            moved = (pixels + epsilon * gradient.sign()).clamp(0, 1)
            right[number] += float(net((moved - MEAN[0]) / STD[0]).argmax() == label)
    assert found.tolist() == (right / len(batch)).tolist()
    assert found[-1] < found[0] == 0.8


def test_a_net_that_is_very_sure_is_not_robust_for_that() -> None:
    """Where the softmax is 1 to rounding the gradient of the cross entropy is 0, but its direction is what it was."""
    plain = lived(nn.Sequential(nn.Flatten(), nn.Linear(18, 2, bias=False)))
    batch = _batch(200, 2, 3, 3, classes=2)
    batch = Examples(batch.x, plain(batch.x).argmax(1))
    sure = nn.Sequential(nn.Flatten(), nn.Linear(18, 2, bias=False))
    sure.get_parameter("1.weight").data = plain.get_parameter("1.weight").data * 2.0**14
    leaf = batch.x.clone().requires_grad_()
    (naive,) = torch.autograd.grad(F.cross_entropy(sure(leaf), batch.y), leaf)
    assert (naive == 0).double().mean() > 0.5
    found = [fgsm_accuracy(net, batch, epsilons=EPSILONS, mean=MEAN, std=STD) for net in (plain, sure)]
    assert torch.equal(*found)
    assert found[0][-1] < 0.5


def test_no_step_is_no_change_on_standardised_digits() -> None:
    images = load_images("digits")
    batch = Examples(images.standardised(images.test_x[:300]), images.test_y[:300])
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    mean, std = images.statistics
    told = []
    found = fgsm_accuracy(
        net, batch, epsilons=[0.0], mean=mean, std=std, callback=lambda at: told.append((at.done, at.total))
    )
    assert found.item() == logit_margins(net, batch).accuracy
    assert told == [(100, 300), (200, 300), (300, 300)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilons": []}, "epsilons must be at least one number"),
        ({"epsilons": [0.1, -0.1]}, "none below 0"),
        ({"std": (0.2, 0.0)}, "std must be positive"),
        ({"mean": (0.1, 0.2, 0.3)}, "one for each of 2 channels, got 3"),
        ({"mean": 0.0, "std": 1.0}, r"outside \[0, 1\]: give the mean and std"),
    ],
)
def test_what_cannot_be_measured_is_named(options: dict, message: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(18, 2))
    with pytest.raises(ValueError, match=message):
        fgsm_accuracy(net, _batch(4, 2, 3, 3, classes=2), **({"epsilons": [0.1], "mean": MEAN, "std": STD} | options))
