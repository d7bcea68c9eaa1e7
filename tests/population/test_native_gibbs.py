"""Walks by single units and filters against their rules, transcribed in float64 with everything computed anew each time."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import plain_generator
from goodminima.population import native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native.gibbs import GibbsWalker
from goodminima.population.native.program import Program
from goodminima.population.normalise import normed_ranges
from goodminima.population.parameters import num_parameters, slots

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")

UNIT = 2.0


# ------------------------------------------------------------------------------------------------------------ the rules


class Stream:
    """One stream of the generator in Python integers, and what walks draw from it."""

    def __init__(self, seed: int, stream: int) -> None:
        self.words = plain_generator.words(seed, stream)

    def uniform(self) -> float:
        return ((next(self.words) >> 8) + 0.5) / 2**24

    def below(self, end: int) -> int:
        return 0 if end == 1 else plain_generator.below(self.words, end)


class Problem:
    """A net, examples, a box with other half widths everywhere, and a member with a level around it."""

    def __init__(self, net: nn.Sequential, shape: tuple[int, ...], *, n: int, classes: int, loss: bool = False) -> None:
        rng = np.random.default_rng(n)
        self.net, self.shape, self.classes = net.double(), shape, classes
        self.y = rng.permutation(np.arange(n) % classes)
        self.x = rng.standard_normal((n, *shape)).astype(np.float32)
        self.half_width = rng.uniform(0.5, 2, num_parameters(net)).astype(np.float32)
        self.theta = (rng.uniform(-1, 1, num_parameters(net)) * self.half_width).astype(np.float32)
        margins = self.margins(self.theta)
        self.above = np.where(rng.uniform(size=n) < 0.7, margins - margins.std() * rng.uniform(size=n), -np.inf)
        here = self.loss(self.theta)
        self.losses = (0.8 * here, 1.1 * here) if loss else (-math.inf, math.inf)

    @torch.no_grad()
    def logits(self, theta: np.ndarray) -> torch.Tensor:
        nn.utils.vector_to_parameters(torch.from_numpy(theta).double(), self.net.parameters())
        return self.net(torch.from_numpy(self.x).double())

    def margins(self, theta: np.ndarray) -> np.ndarray:
        logits, rows = self.logits(theta), torch.arange(len(self.y))
        own = logits[rows, self.y].clone()
        logits[rows, self.y] = -math.inf
        return (own - logits.max(1).values).numpy()

    def loss(self, theta: np.ndarray) -> float:
        norms = [float(np.linalg.norm(theta[a : a + size].astype(float))) / UNIT for a, size in normed_ranges(self.net)]
        return float(cross_entropy(self.logits(theta) / math.prod(norms), torch.from_numpy(self.y)))

    def contains(self, theta: np.ndarray) -> bool:
        return bool((self.margins(theta) > self.above).all()) and self.right_loss(theta)

    def right_loss(self, theta: np.ndarray) -> bool:
        return self.losses == (-math.inf, math.inf) or self.losses[0] <= self.loss(theta) < self.losses[1]

    def walker(self) -> GibbsWalker:
        layers = CompiledNet.of(self.net, self.shape).program.layers
        program = Program(layers, self.shape, num_parameters(self.net), normed_ranges(self.net), UNIT)
        return GibbsWalker(program, half_width=self.half_width, x=self.x, y=self.y)

    def walk(self, *, sweeps: int, seed: int = 5, stream: int = 2**40 + 1):
        streams = np.array([stream], np.uint64)
        bounds: dict[str, Any] = {"loss_at_least": self.losses[0], "loss_below": self.losses[1]}
        return self.walker().walk(self.theta[None], self.above, **bounds, seed=seed, streams=streams, sweeps=sweeps)


class Twin:
    """A walk as its rules say it, with all logits computed anew in float64 for every look."""

    fresh, finest, trials = 0.3, 3.5, 8

    def __init__(self, problem: Problem, *, seed: int, stream: int) -> None:
        self.problem, self.stream, self.theta = problem, Stream(seed, stream), problem.theta.copy()
        self.layers: list[Any] = [m for m in problem.net if isinstance(m, nn.Linear | nn.Conv2d)]
        places = iter(slots(problem.net))
        self.slots = [tuple(next(places) for _ in layer.parameters()) for layer in self.layers]
        self.linear_end = isinstance(problem.net[-1], nn.Linear)
        self.bounded = problem.losses != (-math.inf, math.inf)
        self.proposed, self.accepted = [0] * len(self.layers), [0] * len(self.layers)

    def sweep(self) -> None:
        for number, layer in enumerate(self.layers[: len(self.layers) - self.linear_end]):
            for channel in range(layer.weight.shape[0]):
                self.move_block(number, channel)
        if self.linear_end:
            last = self.layers[-1]
            sources = range(0 if last.bias is None else -1, last.in_features)
            for output, source in product(range(last.out_features), sources):
                self.move_output(self.parameter(output, source))

    def parameter(self, output: int, source: int) -> int:
        weight, *bias = self.slots[-1]
        return bias[0].start + output if source < 0 else weight.start + output * self.layers[-1].in_features + source

    def block(self, number: int, channel: int) -> np.ndarray:
        weight, *bias = self.slots[number]
        size = math.prod(weight.shape[1:])
        own = np.arange(weight.start + channel * size, weight.start + (channel + 1) * size)
        return np.append(own, bias[0].start + channel) if bias else own

    def choose(self, number: int, channel: int) -> int | None:
        if not self.linear_end or self.bounded:
            return None
        output, features = self.stream.below(self.problem.classes), self.layers[-1].in_features
        if number + 2 < len(self.layers):
            return self.parameter(output, self.stream.below(features))
        size = features // self.layers[number].weight.shape[0]
        return self.parameter(output, channel * size + self.stream.below(size))

    def interval(self, theta: np.ndarray, asked: int | None) -> tuple[float, float]:
        """Steps of one output weight that leave the box and all margins as they must be; found from lines through two
        points for each pair of an example and another class."""
        problem = self.problem
        if asked is None:
            return (0.0, 1.0) if (problem.margins(theta) > problem.above).all() else (0.0, 0.0)
        end, value = float(problem.half_width[asked]), float(theta[asked])
        low, high = -end - value, end - value
        further = theta.astype(np.float64)
        further[asked] += 1
        here, there = (problem.logits(t).numpy() for t in (theta, further))
        for i, (label, above) in enumerate(zip(problem.y, problem.above, strict=True)):
            for c in set(range(problem.classes)) - {label}:
                slack = here[i, label] - here[i, c] - above
                slope = there[i, label] - there[i, c] - (here[i, label] - here[i, c])
                if abs(slope) < 1e-12:
                    if not slack > 0:
                        return 0.0, 0.0
                elif slope > 0:
                    low = max(low, -slack / slope)
                else:
                    high = min(high, -slack / slope)
        return (low, high) if low < high else (0.0, 0.0)

    def draw(self, theta: np.ndarray, asked: int, interval: tuple[float, float]) -> bool:
        low, high = interval
        if low < high:
            theta[asked] += np.float32(low + self.stream.uniform() * (high - low))
        return low < high

    def move_block(self, number: int, channel: int) -> None:
        asked, block = self.choose(number, channel), self.block(number, channel)
        here = self.interval(self.theta, asked)
        least = self.stream.uniform() * (here[1] - here[0])
        ends = self.problem.half_width[block]
        if self.stream.uniform() < self.fresh:
            values = np.array([2 * self.stream.uniform() - 1 for _ in block]) * ends
        else:
            scale = math.exp(-self.finest * self.stream.uniform())
            values = self.theta[block] + np.array([scale * (2 * self.stream.uniform() - 1) for _ in block]) * ends
            values = np.where(values > ends, 2 * ends - values, np.where(values < -ends, -2 * ends - values, values))
        if not self.attempt(number, block, values, asked, least) and asked is not None:
            self.draw(self.theta, asked, here)

    def attempt(self, number: int, block: np.ndarray, values: np.ndarray, asked: int | None, least: float) -> bool:
        theta = self.theta.copy()
        theta[block] = values.astype(np.float32)
        self.proposed[number] += 1
        there = self.interval(theta, asked)
        if not (there[1] - there[0] > least and self.problem.right_loss(theta)):
            return False
        if asked is not None:
            self.draw(theta, asked, there)
        self.accepted[number] += 1
        self.theta = theta
        return True

    def move_output(self, asked: int) -> None:
        low, high = self.interval(self.theta, asked)
        if not self.bounded:
            self.proposed[-1] += 1
            self.accepted[-1] += self.draw(self.theta, asked, (low, high))
            return
        for _ in range(self.trials if low < high else 0):
            self.proposed[-1] += 1
            step, theta = low + self.stream.uniform() * (high - low), self.theta.copy()
            theta[asked] += np.float32(step)
            if self.problem.right_loss(theta):
                self.accepted[-1] += 1
                self.theta = theta
                return
            low, high = (step, high) if step < 0 else (low, step)


def lenet() -> nn.Sequential:
    """LeNet's layers, much smaller, for images of 16x16."""
    return nn.Sequential(
        *(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)),
    )


def slab() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 10, bias=False), nn.ReLU(), nn.Linear(10, 2))


def three_convolutions() -> nn.Sequential:
    """Padding, strides, an average, and no linear layer: the logits are three places of a convolution."""
    return nn.Sequential(
        *(nn.AvgPool2d(2), nn.Conv2d(1, 3, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(3, 4, (2, 3)), nn.ReLU()),
        *(nn.AvgPool2d((1, 2)), nn.Conv2d(4, 1, 1, bias=False), nn.Flatten()),
    )


PROBLEMS = {
    "lenet": lambda loss: Problem(lenet(), (1, 16, 16), n=70, classes=3, loss=loss),
    "few examples": lambda loss: Problem(lenet(), (1, 16, 16), n=5, classes=3, loss=loss),
    "slab": lambda loss: Problem(slab(), (2,), n=19, classes=2, loss=loss),
    "linear": lambda loss: Problem(nn.Sequential(nn.Flatten(), nn.Linear(8, 3)), (2, 2, 2), n=10, classes=3, loss=loss),
    "a convolution feeds the last layer": lambda loss: Problem(
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)),
        (1, 6, 6),
        n=33,
        classes=4,
        loss=loss,
    ),
    "no linear layer": lambda loss: Problem(three_convolutions(), (1, 14, 14), n=20, classes=3, loss=loss),
    "signed features": lambda loss: Problem(
        nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3, bias=False)), (6,), n=17, classes=3, loss=loss
    ),
}


@pytest.mark.parametrize("loss", [False, True], ids=["margins", "loss too"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_decision_is_the_twins(instruction_set, name: str, loss: bool) -> None:
    problem, sweeps = PROBLEMS[name](loss), 4
    twin = Twin(problem, seed=5, stream=2**40 + 1)
    for _ in range(sweeps):
        twin.sweep()
    walked = problem.walk(sweeps=sweeps)
    assert (list(walked.proposed), list(walked.accepted)) == (twin.proposed, twin.accepted)
    np.testing.assert_allclose(walked.theta[0], twin.theta, atol=2e-4)
    assert problem.contains(twin.theta)
    blocks = slice(0, len(twin.layers) - twin.linear_end)
    if twin.layers[blocks]:
        assert 0 < sum(twin.accepted[blocks]) < sum(twin.proposed[blocks])  # decisions of both kinds


@pytest.mark.parametrize("name", PROBLEMS)
def test_sees_what_float64_sees(instruction_set, name: str) -> None:
    problem = PROBLEMS[name](False)
    margins, losses = problem.walker().evaluate(problem.theta[None])
    np.testing.assert_allclose(margins[0], problem.margins(problem.theta), rtol=1e-4, atol=1e-4)
    assert losses[0] == pytest.approx(problem.loss(problem.theta), rel=1e-5)


def test_members_do_not_depend_on_their_company() -> None:
    problem = PROBLEMS["lenet"](False)
    walker, streams = problem.walker(), np.arange(7, dtype=np.uint64) * 10**15
    theta = np.repeat(problem.theta[None], 7, axis=0)
    options = {"seed": 2**64 - 1, "sweeps": 2}
    together = walker.walk(theta, problem.above, streams=streams, threads=3, **options)
    again = walker.walk(theta, problem.above, streams=streams, **options)
    assert together.theta.tobytes() == again.theta.tobytes()
    assert together[1:] == again[1:]
    for i in range(7):
        alone = walker.walk(theta[i : i + 1], problem.above, streams=streams[i : i + 1], **options)
        assert alone.theta.tobytes() == together.theta[i : i + 1].tobytes()
    assert len({row.tobytes() for row in together.theta}) == 7


def test_the_start_is_left_alone() -> None:
    problem = PROBLEMS["slab"](False)
    before = problem.theta.copy()
    assert problem.walk(sweeps=0).theta[0].tobytes() == before.tobytes()
    problem.walk(sweeps=3)
    assert problem.theta.tobytes() == before.tobytes()


def test_thresholds_between_two_floats_ask_for_the_upper_one() -> None:
    """A margin is float32: it exceeds a float64 threshold if and only if it exceeds the float32 just below that."""
    problem = PROBLEMS["slab"](False)
    margin = float(problem.walker().evaluate(problem.theta[None])[0][0, 0])
    for above in (np.nextafter(margin, -np.inf), margin):
        thresholds = np.full(len(problem.y), -np.inf)
        thresholds[0] = above
        walked = problem.walker().walk(
            np.repeat(problem.theta[None], 50, axis=0),
            thresholds,
            seed=1,
            streams=np.arange(50, dtype=np.uint64),
            sweeps=1,
        )
        assert (problem.walker().evaluate(walked.theta)[0][:, 0] > above).mean() > (0.9 if above == margin else 0.99)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"above": np.zeros(3)}, r"above must have shape \(19,\)"),
        ({"streams": np.arange(3, dtype=np.uint64)}, "streams must hold a number for each member"),
        ({"sweeps": -1}, "sweeps must not be negative"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": -1}, "seed must lie from 0 to"),
        ({"theta": np.zeros((2, 3), np.float32)}, r"theta must have shape \(members, 42\)"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    problem = PROBLEMS["slab"](False)
    arguments = {"theta": problem.theta[None], "above": problem.above, "seed": 0, "sweeps": 1}
    arguments |= {"streams": np.zeros(1, np.uint64)} | change
    with pytest.raises(ValueError, match=message):
        problem.walker().walk(**arguments)
