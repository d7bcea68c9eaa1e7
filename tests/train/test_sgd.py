"""Population SGD against `torch.optim.SGD`, one member at a time."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import MLP, LeNet
from goodminima.population import Cube, TorchDefault
from goodminima.tasks import Examples, wedge
from goodminima.train import SGDConfig, train_population
from goodminima.train.sgd import minibatches


def _trained_alone(net: nn.Module, examples: Examples, vector: torch.Tensor, sgd: SGDConfig, seed: int) -> torch.Tensor:
    member = copy.deepcopy(net).double()
    nn.utils.vector_to_parameters(vector.double(), member.parameters())
    optimizer = torch.optim.SGD(member.parameters(), lr=sgd.lr, momentum=sgd.momentum)
    for _, rows in minibatches(len(examples), sgd, seed):
        optimizer.zero_grad()
        F.cross_entropy(member(examples.x[rows].double()), examples.y[rows]).backward()
        optimizer.step()
    return nn.utils.parameters_to_vector(member.parameters()).detach()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_equals_torch_optim_one_member_at_a_time(momentum: float) -> None:
    net, examples = MLP(in_features=2, hidden=(7,)), wedge(seed=0).train
    sgd = SGDConfig(lr=0.1, epochs=5, batch_size=3, momentum=momentum)
    start = TorchDefault().draw(net, seed=0, indices=np.arange(12, dtype=np.uint64))
    *_, (epoch, end) = train_population(net, examples, start=start, sgd=sgd, seed=8)
    assert epoch == 4
    for before, after in zip(start, end, strict=True):
        torch.testing.assert_close(after.double(), _trained_alone(net, examples, before, sgd, 8), rtol=1e-4, atol=1e-5)


def test_lenet_follows_the_same_path_in_float64() -> None:
    generator = torch.Generator().manual_seed(0)
    examples = Examples(torch.randn(4, 1, 28, 28, generator=generator).double(), torch.tensor([0, 1, 0, 1]))
    net, sgd = LeNet(width=0.3), SGDConfig(lr=1e-2, epochs=2, batch_size=2)
    start = TorchDefault().draw(net, seed=0, indices=np.arange(9, dtype=np.uint64)).double()
    *_, (_, end) = train_population(net, examples, start=start, sgd=sgd, seed=1)
    for before, after in zip(start, end, strict=True):
        torch.testing.assert_close(after, _trained_alone(net, examples, before, sgd, 1), rtol=1e-9, atol=1e-12)


def test_a_members_path_does_not_depend_on_its_company() -> None:
    net, examples, sgd = LeNet(width=0.3), wedge_images(), SGDConfig(lr=1e-3, epochs=3, batch_size=2)
    start = Cube(1.0).draw(net, seed=0, indices=np.arange(40, dtype=np.uint64))
    *_, (_, together) = train_population(net, examples, start=start, sgd=sgd, seed=1)
    *_, (_, fewer) = train_population(net, examples, start=start[5:25], sgd=sgd, seed=1)
    assert torch.equal(together[5:25], fewer)


def wedge_images() -> Examples:
    x = torch.randn(6, 1, 28, 28, generator=torch.Generator().manual_seed(5))
    return Examples(x, torch.arange(6) % 2)


def test_starts_are_not_changed_in_place() -> None:
    net, examples = MLP(in_features=2, hidden=(3,)), wedge(seed=0).train
    start = Cube(1.0).draw(net, seed=0, indices=np.arange(3, dtype=np.uint64))
    before = start.clone()
    list(
        train_population(
            net, examples, start=start, sgd=SGDConfig(lr=0.5, epochs=2, batch_size=4, momentum=0.5), seed=0
        )
    )
    assert torch.equal(start, before)


def test_every_epoch_sees_every_example_once_and_the_order_is_the_seeds() -> None:
    sgd = SGDConfig(lr=1.0, epochs=3, batch_size=4)
    batches = list(minibatches(10, sgd, seed=3))
    assert [len(rows) for _, rows in batches] == [4, 4, 2] * 3
    for epoch in range(3):
        seen = torch.cat([rows for number, rows in batches if number == epoch])
        assert sorted(seen.tolist()) == list(range(10))
    again = list(minibatches(10, sgd, seed=3))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(batches, again, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.0}, "lr must be positive"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"epochs": 0}, "at least 1, got 0 and 2"),
        ({"batch_size": 0}, "at least 1, got 3 and 0"),
    ],
)
def test_bad_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SGDConfig(**({"lr": 0.1, "epochs": 3, "batch_size": 2} | options))
