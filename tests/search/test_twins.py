"""Both local searches, on both paths, against the rules read literally in float64."""

import pytest
import torch
from naive import NaiveLoss, NaivePatternSearch, NaiveRandomGreedy
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube
from goodminima.search import GreedyRule, PatternRule
from goodminima.search.greedy import greedy_engine
from goodminima.search.loop import Engine
from goodminima.search.pattern import pattern_engine
from goodminima.search.starts import drawn_start
from goodminima.tasks import Examples

GAP = 1e-6  # two losses that differ by less than this of themselves may be told apart differently


def _images(count: int, channels: int, side: int, classes: int) -> Examples:
    x = torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(count))
    return Examples(x, torch.arange(count) % classes)


def _odd_stack() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 2), nn.ReLU(),
        nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


NETS = {
    "lenet": (LeNet(width=0.34, in_shape=(1, 16, 16), num_classes=3), _images(19, 1, 16, 3)),
    "mlp": (MLP(in_features=4, hidden=(5, 4), num_classes=3, hidden_bias=True), _images(20, 1, 2, 3)),
    "linear": (LinearModel(in_features=9, num_classes=4), _images(7, 1, 3, 4)),
    "odd stack": (_odd_stack(), _images(17, 2, 8, 3)),
    "no stack": (nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)), _images(9, 1, 2, 3)),
}
PATTERNS = {
    "first": PatternRule(),
    "best of 7": PatternRule(best_of=7),
    "proceeding": PatternRule(proceed=True),
    "small radius": PatternRule(radius=0.125),
    "impatient": PatternRule(patience=5),
}
GREEDY = {
    "first": GreedyRule(sigma=0.25, patience=40),
    "best of 7": GreedyRule(sigma=0.5, best_of=7, patience=25),
    "impatient": GreedyRule(patience=3),
}


def _assert_equal_paths(engine: Engine, twin, net: nn.Module, examples: Examples, groups: int) -> None:
    """Group by group: no decision differs at a relative gap above 1e-6; the twin then follows, so one tie is no end."""
    loss_of = NaiveLoss(net, examples)
    current, accepted = loss_of(twin.theta), 0
    assert engine.loss == pytest.approx(current, rel=GAP)
    for _ in range(groups):
        candidates = twin.group()
        losses = [loss_of(candidate) for candidate in candidates]
        best = min(range(len(losses)), key=losses.__getitem__)
        engine.run(candidates=len(candidates), steps=None, fitted=False, loss_below=0.0, threads=1)
        moved, now = engine.steps > accepted, torch.as_tensor(engine.theta)
        chosen = [i for i, candidate in enumerate(candidates) if torch.equal(candidate, now)] if moved else []
        assert bool(chosen) == moved, "an accepted step must be one of the candidates"
        if moved != (losses[best] < current):
            assert abs(losses[best] / current - 1) < GAP
        if moved:
            assert losses[chosen[0]] / losses[best] - 1 < GAP
            current = losses[chosen[0]]
        accepted = engine.steps
        twin.told(candidates[chosen[0]] if moved else None, len(candidates))
        assert engine.loss == pytest.approx(current, rel=GAP)
        assert (engine.radius, engine.failures, engine.num_halvings) == (twin.radius, twin.failures, twin.halvings)
    assert torch.equal(torch.as_tensor(engine.theta), twin.theta)
    assert 0 < engine.steps < groups


@pytest.mark.parametrize("rule", PATTERNS.values(), ids=PATTERNS.keys())
@pytest.mark.parametrize("case", NETS.values(), ids=NETS.keys())
def test_pattern_search_equals_its_twin(case, rule: PatternRule, path: str) -> None:
    net, examples = case
    theta = drawn_start(net, Cube(1.0), seed=2, member=0, device="cpu")
    engine, _ = pattern_engine(net, examples, theta, rule=rule, seed=5, stream=3)
    twin = NaivePatternSearch(theta, rule, seed=5, stream=3)
    _assert_equal_paths(engine, twin, net, examples, groups=max(60, 210 // rule.best_of))  # some must fail


@pytest.mark.parametrize("rule", GREEDY.values(), ids=GREEDY.keys())
@pytest.mark.parametrize("case", NETS.values(), ids=NETS.keys())
def test_random_greedy_equals_its_twin(case, rule: GreedyRule, path: str) -> None:
    net, examples = case
    theta = drawn_start(net, Cube(1.0), seed=2, member=0, device="cpu")
    engine = greedy_engine(net, examples, theta, rule=rule, seed=5)
    _assert_equal_paths(engine, NaiveRandomGreedy(theta, rule, seed=5), net, examples, groups=140 // rule.best_of)
