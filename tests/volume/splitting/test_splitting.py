"""Splitting against volumes known in closed form, and its intervals against how often they hold the truth."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from known_sets import Orthant, task_of
from scipy import stats
from torch import nn

from goodminima.core.status import Status
from goodminima.nets import LinearModel
from goodminima.population import AbstractPrior, Cube, Gaussian, native
from goodminima.search import Fits, bins
from goodminima.tasks import wedge
from goodminima.volume import BlockMoves, GibbsMoves, Split, Stage, split_volume, volume_where
from goodminima.volume.splitting.sampler import Sampler, SplittingPlan, SplittingRun
from goodminima.volume.splitting.splitting import moves_for

FALSE_ALARM = 1e-6
PRIORS = [Cube(1.0), Gaussian(2.0)]
QUICK: dict[str, Any] = {"particles": 128, "repeats": 4, "sweeps": 4}


def _close(split: Split, truth: float, which: int = 0) -> None:
    """The truth is in the interval of confidence 1 - 1e-6, and that is no wider than it should be for such runs."""
    assert split.status_of(which) is Status.SOLVED
    wide = split.volume(which, confidence=1 - FALSE_ALARM)
    assert wide.low < truth < wide.high
    logs = np.array([run.estimates[which].log_volume for run in split.runs])
    levels = np.mean([run.estimates[which].levels for run in split.runs])
    ideal = math.sqrt(levels / split.runs[0].particles)
    assert (
        abs(logs.mean() - truth) < 6 * (2 * ideal) / math.sqrt(len(logs)) + ideal**2
    )  # twice the ideal spread is fair


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_half_spaces(prior: AbstractPrior) -> None:
    """Through the origin V is 1/2 exactly; off it, the normal tail, or a corner's simplex."""
    through = volume_where(lambda theta: theta.sum(1, keepdim=True), dimension=10, prior=prior, **QUICK)
    _close(through, math.log(0.5))
    if isinstance(prior, Gaussian):
        off = volume_where(
            lambda theta: theta.sum(1, keepdim=True) - 2 * 4 * 10**0.5, dimension=10, prior=prior, **QUICK
        )
        _close(off, float(stats.norm.logsf(4)))
    else:
        off = volume_where(lambda theta: theta.sum(1, keepdim=True) - 3.5, dimension=4, prior=prior, **QUICK)
        _close(off, math.log(0.5**4 / (math.factorial(4) * 2**4)))


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_orthants_and_all_of_lower_dimension_on_the_way(prior: AbstractPrior) -> None:
    split = volume_where(lambda theta: theta, dimension=15, prior=prior, **QUICK)
    _close(split, -15 * math.log(2))
    for k, volume in split.by_samples:
        logs = np.array([run.by_samples[k - 1].log_volume for run in split.runs])
        assert abs(logs.mean() + k * math.log(2)) < 6 * 2 * math.sqrt(k / 128 / 4) + 2 * k / 128, k
        assert volume.estimate is not None


@pytest.mark.slow
def test_orthants_in_200_dimensions() -> None:
    _close(volume_where(lambda theta: theta, dimension=200, sweeps=12, repeats=3), -200 * math.log(2))


def test_boxes() -> None:
    """|theta_i| below half widths from 0.9 to 0.01: the volume is their product."""
    half = torch.logspace(math.log10(0.9), -2, 5, dtype=torch.float64)
    _close(volume_where(lambda theta: half - theta.abs(), dimension=5, **QUICK), float(half.log().sum()))


def test_corners_of_a_simplex() -> None:
    """x_i > 0 and sum x < s: s^d / d! of the cube's 2^d."""
    d, s = 5, 0.8
    split = volume_where(lambda t: torch.cat([t, s - t.sum(1, keepdim=True)], dim=1), dimension=d, **QUICK)
    _close(split, d * math.log(s) - math.lgamma(d + 1) - d * math.log(2))


@pytest.mark.parametrize("angle", [1.0, 0.05])
def test_the_cone_of_a_linear_classifier(angle: float) -> None:
    """Two points of the plane that leave an angle to the decision boundary: V = angle / 2 pi under a Gaussian prior."""
    turn = math.pi - angle  # between x_1 and -x_0
    x = torch.tensor([[-math.cos(turn), -math.sin(turn)], [1.0, 0.0]])
    split = split_volume(nn.Linear(2, 2, bias=False), task_of(x, [0, 1]), prior=Gaussian(1.0))
    _close(split, math.log(angle / (2 * math.pi)))
    assert (split.population().accuracy(x, torch.tensor([0, 1])) == 1).all()


@pytest.mark.parametrize("general", [True, False])
def test_a_linear_nets_orthant(path: str, general: bool) -> None:
    """The k unit vectors are class 1 when k independent differences of weights are positive: 2^-k."""
    k = 8
    net, task = nn.Linear(k, 2, bias=False), task_of(torch.eye(k), [1] * k)
    moves = BlockMoves.of_net(net, task.train, Cube(1.0)) if general else None
    _close(split_volume(net, task, moves=moves, **QUICK), -k * math.log(2))


def test_the_fastest_moves_that_can_serve_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    task, stack = wedge(seed=0), LinearModel(in_features=2)
    fast = GibbsMoves if native.available() else BlockMoves
    assert isinstance(moves_for(stack, task, Cube(1.0)), fast)
    assert isinstance(moves_for(stack, task, Gaussian(1.0)), BlockMoves)
    assert isinstance(moves_for(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), task, Cube(1.0)), BlockMoves)
    monkeypatch.setenv(native.VARIABLE, "0")
    assert isinstance(moves_for(stack, task, Cube(1.0)), BlockMoves)


def test_loss_bins_of_a_linear_net() -> None:
    """One point, Gaussian weights: the normalised margin is sqrt(2) times one coordinate of a unit vector in R^4."""
    net, task = nn.Linear(2, 2, bias=False), task_of(torch.tensor([[1.0, 0.0]]), [1])
    edges = (0.22, 0.24, 0.3, 0.5)

    def below(loss: float) -> float:
        cosine = -math.log(math.expm1(loss)) / math.sqrt(2)
        return float(stats.beta.sf((cosine + 1) / 2, 1.5, 1.5))

    split = split_volume(
        net, task, prior=Gaussian(1.0), accept=(*bins(edges), Fits(loss_below=0.24)), particles=256, sweeps=3
    )
    for which, fits in enumerate(bins(edges)):
        _close(split, math.log(below(fits.loss_below) - below(fits.loss_above)), which)
        loss = split.population(which).loss(task.train.x, task.train.y, normalised=True)
        assert ((loss > fits.loss_above) & (loss <= fits.loss_below + 1e-6)).all()
        assert len(split.population(which)) == 5 * 256
    _close(split, math.log(below(0.24)), 3)


def test_draws_are_uniform_in_the_set() -> None:
    """Of each run one draw, for those of one run are correlated: its distance from the corner of the box is uniform."""
    split = volume_where(lambda theta: theta[:, :1] - 0.98, dimension=3, particles=16, repeats=50, sweeps=3)
    first = split.theta()[::16].numpy()
    assert stats.kstest((first[:, 0] - 0.98) / 0.02, stats.uniform.cdf).pvalue > FALSE_ALARM
    assert stats.kstest(first[:, 1], stats.uniform(-1, 2).cdf).pvalue > FALSE_ALARM


def _runs(moves: Orthant, count: int, particles: int, seed: int = 0) -> list[SplittingRun]:
    plan = SplittingPlan(particles=particles, sweeps=1, repeats=count, seed=seed, min_log_volume=-2500.0)
    order = torch.arange(moves.dimension)
    return [
        Sampler(moves, order, plan, repeat=repeat, callback=lambda step, cost: None).run((Fits(),))
        for repeat in range(count)
    ]


def test_the_product_of_survivals_is_unbiased() -> None:
    """Perfect walks, 16 particles, 5 levels: a step that looks ahead would be high by 2 / 16 a level. False alarm 1e-6."""
    runs = _runs(Orthant(5), 300, 16)
    for k in (3, 5):
        ratios = np.array([math.exp(run.by_samples[k - 1].log_volume) * 2**k for run in runs])
        error = ratios.std(ddof=1) / math.sqrt(len(ratios))
        assert abs(ratios.mean() - 1) < 5 * error, k


def _coverage(times: int, **options) -> int:
    held = 0
    for seed in range(times):
        volume = volume_where(lambda theta: theta, dimension=8, seed=seed, **options).log_volume
        held += volume.low <= -8 * math.log(2) <= volume.high
    return held


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """200 times five runs with perfect walks: 90 to 99 %."""
    truth, held = -4 * math.log(2), 0
    runs = _runs(Orthant(4), 1000, 32)
    for first in range(0, 1000, 5):
        split = Split(net=None, accept=(Fits(),), runs=tuple(runs[first : first + 5]), task="orthant")
        held += split.log_volume.low <= truth <= split.log_volume.high
    assert 180 <= held <= 198


@pytest.mark.slow
def test_intervals_of_walks_hold_the_truth_as_often_as_they_say() -> None:
    """200 times five runs, walks of a single sweep: 90 to 99 %."""
    assert 180 <= _coverage(200, particles=64, sweeps=1) <= 198


def test_particles_that_stand_still_are_no_measurement() -> None:
    """Without walks 2^-7 of 64 particles is half of one: a bound, or nothing, and never an interval."""
    runs = _runs(Orthant(7, walks=False), 5, 64)
    split = Split(net=None, accept=(Fits(),), runs=tuple(runs), task="orthant")
    assert split.status is not Status.SOLVED
    assert split.log_volume.estimate is None
    assert split.log_volume.low < -7 * math.log(2) < split.log_volume.high
    assert all(step.correlation == pytest.approx(1.0) for step in runs[0].steps)


def test_an_empty_set_ends_and_says_so() -> None:
    split = volume_where(
        lambda t: torch.stack([t[:, 0] - 0.1, -0.1 - t[:, 0]], dim=1), dimension=2, repeats=2, sweeps=3, particles=64
    )
    assert split.status is Status.EMPTY
    assert split.log_volume.estimate is None
    assert split.log_volume.high < -10
    assert len(split.theta()) == 0


def test_contradictory_examples_end_and_say_so() -> None:
    task = task_of(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), [0, 1])
    split = split_volume(LinearModel(in_features=2), task, repeats=2, particles=64, sweeps=2)
    assert split.status is Status.EMPTY
    assert split.by_samples[0][1].estimate == pytest.approx(math.log(0.5), abs=0.5)
    assert split.by_samples[1][1].is_bound


def test_below_the_lowest_volume_of_interest_it_ends() -> None:
    split = volume_where(lambda theta: theta, dimension=20, min_log_volume=-5.0, repeats=2)
    assert split.status is Status.EMPTY
    assert -6 < split.log_volume.high < -5
    assert all(run.steps[-1].log_volume >= -5 - math.log(2) for run in split.runs)


def test_the_same_seed_gives_the_same_numbers_on_any_number_of_threads() -> None:
    task, net = wedge(seed=3, num_train=5), LinearModel(in_features=2)
    options = {"accept": (Fits(), Fits(0.6, 0.68)), "particles": 32, "repeats": 2, "sweeps": 1}
    one, two = (split_volume(net, task, threads=threads, **options) for threads in (1, 2))
    other = split_volume(net, task, seed=1, **options)
    assert [run.estimates for run in one.runs] == [run.estimates for run in two.runs]
    assert torch.equal(one.theta(1), two.theta(1))
    assert one.runs[0].estimates != other.runs[0].estimates
    assert one.runs[0].estimates != one.runs[1].estimates


def test_listeners_hear_every_level() -> None:
    heard: list[Stage] = []
    split = volume_where(
        lambda theta: theta,
        dimension=5,
        repeats=2,
        particles=32,
        callback=lambda progress: heard.append(progress.detail),
    )
    assert [stage.step for stage in heard] == [step for run in split.runs for step in run.steps]
    assert heard[-1].evaluations == split.runs[1].evaluations
    assert {stage.repeat for stage in heard} == {0, 1}


def test_a_run_counts_its_evaluations() -> None:
    """The draws, and after every level the walk, over the examples asked for, and one look at all."""
    split = volume_where(lambda theta: theta + 0.8, dimension=1, repeats=1, particles=32, sweeps=2)
    assert split.evaluations == 32 + 2 * 5 * 32 + 32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"particles": 8}, "particles must be at least 16, got 8"),
        ({"sweeps": 0}, "sweeps must be at least 1, got 0"),
        ({"repeats": 0}, "repeats must be at least 1, got 0"),
        ({"min_log_volume": 0.0}, "min_log_volume is the log of a probability"),
        ({"accept": ()}, "at least one Fits"),
        ({"moves": Orthant(3)}, "moves are about 3 examples, but data has 11"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_volume(LinearModel(in_features=2), wedge(seed=0), **options)


def test_several_sets_have_no_single_volume_and_functions_no_population() -> None:
    split = volume_where(lambda theta: theta, dimension=1, accept=bins((-1.0, 0.5, 1.0)), repeats=1, particles=32)
    with pytest.raises(ValueError, match="single Fits, got 2"):
        _ = split.log_volume
    with pytest.raises(ValueError, match="population needs a net"):
        split.population()
