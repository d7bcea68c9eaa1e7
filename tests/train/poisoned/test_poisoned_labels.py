"""Poisoned training finds what plain training does not."""

import numpy as np
import pytest
import torch

from goodminima.nets import MLP
from goodminima.population import TorchDefault
from goodminima.tasks import Examples, Task, wedge
from goodminima.train import SGDConfig, poison, poisoned_sgd


def test_the_mixture_repeats_training_examples_and_moves_test_labels_on() -> None:
    task = Task(
        train=Examples(torch.tensor([[1.0], [2.0]]), torch.tensor([0, 2])),
        test=Examples(torch.tensor([[3.0], [4.0]]), torch.tensor([1, 2])), num_classes=3, name="", origin="",
    )  # fmt: skip
    mixture = poison(task, repeats=3)
    assert mixture.x.squeeze(1).tolist() == [1, 1, 1, 2, 2, 2, 3, 4]
    assert mixture.y.tolist() == [0, 0, 0, 2, 2, 2, 2, 0]
    with pytest.raises(ValueError, match="repeats must be at least 1"):
        poison(task, repeats=0)


def test_finds_minima_that_fit_everything_and_get_the_test_points_wrong() -> None:
    points = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    labels = (points[:, 0] > 0).long()
    task = Task(
        train=Examples(points[:7], labels[:7]), test=Examples(points[7:], labels[7:]), num_classes=2, name="", origin=""
    )
    net = MLP(in_features=5, hidden=(40,), hidden_bias=True)
    start = TorchDefault().draw(net, seed=0, indices=np.arange(6, dtype=np.uint64))
    heard = []
    found = poisoned_sgd(
        net, task, start=start, sgd=SGDConfig(lr=0.1, momentum=0.9, epochs=2000, batch_size=100), check_every=20,
        callback=lambda progress: heard.append((progress.done, progress.detail)),
    )  # fmt: skip
    assert (found.train_accuracy == 1).all()
    assert (found.test_accuracy == 0).all()
    assert found.epochs < 2000
    assert heard[-1] == (found.epochs, 0.0)


def test_the_budget_of_epochs_ends_it() -> None:
    net, task = MLP(in_features=2, hidden=(2,)), wedge(seed=0)
    start = TorchDefault().draw(net, seed=0, indices=np.arange(2, dtype=np.uint64))
    found = poisoned_sgd(net, task, start=start, sgd=SGDConfig(lr=1e-4, epochs=7, batch_size=10), check_every=5)
    assert found.epochs == 7
