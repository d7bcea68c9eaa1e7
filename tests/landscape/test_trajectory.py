"""Projections keep what they promise, and snapshots are those of the training."""

import numpy as np
import pytest
import torch
from slicing import six_numbers
from torch import nn

from goodminima.landscape import Trajectory, distances, parameters_of, pca, tsne
from goodminima.nets import MLP
from goodminima.train import SGDConfig, train_population


def on_a_plane(count: int, size: int) -> tuple[torch.Tensor, np.ndarray]:
    """Points of a plane in `size` dimensions, wider along one axis, and their coordinates."""
    random = np.random.default_rng(0)
    axes, _ = np.linalg.qr(random.standard_normal((size, 2)))
    coordinates = random.standard_normal((count, 2)) * [5.0, 1.0]
    return torch.from_numpy(coordinates @ axes.T + random.standard_normal(size)), coordinates


def test_principal_components_of_a_plane_keep_all_distances() -> None:
    points, coordinates = on_a_plane(20, 50)
    found = pca(points)
    wanted = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(found.coordinates[:, None] - found.coordinates[None], axis=2), wanted)
    assert found.explained.sum() == pytest.approx(1)
    assert found.explained[0] > found.explained[1]
    variances = np.linalg.eigvalsh(np.cov(coordinates.T, ddof=0))[::-1]
    np.testing.assert_allclose(found.coordinates.var(0), variances)
    np.testing.assert_allclose(found.of(points), found.coordinates, atol=1e-12)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-12)


def test_seen_from_the_last_point() -> None:
    points, _ = on_a_plane(9, 12)
    found = pca(points, about="last")
    np.testing.assert_allclose(found.coordinates[-1], 0, atol=1e-12)
    np.testing.assert_allclose(found.origin, points[-1])
    assert found.directions()[0].length == pytest.approx(1)


def test_snapshots_of_a_training() -> None:
    torch.manual_seed(0)
    net, batch = MLP(in_features=6, hidden=(4,), num_classes=3), six_numbers()
    start = torch.stack([parameters_of(net), 2 * parameters_of(net)])
    sgd = SGDConfig(lr=0.1, epochs=6, batch_size=8)
    found = Trajectory.of(train_population(net, batch, start=start, sgd=sgd, seed=0), member=1, every=2)
    assert found.when.tolist() == [0, 2, 4, 5]
    course = list(train_population(net, batch, start=start, sgd=sgd, seed=0))
    assert torch.equal(found.theta, torch.stack([course[epoch][1][1] for epoch in (0, 2, 4, 5)]))
    straight = distances(found.theta[:1], found.theta[1:2])[0, 0]
    assert found.lengths[:2] == pytest.approx([0, straight])


def test_copies_of_a_module() -> None:
    nets = [nn.Linear(2, 1) for _ in range(3)]
    found = Trajectory.of_nets(nets, when=[0, 10, 30])
    assert torch.equal(found.theta[2, :2], nets[2].weight.detach()[0])
    with pytest.raises(ValueError, match="must increase"):
        Trajectory.of_nets(nets, when=[0, 10, 10])


def test_distances() -> None:
    points, others = torch.tensor([[0.0, 0.0], [3.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    np.testing.assert_allclose(distances(points, others), [[4], [5]])
    near = torch.tensor([[1e4]]), torch.tensor([[1e4 + 0.0078125]])
    assert distances(*near)[0, 0] == 0.0078125


def test_an_embedding_keeps_clusters_together_and_is_the_same_again() -> None:
    random = torch.Generator().manual_seed(0)
    points = torch.randn(30, 200, generator=random) + 20 * (torch.arange(30) % 2)[:, None]
    found = tsne(points, perplexity=5, seed=1)
    np.testing.assert_array_equal(found, tsne(points, perplexity=5, seed=1))
    apart = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (apart.argmin(1) % 2 == np.arange(30) % 2).all()


def test_what_is_refused() -> None:
    points, _ = on_a_plane(5, 8)
    with pytest.raises(ValueError, match="components must lie between 1 and 4 for 5 points, got 5"):
        pca(points, components=5)
    with pytest.raises(ValueError, match="about 'first': choose from mean, last"):
        pca(points, about="first")
    with pytest.raises(ValueError, match="perplexity below their number, got 5 and 30"):
        tsne(points)
    with pytest.raises(ValueError, match="the course is empty"):
        Trajectory.of([])
