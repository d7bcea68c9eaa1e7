"""The general moves: what they must leave as it is, and what must not matter to them."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from goodminima.nets import MLP, LeNet
from goodminima.population import AbstractPrior, Cube, FanOut, Gaussian, Population, Sphere
from goodminima.tasks import Examples, wedge
from goodminima.volume import BlockMoves, Level, Walked
from goodminima.volume.splitting.blocks import blocks_of

FALSE_ALARM = 1e-6
PRIORS = [Cube(1.0), FanOut(), Gaussian(0.7), Sphere(1.0)]


def _margins(theta: Tensor) -> Tensor:
    """A half-space, a single parameter, and a curved set."""
    return torch.stack([theta[:, :3].sum(1), theta[:, 3], 1.2 - theta.square().sum(1)], dim=1)


def _moves(prior: AbstractPrior, strength: float, threads: int = 1) -> BlockMoves:
    moves = BlockMoves.of_function(_margins, 4, prior, losses=lambda theta: theta[:, 0].abs(), threads=threads)
    tried = {block.name: 100 for block in moves.blocks}
    return moves.adapted(Walked(torch.empty(0, 4), tried, dict.fromkeys(tried, int(100 * strength)), 0.0))


def _members(moves: BlockMoves, level: Level, count: int) -> Tensor:
    drawn = moves.draw(seed=5, indices=np.arange(60_000, dtype=np.uint64))
    values = moves.evaluate(drawn)
    return drawn[level.holds(values.margins, values.losses)][:count]


LEVELS = {
    "margins": Level(torch.tensor([-0.2, 0.1, -math.inf], dtype=torch.float64)),
    "losses": Level(torch.tensor([-0.2, 0.1, 0.0], dtype=torch.float64), loss_at_least=0.1, loss_below=0.6),
}


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_walk_leaves_the_prior_within_a_level_as_it_is(prior: AbstractPrior, level: Level, strength: float) -> None:
    """Members drawn by rejection, half of them walked: the two halves have the same distribution. False alarm 1e-6 a test."""
    moves = _moves(prior, strength)
    members = _members(moves, level, 4000)
    half = len(members) // 2
    assert half > 500
    streams = np.arange(half, dtype=np.uint64)
    walked = moves.walk(members[:half], level, seed=1, streams=streams, sweeps=1)
    values = moves.evaluate(walked.theta)
    assert level.holds(values.margins, values.losses).all()
    moved = (walked.theta != members[:half]).any(dim=1).double().mean()
    assert moved > 0.5
    functionals = (lambda t: t[:, 0], lambda t: t[:, 3], lambda t: t.square().sum(1), lambda t: t[:, 1] * t[:, 2])
    for functional in functionals:
        sample, reference = functional(walked.theta).numpy(), functional(members[half:]).numpy()
        if isinstance(prior, Sphere):
            np.testing.assert_allclose(walked.theta.norm(dim=1).numpy(), 1.0, rtol=1e-6)
        if np.ptp(reference) > 1e-6:
            assert stats.ks_2samp(sample, reference).pvalue > FALSE_ALARM  # pyright: ignore[reportAttributeAccessIssue] - scipy is not typed


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_a_particles_walk_does_not_depend_on_company_or_threads(prior: AbstractPrior) -> None:
    level = LEVELS["margins"]
    moves = _moves(prior, 0.5)
    members, streams = _members(moves, level, 21), np.arange(100, 121, dtype=np.uint64)
    together = moves.walk(members, level, seed=3, streams=streams, sweeps=2)
    threaded = _moves(prior, 0.5, threads=2).walk(members, level, seed=3, streams=streams, sweeps=2)
    assert torch.equal(threaded.theta, together.theta)
    assert threaded.accepted == together.accepted
    some = [20, 3, 7]
    alone = moves.walk(members[some], level, seed=3, streams=streams[some], sweeps=2)
    assert torch.equal(alone.theta, together.theta[some])
    assert not torch.equal(moves.walk(members, level, seed=4, streams=streams, sweeps=2).theta, together.theta)


def test_nets_walk_within_their_level(path: str) -> None:
    task, net = wedge(seed=3, num_train=5), MLP(in_features=2, hidden=(6,))
    moves = BlockMoves.of_net(net, task.train, Cube(1.0), proposals=3)
    drawn = moves.draw(seed=0, indices=np.arange(3000, dtype=np.uint64))
    values = moves.evaluate(drawn)
    level = Level(torch.tensor([0.0, -0.1, -math.inf, 0.0, -math.inf], dtype=torch.float64), loss_below=0.69)
    members = drawn[level.holds(values.margins, values.losses)]
    walked = moves.walk(members, level, seed=1, streams=np.arange(len(members), dtype=np.uint64), sweeps=4)
    ended = moves.evaluate(walked.theta)
    assert level.holds(ended.margins, ended.losses).all()
    assert walked.tried == dict.fromkeys(("fc1", "fc2", "fc1 in part", "fc2 in part"), 12 * len(members))
    assert walked.evaluations == 4 * 12 * len(members) * len(task.train)
    assert all(0 < walked.accepted[name] < walked.tried[name] for name in walked.tried)
    assert walked.theta.abs().max() <= 1


def test_what_moves_see_is_what_populations_say(path: str) -> None:
    task, net = wedge(seed=3, num_train=5), MLP(in_features=2, hidden=(6,))
    moves = BlockMoves.of_net(net, task.train, Gaussian(1.0))
    theta = moves.draw(seed=0, indices=np.arange(50, dtype=np.uint64))
    values, population = moves.evaluate(theta), Population(net, theta)
    x, y = task.train.x, task.train.y
    torch.testing.assert_close(values.margins.float(), population.margin(x, y))
    torch.testing.assert_close(values.losses.float(), population.loss(x, y, normalised=True))


def test_any_module_walks() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.LayerNorm(3), nn.Linear(3, 2))
    examples = Examples(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    moves = BlockMoves.of_net(net, examples, Gaussian(1.0), proposals=2)
    assert [block.name for block in moves.blocks[:4]] == ["fc1", "layernorm1", "fc2", "fc1 in part"]
    theta = moves.draw(seed=0, indices=np.arange(40, dtype=np.uint64))
    walked = moves.walk(theta, Level.everything(2), seed=1, streams=np.arange(40, dtype=np.uint64), sweeps=2)
    assert walked.accepted == walked.tried  # nothing is asked, so nothing is refused
    assert walked.evaluations == 0
    assert (walked.theta != theta).any(dim=1).all()


def test_blocks_are_modules_with_parameters_of_their_own() -> None:
    blocks = blocks_of(LeNet(width=0.5))
    assert [block.name for block in blocks] == ["conv1", "conv2", "fc1", "fc2", "fc3"]
    assert [block.columns.start for block in blocks[1:]] == [block.columns.stop for block in blocks[:-1]]
    assert blocks[-1].columns.stop == 11_074


def test_strengths_follow_the_acceptance() -> None:
    moves = _moves(Cube(1.0), 1.0)
    assert moves.strengths == (1.0, 1.0)
    walked = Walked(torch.empty(0, 4), {"all": 10, "all in part": 8}, {"all": 0, "all in part": 1}, 0.0)
    assert moves.adapted(walked).strengths == pytest.approx((0.1**2, 0.5**2))


def test_priors_without_a_kernel_are_named() -> None:
    class Other(AbstractPrior):
        def draw(self, net, *, seed, indices, device="cpu"):
            raise NotImplementedError

    with pytest.raises(ValueError, match="knows box priors, Gaussian and Sphere"):
        BlockMoves.of_function(_margins, 4, Other())


@pytest.mark.parametrize("name", ["proposals", "threads"])
def test_numbers_must_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"BlockMoves.{name} must be at least 1, got 0"):
        BlockMoves.of_function(_margins, 4, Cube(1.0), **{name: 0})  # pyright: ignore[reportArgumentType] - only of numbers
