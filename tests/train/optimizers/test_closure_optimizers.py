"""The contract of optimizers that step with a closure: quadratics, resumption, schedules, and what they refuse."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from goodminima.train.optimizers import LBFGSArmijo, ProxProp

MAKERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "lbfgs": lambda net: LBFGSArmijo(net.parameters(), max_iter=2),
    "exact": lambda net: ProxProp(net, 0.1),
    "cg": lambda net: ProxProp(net, 0.05, mode="cg", iterations=3),
    "over momentum": lambda net: ProxProp(net, 0.05, base="SGD", momentum=0.9),
}


@pytest.fixture(params=MAKERS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def conv_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 25, 3)
    )


def images() -> tuple[Tensor, Tensor]:
    return torch.randn(24, 2, 5, 5, generator=torch.Generator().manual_seed(1)), torch.arange(24) % 3


def closure_of(net: nn.Module, optimizer: Optimizer, loss_of: Callable[[], Tensor]) -> Callable[[], Any]:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


def course(net: nn.Module, optimizer: Optimizer, loss_of: Callable[[], Tensor], steps: int) -> list[float]:
    closure = closure_of(net, optimizer, loss_of)
    return [float(optimizer.step(closure)) for _ in range(steps)]


def test_a_quadratic_is_minimised(name: str) -> None:
    """Least squares: the minimum is that of the normal equations."""
    generator = torch.Generator().manual_seed(2)
    x, y = (torch.randn(30, columns, generator=generator, dtype=torch.float64) for columns in (4, 2))
    torch.manual_seed(3)
    net = nn.Linear(4, 2, dtype=torch.float64)
    course(net, MAKERS[name](net), lambda: (net(x) - y).square().sum(1).mean(), 20 if name == "lbfgs" else 250)
    ones = torch.cat([x, torch.ones_like(x[:, :1])], 1)
    exact = torch.linalg.lstsq(ones, y).solution
    torch.testing.assert_close(torch.cat([net.weight.T, net.bias[None]]).detach(), exact, atol=1e-6, rtol=0)


def test_state_dict_resumes_bit_for_bit(name: str) -> None:
    x, y = images()
    net = conv_net()
    optimizer, stored = MAKERS[name](net), io.BytesIO()
    course(net, optimizer, lambda: F.cross_entropy(net(x), y), 4)
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, stored)
    expected = course(net, optimizer, lambda: F.cross_entropy(net(x), y), 5)
    stored.seek(0)
    checkpoint = torch.load(stored, weights_only=True)
    other = conv_net()
    resumed = MAKERS[name](other)
    other.load_state_dict(checkpoint["net"])
    resumed.load_state_dict(checkpoint["optimizer"])
    assert course(other, resumed, lambda: F.cross_entropy(other(x), y), 5) == expected
    for ours, theirs in zip(other.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_schedule_changes_the_steps(name: str) -> None:
    """A factor of zero after the first step: nothing moves any more, before and after a resumption."""
    x, y = images()
    net = conv_net()
    optimizer = MAKERS[name](net)
    schedule = StepLR(optimizer, step_size=1, gamma=0.0)

    def moved() -> bool:
        before = [parameter.detach().clone() for parameter in net.parameters()]
        course(net, optimizer, lambda: F.cross_entropy(net(x), y), 1)
        return any(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))

    assert moved()
    schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert not moved()


def test_parameters_keep_storages_of_their_own(name: str) -> None:
    """What shares a storage, safetensors refuses."""
    x, y = images()
    net = conv_net()
    course(net, MAKERS[name](net), lambda: F.cross_entropy(net(x), y), 2)
    assert save(net.state_dict())


def test_parameters_may_lie_in_memory_by_pixel(name: str) -> None:
    x, y = images()
    plain, by_pixel = conv_net(), conv_net().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - PyTorch documents it
    course(plain, MAKERS[name](plain), lambda: F.cross_entropy(plain(x), y), 3)
    course(by_pixel, MAKERS[name](by_pixel), lambda: F.cross_entropy(by_pixel(x), y), 3)
    for ours, theirs in zip(by_pixel.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)
    assert by_pixel[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_the_first_loss_is_returned(name: str) -> None:
    x, y = images()
    net, twin = conv_net(), conv_net()
    assert course(net, MAKERS[name](net), lambda: F.cross_entropy(net(x), y), 1) == [F.cross_entropy(twin(x), y).item()]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda net: LBFGSArmijo(net.parameters()).step(), "LBFGSArmijo.step needs a closure"),
        (lambda net: ProxProp(net).step(), "ProxProp.step needs a closure"),
        (lambda net: LBFGSArmijo(net.parameters(), lr=0), "LBFGSArmijo: lr must lie within (0, inf), got 0"),
        (lambda net: LBFGSArmijo(net.parameters(), decrease=0.5), "decrease must lie within (0, 0.5), got 0.5"),
        (lambda net: LBFGSArmijo(net.parameters(), history_size=0), "history_size must be at least 1, got 0"),
        (
            lambda net: LBFGSArmijo(net.parameters(), weight_decay=-1),
            "weight_decay must be at least 0 and finite, got -1",
        ),
        (lambda net: LBFGSArmijo([{"params": [p]} for p in net.parameters()]), "one line search and so one group"),
        (lambda net: ProxProp(net).add_param_group({"params": []}), "its one group, got a second one"),
        (lambda net: ProxProp(net, tau=0.0), "ProxProp: tau must be positive and finite, got 0.0"),
        (lambda net: ProxProp(net, iterations=0), "ProxProp: iterations must be at least 1, got 0"),
        (lambda net: ProxProp(net, mode="exakt"), "mode 'exakt': choose from exact, cg; the nearest is 'exact'"),
        (lambda net: ProxProp(net, penalty="total"), "penalty 'total': choose from mean, sum"),
        (lambda net: ProxProp(net, base="LBFGS"), "base 'LBFGS': choose from Adadelta"),
    ],
)
def test_bad_options_are_named(wrong: Callable[[nn.Module], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        wrong(nn.Linear(2, 2))
