"""Guess & Check against a literal loop, exact volumes, and every way of cutting the work up."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube, Gaussian, Population, native
from goodminima.search import Fits, Found, Status, bins, guess_and_check
from goodminima.search.screening import interleaved
from goodminima.tasks import Examples, Task, wedge


def _task(x: torch.Tensor, y: torch.Tensor) -> Task:
    return Task(train=Examples(x, y), test=Examples(x, y), num_classes=int(y.max()) + 1, name="t", origin="test")


def _images(count: int, seed: int = 0) -> Task:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 28, 28, generator=generator)
    x[1::2, :, 5:15] += 1.0  # the classes differ by a bright band
    return _task(x, torch.arange(count) % 2)


def naive_guess_and_check(net: nn.Module, task: Task, prior: Cube, accept: tuple[Fits, ...], guesses: int, seed: int):
    """Section 4.1.1, one guess at a time, all examples, float64."""
    found: list[list[int]] = [[] for _ in accept]
    for k in range(guesses):
        vector = prior.draw(net, seed=seed, indices=np.array([k], np.uint64)).double()
        member = Population(net, vector).member(0).double()
        logits = member(task.train.x.double())
        if not bool((logits.argmax(1) == task.train.y).all()):
            continue
        norms = [p.norm() / getattr(net, "norm_unit", 1.0) for p in member.parameters() if p.ndim > 1]
        loss = F.cross_entropy(logits / torch.stack(norms).prod(), task.train.y).item()
        for which, fits in enumerate(accept):
            if fits.loss_above < loss <= fits.loss_below:
                found[which].append(k)
    return found


CASES = {
    "lenet, 2 images": (LeNet(width=0.3), _images(2), bins((0.5, 0.6, 0.65, 0.69)), 600),
    "lenet, 6 images": (LeNet(width=0.3), _images(6), (Fits(),), 1000),
    "mlp on the wedge": (MLP(in_features=2, hidden=(6,)), wedge(seed=3, num_train=5), (Fits(), Fits(0.6, 0.68)), 3000),
    "three classes": (
        LinearModel(in_features=3, num_classes=3), _task(torch.eye(3).repeat(2, 1), torch.arange(6) % 3), (Fits(),), 1000,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_equals_a_literal_loop(case, path: str) -> None:
    net, task, accept, guesses = case
    expected = naive_guess_and_check(net, task, Cube(1.0), accept, guesses, seed=9)
    found = guess_and_check(net, task, accept=accept, num_solutions=math.inf, keep=10**6, budget=guesses, seed=9)
    assert [list(entry.indices) for entry in found.bins] == expected
    assert any(expected), "the case must have hits to mean anything"
    assert found.guesses == guesses
    assert found.status is Status.BUDGET_SPENT


def _pairs(found: Found) -> list[tuple[int, ...]]:
    return [entry.indices for entry in found.bins]


@pytest.mark.parametrize("chunk", [1, 7, 64, 4096])
@pytest.mark.parametrize("shards", [1, 2])
def test_chunks_and_shards_change_nothing(chunk: int, shards: int, path: str) -> None:
    net, task, accept, budget = LeNet(width=0.5), _images(4), bins((0.4, 0.55, 0.6, 0.65)), 2048
    expected = guess_and_check(
        net, task, accept=accept, num_solutions=math.inf, keep=10**6, budget=budget, seed=4, chunk=999
    )
    size = budget // shards
    parts = [
        guess_and_check(
            net,
            task,
            accept=accept,
            num_solutions=math.inf,
            keep=10**6,
            budget=size,
            first=i * size,
            seed=4,
            chunk=chunk,
        )
        for i in range(shards)
    ]
    found = parts[0] if shards == 1 else parts[0] + parts[1]
    assert _pairs(found) == _pairs(expected)
    assert sum(map(len, _pairs(found))) > 5
    assert found.guesses == budget


def test_both_paths_accept_the_same_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    if not native.available():
        pytest.skip(native.unavailable_reason())
    options = {"accept": bins((0.4, 0.55, 0.6, 0.65, 0.69)), "num_solutions": math.inf, "keep": 10**6, "budget": 20_000}
    compiled = guess_and_check(LeNet(width=0.5), _images(4), **options)
    monkeypatch.setenv(native.VARIABLE, "0")
    assert _pairs(guess_and_check(LeNet(width=0.5), _images(4), **options)) == _pairs(compiled)


@settings(max_examples=15)
@given(chunk=st.integers(1, 5000), threads=st.integers(1, 3), num_solutions=st.integers(1, 4))
def test_where_it_stops_does_not_depend_on_chunks_or_threads(chunk: int, threads: int, num_solutions: int) -> None:
    net, task, accept = MLP(in_features=2, hidden=(6,)), wedge(seed=3, num_train=5), bins((0.6, 0.65, 0.69))
    options = {"accept": accept, "num_solutions": num_solutions, "budget": 20_000, "seed": 1}
    expected = guess_and_check(net, task, **options)
    found = guess_and_check(net, task, **options, chunk=chunk, threads=threads)
    assert (found.guesses, found.bins, found.status) == (expected.guesses, expected.bins, expected.status)


def test_stops_at_the_guess_that_fills_the_last_bin() -> None:
    net, task, accept = MLP(in_features=2, hidden=(6,)), wedge(seed=3, num_train=5), bins((0.6, 0.65, 0.69))
    found = guess_and_check(net, task, accept=accept, num_solutions=2, budget=100_000, seed=1)
    assert found.status is Status.SOLVED
    assert min(entry.hits for entry in found.bins) == 2
    assert found.guesses == 1 + max(entry.indices[1] for entry in found.bins)
    assert all(index < found.guesses for entry in found.bins for index in entry.indices)


def test_solutions_are_remade_from_their_indices() -> None:
    net, task = MLP(in_features=2, hidden=(6,)), wedge(seed=3, num_train=5)
    found = guess_and_check(net, task, accept=Fits(0.6, 0.68), num_solutions=5, seed=1)
    population = found.population()
    x, y = task.train.x, task.train.y
    assert len(population) == 5
    assert (population.accuracy(x, y) == 1).all()
    loss = population.loss(x, y, normalised=True)
    assert ((loss > 0.6) & (loss <= 0.68)).all()
    assert population.theta.abs().max() <= 1


def test_counts_cover_a_known_volume() -> None:
    """One point and one output pair: a random linear map is right with probability 1/2. False alarm 1e-6."""
    task = _task(torch.tensor([[0.3, -0.7]]), torch.tensor([0]))
    task = Task(train=task.train, test=task.test, num_classes=2, name="", origin="")
    found = guess_and_check(LinearModel(in_features=2), task, num_solutions=math.inf, budget=40_000, seed=0)
    volume = found.count().log_volume(confidence=1 - 1e-6)
    assert volume.low < math.log(0.5) < volume.high


def test_an_orthant_has_its_volume(path: str) -> None:
    """Without bias, the k unit vectors are class 1 when k independent differences are positive: volume 2^-k."""
    k = 5
    net = nn.Linear(k, 2, bias=False)
    task = Task(
        train=Examples(torch.eye(k), torch.ones(k, dtype=torch.long)),
        test=Examples(torch.eye(k), torch.ones(k, dtype=torch.long)), num_classes=2, name="orthant", origin="test",
    )  # fmt: skip
    for prior in (Cube(1.0), Gaussian(2.0)):
        volume = guess_and_check(net, task, prior=prior, num_solutions=math.inf, budget=50_000, seed=2)
        interval = volume.count().log_volume(confidence=1 - 1e-6)
        assert interval.low < -k * math.log(2) < interval.high


def test_no_hit_gives_a_bound_not_zero() -> None:
    x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = guess_and_check(LinearModel(in_features=2), _task(x, torch.tensor([0, 1])), budget=1000)
    assert found.bins[0].hits == 0
    assert found.status is Status.BUDGET_SPENT
    assert found.log_volume.is_bound
    assert found.log_volume.high == pytest.approx(math.log(1 - 0.05 ** (1 / 1000)))


def test_listener_hears_every_chunk() -> None:
    heard = []
    guess_and_check(
        LinearModel(in_features=2), wedge(seed=0), accept=Fits(loss_below=0.1), budget=1000, chunk=300,
        callback=lambda progress: heard.append((progress.effort, progress.detail)),
    )  # fmt: skip
    assert [guesses for guesses, _ in heard] == [300, 600, 900, 1000]
    assert all(b >= a for (_, a), (_, b) in pairwise(heard))


def test_examples_are_interleaved_by_class() -> None:
    order = interleaved(Examples(torch.arange(6.0), torch.tensor([2, 0, 0, 1, 0, 2])))
    assert order.y.tolist() == [0, 1, 2, 0, 2, 0]
    assert order.x.tolist() == [1, 3, 0, 2, 5, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget must be at least 1, got 0"),
        ({"num_solutions": 0}, "num_solutions must be at least 1, got 0"),
        ({"num_solutions": 1.5}, "num_solutions must be a whole number"),
        ({"chunk": 0}, "chunk must be at least 1"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"accept": ()}, "at least one Fits"),
        ({"first": 2**63 - 1, "budget": 2}, "numbered up to"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        guess_and_check(LinearModel(in_features=2), wedge(seed=0), **options)


def test_only_neighbouring_shards_add() -> None:
    net, task = LinearModel(in_features=2), wedge(seed=0)
    first = guess_and_check(net, task, num_solutions=math.inf, budget=10)
    with pytest.raises(ValueError, match="neighbouring shards"):
        first + guess_and_check(net, task, num_solutions=math.inf, budget=10, first=11)
    with pytest.raises(ValueError, match="neighbouring shards"):
        first + guess_and_check(net, wedge(seed=0, num_train=5), num_solutions=math.inf, budget=10, first=10)
    some = [guess_and_check(net, task, budget=10, first=start) for start in (0, 10)]
    with pytest.raises(ValueError, match=r"num_solutions=math\.inf"):
        some[0] + some[1]


def test_the_sum_of_shards_keeps_no_more_than_one_search() -> None:
    net, task = MLP(in_features=2, hidden=(6,)), wedge(seed=3, num_train=5)
    options = {"num_solutions": math.inf, "keep": 3, "seed": 1}
    parts = [guess_and_check(net, task, budget=5000, first=start, **options) for start in (0, 5000)]
    assert (parts[0] + parts[1]).bins == guess_and_check(net, task, budget=10_000, **options).bins
    assert parts[1].bins[0].hits > 0


def test_bins_are_half_open_and_never_hold_nan() -> None:
    loss, margin = torch.tensor([0.3, 0.35, 0.351, math.nan]), torch.ones(4)
    assert Fits(0.3, 0.35).holds(loss, margin).tolist() == [False, True, False, False]
    assert not Fits().holds(loss, -margin).any()
    with pytest.raises(ValueError, match="loss_above must be less"):
        Fits(0.4, 0.4)
