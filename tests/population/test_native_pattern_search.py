"""The compiled Pattern Search against its rules, transcribed in float64 with everything computed anew each time."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.nn.functional import cross_entropy

import plain_generator
from goodminima.population import native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native.local_search import IncrementalPatternSearch
from goodminima.population.native.program import Program
from goodminima.population.normalise import normed_slots
from goodminima.population.parameters import num_parameters

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")


# ------------------------------------------------------------------------------------------------------------ the rules


class Order:
    """Candidate numbers without replacement within a streak: a lazy Fisher-Yates shuffle that is never put back."""

    def __init__(self, size: int, seed: int, stream: int) -> None:
        self.numbers, self.place, self.stream = list(range(size)), 0, plain_generator.words(seed, stream)

    def next(self) -> int:
        self.place %= len(self.numbers)
        other = self.place + plain_generator.below(self.stream, len(self.numbers) - self.place)
        here = self.numbers
        here[self.place], here[other] = here[other], here[self.place]
        self.place += 1
        return here[self.place - 1]


class Twin:
    """Pattern Search as its rules say it, the whole loss in float64 for every candidate.

    Where the two sides of a decision differ by less than `tie` of themselves, `decide` is asked what to do, since float32
    cannot know: of the parameters that are as good as the best, it gives those to go on with.
    """

    tie = 1e-6

    def __init__(self, problem, *, radius=1.0, best_of=1, proceed=False, patience=None, decide) -> None:
        self.problem, self.radius, self.best_of, self.proceed, self.decide = problem, radius, best_of, proceed, decide
        self.theta = problem.theta.copy()
        self.patience = patience or 2 * len(self.theta)
        self.order = Order(2 * len(self.theta), problem.seed, problem.stream)
        self.loss = problem.loss(self.theta)
        self.candidates = self.steps = self.failures = self.halvings = self.ties = 0

    def moved(self, number: int) -> np.ndarray:
        theta, radius = self.theta.copy(), np.float32(self.radius * 0.5**self.halvings)
        theta[number // 2] += radius if number % 2 == 0 else -radius
        return theta

    def batch(self) -> None:
        """Tries `best_of` candidates, fewer at the end of a pass, and takes the best if it lowers the loss."""
        number = min(self.best_of, self.patience - self.failures)
        thetas = [self.moved(self.order.next()) for _ in range(number)]
        losses = [self.problem.loss(theta) for theta in thetas]
        self.candidates += number
        choices = [(self.loss, self.theta), *zip(losses, thetas, strict=True)]
        best = min(choices, key=lambda choice: choice[0])
        equals = [choice for choice in choices if choice[0] <= best[0] * (1 + self.tie)]
        if len(equals) > 1:
            self.ties += 1
            best = equals[self.decide([theta for _, theta in equals])]
        if best[1] is not self.theta:
            self.loss, self.theta = best
            self.steps += 1
            self.failures = 0
            self.order.place = self.order.place if self.proceed else 0
        else:
            self.failures += number
            if self.failures == self.patience:
                self.halvings += 1
                self.failures = self.order.place = 0


class Problem:
    """A net, examples and a place to begin."""

    def __init__(
        self, net: nn.Sequential, input_shape: tuple[int, ...], *, n: int, classes: int, unit=1.0, seed=0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.net, self.input_shape, self.classes, self.unit = net.double(), input_shape, classes, unit
        self.seed, self.stream = seed, 2**40 + seed
        self.y = np.arange(n) % classes
        centres = rng.standard_normal((classes, *input_shape))
        self.x = (centres[self.y] + 0.7 * rng.standard_normal((n, *input_shape))).astype(np.float32)
        self.theta = rng.uniform(-1, 1, num_parameters(net)).astype(np.float32)
        self.weights = [(slot.start, slot.stop - slot.start) for slot in normed_slots(net)]

    @torch.no_grad()
    def logits(self, theta: np.ndarray) -> torch.Tensor:
        nn.utils.vector_to_parameters(torch.from_numpy(theta).double(), self.net.parameters())
        return self.net(torch.from_numpy(self.x).double())

    def loss(self, theta: np.ndarray) -> float:
        norm = math.prod(
            float(np.linalg.norm(theta[a : a + size].astype(float))) / self.unit for a, size in self.weights
        )
        return float(cross_entropy(self.logits(theta) / norm, torch.from_numpy(self.y)))

    def right(self, theta: np.ndarray) -> int:
        logits, rows = self.logits(theta), torch.arange(len(self.y))
        own = logits[rows, self.y].clone()
        logits[rows, self.y] = -math.inf
        return int((own > logits.max(1).values).sum())

    def program(self, extra: int = 0) -> Program:
        """The net's program, with some parameters of no layer behind the others."""
        layers = CompiledNet.of(self.net, self.input_shape).program.layers
        return Program(layers, self.input_shape, num_parameters(self.net) + extra, self.weights, self.unit)

    def search(self, **rules) -> IncrementalPatternSearch:
        data = {"theta": self.theta, "x": self.x, "y": self.y, "seed": self.seed, "stream": self.stream}
        return IncrementalPatternSearch(self.program(), **(data | rules))


def assert_follows_the_rules(problem: Problem, *, candidates: int, **rules) -> tuple[IncrementalPatternSearch, Twin]:
    """Every decision is the twin's, but for ties within 1e-6, where the twin takes over the compiled one's."""
    search = problem.search(**rules)

    def as_compiled(thetas: list[np.ndarray]) -> int:
        return [theta.tobytes() for theta in thetas].index(search.theta.tobytes())

    twin = Twin(problem, decide=as_compiled, **rules)
    assert math.isclose(search.loss, twin.loss, rel_tol=1e-6)
    while twin.candidates < candidates:
        search.run(candidates=min(twin.best_of, twin.patience - twin.failures), fitted=False)
        twin.batch()
        state = (search.candidates, search.steps, search.failures, search.num_halvings)
        assert state == (twin.candidates, twin.steps, twin.failures, twin.halvings)
        assert abs(search.loss - twin.loss) <= 1e-6 * max(twin.loss, 1e-2)
    assert search.theta.tobytes() == twin.theta.tobytes()
    assert search.num_correct == problem.right(twin.theta)
    assert search.radius == rules.get("radius", 1.0) * 0.5**twin.halvings
    return search, twin


def lenet(channels=1, classes=10) -> nn.Sequential:
    """LeNet's layers, a little smaller, for images of 16x16."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 3, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 8, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(8, 20), nn.ReLU(), nn.Linear(20, 14), nn.ReLU(), nn.Linear(14, classes)),
    )


PROBLEMS = {
    "lenet": lambda: Problem(lenet(), (1, 16, 16), n=45, classes=10, unit=3.0),
    "mlp with biases": lambda: Problem(
        nn.Sequential(nn.Linear(6, 11), nn.ReLU(), nn.Linear(11, 9), nn.ReLU(), nn.Linear(9, 3)), (6,), n=130, classes=3
    ),
    "linear": lambda: Problem(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2), n=10, classes=5),
    "one hidden layer": lambda: Problem(
        nn.Sequential(nn.Linear(4, 7, bias=False), nn.ReLU(), nn.Linear(7, 2)), (4,), n=33, classes=2
    ),
    "no relu": lambda: Problem(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2)), (4,), n=20, classes=2),
    "stride and padding": lambda: Problem(
        nn.Sequential(
            *(nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2)), nn.ReLU(), nn.AvgPool2d((2, 3), (1, 2))),
            *(nn.Conv2d(4, 3, 2, padding=1), nn.Flatten(), nn.ReLU(), nn.Linear(48, 4)),
        ),
        *((2, 7, 5),),
        n=50,
        classes=4,
    ),
    "convolutions all the way": lambda: Problem(
        nn.Sequential(
            *(nn.ReLU(), nn.Conv2d(1, 3, 3, padding=1), nn.MaxPool2d(3, 2), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.ReLU()),
            *(nn.Conv2d(4, 3, 1), nn.AvgPool2d((2, 2)), nn.Flatten()),
        ),
        *((1, 7, 7),),
        n=21,
        classes=3,
    ),
    "relu at the end": lambda: Problem(
        nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()), (5,), n=19, classes=4
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_decision_is_that_of_the_rules(instruction_set, name):
    search, twin = assert_follows_the_rules(PROBLEMS[name](), candidates=700)
    assert twin.steps >= 20
    assert twin.ties <= 7
    assert search.rejected_by_tangent + search.rejected_by_partial_sum > 0


VARIANTS = [
    *({"best_of": 7}, {"proceed": True}, {"best_of": 5, "proceed": True}, {"radius": 0.3}, {"patience": 20}),
    *({"patience": 23, "best_of": 4}, {"patience": 9, "proceed": True}),
]


@pytest.mark.parametrize("rules", VARIANTS)
def test_variants_follow_their_rules(rules):
    for name in ("mlp with biases", "stride and padding"):
        assert_follows_the_rules(PROBLEMS[name](), candidates=600, **rules)


@pytest.mark.parametrize("rules", [{}, {"best_of": 7}, {"proceed": True}, {"best_of": 7, "proceed": True}])
def test_the_radius_halves_after_a_pass_without_success(rules):
    _, twin = assert_follows_the_rules(PROBLEMS["linear"](), candidates=3000, radius=8.0, **rules)
    assert twin.halvings >= 1


def some_problem(draw) -> Problem:
    """Some layers that fit each other, and few enough parameters for the twin."""
    flat = draw(st.booleans())
    channels, height, width = draw(st.tuples(st.integers(1, 3), st.integers(3, 8), st.integers(3, 8)))
    input_shape = (channels,) if flat else (channels, height, width)
    layers: list[nn.Module] = []
    for _ in range(0 if flat else draw(st.integers(0, 3))):
        kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        kind = draw(st.sampled_from(["conv", "max", "average", "relu"]))
        if kind == "conv":
            padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
            outputs = draw(st.integers(1, 5))
            layer = nn.Conv2d(channels, outputs, kernel, stride, padding, bias=draw(st.booleans()))
        else:
            layer = (
                {"max": nn.MaxPool2d, "average": nn.AvgPool2d}[kind](kernel, stride) if kind != "relu" else nn.ReLU()
            )
        try:
            channels = nn.Sequential(*layers, layer)(torch.zeros(1, *input_shape)).shape[1]
        except RuntimeError:  # larger than what arrives
            break
        layers.append(layer)
    if not flat:
        layers.append(nn.Flatten())
    features = nn.Sequential(*layers)(torch.zeros(1, *input_shape)).shape[1]
    for _ in range(draw(st.integers(0, 2))):
        units = draw(st.integers(1, 9))
        layers += [nn.Linear(features, units, bias=draw(st.booleans()))] + [nn.ReLU()] * draw(st.integers(0, 1))
        features = units
    classes = draw(st.integers(2, 5))
    layers.append(nn.Linear(features, classes, bias=draw(st.booleans())))
    n = draw(st.integers(classes, 70))
    return Problem(nn.Sequential(*layers), input_shape, n=n, classes=classes, seed=draw(st.integers(0, 2**32)))


@settings(max_examples=40)
@given(data=st.data(), best_of=st.sampled_from([1, 1, 4]), proceed=st.booleans())
def test_any_stack_follows_the_rules(data, best_of, proceed):
    assert_follows_the_rules(some_problem(data.draw), candidates=150, best_of=best_of, proceed=proceed)


# -------------------------------------------------------------------------------------------------- slices and threads


def state_of(search: IncrementalPatternSearch) -> tuple:
    return (
        *(search.theta.tobytes(), search.loss, search.num_correct, search.candidates, search.steps, search.failures),
        *(search.num_halvings, search.drift),
    )


def rejections_of(search: IncrementalPatternSearch) -> tuple:
    return search.rejected_by_tangent, search.rejected_by_partial_sum


@pytest.mark.parametrize("rules", [{}, {"best_of": 9}, {"proceed": True}, {"best_of": 9, "proceed": True}])
def test_slices_and_threads_change_nothing(instruction_set, rules):
    problem, total = PROBLEMS["lenet"](), 6000
    whole = problem.search(**rules)
    whole.run(candidates=total, fitted=False)
    assert whole.candidates == total
    for length, threads in ((1, 1), (7, 1), (1000, 2), (13, 3), (total, 4)):
        parts = problem.search(**rules)
        while parts.candidates < total:
            parts.run(candidates=min(length, total - parts.candidates), fitted=False, threads=threads)
        assert state_of(parts) == state_of(whole)
        if "best_of" not in rules:  # the best so far rejects more, and threads learn of it later
            assert rejections_of(parts) == rejections_of(whole)


def test_halvings_are_the_same_on_many_threads():
    problem = PROBLEMS["linear"]()
    alone, together = problem.search(radius=8.0), problem.search(radius=8.0)
    alone.run(candidates=4000, fitted=False)
    together.run(candidates=4000, fitted=False, threads=3)
    assert alone.num_halvings >= 3
    assert state_of(alone) == state_of(together)


# --------------------------------------------------------------------------------------------------------- what ends it


@pytest.mark.parametrize("threads", [1, 3])
def test_a_run_ends_with_the_budget_the_steps_the_loss_or_the_fit(threads):
    problem = PROBLEMS["lenet"]()
    search = problem.search()
    search.run(candidates=0)
    assert search.candidates == 0
    search.run(candidates=50, fitted=False, threads=threads)
    assert search.candidates == 50
    search.run(candidates=10**6, steps=search.steps + 3, fitted=False, threads=threads)
    steps, loss = search.steps, search.loss
    assert search.candidates < 10**6
    search.run(candidates=10**6, steps=steps, fitted=False, threads=threads)
    assert search.steps == steps
    search.run(candidates=10**6, loss_below=0.99 * loss, fitted=False, threads=threads)
    assert 0.9 * loss < search.loss <= 0.99 * loss
    search.run(candidates=10**6, threads=threads)
    assert search.num_correct == len(problem.y) == problem.right(search.theta)
    candidates = search.candidates
    search.run(candidates=10**6, threads=threads)
    assert search.candidates == candidates


def test_the_loss_falls_with_every_step():
    search, losses = PROBLEMS["lenet"]().search(), []
    for _ in range(200):
        losses.append(search.loss)
        search.run(candidates=10**6, steps=search.steps + 1, fitted=False)
    assert (np.diff(losses) < 0).all()


def test_what_is_remembered_drifts_little():
    """Drift is that of 500 acceptances; the loss stays the one that a computation afresh gives."""
    problem = PROBLEMS["lenet"]()
    search = problem.search(radius=0.125)
    assert search.drift == 0
    search.run(candidates=10**6, steps=3999, fitted=False)
    assert 0 < search.drift < 2e-5
    assert math.isclose(search.loss, problem.loss(search.theta), rel_tol=1e-6)


# ----------------------------------------------------------------------------------------------- corners of the numbers


def test_a_weight_on_a_dead_unit_still_counts_through_the_norm():
    """Unit 0 is dead. Its weights only shrink or grow the norm: a positive margin wants it small, and larger is worse."""
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 2, bias=False))
    problem = Problem(net, (1,), n=2, classes=2)
    problem.x, problem.y = np.array([[1.0], [2.0]], np.float32), np.array([0, 0])
    problem.theta = np.array([0.75, 1, -100, 0, 0, 1, 0, 0], np.float32)
    _, twin = assert_follows_the_rules(problem, candidates=100, radius=0.5)
    assert twin.steps > 0
    assert twin.theta[0] < 0.75


def test_parameters_of_no_layer_are_never_accepted():
    problem = Problem(nn.Sequential(nn.Linear(2, 2)), (2,), n=8, classes=2)
    padded = np.concatenate([problem.theta, np.array([5, 6, 7], np.float32)])
    search = IncrementalPatternSearch(
        problem.program(extra=3), theta=padded, x=problem.x, y=problem.y, seed=0, stream=0
    )
    search.run(candidates=2000, fitted=False)
    assert search.steps > 0
    assert search.theta[-3:].tolist() == [5, 6, 7]


def test_large_and_small_losses_are_accurate():
    """Two logits a t apart: log(1 + exp(t)), from 1e-17 to 1e4."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False))
    for gap in (-40.0, -1.0, 0.0, 3.0, 80.0, 200.0, 1e4):
        problem = Problem(net, (1,), n=1, classes=2)
        problem.x, problem.y = np.array([[gap]], np.float32), np.array([0])
        problem.theta = np.array([0, 1], np.float32)
        assert math.isclose(problem.search().loss, np.logaddexp(0, gap), rel_tol=1e-6)


def test_what_is_not_finite_is_never_accepted():
    """From (0.5, 0.5, 0.5, 0.5) a step to a weight matrix of zeros is a candidate, and its normaliser is 0."""
    problem = Problem(nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 2, bias=False)), (1,), n=4, classes=2)
    problem.theta = np.array([0.5, 0.5, -0.5], np.float32)
    search = problem.search(radius=0.5)
    search.run(candidates=500, fitted=False)
    assert math.isfinite(search.loss)
    assert search.theta[0] != 0


# --------------------------------------------------------------------------------------------------------------- errors

LINEAR = [("linear", 0, 6, 3, 2)]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"theta": np.zeros(8, np.float32)}, "loss is not a finite number"),
        ({"theta": np.ones(7, np.float32)}, r"theta must have shape \(8,\)"),
        ({"program": Program(LINEAR, (3,), 7, [(0, 6)])}, "does not lie within the 7 parameters"),
        ({"y": np.array([0, 3])}, "labels from 0 to 1, got 3"),
        ({"y": np.array([0])}, "label for each"),
        ({"x": np.ones((2, 4), np.float32)}, "examples of shape"),
        ({"x": np.ones((0, 3), np.float32), "y": np.array([], int)}, "at least one label"),
        ({"radius": 0.0}, "radius must be positive"),
        ({"radius": math.inf}, "radius must be positive"),
        ({"best_of": 0}, "best_of must be at least 1"),
        ({"patience": 0}, "patience must lie from 1 to 2D = 16"),
        ({"seed": -1}, "seed must lie from 0"),
        ({"stream": 2**63}, "stream must lie from 0"),
        ({"program": Program(LINEAR, (3,), 8, [(4, 5)])}, "does not lie within"),
        ({"program": Program([*LINEAR, ("linear", 4, -1, 2, 2)], (3,), 8, [(0, 6)])}, "two layers share parameter 4"),
        ({"program": Program([("linear", 0, -1, 3, 1)], (3,), 8, [(0, 6)])}, "at least two logits"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    arguments = {
        "program": Program(LINEAR, (3,), 8, [(0, 6)]),
        "theta": np.ones(8, np.float32),
        "x": np.ones((2, 3), np.float32),
        "y": np.array([0, 1]),
        "seed": 0,
        "stream": 0,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        IncrementalPatternSearch(**arguments)


def test_wrong_runs_are_refused():
    search = PROBLEMS["linear"]().search()
    with pytest.raises(ValueError, match="candidates must not be negative"):
        search.run(candidates=-1)
    with pytest.raises(ValueError, match="threads must be at least 1"):
        search.run(candidates=1, threads=0)
