"""Pattern Search and Random Greedy as optimizers: exact minima, the rules, resumption, and what errors leave behind."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from goodminima.core import generator
from goodminima.core.order import Order
from goodminima.nets import MLP
from goodminima.train import PatternSearch, RandomGreedy

MAKERS: dict[str, Callable[..., Optimizer]] = {
    "pattern": PatternSearch,
    "greedy": lambda params, **options: RandomGreedy(params, patience=30, **options),
}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[..., Optimizer]:
    return MAKERS[request.param]


def _net() -> nn.Module:
    torch.manual_seed(0)
    return MLP(in_features=4, hidden=(5,), num_classes=3)


def _loss_of(net: nn.Module) -> Callable[[], Tensor]:
    x, y = torch.randn(20, 4, generator=torch.Generator().manual_seed(1)), torch.arange(20) % 3
    return lambda: F.cross_entropy(net(x), y)


def _vector(net: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def _course(optimizer: Optimizer, closure: Callable[[], Any], steps: int) -> list[float]:
    return [float(optimizer.step(closure)) for _ in range(steps)]


def test_a_quadratic_on_the_grid_is_minimised_exactly() -> None:
    """Every number lies a whole number of radii from the minimum: Pattern Search steps right onto it."""
    theta, scalar = nn.Parameter(torch.tensor([[3.0, -2.0], [0.5, 4.0]])), nn.Parameter(torch.tensor(-7.0))
    target = torch.tensor([[1.0, 1.0], [-0.5, 0.0]])
    _course(PatternSearch([theta, scalar]), lambda: (theta - target).square().sum() + scalar.square(), 200)
    assert torch.equal(theta.detach(), target)
    assert scalar.item() == 0


def test_a_quadratic_is_minimised(make) -> None:
    theta = nn.Parameter(torch.tensor([3.1, -2.7, 0.3], dtype=torch.float64))
    assert _course(make([theta]), lambda: theta.square().sum(), 400)[-1] < 1e-3


def test_the_loss_never_rises_and_is_that_of_the_parameters(make) -> None:
    net = _net()
    closure, optimizer = _loss_of(net), make(net.parameters(), max_tries=5)
    before = closure().item()
    for _ in range(60):
        after = float(optimizer.step(closure))
        assert after <= before
        assert after == closure().item()
        before = after


def test_pattern_search_follows_its_rules() -> None:
    """A literal loop: the order of the generator, the first improvement, two moves a number, then half the radius."""
    net, twin = _net(), _net()
    closure, loss_of_twin = _loss_of(net), _loss_of(twin)
    optimizer, order = PatternSearch(net.parameters(), seed=6), Order.begin(2 * len(_vector(net)), seed=6, stream=0)
    radius, failures = 1.0, 0
    for _ in range(150):
        optimizer.step(closure)
        start, least = _vector(twin), loss_of_twin().item()
        while True:
            (move,), order = order.take(1)
            theta = start.clone()
            theta[move // 2] += radius if move % 2 == 0 else -radius
            nn.utils.vector_to_parameters(theta, twin.parameters())
            if loss_of_twin().item() < least:
                failures, order = 0, order.anew()
                break
            failures += 1
            nn.utils.vector_to_parameters(start, twin.parameters())
            if failures == 2 * len(start):
                radius, failures, order = radius / 2, 0, order.anew()
                break
        assert torch.equal(_vector(net), _vector(twin))
        assert optimizer.param_groups[0]["radius"] == radius
    assert radius < 1, "the course must have seen a halving to mean anything"


def test_random_greedy_follows_its_rules() -> None:
    """A literal loop: try k adds draw k; after so many failures in a row half the sigma, across steps."""
    net, twin = _net(), _net()
    closure, loss_of_twin = _loss_of(net), _loss_of(twin)
    optimizer = RandomGreedy(net.parameters(), sigma=0.5, patience=8, seed=6, max_tries=3)
    sigma, failures, k = 0.5, 0, 0
    for _ in range(150):
        optimizer.step(closure)
        for _ in range(min(3, 8 - failures)):
            start, least = _vector(twin), loss_of_twin().item()
            noise = generator.normal(6, np.array([k], np.uint64), len(start))[0]
            nn.utils.vector_to_parameters(start + sigma * torch.from_numpy(noise), twin.parameters())
            k += 1
            if loss_of_twin().item() < least:
                failures = 0
                break
            failures += 1
            nn.utils.vector_to_parameters(start, twin.parameters())
        if failures == 8:
            sigma, failures = sigma / 2, 0
        torch.testing.assert_close(_vector(net), _vector(twin), rtol=1e-6, atol=1e-6)
        assert optimizer.param_groups[0]["sigma"] == sigma
    assert sigma < 0.5


def test_no_gradient_is_made(make) -> None:
    net = _net()
    closure, seen = _loss_of(net), []

    def watched() -> Tensor:
        seen.append(closure())
        return seen[-1]

    make(net.parameters()).step(watched)
    assert not any(loss.requires_grad for loss in seen)
    assert all(p.requires_grad and p.grad is None for p in net.parameters())


def test_the_same_seed_takes_the_same_path_and_another_seed_another(make) -> None:
    ends = []
    for seed in (3, 3, 4):
        net = _net()
        _course(make(net.parameters(), seed=seed), _loss_of(net), 20)
        ends.append(_vector(net))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


@pytest.mark.parametrize("max_tries", [None, 4])
def test_state_dict_resumes_bit_for_bit(make, max_tries: int | None) -> None:
    net = _net()
    optimizer, stored = make(net.parameters(), seed=1, max_tries=max_tries), io.BytesIO()
    _course(optimizer, _loss_of(net), 15)
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, stored)
    expected = _course(optimizer, _loss_of(net), 40)

    stored.seek(0)
    checkpoint = torch.load(stored, weights_only=True)
    resumed_net = _net()
    resumed = make(resumed_net.parameters(), seed=77, max_tries=max_tries)
    resumed_net.load_state_dict(checkpoint["net"])
    resumed.load_state_dict(checkpoint["optimizer"])
    assert _course(resumed, _loss_of(resumed_net), 40) == expected
    assert torch.equal(_vector(resumed_net), _vector(net))
    assert resumed.param_groups[0].keys() == optimizer.param_groups[0].keys()


def test_a_loaded_state_is_not_shared(make) -> None:
    net = _net()
    optimizer = make(net.parameters())
    state = optimizer.state_dict()
    _course(optimizer, _loss_of(net), 10)
    nets = [_net(), _net()]
    for other in nets:
        resumed = make(other.parameters(), seed=5)
        resumed.load_state_dict(state)
        _course(resumed, _loss_of(other), 10)
    assert torch.equal(_vector(nets[0]), _vector(nets[1]))
    assert torch.equal(_vector(nets[0]), _vector(net))


def test_the_closure_may_come_by_its_name(make) -> None:
    """As Lightning passes it on in manual optimization, through a copy of the optimizer's attributes."""
    net, plain = _net(), _net()
    optimizer = make(net.parameters())
    wrapped = object.__new__(type("Wrapped", (type(optimizer),), {}))
    wrapped.__dict__.update(optimizer.__dict__)
    for stepping in (wrapped, optimizer, wrapped):
        stepping.step(closure=_loss_of(net))
    _course(make(plain.parameters()), _loss_of(plain), 3)
    assert torch.equal(_vector(net), _vector(plain))


def test_groups_have_their_own_step_size() -> None:
    coarse, fine = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    optimizer = PatternSearch([{"params": [coarse]}, {"params": [fine], "radius": 0.25}], radius=1.0)
    _course(optimizer, lambda: (coarse - 3).square().sum() + (fine - 0.75).square().sum(), 40)
    assert coarse.tolist() == [3, 3]
    assert fine.tolist() == [0.75, 0.75]
    radii = [group["radius"] for group in optimizer.param_groups]
    assert radii[0] == 4 * radii[1] < 1, "every radius is halved when a pass fails"


def test_greedy_groups_have_their_own_sigma() -> None:
    moved, still = nn.Parameter(torch.zeros(50)), nn.Parameter(torch.zeros(50))
    optimizer = RandomGreedy([{"params": [moved]}, {"params": [still], "sigma": 1e-3}], sigma=2.0)
    optimizer.step(lambda: -moved.std())
    assert 1 < moved.std() < 3
    assert 0 < still.std() < 2e-3


def test_a_group_may_be_added() -> None:
    first, second = nn.Parameter(torch.tensor([2.0])), nn.Parameter(torch.tensor([-1.0, 3.0]))
    optimizer = PatternSearch([first])
    _course(optimizer, lambda: first.square().sum(), 5)
    optimizer.add_param_group({"params": [second]})
    _course(optimizer, lambda: first.square().sum() + second.square().sum(), 20)
    assert [*first.tolist(), *second.tolist()] == [0, 0, 0]


@pytest.mark.parametrize("fails_at", [0, 1, 4])
def test_an_error_in_the_closure_leaves_everything_as_it_was(make, fails_at: int) -> None:
    net, calls = _net(), []
    optimizer, before = make(net.parameters()), _vector(net)

    def closure() -> Tensor:
        calls.append(1)
        if len(calls) > fails_at:
            raise RuntimeError("out of memory")
        return torch.tensor(0.0)  # nothing is below the first loss

    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step(closure)
    assert torch.equal(_vector(net), before)
    fresh_net = _net()
    fresh = make(fresh_net.parameters())
    _course(fresh, _loss_of(fresh_net), 5)
    _course(optimizer, _loss_of(net), 5)
    assert torch.equal(_vector(net), _vector(fresh_net)), "the failed step has left no trace in the search either"


def test_what_is_not_a_number_is_never_accepted(make) -> None:
    theta = nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = make([theta])
    _course(optimizer, lambda: torch.where(theta.min() < 1, torch.nan, theta.sum()), 5)
    assert theta.min() >= 1
    start = nn.Parameter(torch.tensor([torch.nan, 1.0]))
    losses = _course(make([start]), lambda: torch.where(start.isfinite().all(), start.sum(), torch.inf), 1)
    assert losses == [torch.inf]


def test_each_step_may_have_its_own_batch(make) -> None:
    """The loss is taken anew at the beginning of a step: one step on each of two losses that differ by 100."""
    theta = nn.Parameter(torch.tensor([5.0]))
    optimizer = make([theta])
    optimizer.step(lambda: theta.square().sum())
    low = theta.item()
    assert float(optimizer.step(lambda: 100 + theta.square().sum())) < 100 + low**2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda p: PatternSearch(p, radius=0.0), "PatternSearch: radius must be positive and finite, got 0"),
        (lambda p: PatternSearch([{"params": p, "radius": -1.0}]), "radius must be positive and finite, got -1"),
        (lambda p: PatternSearch(p, max_tries=0), "PatternSearch: max_tries must be at least 1, or None, got 0"),
        (lambda p: RandomGreedy(p, sigma=float("inf")), "RandomGreedy: sigma must be positive and finite, got inf"),
        (lambda p: RandomGreedy(p, patience=0), "RandomGreedy: patience must be at least 1, got 0"),
        (lambda p: RandomGreedy(p).step(), r"RandomGreedy\.step needs a closure that returns the loss"),
    ],
)
def test_bad_options_are_named(wrong: Callable[[list], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong([nn.Parameter(torch.zeros(1))])
