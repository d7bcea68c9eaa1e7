"""Heads: a population equals its heads one by one, ridge solves its normal equations, the SVM separates with a margin."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import LinearModel
from goodminima.population import TorchDefault
from goodminima.tasks import draw_episodes
from goodminima.train import SGDConfig, query_accuracy, ridge_heads, sgd_heads, svm_heads
from goodminima.train.few_shot.heads import logits
from goodminima.train.sgd import minibatches

EPISODES, FEATURES, CLASSES = 6, 9, 3
GENERATOR = torch.Generator().manual_seed(0)
Y = torch.arange(2 * CLASSES) % CLASSES
X = torch.randn(EPISODES, len(Y), FEATURES, generator=GENERATOR)
NET = LinearModel(in_features=FEATURES, num_classes=CLASSES)
START = TorchDefault().draw(NET, seed=0, indices=np.arange(EPISODES, dtype=np.uint64))


def _module(theta: torch.Tensor) -> nn.Module:
    net = LinearModel(in_features=FEATURES, num_classes=CLASSES).double()
    nn.utils.vector_to_parameters(theta.double(), net.parameters())
    return net


def test_logits_are_those_of_linear_models() -> None:
    found = logits(START.double(), X.double(), CLASSES)
    for theta, x, answers in zip(START, X, found, strict=True):
        torch.testing.assert_close(answers, _module(theta)(x.double()))


@pytest.mark.parametrize(("batch_size", "momentum"), [(len(Y), 0.9), (4, 0.0)])
def test_a_population_of_heads_equals_a_loop_of_single_ones(batch_size: int, momentum: float) -> None:
    sgd = SGDConfig(lr=0.1, epochs=20, batch_size=batch_size, momentum=momentum)
    found = sgd_heads(X.double(), Y, start=START.double(), sgd=sgd, seed=4)
    for theta, x, head in zip(START, X.double(), found, strict=True):
        net = _module(theta)
        optimizer = torch.optim.SGD(net.parameters(), lr=sgd.lr, momentum=momentum)
        for _, rows in minibatches(len(Y), sgd, 4):
            optimizer.zero_grad()
            F.cross_entropy(net(x[rows]), Y[rows]).backward()
            optimizer.step()
        torch.testing.assert_close(head, nn.utils.parameters_to_vector(net.parameters()).detach())


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 50.0])
def test_ridge_solves_the_normal_equations_with_a_free_bias(penalty: float) -> None:
    targets = F.one_hot(Y).double()
    for x, head in zip(X.double(), ridge_heads(X, Y, penalty=penalty), strict=True):
        net = _module(head)
        left = net(x) - targets
        weight = head[:-CLASSES].view(CLASSES, FEATURES)
        torch.testing.assert_close(left.T @ x + penalty * weight, torch.zeros(CLASSES, FEATURES, dtype=torch.float64))
        torch.testing.assert_close(left.sum(0), torch.zeros(CLASSES, dtype=torch.float64))


def test_the_svm_is_where_its_objective_is_least() -> None:
    cost = 0.5

    def objective(head: torch.Tensor, x: torch.Tensor) -> float:
        """Crammer and Singer's, with the bias as one more weight, as the solver has it."""
        answers = logits(head[None], x[None].double(), CLASSES)[0]
        slack = (answers + 1 - F.one_hot(Y)).amax(1) - answers.gather(1, Y[:, None]).squeeze(1)
        return float(head.square().sum() / 2 + cost * slack.sum())

    generator = torch.Generator().manual_seed(1)
    for x, head in zip(X, svm_heads(X, Y, cost=cost, seed=0), strict=True):
        least = objective(head, x)
        for size in (1e-2, 1e-1):
            others = head + size * torch.randn(100, len(head), generator=generator, dtype=torch.float64)
            assert least < min(objective(other, x) for other in others) + 1e-3 * least


def test_accuracy_is_that_of_each_episodes_own_questions() -> None:
    labels = torch.arange(8).repeat(20)
    features = torch.randn(160, FEATURES, generator=torch.Generator().manual_seed(2))
    episodes = draw_episodes(labels, num_episodes=EPISODES, ways=CLASSES, queries=7, seed=0)
    found = query_accuracy(START, features, episodes=episodes)
    for theta, query, accuracy in zip(START, episodes.query, found, strict=True):
        answers = _module(theta)(features[query].double()).argmax(1)
        assert accuracy == pytest.approx(float((answers == episodes.query_y).double().mean()), abs=1e-12)


def test_a_tie_is_wrong() -> None:
    episodes = draw_episodes(torch.arange(3).repeat(20), num_episodes=2, ways=3, seed=0)
    assert query_accuracy(torch.zeros(2, 3 * 5), torch.ones(60, 4), episodes=episodes).tolist() == [0, 0]


def test_an_svm_head_tells_how_far_it_is() -> None:
    heard: list[float] = []
    svm_heads(X, Y, cost=0.1, seed=0, callback=lambda progress: heard.append(progress.done))
    assert heard == [1, 2, 3, 4, 5, 6]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="heads on 9 features have 10 parameters a class"):
        sgd_heads(X, Y, start=START[:, 1:], sgd=SGDConfig(lr=1, epochs=1, batch_size=1), seed=0)
    with pytest.raises(ValueError, match="penalty must be positive, got 0"):
        ridge_heads(X, Y, penalty=0)
