"""Basins of known volume: balls, ellipsoids, half-spaces, and nets whose basin has a closed form."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from goodminima.core import generator
from goodminima.population.priors import AbstractPrior, Cube, Gaussian
from goodminima.tasks.task import Examples
from goodminima.volume.basin import ray_walk
from goodminima.volume.basin.basin import Basin, Label, basin_volume, basin_volume_of
from goodminima.volume.basin.proposals import Diagonal, LowRank
from goodminima.volume.basin.ray_integrals import log_ball

SIZE = 60
ORIGIN = torch.zeros(SIZE, dtype=torch.float64)


def norm(theta: Tensor) -> Tensor:
    return theta.norm(dim=1)


def ellipsoid(condition: float, size: int = SIZE) -> tuple[Callable[[Tensor], Tensor], Tensor, Tensor]:
    """f(theta) = theta' A theta / 2 with A turned at random, the rows of A^(1/2), and the eigenvalues of A."""
    turned, _ = torch.linalg.qr(
        torch.randn(size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    eigenvalues = torch.logspace(0, math.log10(condition), size, dtype=torch.float64)
    root = eigenvalues.sqrt()[:, None] * turned.T
    return lambda theta: 0.5 * (theta @ root.T).square().sum(1), root, eigenvalues


def log_ellipsoid(eigenvalues: Tensor, cutoff: float) -> float:
    size = len(eigenvalues)
    return log_ball(size) + 0.5 * size * math.log(2 * cutoff) - 0.5 * float(eigenvalues.log().sum())


def test_a_ball_is_exact() -> None:
    basin = basin_volume_of(norm, ORIGIN, cutoff=(0.5, 3.0), num_rays=50)
    for cutoff in (0.5, 3.0):
        ball = basin.at(cutoff)
        assert ball.log_volume.estimate == pytest.approx(log_ball(SIZE) + SIZE * math.log(cutoff), abs=0.01)
        assert ball.log_geometric_volume == pytest.approx(ball.log_average, abs=0.01)
        assert (ball.label, ball.num_censored) == (Label.ESTIMATE, 0)
        assert ball.effective_rays == pytest.approx(50, rel=1e-3)
        assert ball.mean_radius == pytest.approx(cutoff, rel=1e-4)


def test_a_ball_in_twenty_thousand_dimensions() -> None:
    basin = basin_volume_of(norm, torch.zeros(20_000, dtype=torch.float64), cutoff=0.1, num_rays=10)
    assert basin.log_average == pytest.approx(log_ball(20_000) + 20_000 * math.log(0.1), abs=0.02)


@pytest.mark.parametrize("condition", [1e3, 1e4])
def test_a_turned_ellipsoid_needs_its_curvature(condition: float) -> None:
    loss, root, eigenvalues = ellipsoid(condition)
    truth = log_ellipsoid(eigenvalues, 0.1)
    aimed = basin_volume_of(loss, ORIGIN, cutoff=0.1, num_rays=500, proposal=LowRank(root, damping=1e-8))
    assert aimed.label is Label.ESTIMATE
    assert aimed.log_volume.estimate == pytest.approx(truth, abs=0.02)  # the demand, 1 % of the log, is 100 times this
    assert aimed.effective_rays > 440
    # The plain average says itself that it failed, and what is left of it holds; so does Jensen's bound.
    plain = basin_volume_of(loss, ORIGIN, cutoff=0.1, num_rays=500)
    assert plain.label is Label.LOWER_BOUND
    assert plain.log_volume.estimate is None
    assert plain.log_volume.low < truth
    assert plain.log_volume.high == math.inf
    assert plain.log_geometric_volume < truth
    assert abs(plain.log_average - truth) > 0.05 * abs(truth)
    assert plain.largest_share > 0.1


def test_a_curvature_that_is_not_turned_back_is_no_help_and_says_so() -> None:
    loss, _, eigenvalues = ellipsoid(1e3)
    basin = basin_volume_of(loss, ORIGIN, cutoff=0.1, num_rays=500, proposal=Diagonal(eigenvalues))
    assert basin.label is Label.LOWER_BOUND
    assert basin.log_volume.low < log_ellipsoid(eigenvalues, 0.1)


def test_straight_ellipsoids_are_exact_with_their_diagonal() -> None:
    curvature = torch.logspace(0, 4, SIZE, dtype=torch.float64)
    basin = basin_volume_of(
        lambda theta: 0.5 * (theta.square() * curvature).sum(1), ORIGIN, num_rays=200,
        proposal=Diagonal(curvature, damping=1e-8),
    )  # fmt: skip
    assert basin.log_volume.estimate == pytest.approx(log_ellipsoid(curvature, 0.1), abs=0.02)


def test_a_wrong_curvature_costs_no_more_than_its_rays() -> None:
    """On a ball, aimed badly: the even tenth keeps the mean right, within 6 standard errors of its worst case."""
    wrong = LowRank(torch.eye(20, SIZE, dtype=torch.float64) * 100, damping=1e-6)
    basin = basin_volume_of(norm, ORIGIN, cutoff=1.0, num_rays=2000, proposal=wrong)
    assert basin.log_average == pytest.approx(log_ball(SIZE), abs=6 * math.sqrt(9 / 2000))
    assert basin.effective_rays >= 199


def test_intervals_cover_an_ellipsoid_of_five_dimensions() -> None:
    """200 intervals of 95 %: 90 to 99 % hold the truth, which Binomial(200, .95) leaves with chance 5e-3 at most."""
    loss, _, eigenvalues = ellipsoid(9.0, size=5)
    truth = log_ellipsoid(eigenvalues, 0.1)
    volumes = [
        basin_volume_of(loss, torch.zeros(5, dtype=torch.float64), num_rays=300, seed=seed).log_volume
        for seed in range(200)
    ]
    held = np.mean([volume.low <= truth <= volume.high for volume in volumes])
    assert 0.9 <= held <= 0.99


@pytest.mark.parametrize(
    ("prior", "offset"), [(Gaussian(0.8), 0.0), (Gaussian(0.8), -0.7), (Cube(1.0), 0.0), (Cube(1.0), -0.7)]
)
def test_half_of_the_rays_never_cross_a_half_space(prior: AbstractPrior, offset: float) -> None:
    """P(theta_1 < 0.3), seen from a minimum on or off centre; with 6 standard errors of the ray average."""
    centre = torch.full((4,), offset, dtype=torch.float64)
    basin = basin_volume_of(lambda theta: theta[:, 0], centre, cutoff=0.3, prior=prior, num_rays=3000)
    truth = stats.norm.logcdf(0.3 / 0.8) if isinstance(prior, Gaussian) else math.log(0.65)
    volume = basin.log_volume
    assert abs(basin.log_average - truth) < 3 * (volume.high - volume.low) / 2
    assert volume.high - volume.low < 0.5
    if isinstance(prior, Cube):  # rays end at the walls, and nothing is missing
        assert (basin.num_censored, basin.label) == (0, Label.ESTIMATE)
    else:
        assert basin.num_censored > 1000
        assert basin.label is Label.WITHIN_FARTHEST
        assert (basin.radii[basin.censored] == 100.0).all()


def test_a_cap_of_a_ball_is_what_censored_rays_leave_of_a_half_space() -> None:
    basin = basin_volume_of(lambda theta: theta[:, 0], torch.zeros(3, dtype=torch.float64), cutoff=0.5, max_radius=1.0)
    truth = math.log(4 / 3 * math.pi - math.pi * 0.5**2 * (3 - 0.5) / 3)
    volume = basin.log_volume
    assert abs(basin.log_average - truth) < 3 * (volume.high - volume.low) / 2
    assert basin.label is Label.WITHIN_FARTHEST
    assert basin.num_censored == pytest.approx(2250, abs=6 * math.sqrt(3000 * 0.75 * 0.25))


def test_a_gaussian_ball_is_a_chi_square() -> None:
    basin = basin_volume_of(norm, ORIGIN, cutoff=(2.0, 7.0), prior=Gaussian(1.0), num_rays=20)
    for cutoff in (2.0, 7.0):
        assert basin.at(cutoff).log_average == pytest.approx(stats.chi2.logcdf(cutoff**2, SIZE), abs=0.02)


def test_units_stretch_the_basin() -> None:
    """Volumes in units of (2, 3, fixed): the ball of radius 1 is an ellipse of area pi / 6, pi in the parameters."""
    basin = basin_volume_of(
        norm, torch.zeros(3, dtype=torch.float64), cutoff=1.0, units=np.array([2.0, 3.0, 0.0]), num_rays=3000
    )
    volume = basin.log_volume
    assert volume.low < math.log(math.pi / 6) < volume.high
    assert basin.log_unit == pytest.approx(math.log(6))
    assert basin.dimension == 2


def test_rays_do_not_depend_on_how_they_are_grouped(monkeypatch: pytest.MonkeyPatch) -> None:
    def rays() -> Basin:
        loss, root, _ = ellipsoid(10.0, size=8)
        start = torch.zeros(8, dtype=torch.float64)
        return basin_volume_of(loss, start, num_rays=100, proposal=LowRank(root), prior=Gaussian(1.0), seed=5)

    together = rays()
    monkeypatch.setattr(ray_walk, "_GROUP_RAYS", 7)
    apart = rays()
    assert apart.radii == pytest.approx(together.radii, rel=1e-12)
    assert apart.log_terms == pytest.approx(together.log_terms, abs=1e-10)
    assert apart.evaluations == together.evaluations


def test_every_loss_is_counted() -> None:
    asked: list[int] = []

    def counted(theta: Tensor) -> Tensor:
        asked.append(len(theta))
        return norm(theta) ** 1.5 + theta[:, 0].square()

    basin = basin_volume_of(counted, ORIGIN, cutoff=(0.1, 1.0), num_rays=600)
    assert basin.evaluations == sum(asked)


def test_progress_is_told() -> None:
    heard: list[float] = []
    basin_volume_of(norm, ORIGIN, cutoff=1.0, num_rays=1100, callback=lambda progress: heard.append(progress.done))
    assert heard == [512, 1024, 1100]


def linear_net() -> tuple[nn.Module, Examples]:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        net.get_parameter("1.weight").copy_(torch.tensor([[1.5, 0.5, 0.0], [-1.0, 0.0, 0.5]]))
    return net, Examples(torch.tensor([[1.0, 2.0, -0.5]]), torch.tensor([0]))


@pytest.mark.parametrize("directions", ["plain", "filter"])
def test_a_linear_net_on_one_example_is_a_half_space(directions: str) -> None:
    """The loss is at most c where the margin, N(0, 2 |x|^2), is at least -log(e^c - 1); all weights are free."""
    net, batch = linear_net()
    basin = basin_volume(net, batch, cutoff=(0.1, 0.5), directions=directions, prior=Gaussian(1.0), num_rays=2000)
    for cutoff in basin.cutoffs:
        truth = stats.norm.logsf(-math.log(math.expm1(cutoff)) / math.sqrt(2 * 5.25))
        volume = basin.at(cutoff).log_volume
        assert abs(basin.at(cutoff).log_average - truth) < 3 * (volume.high - volume.low) / 2
        assert volume.high - volume.low < 0.5


def test_radii_of_a_net_are_those_of_a_loop() -> None:
    """Ray by ray in float64: steps of 2 % until the cutoff is crossed, then forty halvings."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))
    batch = Examples(torch.randn(9, 2), torch.arange(9) % 3)
    cutoff, seed = 2.0, 4
    basin = basin_volume(net, batch, cutoff=cutoff, num_rays=12, tolerance=1e-4, seed=seed)
    twin, weights = copy.deepcopy(net).double(), [(0, 10), (15, 30)]
    theta = nn.utils.parameters_to_vector(twin.parameters()).detach()

    def loss(vector: Tensor) -> float:
        nn.utils.vector_to_parameters(vector, twin.parameters())
        return float(nn.functional.cross_entropy(twin(batch.x.double()), batch.y).detach())

    for ray in range(12):
        z = torch.from_numpy(generator.normal(seed, np.array([ray], np.uint64), 25)[0].astype(np.float64))
        z /= z.norm()
        step, taken = torch.zeros_like(theta), 0
        for start, stop in weights:
            rows = 5 if start == 0 else 3
            filters = theta[start:stop].view(rows, -1)
            scale = filters.norm(dim=1, keepdim=True) * math.sqrt(25 / filters.shape[1])
            step[start:stop] = (z[taken : taken + stop - start].view(rows, -1) * scale).flatten()
            taken += stop - start
        high = 1e-3
        while high < 100 and loss(theta + high * step) <= cutoff:
            high *= 1.02
        low = high / 1.02
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if loss(theta + middle * step) <= cutoff else (low, middle)
        assert basin.radii[0, ray] == pytest.approx(min(high, 100.0), rel=1e-4)


def test_rescaled_filters_have_the_same_basin() -> None:
    """BatchNorm under the batch's statistics: a filter's scale has no effect on the net, and none on its basin."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    batch = Examples(torch.randn(12, 2), torch.arange(12) % 2)

    def measured() -> Basin:
        return basin_volume(net, batch, cutoff=1.5, batch_norm="train", num_rays=60, seed=1)

    before = measured()
    with torch.no_grad():
        net.get_parameter("0.weight").mul_(torch.tensor([[0.5], [3.0], [10.0], [1.0], [0.7], [7.0]]))
    assert measured().radii == pytest.approx(before.radii, rel=2e-3)  # BatchNorm's epsilon sees the scale


def test_mistakes_are_told() -> None:
    net, batch = linear_net()
    with pytest.raises(
        ValueError, match=r"the loss at the minimum is 0\.\d+, not below the cutoff 0\.001: train for longer"
    ):
        basin_volume(net, batch, cutoff=0.001)
    with pytest.raises(ValueError, match=r"increasing order, got \[0.5, 0.1\]"):
        basin_volume(net, batch, cutoff=(0.5, 0.1))
    with pytest.raises(ValueError, match="num_rays must be at least 2, got 1"):
        basin_volume(net, batch, num_rays=1)
    with pytest.raises(ValueError, match="growth must be above 1 and finite, got 1"):
        basin_volume(net, batch, growth=1.0)
    with pytest.raises(ValueError, match="max_radius must be positive and finite, got inf"):
        basin_volume(net, batch, max_radius=math.inf)
    both = basin_volume(net, batch, cutoff=(0.1, 0.5), num_rays=4)
    with pytest.raises(ValueError, match=r"a single cutoff is needed here, got \(0.1, 0.5\): use at\(cutoff\)"):
        _ = both.log_volume
    with pytest.raises(ValueError, match=r"cutoff 0.2 was not measured; those measured: 0.1, 0.5"):
        both.at(0.2)


def test_a_basin_tells_what_it_is() -> None:
    basin = basin_volume_of(norm, ORIGIN, cutoff=1.0, num_rays=10)
    assert str(basin).endswith("estimate: 10.0 effective of 10 rays, 0 censored, mean radius 1")
