"""Training in the compiled kernel against SGD in float64, one member at a time, and against itself in other company."""

import functools
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from goodminima.nets import MLP, LeNet, LinearModel
from goodminima.population import Cube, FanOut, TorchDefault, native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native import training
from goodminima.population.native.program import Program
from goodminima.population.normalise import norm_unit
from goodminima.search import Fits, bins

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")


class Problem:
    """A net, its starts, random images with random labels, and random batches."""

    def __init__(
        self, net, shape, start, *, examples, batch, epochs, lr, momentum=0.0, edges=(0.0, 0.3, 0.5, 0.69), seed=0
    ):
        rng = np.random.default_rng(seed)
        self.net, self.shape, self.lr, self.momentum = net, shape, lr, momentum
        self.x: np.ndarray = rng.standard_normal((examples, *shape)).astype(np.float32)
        with torch.no_grad():
            classes = net(torch.from_numpy(self.x)).shape[1]
        self.y = np.arange(examples) % classes
        orders = [rng.permutation(examples) for _ in range(epochs)]
        self.batches = [order[i : i + batch] for order in orders for i in range(0, examples, batch)]
        self.fits = (*bins(edges), Fits())
        self.start = start

    def theta(self, members: int) -> np.ndarray:
        return self.start.draw(self.net, seed=5, indices=np.arange(members, dtype=np.uint64)).numpy()

    def program(self) -> Program:
        return CompiledNet.of(self.net, self.shape).program

    def train(self, theta: np.ndarray, room: int = 1000, **changes) -> tuple[list[training.BinContents], int]:
        given = {
            "program": self.program(),
            "x": self.x,
            "y": self.y,
            "batches": self.batches,
            "lr": self.lr,
            "momentum": self.momentum,
            "bins": [(fits.loss_above, fits.loss_below, room) for fits in self.fits],
            "callback": lambda ended, hits: None,
        }
        return training.train(theta=theta, **(given | changes))

    def alone(self, start: np.ndarray) -> dict[int, np.ndarray]:
        """One member in float64: bin -> where it was frozen."""
        net = self.net.double()
        nn.utils.vector_to_parameters(torch.from_numpy(start).double(), net.parameters())
        x, y = torch.from_numpy(self.x).double(), torch.from_numpy(self.y)
        optimizer = torch.optim.SGD(net.parameters(), lr=self.lr, momentum=self.momentum)
        pending, frozen = dict(enumerate(self.fits)), {}
        for rows in [*self.batches, None]:
            with torch.no_grad():
                logits = net(x)
            norms = torch.stack([p.norm() / norm_unit(net) for p in net.parameters() if p.ndim > 1]).prod()
            loss = F.cross_entropy(logits / norms, y).item()
            for which, fits in list(pending.items()):
                if (logits.argmax(1) == y).all() and loss <= fits.loss_below:
                    del pending[which]
                    if loss > fits.loss_above:
                        frozen[which] = nn.utils.parameters_to_vector(net.parameters()).detach().numpy().copy()
            if rows is not None:
                optimizer.zero_grad()
                F.cross_entropy(net(x[rows]), y[rows]).backward()
                optimizer.step()
        net.float()
        return frozen


def convolutions(*layers: nn.Module) -> nn.Sequential:
    net = nn.Sequential(*layers, nn.Flatten())
    return net.append(nn.Linear(net(torch.zeros(1, 2, 7, 8)).shape[1], 3))


PROBLEMS = {
    "lenet": lambda: Problem(LeNet(width=0.3), (1, 28, 28), Cube(1.0), examples=6, batch=2, epochs=12, lr=1e-3),
    "lenet, heavy ball": lambda: Problem(
        LeNet(width=0.3, in_shape=(3, 16, 16)), (3, 16, 16), Cube(0.5), examples=5, batch=3, epochs=12, lr=1e-2,
        momentum=0.5,
    ),
    "mlp": lambda: Problem(
        MLP(in_features=2, hidden=(9,)), (2,), FanOut(), examples=5, batch=2, epochs=40, lr=0.1,
        edges=(0.5, 0.6, 0.64, 0.69),
    ),
    "mlp, one image at a time": lambda: Problem(
        MLP(in_features=7, hidden=(5, 4)), (7,), Cube(1.0), examples=4, batch=1, epochs=12, lr=0.1, momentum=0.9
    ),
    "linear": lambda: Problem(LinearModel(in_features=50), (2, 5, 5), FanOut(), examples=9, batch=2, epochs=15, lr=0.1),
    "large batches": lambda: Problem(
        LinearModel(in_features=30, num_classes=4), (30,), TorchDefault(), examples=25, batch=20, epochs=25, lr=0.5,
        edges=(0.0, 1.0, 1.2, 1.38),
    ),
    "strides, paddings, pools": lambda: Problem(
        convolutions(
            *(nn.Conv2d(2, 4, (3, 2), stride=(1, 2), padding=(1, 2)), nn.ReLU(), nn.AvgPool2d(2, 1)),
            *(nn.Conv2d(4, 3, 2, bias=False), nn.ReLU(), nn.MaxPool2d((2, 1), 1)),
        ),
        (2, 7, 8), TorchDefault(), examples=6, batch=4, epochs=25, lr=0.6, edges=(0.0, 1.0, 1.05, 1.09),
    ),
}  # fmt: skip


@functools.cache
def alone(name: str) -> list[dict[int, np.ndarray]]:
    """The first 40 members of a problem; the same for all instruction sets."""
    problem = PROBLEMS[name]()
    return [problem.alone(start) for start in problem.theta(40)]


@pytest.mark.parametrize("name", PROBLEMS)
def test_equals_sgd_in_float64_one_member_at_a_time(instruction_set, name):
    problem = PROBLEMS[name]()
    found, nonfinite = problem.train(problem.theta(40))
    assert nonfinite == 0
    for which, frozen in enumerate(found):
        expected = {member: bins_[which] for member, bins_ in enumerate(alone(name)) if which in bins_}
        assert frozen.hits == len(expected)
        assert frozen.members.tolist() == list(expected)
        for row, end in zip(frozen.theta, expected.values(), strict=True):
            np.testing.assert_allclose(row, end, rtol=2e-4, atol=2e-5)
    assert found[-1].hits >= 10
    assert sum(frozen.hits > 0 for frozen in found) >= 2


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("members", [1, 16, 17])
def test_a_member_does_not_depend_on_its_company(instruction_set, name, members):
    problem = PROBLEMS[name]()
    theta = problem.theta(40)
    together, _ = problem.train(theta)
    parts = [(first, problem.train(theta[first : first + members])[0]) for first in range(0, 40, members)]
    for which, frozen in enumerate(together):
        assert frozen.members.tolist() == [first + member for first, part in parts for member in part[which].members]
        assert frozen.theta.tobytes() == b"".join(part[which].theta.tobytes() for _, part in parts)


def test_threads_share_nothing():
    problem = PROBLEMS["lenet"]()
    parts = problem.theta(64).reshape(4, 16, -1)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(problem.train, parts))
    for part, (frozen, _) in zip(parts, found, strict=True):
        for ours, theirs in zip(problem.train(part)[0], frozen, strict=True):
            assert ours.theta.tobytes() == theirs.theta.tobytes()


@pytest.mark.parametrize("room", [0, 1, 3])
def test_the_first_members_by_number_are_kept(room):
    problem = PROBLEMS["linear"]()
    theta = problem.theta(80)
    everything, _ = problem.train(theta)
    for few, all_ in zip(problem.train(theta, room=room)[0], everything, strict=True):
        assert few.hits == all_.hits
        assert few.members.tolist() == all_.members[:room].tolist()
        assert few.theta.tobytes() == all_.theta[:room].tobytes()


def test_an_image_moves_nothing_once_float32_takes_it_for_certain():
    """The other class has 2^-24 of the probability at a lead of 16.6."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False))
    problem = Problem(net, (1,), Cube(), examples=1, batch=1, epochs=2, lr=1e6)
    problem.x, problem.y, problem.batches = np.ones((1, 1)), np.zeros(1, np.int64), [np.zeros(1, np.int64)]
    theta = np.array([[16.7, 0], [16.5, 0]], np.float32)
    moves = [[(0.0, -1.0, 0)], [(-1.0, 1.0, 9)]]  # a bin that cannot be, so that training goes on; where it started
    for bins_, expected in zip(moves, ([], [0, 1]), strict=True):
        found, _ = problem.train(theta, bins=bins_)
        assert found[0].members.tolist() == expected
    bound = np.log(1 + np.exp(-1)) * (1 - 1e-6)  # less than the loss of either, which is log(1 + exp(-lead / norm))
    found, _ = problem.train(theta, bins=[(-1.0, bound, 9)])
    assert found[0].members.tolist() == [1]


def test_members_that_run_off_are_counted_and_stay_in_their_lane(instruction_set):
    problem = PROBLEMS["lenet"]()
    theta = problem.theta(40)
    clean, _ = problem.train(theta)
    ill = theta.copy()
    for member, value in ((3, np.nan), (4, np.inf), (20, 1e30)):
        ill[member] = value
    found, nonfinite = problem.train(ill)
    assert nonfinite == 3
    others = [member for member in range(40) if member not in (3, 4, 20)]
    for ours, theirs in zip(found, clean, strict=True):
        healthy = np.isin(theirs.members, others)
        assert ours.members.tolist() == theirs.members[healthy].tolist()
        assert ours.theta.tobytes() == theirs.theta[healthy].tobytes()


def test_no_steps_sort_the_starts():
    problem = PROBLEMS["linear"]()
    theta = problem.theta(400)
    problem.x, problem.y, problem.batches = problem.x[:2], problem.y[:2], []
    found, _ = problem.train(theta)
    expected = [problem.alone(start) for start in theta]
    assert [frozen.hits for frozen in found] == [
        sum(which in bins_ for bins_ in expected) for which in range(len(found))
    ]
    assert found[-1].theta.tobytes() == theta[found[-1].members].tobytes()


def test_no_members_and_no_bins_are_no_trouble():
    problem = PROBLEMS["linear"]()
    found, nonfinite = problem.train(problem.theta(5)[:0])
    assert (nonfinite, [frozen.hits for frozen in found]) == (0, [0, 0, 0, 0])
    assert found[0].theta.shape == (0, 102)
    assert problem.train(problem.theta(5), bins=[]) == ([], 0)


def long_problem() -> Problem:
    """Members that never get there, for minutes."""
    return Problem(LeNet(width=0.5), (1, 28, 28), Cube(1.0), examples=300, batch=100, epochs=10_000, lr=1e-9)


def test_a_long_training_reports_and_stops_where_the_callback_raises():
    heard = []

    def callback(ended: int, hits: list[int]) -> None:
        heard.append((ended, hits))
        raise InterruptedError

    problem = long_problem()
    with pytest.raises(InterruptedError):
        problem.train(problem.theta(2), callback=callback)
    assert heard == [(0, [0, 0, 0, 0])]


def test_a_long_training_can_be_interrupted():
    problem = long_problem()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            problem.train(problem.theta(2))
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((9, 2, 5, 4))}, "x must hold examples of shape (2, 5, 5), got an array of shape (9, 2, 5, 4)"),
        ({"y": np.zeros(8, np.int64)}, "y must hold a label for each of the 9 images of x, got 8"),
        ({"y": np.full(9, 2)}, "y must hold labels from 0 to 1, got 2"),
        ({"batches": [np.array([0, 9])]}, "rows names an image that x does not hold"),
        ({"batches": [np.array([], np.int64)]}, "batches must hold at least one image each"),
        ({"lr": 0.0}, "lr must be positive"),
        ({"momentum": 1.0}, "momentum in [0, 1)"),
        (
            {"program": Program([("flatten",), ("linear", 0, -1, 50, 2)], (2, 5, 5), 102, [(0, 103)])},
            "weights: (0, 103)",
        ),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    problem = PROBLEMS["linear"]()
    with pytest.raises(ValueError, match=re.escape(message)):
        problem.train(problem.theta(3), **change)
