"""ProxProp: a step is the minimiser of the proximal problem, for linear maps and convolutions of every kind."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from goodminima.train.optimizers import ProxProp
from goodminima.train.optimizers.proxprop import proximal_direction

LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 3), (7, 5)),
    "linear, few rows": (lambda: nn.Linear(9, 3), (4, 9)),
    "linear, no bias": (lambda: nn.Linear(5, 3, bias=False), (7, 5)),
    "linear, of sequences": (lambda: nn.Linear(5, 3), (2, 3, 5)),
    "convolution": (lambda: nn.Conv2d(2, 3, 3), (4, 2, 6, 5)),
    "stride, padding": (lambda: nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2)), (3, 2, 6, 5)),
    "dilation, same": (lambda: nn.Conv2d(2, 3, (3, 2), dilation=2, padding="same"), (3, 2, 6, 5)),
    "reflected": (lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False), (3, 2, 4, 5)),
    "groups": (lambda: nn.Conv2d(4, 6, 3, padding="valid", groups=2), (3, 4, 5, 5)),
    "one image, few rows": (lambda: nn.Conv2d(6, 2, 3), (6, 4, 4)),
}


@pytest.fixture(params=LAYERS)
def layer_and_input(request: pytest.FixtureRequest) -> tuple[nn.Module, Tensor]:
    make, shape = LAYERS[request.param]
    torch.manual_seed(0)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return make().double(), x


def loss_of(outputs: Tensor) -> Tensor:
    """Something that is neither linear nor quadratic."""
    return (outputs.sin() + 0.3 * outputs.square()).mean()


def vector(layer: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in layer.parameters()])


def stepped(net: nn.Module, x: Tensor, *, lr: float = 1.0, **options) -> ProxProp:
    optimizer = ProxProp(net, base="SGD", lr=lr, **options)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(net(x))
        loss.backward()
        return loss

    optimizer.step(closure)
    return optimizer


def proximal_point(layer: nn.Module, x: Tensor, *, tau: float, mean: bool) -> Tensor:
    """argmin_v |J v - (J w - G)|^2 / (2 m) + |v - w|^2 / (2 tau), J the derivative of all outputs by all parameters.

    Mean: m rows, G the gradient by the outputs times m; sum: m = 1.
    """
    names = dict(layer.named_parameters())
    jacobian = jacrev(lambda given: functional_call(layer, given, (x,)).flatten())(
        {name: parameter.detach() for name, parameter in names.items()}
    )
    j = torch.cat([jacobian[name].flatten(1) for name in names], 1)
    outputs = layer(x).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(outputs), outputs)
    m = outputs.numel() / names["weight"].shape[0] if mean else 1
    w, weight, anchor = vector(layer), math.sqrt(1 / m), math.sqrt(1 / tau)
    left = torch.cat([weight * j, anchor * torch.eye(len(w), dtype=w.dtype)])
    right = torch.cat([weight * (j @ w - m * gradient.flatten()), anchor * w])
    return torch.linalg.lstsq(left, right).solution


@pytest.mark.parametrize("penalty", ["mean", "sum"])
@pytest.mark.parametrize("tau", [0.05, 2.0])
def test_a_step_is_the_minimiser_of_the_proximal_problem(layer_and_input, tau: float, penalty: str) -> None:
    layer, x = layer_and_input
    expected = proximal_point(layer, x, tau=tau, mean=penalty == "mean")
    stepped(layer, x, tau=tau, penalty=penalty)
    torch.testing.assert_close(vector(layer), expected, atol=1e-11, rtol=1e-9)


@pytest.mark.parametrize("penalty", ["mean", "sum"])
def test_enough_conjugate_gradients_are_exact(layer_and_input, penalty: str) -> None:
    """As many as inputs solve any system, up to rounding."""
    layer, x = layer_and_input
    expected = proximal_point(layer, x, tau=0.5, mean=penalty == "mean")
    stepped(layer, x, mode="cg", iterations=70, penalty=penalty)
    torch.testing.assert_close(vector(layer), expected, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("rows", [3, 40])
def test_one_iteration_is_the_best_step_along_the_gradient(rows: int) -> None:
    generator = torch.Generator().manual_seed(3)
    a = torch.randn(1, rows, 6, generator=generator, dtype=torch.float64)
    gradient = torch.randn(1, 6, 2, generator=generator, dtype=torch.float64)
    matrix = a[0].T @ a[0] / rows + torch.eye(6, dtype=torch.float64) / 0.5
    pace = gradient[0].square().sum(0) / (gradient[0] * (matrix @ gradient[0])).sum(0)
    found = proximal_direction(a, gradient, tau=0.5, scale=rows, iterations=1)
    torch.testing.assert_close(found[0], pace * gradient[0])


def test_a_gradient_of_zero_stays_zero() -> None:
    rows, zero = torch.ones(1, 5, 3), torch.zeros(1, 3, 2)
    assert torch.equal(proximal_direction(rows, zero, tau=0.5, iterations=4), zero)


def test_a_small_tau_is_gradient_descent() -> None:
    """(A^T A / rows + I / tau)^-1 g = tau g + O(tau^2)."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before, gradient = vector(net), torch.autograd.grad(loss_of(net(x)), list(net.parameters()))
    stepped(net, x, tau=1e-6, lr=1e6)
    expected = before - torch.cat([each.flatten() for each in gradient])
    torch.testing.assert_close(vector(net), expected, atol=1e-5, rtol=0)


class _Mixed(nn.Module):
    """A layer used twice, two that share their weight, one that is frozen in part, BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.parametrised = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.twice(torch.tanh(self.twice(x))))
        return self.parametrised(self.second(torch.tanh(self.first(x))))


def test_what_is_not_a_layer_with_weights_of_its_own_keeps_its_gradient() -> None:
    torch.manual_seed(0)
    net = _Mixed().double()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    loss_of(net(x)).backward()
    gradient = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    stepped(net, x)
    plain = {
        name
        for name, p in net.named_parameters()
        if torch.allclose(p.detach(), before[name] - gradient[name], rtol=1e-12, atol=1e-12)
    }
    assert plain == set(before) - {"twice.weight", "twice.bias"}


def test_a_layer_used_twice_has_the_rows_of_both_uses() -> None:
    torch.manual_seed(0)
    once, twice = nn.Linear(4, 3).double(), nn.Linear(4, 3).double()
    twice.load_state_dict(once.state_dict())
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    class _Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = twice

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.layer(x[:3]), self.layer(x[3:])])

    stepped(once, x)
    stepped(_Halves(), x)
    torch.testing.assert_close(vector(twice), vector(once))


def test_only_what_is_read_with_gradients_counts_and_nothing_stays_behind() -> None:
    torch.manual_seed(0)
    plain, watched = nn.Linear(4, 3).double(), nn.Linear(4, 3).double()
    watched.load_state_dict(plain.state_dict())
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    stepped(plain, x)
    optimizer = ProxProp(watched, lr=1.0, base="SGD")

    def closure() -> Tensor:
        optimizer.zero_grad()
        with torch.no_grad():
            watched(100 * x)
        loss = loss_of(watched(x))
        loss.backward()
        return loss

    optimizer.step(closure)
    assert torch.equal(vector(watched), vector(plain))
    assert not watched._forward_pre_hooks

    def failing() -> Tensor:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step(failing)
    assert not watched._forward_pre_hooks
    assert torch.equal(vector(watched), vector(plain))


def test_options_of_the_base_reach_it() -> None:
    optimizer = ProxProp(nn.Linear(2, 2), lr=0.1, betas=(0.5, 0.6), weight_decay=0.01)
    (group,) = optimizer.param_groups
    assert (group["betas"], group["weight_decay"], group["lr"]) == ((0.5, 0.6), 0.01, 0.1)
