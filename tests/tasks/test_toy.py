import pytest
import torch
from scipy.stats import binomtest, kstest

from goodminima.tasks import Task, wedge, wedge_curve


def points(task: Task) -> torch.Tensor:
    return torch.cat([task.train.x, task.test.x])


def labels(task: Task) -> torch.Tensor:
    return torch.cat([task.train.y, task.test.y])


def test_the_paper_has_eleven_training_and_five_test_points() -> None:
    task = wedge(seed=0)
    assert task.train.x.shape == (11, 2)
    assert task.test.x.shape == (5, 2)
    assert (task.num_classes, task.train.x.dtype, task.train.y.dtype) == (2, torch.float32, torch.int64)
    assert task.name == "wedge n=11"


@pytest.mark.parametrize("margin", [0.25, 0.1, 2.0])
@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_points_lie_on_their_curve_exactly(seed: int, margin: float) -> None:
    task = wedge(seed=seed, num_train=50, margin=margin)
    x, y = points(task).unbind(1)
    lower = -x.abs()
    assert torch.equal(y, torch.where(labels(task) == 1, lower, margin + lower))
    assert x.abs().max() <= 1


@pytest.mark.parametrize("seed", range(200))
def test_both_classes_occur(seed: int) -> None:
    task = wedge(seed=seed, num_train=2, num_test=2)
    assert set(task.train.y.tolist()) == set(task.test.y.tolist()) == {0, 1}


@pytest.mark.parametrize("seed", range(40))
def test_a_larger_sample_begins_with_the_smaller_one(seed: int) -> None:
    large = wedge(seed=seed, num_train=50)
    for num_train in (5, 6, 11, 49):
        small = wedge(seed=seed, num_train=num_train)
        assert torch.equal(small.train.x, large.train.x[:num_train])
        assert torch.equal(small.train.y, large.train.y[:num_train])
        assert torch.equal(small.test.x, large.test.x)


def test_seeds_and_splits_draw_different_points() -> None:
    one, two = wedge(seed=0, num_train=5), wedge(seed=1, num_train=5)
    assert not torch.equal(one.train.x, two.train.x)
    assert not torch.equal(one.train.x, one.test.x)
    assert torch.equal(one.train.x, wedge(seed=0, num_train=5).train.x)


def test_x_is_uniform_and_the_classes_are_a_fair_coin() -> None:
    """Fixed seed, false alarm 1 in 1,000 each."""
    task = wedge(seed=7, num_train=4000)
    assert kstest(task.train.x[:, 0].numpy(), "uniform", args=(-1, 2)).pvalue > 1e-3
    assert binomtest(int(task.train.y.sum()), 4000).pvalue > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_train": 1}, "num_train must be at least 2, one point of each class, got 1"),
        ({"num_test": 0}, "num_test must be at least 2, one point of each class, got 0"),
        ({"margin": 0.0}, "margin must be finite and above 0, got 0.0"),
        ({"margin": float("nan")}, "margin must be finite and above 0, got nan"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wedge(**{"seed": 0, **arguments})


def test_the_curves_are_a_margin_apart_and_have_the_tip() -> None:
    upper, lower = wedge_curve(0.25, 5)
    assert lower.tolist() == [[-1, -1], [-0.5, -0.5], [0, 0], [0.5, -0.5], [1, -1]]
    assert torch.equal(upper - lower, torch.tensor([[0, 0.25]]).expand(5, 2))


@pytest.mark.parametrize("num_points", [1, 4])
def test_a_curve_without_its_tip_is_refused(num_points: int) -> None:
    with pytest.raises(ValueError, match=f"num_points must be odd and at least 3, got {num_points}"):
        wedge_curve(0.25, num_points)
