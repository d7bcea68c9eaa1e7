"""The compiled kernel against plain integers, against PyTorch in float64, and against itself."""

import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import plain_generator
from goodminima.population import native
from goodminima.population.native.evaluation import logits
from goodminima.population.native.program import Program
from goodminima.population.native.screening import Screened, Screener, draw
from goodminima.population.native.speed import generator_seconds, peak_flops

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")


# ------------------------------------------------------------------------------------------------------------- draws


def bits(array) -> list[int]:
    return np.asarray(array, np.float32).view(np.uint32).tolist()


@pytest.mark.parametrize("seed", [0, 1, 12345678901234567, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("size", [1, 7, 515])
def test_draws_equal_plain_integers_bit_for_bit(instruction_set, seed, size):
    indices = np.array([0, 1, 2, 17, 2**32 - 1, 2**32, 2**32 + 1, 2**40 - 1, 2**40, 2**63 - 1], np.uint64)
    half_width = np.random.default_rng(size).uniform(0.01, 3, size).astype(np.float32)
    drawn = draw(half_width, seed, indices)
    assert drawn.shape == (len(indices), size)
    for row, k in zip(drawn, indices.tolist(), strict=True):
        assert bits(row) == bits(half_width * plain_generator.uniform(seed, k, size))


def test_a_draw_does_not_depend_on_its_neighbours(instruction_set):
    half_width = np.ones(33, np.float32)
    together = draw(half_width, 5, np.arange(37, dtype=np.uint64))
    for k in (0, 15, 16, 36):
        assert bits(draw(half_width, 5, np.array([k], np.uint64))[0]) == bits(together[k])


def test_no_indices_give_no_draws(instruction_set):
    assert draw(np.ones(3, np.float32), 0, np.array([], np.uint64)).shape == (0, 3)


# ------------------------------------------------------------------------------------------------------------ logits


def program_of(net: nn.Sequential, input_shape: tuple[int, ...], unit: float = 1.0) -> Program:
    """The kernel's program for a net, written out layer by layer."""
    layers, weights, offset = [], [], 0

    def take(layer) -> tuple[int, int]:
        nonlocal offset
        begin = offset
        weights.append((begin, layer.weight.numel()))
        offset += layer.weight.numel()
        bias = -1 if layer.bias is None else offset
        offset += 0 if layer.bias is None else layer.bias.numel()
        return begin, bias

    for layer in net:
        if isinstance(layer, nn.Conv2d):
            sizes = (layer.in_channels, layer.out_channels, *layer.kernel_size, *layer.stride, *layer.padding)
            layers.append(("conv", *take(layer), *sizes))
        elif isinstance(layer, nn.Linear):
            layers.append(("linear", *take(layer), layer.in_features, layer.out_features))
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            kind = "maxpool" if isinstance(layer, nn.MaxPool2d) else "avgpool"
            assert isinstance(layer.kernel_size, tuple)
            assert isinstance(layer.stride, tuple)
            layers.append((kind, *layer.kernel_size, *layer.stride))
        else:
            layers.append((type(layer).__name__.lower(),))
    return Program(layers, input_shape, offset, weights, unit)


def torch_logits(net: nn.Sequential, theta: np.ndarray, x: np.ndarray) -> np.ndarray:
    net, inputs, answers = net.double(), torch.from_numpy(x).double(), []
    for row in theta:
        nn.utils.vector_to_parameters(torch.from_numpy(row).double(), net.parameters())
        answers.append(net(inputs).detach().numpy())
    return np.stack(answers)


def size_of(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def assert_logits_agree(net: nn.Sequential, input_shape: tuple[int, ...], members: int = 5, images: int = 3) -> None:
    rng = np.random.default_rng(0)
    theta = rng.uniform(-1, 1, (members, size_of(net))).astype(np.float32)
    x = rng.standard_normal((images, *input_shape)).astype(np.float32)
    expected = torch_logits(net, theta, x)
    got = logits(program_of(net, input_shape), theta, x)
    assert got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-4 * np.abs(expected).max()


def lenet(width: float = 0.5, classes: int = 2) -> nn.Sequential:
    a, b, c, d = (int(n * width) for n in (6, 16, 120, 84))
    return nn.Sequential(
        *(nn.Conv2d(1, a, (5, 5)), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 2))),
        *(nn.Conv2d(a, b, (5, 5)), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 2)), nn.Flatten()),
        *(nn.Linear(16 * b, c), nn.ReLU(), nn.Linear(c, d), nn.ReLU(), nn.Linear(d, classes)),
    )


def pools(kind: type[nn.MaxPool2d | nn.AvgPool2d] = nn.MaxPool2d, window=(2, 2), stride=(2, 2)):
    return kind(window, stride)


NETS = {
    "lenet": (lenet(), (1, 28, 28)),
    "linear": (nn.Sequential(nn.Linear(5, 3)), (5,)),
    "flat image": (nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False)), (3, 2, 2)),
    "mlp": (nn.Sequential(nn.Linear(2, 40, bias=False), nn.ReLU(), nn.Linear(40, 2)), (2,)),
    "relu first": (nn.Sequential(nn.ReLU(), nn.Linear(4, 2)), (4,)),
    "pool first": (nn.Sequential(pools(), nn.Conv2d(2, 3, (2, 2)), nn.Flatten(), nn.ReLU()), (2, 6, 5)),
    "pool, relu": (nn.Sequential(nn.Conv2d(1, 5, (3, 3)), pools(), nn.ReLU(), nn.Flatten()), (1, 7, 7)),
    "average after relu": (
        nn.Sequential(nn.Conv2d(1, 5, (3, 3)), nn.ReLU(), pools(nn.AvgPool2d), nn.Flatten()),
        (1, 7, 7),
    ),
    "relu after average": (
        nn.Sequential(nn.Conv2d(1, 5, (3, 3)), pools(nn.AvgPool2d), nn.ReLU(), nn.Flatten()),
        (1, 7, 7),
    ),
    "overlapping pool": (
        nn.Sequential(nn.Conv2d(2, 9, (2, 3)), nn.ReLU(), pools(window=(3, 3), stride=(1, 2)), nn.Flatten()),
        (2, 8, 9),
    ),
    "gaps in the pool": (
        nn.Sequential(nn.Conv2d(2, 4, (2, 2), (2, 3)), pools(window=(1, 2), stride=(3, 4)), nn.Flatten()),
        (2, 15, 20),
    ),
    "two pools": (nn.Sequential(nn.Conv2d(1, 2, (1, 1)), pools(), pools(nn.AvgPool2d), nn.Flatten()), (1, 9, 8)),
    "padding inside": (
        nn.Sequential(nn.Conv2d(2, 3, (3, 3), padding=(1, 2)), nn.ReLU(), nn.Conv2d(3, 4, (3, 3), padding=(2, 0))),
        (2, 5, 6),
    ),
    "one column": (nn.Sequential(nn.Conv2d(1, 3, (3, 4), (2, 5)), pools(window=(2, 1), stride=(2, 1))), (1, 11, 4)),
}


@pytest.mark.parametrize("name", NETS)
def test_logits_equal_torch_in_float64(instruction_set, name):
    net, input_shape = NETS[name]
    net = nn.Sequential(*net) if isinstance(net[-1], nn.Flatten | nn.Linear) else nn.Sequential(*net, nn.Flatten())
    assert_logits_agree(net, input_shape)


@pytest.mark.parametrize(("members", "images"), [(1, 1), (16, 8), (17, 9), (33, 20), (0, 3), (3, 0)])
def test_logits_of_any_number_of_members_and_images(instruction_set, members, images):
    net = nn.Sequential(nn.Conv2d(1, 3, (2, 2)), nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))
    rng = np.random.default_rng(1)
    theta = rng.uniform(-1, 1, (members, size_of(net))).astype(np.float32)
    x = rng.standard_normal((images, 1, 3, 3)).astype(np.float32)
    got = logits(program_of(net, (1, 3, 3)), theta, x)
    assert got.shape == (members, images, 3)
    if members and images:
        np.testing.assert_allclose(got, torch_logits(net, theta, x), rtol=1e-3, atol=1e-4)


sides = st.integers(1, 4)


@settings(max_examples=60)
@given(data=st.data())
def test_logits_of_any_shape(data):
    channels, outputs, height, width = (data.draw(st.integers(1, 9)) for _ in range(4))
    kernel = data.draw(st.tuples(sides, sides))
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    kernel = tuple(min(k, n + 2 * p) for k, n, p in zip(kernel, (height, width), padding, strict=True))
    convolution = nn.Conv2d(
        channels, outputs, kernel, data.draw(st.tuples(sides, sides)), padding, bias=data.draw(st.booleans())
    )
    layers: list[nn.Module] = [convolution]
    rows, columns = convolution(torch.zeros(1, channels, height, width)).shape[2:]
    window = (data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns)))
    pool = data.draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))(window, data.draw(st.tuples(sides, sides)))
    for layer in data.draw(st.permutations([pool, nn.ReLU()])):
        layers += [layer] if data.draw(st.booleans()) else []
    layers.append(nn.Flatten())
    features = nn.Sequential(*layers)(torch.zeros(1, channels, height, width)).shape[1]
    layers.append(nn.Linear(features, data.draw(st.integers(1, 20)), bias=data.draw(st.booleans())))
    images = data.draw(st.integers(1, 10))
    assert_logits_agree(nn.Sequential(*layers), (channels, height, width), members=3, images=images)


# ------------------------------------------------------------------------------------------------------------ screen


def balanced(images: int, input_shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Images about one centre per class, one of each class first: easy enough for one guess in a hundred."""
    rng = np.random.default_rng(images)
    y = np.arange(images) % classes
    centres = rng.standard_normal((classes, *input_shape))
    return (centres[y] + 0.3 * rng.standard_normal((images, *input_shape))).astype(np.float32), y


def screen(program: Program, *, start: int, count: int, **arguments) -> Screened:
    return Screener(program, **arguments).run(start, count)


def naive(net, x, y, *, half_width, unit, seed, count) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean normalised loss, smallest margin and first wrong image (or n) of each guess, in float64, one by one."""
    losses, margins, wrong = [], [], []
    for k in range(count):
        theta = half_width * plain_generator.uniform(seed, k, len(half_width))
        z = torch.from_numpy(torch_logits(net, theta[None], x)[0])
        norm = math.prod(float(layer.weight.detach().norm()) / unit for layer in net if hasattr(layer, "weight"))
        losses.append(float(nn.functional.cross_entropy(z / norm, torch.from_numpy(y))))
        others = z.clone()
        others[torch.arange(len(y)), y] = -math.inf
        lead = z[torch.arange(len(y)), y] - others.max(1).values
        margin = (lead / z.abs().max(1).values).numpy()
        margins.append(margin.min())
        wrong.append(int((margin < 0).argmax()) if (margin < 0).any() else len(y))
    return np.array(losses), np.array(margins), np.array(wrong)


SCREENED = {
    "mlp": (nn.Sequential(nn.Linear(4, 9, bias=False), nn.ReLU(), nn.Linear(9, 2)), (4,), 12, 2),
    "three classes": (nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3)), (3,), 5, 3),
    "convolution": (
        nn.Sequential(nn.Conv2d(1, 3, (3, 3)), nn.ReLU(), pools(), nn.Flatten(), nn.Linear(12, 2)),
        (1, 6, 6),
        7,
        2,
    ),
}


@pytest.mark.parametrize("quantile", [0.4, 1.0])
@pytest.mark.parametrize("name", SCREENED)
def test_screen_equals_a_naive_loop(instruction_set, name, quantile):
    net, input_shape, images, classes = SCREENED[name]
    x, y = balanced(images, input_shape, classes)
    half_width, seed, count = np.full(size_of(net), 0.8, np.float32), 11, 700
    losses, margins, wrong = naive(net, x, y, half_width=half_width, unit=2.0, seed=seed, count=count)
    right = margins >= 0
    assert right.sum() >= 5
    bound = math.inf if quantile == 1.0 else float(np.quantile(losses[right], quantile))
    program = program_of(net, input_shape, unit=2.0)
    found = screen(program, half_width=half_width, x=x, y=y, seed=seed, start=0, count=count, loss_below=bound)
    accepted = set(np.flatnonzero(right & (losses < bound)).tolist())
    nearly = set(np.flatnonzero((margins >= -2e-4) & (losses < bound * (1 + 2e-4))).tolist())
    assert accepted <= set(found.indices.tolist()) <= nearly
    assert (np.diff(found.indices) > 0).all()
    np.testing.assert_allclose(found.losses, losses[found.indices], rtol=2e-5)
    np.testing.assert_allclose(found.margins, margins[found.indices], atol=2e-5)
    if bound == math.inf and nearly == accepted:
        assert found.images_shown == np.minimum(wrong + 1, images).sum()


def lenet_arguments(images: int = 8, *, loss_below: float = math.inf) -> dict:
    x, y = balanced(images, (1, 28, 28), 2)
    return {
        "program": program_of(lenet(), (1, 28, 28), unit=3.0),
        "half_width": np.ones(11_074, np.float32),
        "x": x,
        "y": y,
        "seed": 3,
        "loss_below": loss_below,
    }


@pytest.mark.parametrize("loss_below", [math.inf, 0.6])
def test_screen_does_not_depend_on_how_guesses_are_split(instruction_set, loss_below):
    arguments = lenet_arguments(loss_below=loss_below)
    start, total = 2**40 - 300, 600
    whole = screen(**arguments, start=start, count=total)
    assert 1 <= len(whole.indices) < total
    for count in (1, 7, 64, 4096):
        parts = [
            screen(**arguments, start=begin, count=min(count, start + total - begin))
            for begin in range(start, start + total, count)
        ]
        for i in range(3):
            joined = np.concatenate([part[i] for part in parts])
            assert joined.tobytes() == np.asarray(whole[i]).tobytes()
        assert sum(part.images_shown for part in parts) == whole.images_shown


def test_all_zero_logits_have_margin_zero_and_loss_log_two(instruction_set):
    found = screen(
        Program([("linear", 0, 4, 2, 2)], (2,), 6, [(0, 4)]),
        half_width=np.array([1, 1, 1, 1, 0, 0], np.float32),
        x=np.zeros((3, 2)),
        y=np.array([0, 1, 0]),
        seed=0,
        start=0,
        count=5,
        loss_below=math.inf,
    )
    assert found.indices.tolist() == [0, 1, 2, 3, 4]
    assert found.margins.tolist() == [0.0] * 5
    np.testing.assert_allclose(found.losses, math.log(2), rtol=1e-6)
    assert found.images_shown == 15


@pytest.mark.parametrize("half_width", [3e38, 0.0])
def test_what_is_not_finite_is_never_accepted(instruction_set, half_width):
    """Infinite logits, and weights of norm zero: their normalised loss is not a number."""
    found = screen(
        Program([("linear", 0, -1, 3, 2)], (3,), 6, [(0, 6)]),
        half_width=np.full(6, half_width, np.float32),
        x=np.ones((1, 3)) * 1e3,
        y=np.array([0]),
        seed=0,
        start=0,
        count=100,
        loss_below=math.inf,
    )
    assert len(found.indices) == 0


def test_small_losses_keep_their_relative_accuracy(instruction_set):
    """Logits (c, 0) have loss log(1 + exp(-c)): from log 2 down to 1e-17."""
    x = np.linspace(0, 40, 41)[:, None]
    for value in x:
        found = screen(
            Program([("linear", 0, -1, 1, 1), ("linear", 0, -1, 1, 1), ("linear", 1, -1, 1, 2)], (1,), 3),
            half_width=np.array([1, 1, 0], np.float32),
            x=value[None],
            y=np.array([0]),
            seed=0,
            start=0,
            count=20,
            loss_below=math.inf,
        )
        drawn = draw(np.array([1, 1], np.float32), 0, found.indices.astype(np.uint64)).astype(np.float64)
        expected = np.log1p(np.exp(-value * drawn[:, 0] ** 2 * drawn[:, 1]))
        np.testing.assert_allclose(found.losses, expected, rtol=1e-5)


def test_an_empty_range_finds_nothing(instruction_set):
    found = screen(**lenet_arguments(), start=0, count=0)
    assert len(found.indices) == 0
    assert found.images_shown == 0


# ------------------------------------------------------------------------------------------------- errors and switches

WRONG_PROGRAMS = [
    ([("conv", 0, -1, 3, 2, 2, 2, 1, 1, 0, 0)], (1, 4, 4), "expects 3 channels, but 1 arrive"),
    ([("conv", 0, -1, 1, 2, 9, 2, 1, 1, 0, 0)], (1, 4, 4), "kernel is larger"),
    ([("conv", 0, -1, 1, 2, 2, 2, 0, 1, 0, 0)], (1, 4, 4), "strides must be at least 1"),
    ([("conv", 0, -1, 1, 2, 2, 2, 1, 1, 0)], (1, 4, 4), "takes 10 numbers, got 9"),
    ([("conv", 93, -1, 1, 2, 2, 2, 1, 1, 0, 0)], (1, 4, 4), "do not lie within the 100 parameters"),
    ([("linear", 0, 99, 4, 2)], (4,), "bias [99, 101)"),
    ([("linear", 0, -1, 5, 2)], (4,), "expects 5 features, but 4 arrive"),
    ([("linear", 0, -1, 4, 2)], (1, 2, 2), "flatten"),
    ([("linear", 0, -1, 4, 2), ("maxpool", 1, 1, 1, 1)], (4,), "it is flat here"),
    ([("maxpool", 5, 1, 1, 1)], (1, 4, 4), "window is larger"),
    ([("conv", 0, -1, 1, 2, 2, 2, 1, 1, 0, 0)], (1, 4, 4), "must end in one vector of logits"),
    ([("flatten",)], (1, 4, 4), "no layer with weights"),
    ([("gelu",)], (4,), "unknown layer"),
    ([()], (4,), "begins with its name"),
    ([("linear", 0, -1, 4, 2)], (2, 2), "2 axes"),
    ([("linear", 0, -1, 4, 2)], (0,), "sides must be"),
    ([("conv", 0, -1, 1, 2, 2, 2, 1, 1, 2**20, 2**20)], (1, 4, 4), "more than 2^30 numbers"),
]


@pytest.mark.parametrize(("program", "input_shape", "message"), WRONG_PROGRAMS)
def test_programs_that_do_not_fit_are_refused(program, input_shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        assert Program(program, input_shape, 100).multiply_adds


def with_weights(weights: list[tuple[int, int]]) -> Program:
    program = program_of(lenet(), (1, 28, 28))
    return Program(program.layers, program.input_shape, program.num_parameters, weights)


def one_logit() -> Program:
    """LeNet's parameters and images, and a net of one logit."""
    return Program([("flatten",), ("linear", 0, -1, 784, 1)], (1, 28, 28), 11_074)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.array([0, 2] * 4)}, "y must hold labels from 0 to 1, got 2"),
        ({"y": np.array([0, -1] * 4)}, "y must hold labels from 0 to 1, got -1"),
        ({"y": np.array([0, 1])}, "y must hold a label for each of the 8 images of x, got 2"),
        ({"x": np.zeros((8, 28, 28))}, "examples of shape (1, 28, 28)"),
        ({"x": np.zeros((0, 1, 28, 28)), "y": np.zeros(0, np.int64)}, "at least one label"),
        ({"program": with_weights([(0, 75), (70, 5)])}, "overlaps another"),
        ({"program": with_weights([(11_000, 75)])}, "does not lie within"),
        ({"seed": -1}, "seed must lie from 0"),
        ({"start": 2**63 - 10, "count": 11}, "count must lie from 0 to 10"),
        ({"loss_below": math.nan}, "loss_below must be positive"),
        ({"slack": -1.0}, "slack must be positive"),
        ({"half_width": np.full(11_074, np.nan)}, "half_width must hold finite numbers"),
        ({"half_width": np.ones(11_073)}, "half_width must have shape (11074,)"),
        ({"program": one_logit()}, "at least two logits"),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        screen(**{**lenet_arguments(), "start": 0, "count": 10, **change})


def test_the_environment_switches_the_kernel_off(monkeypatch):
    monkeypatch.setenv(native.VARIABLE, "0")
    assert not native.available()
    assert native.VARIABLE in native.unavailable_reason()
    with pytest.raises(RuntimeError, match="GOODMINIMA_NATIVE=0"):
        draw(np.ones(1, np.float32), 0, np.zeros(1, np.uint64))


def test_the_environment_chooses_the_instruction_set(instruction_set, monkeypatch):
    assert native.instruction_set() == instruction_set
    monkeypatch.setenv(native.VARIABLE, "basline")
    with pytest.raises(ValueError, match="the nearest is 'baseline'"):
        native.instruction_set()


def test_lenet_costs_what_the_arithmetic_says():
    """24 x 24 x 3 sums of 25, 8 x 8 x 8 of 75, and three linear layers."""
    expected = 24 * 24 * 3 * 25 + 8 * 8 * 8 * 75 + 128 * 60 + 60 * 42 + 42 * 2
    assert program_of(lenet(), (1, 28, 28)).multiply_adds == expected


@pytest.mark.parametrize("unit", [0.0, -1.0, math.inf, math.nan])
def test_a_unit_that_is_not_positive_is_refused(unit):
    with pytest.raises(ValueError, match="unit must be positive and finite"):
        Program([("linear", 0, -1, 4, 2)], (4,), 8, unit=unit)


def test_the_measured_bounds_of_speed_are_plausible():
    assert 1e8 < peak_flops(0.01) < 1e13
    assert 1e-9 < generator_seconds(np.ones(1000, np.float32), [(0, 900)], count=1 << 10) < 1e-3
