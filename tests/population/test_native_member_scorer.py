"""The compiled scorer of members against float64 on every instruction set, and what its limit may leave out."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube, Population, native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native.local_search import MemberScorer
from goodminima.population.normalise import norm_unit
from goodminima.tasks import Examples

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")

NETS = {
    "lenet": (LeNet(width=0.34, in_shape=(1, 16, 16), num_classes=3), (1, 16, 16)),
    "mlp": (MLP(in_features=5, hidden=(7, 4), num_classes=3, hidden_bias=True), (5,)),
    "linear": (LinearModel(in_features=6, num_classes=4), (6,)),
    "odd stack": (
        nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.MaxPool2d(2), nn.Conv2d(3, 4, 1), nn.ReLU(),
            nn.Flatten(), nn.Linear(16, 3),
        ),
        (2, 16, 16),
    ),
}  # fmt: skip


def _case(
    name: str, count: int, members: int = 9
) -> tuple[MemberScorer, nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    net, shape = NETS[name]
    x = torch.randn(count, *shape, generator=torch.Generator().manual_seed(count))
    y = torch.arange(count) % 3
    theta = Cube(1.0).draw(net, seed=1, indices=np.arange(members, dtype=np.uint64))
    return _scorer(net, x, y), net, theta, x, y


def _scorer(net: nn.Module, x: torch.Tensor, y: torch.Tensor) -> MemberScorer:
    return CompiledNet.of(net, tuple(x.shape[1:])).member_scorer(Examples(x, y))


def _truth(net: nn.Module, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Summed losses and correct examples of each member alone, in float64."""
    sums, right = [], []
    for i in range(len(theta)):
        member = Population(net, theta).member(i).double()
        norms = [p.norm() / norm_unit(net) for p in member.parameters() if p.ndim > 1]
        with torch.no_grad():
            logits = member(x.double())
        sums.append(F.cross_entropy(logits / torch.stack(norms).prod(), y, reduction="sum").item())
        right.append(int((logits.argmax(1) == y).sum()))
    return np.array(sums), np.array(right)


@pytest.mark.parametrize("count", [1, 16, 17, 70, 150])
@pytest.mark.parametrize("name", NETS)
def test_equals_float64(instruction_set, name: str, count: int) -> None:
    scorer, net, theta, x, y = _case(name, count)
    sums, right = _truth(net, theta, x, y)
    scores = scorer.score(theta.numpy())
    np.testing.assert_allclose(scores.loss, sums, rtol=1e-6)
    assert scores.num_correct.tolist() == right.tolist()


def test_a_member_does_not_depend_on_its_company(instruction_set) -> None:
    scorer, _, theta, _, _ = _case("lenet", 70)
    together = scorer.score(theta.numpy(), threads=3)
    for i in range(len(theta)):
        alone = scorer.score(theta[i : i + 1].numpy())
        assert (alone.loss[0], alone.num_correct[0]) == (together.loss[i], together.num_correct[i])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_stops_behind_the_first_below_the_limit(threads: int) -> None:
    scorer, _, theta, _, _ = _case("mlp", 150, members=60)
    whole = scorer.score(theta.numpy()).loss
    for limit in (0.0, np.quantile(whole, 0.05), np.median(whole), whole.max() + 1):
        below = np.flatnonzero(whole < limit)
        end = below[0] + 1 if len(below) else len(whole)
        loss, num_correct = scorer.score(theta.numpy(), limit=limit, first=True, threads=threads)
        assert np.flatnonzero(loss < limit).tolist() == below[:1].tolist()
        assert (loss[:end] == np.where(whole[:end] > limit, math.inf, whole[:end])).all()
        assert np.isinf(loss[end:]).all()
        assert not num_correct[end:].any()


def test_a_limit_alone_leaves_out_nothing_below_it() -> None:
    scorer, _, theta, _, _ = _case("mlp", 150, members=60)
    whole = scorer.score(theta.numpy())
    limit = np.median(whole.loss)
    part = scorer.score(theta.numpy(), limit=limit)
    kept = whole.loss <= limit
    assert (part.loss == np.where(kept, whole.loss, math.inf)).all()
    assert (part.num_correct == np.where(kept, whole.num_correct, 0)).all()


def test_what_is_not_a_number_is_infinite() -> None:
    scorer, _, theta, _, _ = _case("linear", 5)
    theta[1] = math.nan
    theta[2, :-4] = 0.0  # its normaliser is 0
    loss = scorer.score(theta.numpy(), limit=1e9, first=False).loss
    assert np.isinf(loss).tolist() == [i in (1, 2) for i in range(len(theta))]


def test_what_does_not_fit_is_named() -> None:
    net, _ = NETS["linear"]
    x, y = torch.zeros(3, 6), torch.tensor([0, 1, 4])
    with pytest.raises(ValueError, match="labels from 0 to 3, got 4"):
        _scorer(net, x, y)
    scorer = _scorer(net, x, y % 4)
    with pytest.raises(ValueError, match=r"theta must have shape \(members, 28\)"):
        scorer.score(np.zeros((2, 5), np.float32))
    with pytest.raises(ValueError, match="threads must be at least 1"):
        scorer.score(np.zeros((2, 28), np.float32), threads=0)
