import pytest
import torch
from scipy.stats import binomtest, kstest

from goodminima.tasks import boundary_probe, slab, slab_boundary

LOWEST = (-1.0, -0.45, 0.1, 0.65)  # lower edge of each slab, from the lowest up


def naive_zigzag() -> torch.Tensor:
    """Literally: three legs of ten heights from one slab's middle to the next, x = height above the leg's middle, its
    sign alternating."""
    points = []
    for middle, sign in ((-0.55, 1), (0.0, -1), (0.55, 1)):
        for step in range(10):
            height = 0.55 * (step / 9 - 0.5)
            points.append([sign * height, middle + height])
    return torch.tensor(points)


def test_the_paper_has_140_training_and_60_test_points() -> None:
    task = slab(seed=0)
    assert task.train.x.shape == (140, 2)
    assert task.test.x.shape == (60, 2)
    assert (task.num_classes, task.train.x.dtype, task.train.y.dtype) == (2, torch.float32, torch.int64)


@pytest.mark.parametrize("seed", [0, 1, 2**62])
def test_every_point_lies_in_a_slab_of_its_class(seed: int) -> None:
    examples = slab(seed=seed, num_train=1200, num_test=400).train
    x, y = examples.x.unbind(1)
    which = torch.stack([(low <= y) & (y <= low + 0.35) for low in LOWEST], dim=1)
    assert which.sum(1).eq(1).all()
    right = which[:, 0] | which[:, 2]
    assert torch.equal(examples.y == 0, right)
    assert (torch.where(right, x, -x) >= 0.1).all()
    assert x.abs().max() <= 1


def test_points_are_uniform_in_their_slab() -> None:
    """Fixed seed, false alarm 1 in 1,000 each."""
    task = slab(seed=7, num_train=1000, num_test=600)
    x, y = task.train.x.unbind(1)
    for low in LOWEST:
        inside = (low <= y) & (y <= low + 0.35)
        assert kstest(x[inside].abs().numpy(), "uniform", args=(0.1, 0.9)).pvalue > 1e-3
        assert kstest(y[inside].numpy(), "uniform", args=(low, 0.35)).pvalue > 1e-3
    assert binomtest(int(task.train.y.sum()), 1000).pvalue > 1e-3


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    small, large = slab(seed=3, num_train=10), slab(seed=3, num_train=500)
    assert torch.equal(small.train.x, large.train.x[:10])
    assert torch.equal(small.test.x, large.test.x)
    assert not torch.equal(small.train.x, slab(seed=4, num_train=10).train.x)


@pytest.mark.parametrize(("train", "test"), [(0, 1), (1, 0), (1600, 1)])
def test_bad_sizes_are_named(train: int, test: int) -> None:
    with pytest.raises(ValueError, match=f"1600 together at most, got {train} and {test}"):
        slab(seed=0, num_train=train, num_test=test)


def test_the_zigzag_probe_is_the_literal_one() -> None:
    probe, line = boundary_probe("zig-zag").train, naive_zigzag()
    shift = torch.tensor([0.1 * 2**0.5, 0.0])
    torch.testing.assert_close(probe.x, torch.cat([line + shift, line - shift]))
    assert probe.y.tolist() == [0] * 30 + [1] * 30


def test_the_straight_probe_is_a_tenth_on_either_side() -> None:
    probe = boundary_probe("linear").train
    heights = torch.linspace(-1, 1, 30)
    torch.testing.assert_close(probe.x[:30], torch.stack([torch.full((30,), 0.1), heights], 1))
    torch.testing.assert_close(probe.x[30:], torch.stack([torch.full((30,), -0.1), heights], 1))
    assert probe.y.tolist() == [0] * 30 + [1] * 30


@pytest.mark.parametrize("kind", ["linear", "zig-zag"])
def test_a_probe_is_antisymmetric(kind) -> None:
    """Mirrored in the origin, each point of class 0 is one of class 1: what the emptiness of the zig-zag's set rests on."""
    zero, one = boundary_probe(kind).train.x.double().split(30)
    assert torch.cdist(-zero, one).amin(1).max() < 1e-7


@pytest.mark.parametrize("kind", ["linear", "zig-zag"])
def test_both_boundaries_separate_the_slabs(kind) -> None:
    """Right of the boundary is class 0, for every point of the slabs and of the probe; beyond the ends the legs go on up."""
    corners = slab_boundary(kind)
    task = boundary_probe(kind, seed=5)
    for examples in (task.train, task.test):
        x, y = examples.x.unbind(1)
        low, high = corners[:-1], corners[1:]
        leg = (y[:, None] > high[:-1, 1]).sum(1)
        share = ((y - low[leg, 1]) / (high[leg, 1] - low[leg, 1])).clamp(0, 1)
        boundary = low[leg, 0] + share * (high[leg, 0] - low[leg, 0])
        assert torch.equal(x > boundary, examples.y == 0)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_boundary_lists_the_choices() -> None:
    with pytest.raises(ValueError, match="no such boundary: 'round'; there are linear, zig-zag"):
        slab_boundary("round")  # pyright: ignore[reportArgumentType]
