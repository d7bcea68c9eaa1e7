"""What every local search promises, whatever it proposes and wherever it runs."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from naive import NaiveLoss
from torch import nn

from goodminima.nets import MLP, LinearModel
from goodminima.population import Cube, Gaussian
from goodminima.search import (
    GreedyRule,
    PatternRule,
    Point,
    Searched,
    Status,
    Until,
    pattern_search,
    random_greedy,
)
from goodminima.tasks import Examples, Task

SEARCHES: dict[str, Callable[..., Searched]] = {"pattern": pattern_search, "greedy": random_greedy}
PATIENT = {"pattern": PatternRule(), "greedy": GreedyRule(sigma=0.3, patience=50)}
GROUPS = {"pattern": PatternRule(best_of=7), "greedy": GreedyRule(sigma=0.3, patience=50, best_of=7)}


@pytest.fixture(params=SEARCHES)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def search(name: str, path: str) -> Callable[..., Searched]:
    return SEARCHES[name]


def _examples(count: int = 12, classes: int = 3, seed: int = 0) -> Examples:
    x = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return Examples(x, torch.arange(count) % classes)


NET = nn.Sequential(
    nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4), nn.ReLU(), nn.Linear(4, 3)
)
SMALL = LinearModel(in_features=64, num_classes=3)
SOME = Until(fitted=False, candidates=120)


def _same(a: Searched, b: Searched) -> bool:
    numbers = [(s.loss, s.accuracy, s.steps, s.candidates, s.radius, s.num_halvings, s.status) for s in (a, b)]
    return torch.equal(a.theta, b.theta) and numbers[0] == numbers[1] and _columns(a) == _columns(b)


def _columns(found: Searched) -> list[list[float]]:
    trace = found.trace
    return [c.tolist() for c in (trace.candidates, trace.steps, trace.loss, trace.accuracy, trace.radius)]


def test_shapes_and_dtypes(search) -> None:
    found = search(NET, _examples(), until=SOME)
    assert found.theta.dtype == torch.float32
    assert found.theta.shape == (sum(p.numel() for p in NET.parameters()),)
    assert found.population().theta.shape == (1, len(found.theta))
    lengths = {len(column) for column in _columns(found)}
    assert len(lengths) == 1
    assert found.trace.candidates.dtype == np.int64


def test_inputs_stay_as_they_are(search) -> None:
    net, examples = copy.deepcopy(NET), _examples()
    start = torch.linspace(-1, 1, sum(p.numel() for p in net.parameters()))
    before = [p.clone() for p in net.parameters()], examples.x.clone(), start.clone()
    found = search(net, examples, start=start, until=SOME)
    assert found.steps > 0
    assert all(torch.equal(p, q) for p, q in zip(net.parameters(), before[0], strict=True))
    assert torch.equal(examples.x, before[1])
    assert torch.equal(start, before[2])


def test_the_same_key_gives_the_same_search_and_another_key_another(search) -> None:
    first = search(NET, _examples(), until=SOME, seed=3, member=5)
    assert _same(search(NET, _examples(), until=SOME, seed=3, member=5), first)
    assert not torch.equal(search(NET, _examples(), until=SOME, seed=3, member=6).theta, first.theta)
    assert not torch.equal(search(NET, _examples(), until=SOME, seed=4, member=5).theta, first.theta)


def test_the_start_and_the_way_are_drawn_apart(search) -> None:
    """One start, two members: other candidates."""
    start = Cube(1.0).draw(NET, seed=0, indices=np.zeros(1, np.uint64))[0]
    a, b = (search(NET, _examples(), start=start, until=SOME, member=member) for member in (0, 1))
    assert not torch.equal(a.theta, b.theta)


@pytest.mark.parametrize(
    "net", [NET, MLP(in_features=64, hidden=(6,), num_classes=3), SMALL], ids=["conv", "mlp", "linear"]
)
def test_threads_change_nothing(search, name: str, net: nn.Module) -> None:
    for rule in (PATIENT[name], GROUPS[name]):
        one, two = (search(net, _examples(), rule=rule, until=SOME, threads=threads) for threads in (1, 2))
        assert _same(one, two)


def test_a_search_goes_through_its_shorter_ones(search, name: str) -> None:
    """A budget decides where a search ends, not how it gets there; and budgets are kept exactly."""
    whole = search(NET, _examples(), rule=PATIENT[name], until=SOME)
    assert (whole.candidates, whole.status) == (120, Status.BUDGET_SPENT)
    for point in range(1, len(whole.trace.candidates), 5):
        budget = int(whole.trace.candidates[point])
        part = search(NET, _examples(), rule=PATIENT[name], until=replace(SOME, candidates=budget))
        assert (part.candidates, part.steps) == (budget, whole.trace.steps[point])
        assert part.trace.loss[-1] == whole.trace.loss[point]
    steps = search(NET, _examples(), rule=PATIENT[name], until=Until(fitted=False, steps=5))
    assert (steps.steps, steps.status) == (5, Status.BUDGET_SPENT)


@pytest.mark.parametrize("budget", [0, 6, 7, 8, 20, 100])
def test_a_group_that_does_not_fit_is_not_begun(search, name: str, budget: int) -> None:
    rule = GROUPS[name]
    found = search(NET, _examples(), rule=rule, until=Until(fitted=False, candidates=budget))
    assert found.candidates == budget // 7 * 7


def test_the_first_point_is_the_start(search) -> None:
    found = search(NET, _examples(), prior=Gaussian(0.5), until=Until(candidates=0), seed=2, member=9)
    drawn = Gaussian(0.5).draw(NET, seed=2, indices=np.array([9], np.uint64))[0]
    assert torch.equal(found.theta, drawn)
    assert _columns(found)[:2] == [[0], [0]]
    assert found.trace.loss[0] == pytest.approx(NaiveLoss(NET, _examples())(drawn), rel=1e-6)


def test_the_loss_never_rises_and_is_what_it_says(search, name: str) -> None:
    found = search(NET, _examples(), rule=PATIENT[name], until=replace(SOME, candidates=400))
    trace = found.trace
    assert (np.diff(trace.loss) <= 0).all()
    assert (np.diff(trace.loss)[np.diff(trace.steps) > 0] < 0).all()
    assert (np.diff(trace.candidates) > 0).all()
    assert found.loss == pytest.approx(NaiveLoss(NET, _examples())(found.theta), rel=1e-12)
    assert found.loss == pytest.approx(trace.loss[-1], rel=1e-6)
    assert found.accuracy == pytest.approx(found.population().accuracy(_examples().x, _examples().y).item())
    assert found.radius == trace.radius[-1]


def test_ends_when_all_are_right(search) -> None:
    found = search(SMALL, _examples())
    assert (found.status, found.accuracy) == (Status.SOLVED, 1.0)
    assert found.trace.accuracy[-1] == 1.0
    assert (found.trace.accuracy[:-1] < 1).all(), "not one candidate more than needed"
    again = search(SMALL, _examples(), until=Until(candidates=found.candidates - 1))
    assert again.status is Status.BUDGET_SPENT


def test_ends_at_a_loss(search) -> None:
    found = search(SMALL, _examples(), until=Until(fitted=False, loss_below=0.5))
    assert found.status is Status.SOLVED
    assert found.trace.loss[-1] <= 0.5 < found.trace.loss[-2]


def test_what_cannot_be_fitted_ends_stuck(search, name: str) -> None:
    """One input with two labels: the loss cannot fall below log 2, and the steps shrink until they move nothing."""
    net, examples = LinearModel(in_features=1), Examples(torch.ones(2, 1), torch.tensor([0, 1]))
    rule = {"pattern": PatternRule(), "greedy": GreedyRule(patience=20)}[name]
    found = search(net, examples, rule=rule)
    assert found.status is Status.STUCK
    assert found.num_halvings == 25
    assert found.radius == 2.0**-25
    assert math.log(2) <= found.loss < math.log(2) + 1e-6


def test_a_task_is_searched_on_its_training_examples(search) -> None:
    train, test = _examples(), _examples(seed=1)
    task = Task(train=train, test=test, num_classes=3, name="t", origin="test")
    assert _same(search(NET, task, until=SOME), search(NET, train, until=SOME))


def test_listener_hears_where_the_search_stands(search) -> None:
    heard: list[Point] = []
    found = search(NET, _examples(), until=SOME, callback=lambda progress: heard.append(progress.detail))
    assert heard[-1].candidates == 120
    assert heard[-1].steps == found.steps
    assert [point.candidates for point in heard] == sorted({point.candidates for point in heard})


def test_a_start_without_a_finite_loss_is_refused(search) -> None:
    with pytest.raises(ValueError, match="finite"):
        search(SMALL, _examples(), start=torch.full((195,), math.nan))
    with pytest.raises(ValueError, match=r"start must have shape \(195,\), got \(5,\)"):
        search(SMALL, _examples(), start=torch.zeros(5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PatternRule(radius=0.0), r"PatternRule\.radius must be positive and finite, got 0"),
        (lambda: PatternRule(best_of=0), r"PatternRule\.best_of must be at least 1, got 0"),
        (lambda: PatternRule(patience=0), r"PatternRule\.patience must be at least 1, or None for a pass, got 0"),
        (lambda: GreedyRule(sigma=math.inf), r"GreedyRule\.sigma must be positive and finite, got inf"),
        (lambda: GreedyRule(patience=0), r"GreedyRule\.patience must be at least 1, got 0"),
        (lambda: GreedyRule(best_of=0), r"GreedyRule\.best_of must be at least 1, got 0"),
        (lambda: Until(steps=-1), r"Until\.steps must be at least 0, or None for no limit, got -1"),
        (lambda: Until(loss_below=math.nan), r"Until\.loss_below must be a number, got nan"),
        (lambda: Until(radius_below=0.0), r"Until\.radius_below must be positive and finite, got 0"),
    ],
)
def test_bad_options_are_named(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
