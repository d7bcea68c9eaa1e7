"""Populations against one module at a time."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube, Population, norm_product
from goodminima.population import population as module
from goodminima.population.stack import stack_of


class Residual(nn.Module):
    """Not a stack: goes through torch.func."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(x + torch.tanh(self.first(x)))


class Doubled(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def _hooked(layer: nn.Module) -> nn.Module:
    def tripled(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        return 3 * output

    layer.register_forward_hook(tripled)
    return layer


def _tied() -> nn.Sequential:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second)


def _strided() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 4, (2, 1), padding=(1, 0)),
        nn.ReLU(), nn.MaxPool2d(2, stride=1), nn.Flatten(), nn.Linear(12, 5, bias=False), nn.ReLU(), nn.Linear(5, 3),
    )  # fmt: skip


CASES = {
    "lenet": (LeNet(width=0.5), (1, 28, 28), 2),
    "cifar lenet": (LeNet(width=0.3, in_shape=(3, 32, 32)), (3, 32, 32), 2),
    "mlp": (MLP(in_features=2, hidden=(20,)), (2,), 2),
    "mlp with hidden biases": (MLP(in_features=4, hidden=(5, 6), num_classes=3, hidden_bias=True), (4,), 3),
    "linear": (LinearModel(in_features=12), (3, 2, 2), 2),
    "strides and paddings": (_strided(), (2, 11, 10), 3),
    "leaky": (nn.Sequential(nn.LeakyReLU(0.5), nn.Linear(4, 5), nn.LeakyReLU(0.2), nn.Linear(5, 3)), (4,), 3),
    "residual": (Residual(), (6,), 3),
    "a subclass with its own forward": (nn.Sequential(nn.Flatten(), Doubled(4, 3)), (4,), 3),
    "tied weights": (_tied(), (4,), 4),
}


@pytest.fixture(params=CASES.values(), ids=[*CASES])
def case(request: pytest.FixtureRequest):
    net, shape, classes = request.param
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, *shape, generator=generator)
    y = torch.randint(classes, (9,), generator=generator)
    theta = Cube(1.0).draw(net, seed=1, indices=np.arange(20, dtype=np.uint64))
    return net, theta, x, y


def _one_by_one(net: nn.Module, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Every member as a module of its own, in float64: what a population must equal."""
    rows = []
    for vector in theta.double():
        member = copy.deepcopy(net).double()
        nn.utils.vector_to_parameters(vector, member.parameters())
        rows.append(member(x.double()))
    return torch.stack(rows).detach()


def test_logits_equal_one_module_at_a_time(case, path: str) -> None:
    net, theta, x, _ = case
    expected = _one_by_one(net, theta, x)
    found = Population(net, theta).logits(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5 * expected.abs().max().item())


def test_float64_is_kept(case) -> None:
    net, theta, x, _ = case
    found = Population(net, theta.double()).logits(x.double())
    torch.testing.assert_close(found, _one_by_one(net, theta, x), rtol=1e-12, atol=1e-10)


def test_loss_accuracy_and_margin_follow_from_the_logits(case, path: str) -> None:
    net, theta, x, y = case
    population, logits = Population(net, theta), _one_by_one(net, theta, x)
    factor = norm_product(net, theta.double())
    right = logits.argmax(2) == y
    for normalised, scaled in ((False, logits), (True, logits / factor[:, None, None])):
        expected = torch.stack([F.cross_entropy(member, y) for member in scaled])
        torch.testing.assert_close(
            population.loss(x, y, normalised=normalised).double(), expected, rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(population.accuracy(x, y).double(), right.double().mean(1), rtol=1e-6, atol=0)
    assert torch.equal(population.margin(x, y) > 0, right)


def test_accuracy_is_exact_even_where_float32_cannot_tell(path: str) -> None:
    """Two output rows that differ by less than a float32 sum can resolve, in favour of the label and against it."""
    net = LinearModel(in_features=300)
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(16, 602, generator=generator)
    theta[:, 300:600] = theta[:, :300]
    theta[:, 600:] = 0
    theta[:8, 0] = torch.nextafter(theta[:8, 0], torch.full((8,), torch.inf))
    theta[8:, 0] = torch.nextafter(theta[8:, 0], torch.full((8,), -torch.inf))
    x, y = torch.ones(4, 300) + torch.rand(4, 300, generator=generator), torch.zeros(4, dtype=torch.long)
    expected = (_one_by_one(net, theta, x).argmax(2) == y).float().mean(1)
    assert torch.equal(Population(net, theta).accuracy(x, y), expected)
    assert expected.tolist() == [1.0] * 8 + [0.0] * 8


@pytest.mark.parametrize("numbers", [1, 5_000, 200_000, 10**9])
def test_chunks_never_change_a_result(case, path: str, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, theta, x, y = case
    expected = Population(net, theta).logits(x), Population(net, theta).loss(x, y, normalised=True)
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", numbers)
    assert torch.equal(Population(net, theta).logits(x), expected[0])
    assert torch.equal(Population(net, theta).loss(x, y, normalised=True), expected[1])


def test_permuting_members_permutes_results(case, path: str) -> None:
    net, theta, x, _ = case
    order = torch.randperm(len(theta), generator=torch.Generator().manual_seed(3))
    assert torch.equal(Population(net, theta[order]).logits(x), Population(net, theta).logits(x)[order])


def test_gradients_equal_one_module_at_a_time(case) -> None:
    net, theta, x, y = case
    theta = theta.double().requires_grad_()
    (found,) = torch.autograd.grad(Population(net, theta).loss(x.double(), y).sum(), theta)
    for vector, gradient in zip(theta.detach(), found, strict=True):
        member = copy.deepcopy(net).double()
        nn.utils.vector_to_parameters(vector, member.parameters())
        expected = torch.autograd.grad(F.cross_entropy(member(x.double()), y), list(member.parameters()))
        torch.testing.assert_close(gradient, torch.cat([part.flatten() for part in expected]), rtol=1e-9, atol=1e-11)


def test_scaling_a_layer_leaves_the_normalised_loss_of_a_net_without_hidden_biases(path: str) -> None:
    net = MLP(in_features=3, hidden=(8,))
    theta = Cube(1.0).draw(net, seed=0, indices=np.arange(16, dtype=np.uint64))
    theta[:, -2:] = 0  # the output's biases do not scale with the weights before them
    scaled = theta.clone()
    scaled[:, :24] *= 7.0
    x, y = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1, 1, 0])
    before, after = (Population(net, t).loss(x, y, normalised=True) for t in (theta, scaled))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-6)


def test_lenet_divides_each_norm_by_three() -> None:
    net = LeNet(width=0.2)
    vector = Cube(1.0).draw(net, seed=0, indices=np.zeros(1, np.uint64))
    member = Population(net, vector).member(0)
    expected = np.prod([p.detach().norm().item() / 3 for p in member.parameters() if p.ndim > 1])
    assert norm_product(net, vector).item() == pytest.approx(expected, rel=1e-5)


def test_runs_on_another_device() -> None:
    """The path a GPU would take, checked on the device without memory: shapes flow through, nothing touches the CPU."""
    for net, shape, classes in CASES.values():
        there = copy.deepcopy(net).to("meta")
        theta = torch.empty(20, sum(p.numel() for p in there.parameters()), device="meta")
        x = torch.empty(9, *shape, device="meta")
        assert Population(there, theta).logits(x).shape == (20, 9, classes)


def test_wrong_shapes_and_emptiness_are_refused() -> None:
    net = LinearModel(in_features=2)
    with pytest.raises(ValueError, match=r"theta must have shape \(P, 6\), got \(3, 5\)"):
        Population(net, torch.zeros(3, 5))
    with pytest.raises(ValueError, match="0 examples"):
        Population(net, torch.zeros(3, 6)).logits(torch.zeros(0, 2))


def test_nets_with_a_state_must_be_in_evaluation_mode() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    theta = Cube(1.0).draw(net, seed=0, indices=np.arange(9, dtype=np.uint64))
    with pytest.raises(ValueError, match=r"call net.eval\(\) first"):
        Population(net, theta).logits(torch.ones(2, 3))
    net.eval()
    expected = _one_by_one(net, theta, torch.ones(2, 3))
    torch.testing.assert_close(Population(net, theta).logits(torch.ones(2, 3)).double(), expected, rtol=1e-5, atol=1e-6)


def test_what_is_a_stack() -> None:
    relu = nn.ReLU()
    assert stack_of(nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu)) is not None
    shared = nn.Linear(2, 2)
    for net in (
        nn.Sequential(shared, relu, shared),
        nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)),
        nn.Sequential(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")),
        nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")),
        nn.Sequential(nn.Flatten(), Doubled(4, 2)),
        nn.Sequential(nn.Flatten(), _hooked(nn.Linear(4, 2))),
        nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))),
        _tied(),
        nn.Sequential(nn.MaxPool2d(3, padding=1), nn.Flatten(), nn.Linear(4, 2)),
        Residual(),
    ):
        assert stack_of(net) is None
