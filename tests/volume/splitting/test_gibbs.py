"""Gibbs moves: they leave the prior within a level as it is, and lead to volumes known otherwise."""

import math

import numpy as np
import pytest
import torch
from known_sets import task_of
from scipy import stats
from torch import Tensor, nn

from goodminima.nets import MLP
from goodminima.population import AbstractPrior, Cube, FanOut, Gaussian, Population, native
from goodminima.tasks import Task
from goodminima.volume import Level, split_volume
from goodminima.volume.splitting.gibbs import GibbsMoves

native_only = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")

FALSE_ALARM = 1e-6


def _images(n: int, classes: int, shape: tuple[int, ...]) -> Task:
    x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(3))
    return task_of(x, [i % classes for i in range(n)])


def _pooled(*, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 2, 3, bias=bias), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(8, 4, bias=bias), nn.ReLU(), nn.Linear(4, 3, bias=bias)),
    )


def _level(n: int, asked: int, *, least: float = 0.0, **losses: float) -> Level:
    above = torch.full((n,), -math.inf, dtype=torch.float64)
    above[:asked] = least
    return Level(above, **losses)


def _cases() -> dict[str, tuple[nn.Module, Task, AbstractPrior, Level]]:
    images, points = _images(6, 3, (1, 6, 6)), _images(5, 2, (2,))
    mlp = MLP(in_features=2, hidden=(6,), num_classes=2, hidden_bias=False)
    return {
        "filters": (_pooled(), images, Cube(1.0), _level(6, 2)),
        "filters, negative thresholds": (_pooled(), images, Cube(1.0), _level(6, 5, least=-1.0)),
        "no biases": (_pooled(bias=False), images, FanOut(), _level(6, 5, least=-0.3)),
        "losses": (_pooled(), images, Cube(1.0), _level(6, 0, loss_at_least=1.06, loss_below=1.085)),
        "margins and losses": (_pooled(), images, Cube(1.0), _level(6, 1, loss_below=1.09)),
        "units": (mlp, points, FanOut(), _level(5, 5, least=-0.3)),
        "units and losses": (mlp, points, Cube(2.0), _level(5, 1, loss_at_least=0.64, loss_below=0.68)),
    }


@native_only
@pytest.mark.parametrize("name", _cases())
def test_walks_leave_the_prior_within_a_level_invariant(name: str) -> None:
    """Exact draws by rejection, half of them after a walk: no margin, loss, norm or parameter tells them apart."""
    net, task, prior, level = _cases()[name]
    moves = GibbsMoves(net, task, prior)
    theta = moves.draw(seed=1, indices=np.arange(150_000, dtype=np.uint64))
    values = moves.evaluate(theta)
    inside = theta[level.holds(values.margins, values.losses)][:16_000]
    assert 5_000 <= len(inside) < 0.5 * len(theta)
    exact, start = inside[::2], inside[1::2]
    walked = moves.walk(start, level, seed=2, streams=np.arange(len(start), dtype=np.uint64), sweeps=2).theta
    values = moves.evaluate(walked)
    assert level.holds(values.margins, values.losses).all()
    assert (walked != start).double().mean() > 0.5
    values = [_functionals(moves, part) for part in (exact, walked)]
    alarm = FALSE_ALARM / len(values[0])
    for one, other in zip(*values, strict=True):
        assert stats.ks_2samp(one, other, method="asymp").pvalue > alarm  # pyright: ignore[reportAttributeAccessIssue] - scipy is not typed


def _functionals(moves: GibbsMoves, theta: Tensor) -> np.ndarray:
    """By row: margins, losses, all single parameters, and lengths of random parts of theta."""
    values = moves.evaluate(theta)
    parts = torch.rand(20, theta.shape[1], generator=torch.Generator().manual_seed(4)) < 0.3
    lengths = theta.square() @ parts.float().T
    return torch.cat([values.margins, values.losses[:, None], theta, lengths], dim=1).T.double().numpy()


@native_only
def test_a_walk_from_one_corner_fills_the_whole_set() -> None:
    """A linear classifier of unit vectors: w_yi - w_ci > 0 for each i, so that these differences are triangular on (0, 2)."""
    d = 12
    net, task = nn.Linear(d, 2, bias=False), task_of(torch.eye(d), [i % 2 for i in range(d)])
    moves = GibbsMoves(net, task, Cube(1.0))
    label = task.train.y
    corner = torch.stack([label == 0, label == 1]).float().flatten() * 2 - 1
    start = (0.999 * corner).expand(4000, -1)
    streams = np.arange(4000, dtype=np.uint64)
    walked = moves.walk(start, _level(d, d), seed=1, streams=streams, sweeps=60).theta
    margins = moves.evaluate(walked).margins.double().numpy()
    for column in margins.T:
        assert stats.kstest(column, lambda m: 1 - (1 - m / 2) ** 2).pvalue > FALSE_ALARM / d


@native_only
@pytest.mark.parametrize("num_classes", [2, 3])
def test_splitting_finds_the_volume_of_an_orthant(num_classes: int) -> None:
    """Labels of unit vectors are right by chance, 1 / classes each, and independently."""
    d = 24
    net = nn.Linear(d, num_classes, bias=False)
    task = task_of(torch.eye(d), [i % num_classes for i in range(d)])
    split = split_volume(net, task, particles=256, repeats=4, moves=GibbsMoves(net, task, Cube(1.0)))
    logs = np.array([run.estimates[0].log_volume for run in split.runs])
    truth = -d * math.log(num_classes)
    assert abs(logs.mean() - truth) < 6 * math.sqrt(-truth / math.log(2) / 256 / len(logs)) + 0.1


@native_only
def test_splitting_equals_counting() -> None:
    net, task = _pooled(), _images(6, 3, (1, 6, 6))
    moves = GibbsMoves(net, task, Cube(1.0))
    values = moves.evaluate(moves.draw(seed=5, indices=np.arange(400_000, dtype=np.uint64)))
    share = float((values.margins > 0).all(dim=1).double().mean())
    logs = [run.estimates[0].log_volume for run in split_volume(net, task, particles=512, repeats=5, moves=moves).runs]
    error = np.hypot(1 / math.sqrt(400_000 * share), 2 * math.sqrt(-math.log2(share) / 512 / 5))
    assert abs(np.mean(logs) - math.log(share)) < 5 * error


@native_only
def test_walks_end_where_float64_agrees() -> None:
    net, task, prior, level = _cases()["units"]
    moves = GibbsMoves(net, task, prior, threads=2)
    theta = moves.draw(seed=1, indices=np.arange(20_000, dtype=np.uint64))
    values = moves.evaluate(theta)
    inside = theta[level.holds(values.margins, values.losses)]
    walked = moves.walk(inside, level, seed=2, streams=np.arange(len(inside), dtype=np.uint64), sweeps=3)
    exact = Population(net.double(), walked.theta.double()).margin(task.train.x.double(), task.train.y)
    assert (exact > level.margin_above - 1e-5).all()
    assert isinstance(prior, FanOut)
    half_widths = torch.from_numpy(prior.half_widths(net))
    assert (walked.theta.abs() <= half_widths).all()


@native_only
def test_nobody_walks_nowhere_and_groups_change_nothing() -> None:
    net, task, prior, _ = _cases()["filters"]
    walks = []
    for threads in (1, 2):
        moves = GibbsMoves(net, task, prior, threads=threads)
        theta = moves.draw(seed=1, indices=np.arange(150, dtype=np.uint64))
        streams = np.arange(150, dtype=np.uint64)
        assert moves.walk(theta[:0], _level(6, 0), seed=2, streams=streams[:0], sweeps=4).theta.shape == (
            0,
            theta.shape[1],
        )
        walks.append(moves.walk(theta, _level(6, 0), seed=2, streams=streams, sweeps=2))
    assert (walks[0].theta == walks[1].theta).all()
    assert (walks[0].tried, walks[0].evaluations) == (walks[1].tried, walks[1].evaluations)


@native_only
def test_blocks_are_named_after_their_layers() -> None:
    net, task, prior, level = _cases()["filters"]
    moves = GibbsMoves(net, task, prior)
    theta = moves.draw(seed=1, indices=np.arange(3, dtype=np.uint64))
    walked = moves.walk(theta, _level(6, 0), seed=2, streams=np.arange(3, dtype=np.uint64), sweeps=4)
    assert walked.tried == walked.accepted == {"conv1": 3 * 4 * 2, "fc1": 3 * 4 * 4, "fc2": 3 * 4 * 15}
    assert walked.evaluations > 0
    assert moves.num_examples == 6
    assert level.holds(*((values := moves.evaluate(theta)).margins, values.losses)).shape == (3,)


@native_only
@pytest.mark.parametrize(
    ("net", "prior", "message"),
    [
        (nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)), Cube(1.0), "Sequential is no stack of"),
        (nn.Linear(2, 2), Gaussian(1.0), r"must be a box, got Gaussian\(std=1.0\)"),
    ],
)
def test_what_cannot_be_walked_is_refused(net: nn.Module, prior: AbstractPrior, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GibbsMoves(net, _images(4, 2, (2,)), prior)


def test_a_missing_kernel_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "0")
    with pytest.raises(RuntimeError, match="GOODMINIMA_NATIVE=0 switches the compiled kernel off"):
        GibbsMoves(nn.Linear(2, 2), _images(4, 2, (2,)), Cube(1.0))
