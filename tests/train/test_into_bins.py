"""SGD into loss bins against training each member anew for each bin, as the authors do."""

import copy
import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube, FanOut, Population, native
from goodminima.search import Fits, Status, bins
from goodminima.search.screening import interleaved
from goodminima.tasks import Examples, Task, wedge
from goodminima.train import SGDConfig, TrainedBins, train_into_bins
from goodminima.train.sgd import minibatches

BINS = bins((0.55, 0.6, 0.64, 0.66, 0.69))


def _alone(net: nn.Module, train: Examples, vector: torch.Tensor, sgd: SGDConfig, fits: Fits, seed: int):
    """One member for one bin: frozen as soon as it fits with a loss under the bin's upper edge. Float64."""
    member = copy.deepcopy(net).double()
    nn.utils.vector_to_parameters(vector.double(), member.parameters())
    train = interleaved(train)
    x, y = train.x.double(), train.y

    def loss_and_fit() -> tuple[float, bool]:
        logits = member(x)
        norms = torch.stack([p.norm() for p in member.parameters() if p.ndim > 1]).prod()
        return F.cross_entropy(logits / norms, y).item(), bool((logits.argmax(1) == y).all())

    for _, rows in minibatches(len(train), sgd, seed):
        loss, fitted = loss_and_fit()
        if fitted and loss <= fits.loss_below:
            break
        gradients = torch.autograd.grad(F.cross_entropy(member(x[rows]), y[rows]), list(member.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(member.parameters(), gradients, strict=True):
                parameter.sub_(sgd.lr * gradient)
    loss, fitted = loss_and_fit()
    inside = fitted and fits.loss_above < loss <= fits.loss_below
    return nn.utils.parameters_to_vector(member.parameters()).detach() if inside else None


def _problem() -> tuple[nn.Module, Task, SGDConfig]:
    return MLP(in_features=2, hidden=(5,)), wedge(seed=3, num_train=5), SGDConfig(lr=0.1, epochs=20, batch_size=2)


@functools.cache
def _sixty_alone() -> list[dict[int, torch.Tensor]]:
    """By bin: where those of sixty members end that end in it."""
    net, task, sgd = _problem()
    start = Cube(1.0).draw(net, seed=0, indices=np.arange(60, dtype=np.uint64))
    ends = [{k: _alone(net, task.train, vector, sgd, fits, seed=0) for k, vector in enumerate(start)} for fits in BINS]
    return [{k: vector for k, vector in by_member.items() if vector is not None} for by_member in ends]


def test_one_pass_equals_training_anew_for_each_bin(path: str) -> None:
    net, task, sgd = _problem()
    found = train_into_bins(
        net, task, sgd=sgd, prior=Cube(1.0), accept=BINS, num_solutions=1000, members=60, max_members=60
    )
    for expected, frozen in zip(_sixty_alone(), found.bins, strict=True):
        assert frozen.members == tuple(expected)
        for vector, end in zip(frozen.theta, expected.values(), strict=True):
            torch.testing.assert_close(vector.double(), end, rtol=1e-4, atol=1e-5)
    assert sum(frozen.hits for frozen in found.bins) > 20


def test_kept_members_fit_and_lie_in_their_bin(path: str) -> None:
    net, task, sgd = (
        MLP(in_features=2, hidden=(8,)),
        wedge(seed=1, num_train=5),
        SGDConfig(lr=0.1, epochs=30, batch_size=2),
    )
    found = train_into_bins(net, task, sgd=sgd, prior=FanOut(), accept=BINS, num_solutions=3, keep=3, members=50)
    assert found.status is Status.SOLVED
    for which, frozen in enumerate(found.bins):
        population = found.population(which)
        assert len(population) == 3
        assert frozen.hits >= 3
        assert list(frozen.members) == sorted(frozen.members)
        loss = population.loss(task.train.x, task.train.y, normalised=True)
        assert ((loss > frozen.fits.loss_above) & (loss <= frozen.fits.loss_below)).all()
        assert (population.margin(task.train.x, task.train.y) > 0).all()


def test_both_paths_freeze_the_same_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several blocks, with momentum, on images; parameters agree as far as float32 carries them."""
    if not native.available():
        pytest.skip(native.unavailable_reason())
    generator = torch.Generator().manual_seed(3)
    examples = Examples(torch.randn(6, 1, 20, 20, generator=generator), torch.tensor([0, 0, 0, 1, 1, 1]))
    task = Task(train=examples, test=examples, num_classes=2, name="noise", origin="")
    net, sgd = LeNet(width=0.4, in_shape=(1, 20, 20)), SGDConfig(lr=2e-3, epochs=10, batch_size=4, momentum=0.3)

    def train() -> TrainedBins:
        return train_into_bins(
            net, task, sgd=sgd, prior=Cube(1.0), accept=(*bins((0.6, 0.65, 0.67, 0.68, 0.69)), Fits()), num_solutions=1000,
            keep=30, members=25, max_members=90, seed=4,
        )  # fmt: skip

    compiled = train()
    monkeypatch.setenv(native.VARIABLE, "0")
    reference = train()
    assert compiled.nonfinite == reference.nonfinite
    for ours, theirs in zip(compiled.bins, reference.bins, strict=True):
        assert (ours.hits, ours.members) == (theirs.hits, theirs.members)
        torch.testing.assert_close(ours.theta, theirs.theta, rtol=1e-4, atol=1e-4)
    assert [bin_.hits > 0 for bin_ in compiled.bins].count(True) >= 4


def test_blocks_are_trained_whole_and_the_budget_ends_it(path: str) -> None:
    net, task, sgd = MLP(in_features=2, hidden=(5,)), wedge(seed=3), SGDConfig(lr=0.1, epochs=3, batch_size=3)
    heard = []
    found = train_into_bins(
        net, task, sgd=sgd, prior=Cube(1.0), accept=(Fits(loss_below=0.01),), members=30, max_members=70,
        callback=lambda progress: heard.append((progress.effort, progress.detail)),
    )  # fmt: skip
    assert found.status is Status.BUDGET_SPENT
    assert found.trained == 70
    assert heard == [(30, (0,)), (60, (0,)), (70, (0,))]
    assert found.bins[0].hits == 0


def test_members_that_run_off_are_counted(path: str) -> None:
    x = torch.tensor([[1e30, 0.0], [0.0, 1e30]])
    task = Task(
        train=Examples(x, torch.tensor([1, 0])),
        test=Examples(x, torch.tensor([1, 0])),
        num_classes=2,
        name="",
        origin="",
    )
    sgd = SGDConfig(lr=1e30, epochs=3, batch_size=2)
    found = train_into_bins(
        LinearModel(in_features=2), task, sgd=sgd, prior=Cube(1.0), accept=(Fits(loss_below=1e-9),), members=20,
        max_members=20,
    )  # fmt: skip
    assert found.nonfinite > 0
    assert found.nonfinite + found.bins[0].hits <= 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accept": ()}, "at least one Fits"),
        ({"members": 0}, "members must be at least 1"),
        ({"num_solutions": 0}, "num_solutions must"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    given = {"accept": (Fits(),), "sgd": SGDConfig(lr=0.1, epochs=1, batch_size=1), "prior": Cube()} | options
    with pytest.raises(ValueError, match=message):
        train_into_bins(LinearModel(in_features=2), wedge(seed=0), **given)


def test_population_of_an_empty_bin_says_so() -> None:
    found = train_into_bins(
        LinearModel(in_features=2), wedge(seed=0), sgd=SGDConfig(lr=0.1, epochs=1, batch_size=1), prior=Cube(),
        accept=(Fits(loss_below=0.001),), members=2, max_members=2,
    )  # fmt: skip
    assert isinstance(found.population(), Population)
    assert len(found.population()) == 0
