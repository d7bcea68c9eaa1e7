"""The compiled gradient against PyTorch's in float64, where ties must go, and against itself in other company."""

import re
from concurrent.futures import ThreadPoolExecutor

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from goodminima.nets.lenet import LeNet
from goodminima.population import native
from goodminima.population.compiled import CompiledNet
from goodminima.population.native import training
from goodminima.population.native.program import Program
from goodminima.population.parameters import num_parameters, slots

pytestmark = pytest.mark.skipif(not native.available(), reason=native.unavailable_reason() or "available")


def gradient(net: nn.Module, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    program = CompiledNet.of(net, x.shape[1:]).program
    return training.gradient(program, theta, x, y)


def torch_gradient(net: nn.Module, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """One member after the other, in float64."""
    net, rows = net.double(), []
    for row in theta:
        nn.utils.vector_to_parameters(torch.from_numpy(row).double(), net.parameters())
        loss = nn.functional.cross_entropy(net(torch.from_numpy(x).double()), torch.from_numpy(y))
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(net.parameters()))]).numpy())
    return np.stack(rows)


def example(net: nn.Module, shape: tuple[int, ...], *, members: int, images: int, spread: float = 0.4, seed: int = 0):
    """Members, a batch of normal images, and labels."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(-spread, spread, (members, num_parameters(net))).astype(np.float32)
    x = rng.standard_normal((images, *shape)).astype(np.float32)
    with torch.no_grad():
        classes = net.double()(torch.from_numpy(x).double()).shape[1]
    return theta, x, rng.integers(0, classes, images)


def assert_agree(net: nn.Module, got: np.ndarray, expected: np.ndarray) -> None:
    """Within 1e-4 of the largest entry of each parameter tensor, member by member."""
    assert got.shape == expected.shape
    assert got.dtype == np.float32
    for slot in slots(net):
        ours, theirs = got[:, slot.start : slot.stop], expected[:, slot.start : slot.stop]
        error = np.abs(ours - theirs).max(1)
        assert (error <= 1e-4 * np.abs(theirs).max(1)).all(), f"{slot.name}: {error}"


# ------------------------------------------------------------------------------------------- equal to PyTorch's gradient


def with_linear(*layers: nn.Module, shape: tuple[int, ...]) -> tuple[nn.Sequential, tuple[int, ...]]:
    """The layers and a linear one to three logits; with the shape of an image."""
    features = nn.Sequential(*layers, nn.Flatten())(torch.zeros(1, *shape)).shape[1]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, 3)), shape


NETS = {
    "lenet 0.5": (LeNet(width=0.5), (1, 28, 28)),
    "lenet 0.3": (LeNet(width=0.3), (1, 28, 28)),
    "lenet on colour": (LeNet(width=0.5, in_shape=(3, 32, 32), num_classes=10), (3, 32, 32)),
    "mlp": (nn.Sequential(nn.Linear(2, 20, bias=False), nn.ReLU(), nn.Linear(20, 2)), (2,)),
    "deep mlp": with_linear(nn.Linear(7, 17), nn.ReLU(), nn.Linear(17, 5), nn.ReLU(), nn.ReLU(), shape=(7,)),
    "linear": with_linear(shape=(3, 2, 2)),
    "strides, paddings, pools": with_linear(
        *(nn.Conv2d(2, 5, (3, 4), stride=(2, 3), padding=(1, 2)), nn.ReLU(), nn.AvgPool2d(2, 1)),
        *(nn.Conv2d(5, 4, 3, stride=2, padding=(2, 1), bias=False), nn.ReLU(), nn.MaxPool2d((3, 2), (1, 1))),
        shape=(2, 13, 17),
    ),
    "convolutions alone": (
        nn.Sequential(
            *(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 9, 2, padding=1), nn.ReLU()),
            *(nn.Conv2d(9, 2, 5), nn.Flatten()),
        ),
        (1, 6, 6),
    ),
    "padded image": with_linear(nn.Conv2d(2, 3, 3, padding=2), nn.MaxPool2d(2), shape=(2, 5, 5)),
    "average after relu": with_linear(
        *(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(5, 2, 2)), shape=(1, 9, 8)
    ),
    "gaps": with_linear(
        *(nn.Conv2d(2, 4, 2, stride=(2, 3)), nn.MaxPool2d((1, 2), (3, 4)), nn.Flatten(), nn.ReLU()), shape=(2, 15, 20)
    ),
    "relu after flatten": with_linear(
        *(nn.Conv2d(1, 4, 2), nn.ReLU(), nn.Conv2d(4, 2, 2), nn.Flatten(), nn.ReLU()), shape=(1, 5, 6)
    ),
    "stride that leaves a rest": with_linear(nn.Conv2d(1, 2, 2), nn.Conv2d(2, 3, 2, stride=2), shape=(1, 6, 8)),
    "no weights before the pool": with_linear(
        *(nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 2), nn.MaxPool2d((1, 2))), shape=(2, 6, 10)
    ),
    "halves that leave a rest": with_linear(
        *(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 2, 1), nn.MaxPool2d(2)), shape=(1, 8, 12)
    ),
    "pools upon pools": with_linear(
        *(nn.Conv2d(1, 3, 1), nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(2, 3)), shape=(1, 9, 12)
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_equals_torch_in_float64(instruction_set, name):
    net, shape = NETS[name]
    theta, x, y = example(net, shape, members=3, images=3)
    assert_agree(net, gradient(net, theta, x, y), torch_gradient(net, theta, x, y))


@pytest.mark.parametrize("images", [1, 2, 7, 8, 9, 20])
def test_batches_of_any_size(instruction_set, images):
    """More images than are kept at a time add up."""
    net, shape = NETS["strides, paddings, pools"]
    theta, x, y = example(net, shape, members=2, images=images)
    assert_agree(net, gradient(net, theta, x, y), torch_gradient(net, theta, x, y))


whole = st.integers(1, 3)


@settings(max_examples=80)
@given(data=st.data())
def test_any_shape_ties_included(data):
    """With weights and images of small whole numbers activations are exact, and many of them are equal or 0."""
    channels, outputs, height, width = (data.draw(st.integers(1, 9)) for _ in range(4))
    kernel, padding = data.draw(st.tuples(whole, whole)), data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    kernel = tuple(min(k, n + 2 * p) for k, n, p in zip(kernel, (height, width), padding, strict=True))
    first = nn.Conv2d(channels, outputs, kernel, data.draw(st.tuples(whole, whole)), padding)
    second = nn.Conv2d(outputs, 3, (1, 2), data.draw(st.tuples(whole, whole)), (0, 1), bias=data.draw(st.booleans()))
    rows, columns = second(first(torch.zeros(1, channels, height, width))).shape[2:]
    window = (data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns)))
    pool = data.draw(st.sampled_from([nn.MaxPool2d, nn.AvgPool2d]))(window, data.draw(st.tuples(whole, whole)))
    layers = [first, nn.ReLU(), second, *data.draw(st.permutations([pool, nn.ReLU()])), nn.Flatten()]
    features = nn.Sequential(*layers)(torch.zeros(1, channels, height, width)).shape[1]
    head = nn.Linear(features, data.draw(st.integers(1, 5)))
    net = nn.Sequential(*layers, head)
    rng, images = np.random.default_rng(data.draw(st.integers(0, 99))), data.draw(st.integers(1, 3))
    theta = rng.integers(-1, 2, (3, num_parameters(net))).astype(np.float32)
    theta[:, slots(net)[-2].start :] *= 1e-2  # logits of order one
    x = rng.integers(-1, 2, (images, channels, height, width)).astype(np.float32)
    y = rng.integers(0, head.out_features, images)
    expected = torch_gradient(net, theta, x, y)
    np.testing.assert_allclose(gradient(net, theta, x, y), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("window", "stride", "firsts"),
    [(2, 2, [(0, 0), (0, 2), (2, 0), (2, 2)]), ((1, 3), (2, 1), [(0, 0), (0, 1), (2, 0), (2, 1)])],
)
def test_equal_entries_pass_the_gradient_to_the_first(instruction_set, window, stride, firsts):
    """With a convolution of weight 0 each window holds one number; the weight's gradient says which entry was meant."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(window, stride), nn.Flatten(), nn.Linear(4, 2))
    last = np.array([[1, 2, 3, 4], [0, 0, 0, 0]], np.float32)
    theta = np.concatenate([[0, 0.5], last.ravel(), [0, 0]]).astype(np.float32)[None]
    x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4) ** 2
    probability = 1 / (1 + np.exp(-0.5 * last.sum()))
    expected = sum(
        (probability - 1) * weight * x[0, 0, row, column] for weight, (row, column) in zip(last[0], firsts, strict=True)
    )
    np.testing.assert_allclose(gradient(net, theta, x, np.array([0]))[0, 0], expected, rtol=1e-5)


def test_relu_has_slope_zero_at_zero(instruction_set):
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    theta = np.array([[0, 1, 3, 0, 0, 0]], np.float32)  # the first hidden unit is at 0
    found = gradient(net, theta, np.ones((1, 1), np.float32), np.array([1]))[0]
    np.testing.assert_allclose(found, [0, 0, 0, 0.5, 0, -0.5], atol=1e-7)


# ------------------------------------------------------------------------------------------------- each member on its own


@pytest.mark.parametrize("members", [1, 5, 16, 17])
def test_does_not_depend_on_company(instruction_set, members):
    net, shape = NETS["lenet 0.3"]
    theta, x, y = example(net, shape, members=40, images=2, spread=0.2)
    together = gradient(net, theta, x, y)
    for begin in range(0, 40, members):
        assert (
            gradient(net, theta[begin : begin + members], x, y).tobytes() == together[begin : begin + members].tobytes()
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_stays_in_its_lane(instruction_set, value):
    net, shape = NETS["lenet 0.3"]
    theta, x, y = example(net, shape, members=20, images=2, spread=0.2)
    clean = gradient(net, theta, x, y)
    theta[3] = value
    found = gradient(net, theta, x, y)
    others = np.arange(20) != 3
    assert found[others].tobytes() == clean[others].tobytes()
    assert np.isfinite(clean).all()
    assert np.isnan(found[3]).any()


def test_threads_share_nothing():
    net, shape = NETS["lenet 0.3"]
    theta, x, y = example(net, shape, members=64, images=2)
    parts = theta.reshape(4, 16, -1)
    with ThreadPoolExecutor(4) as pool:
        found = np.concatenate(list(pool.map(lambda part: gradient(net, part, x, y), parts)))
    assert found.tobytes() == gradient(net, theta, x, y).tobytes()


# --------------------------------------------------------------------------------------------------- extremes of the loss


@pytest.mark.parametrize("lead", [70.0, 1e3, 1e30])
def test_a_certain_member_has_gradient_zero_where_right_and_one_where_wrong(instruction_set, lead):
    net = nn.Sequential(nn.Linear(1, 3))
    theta = np.array([[0, 0, 0, lead, 0, 0]], np.float32)
    for label, expected in [(0, [0, 0, 0]), (1, [1, -1, 0])]:
        assert gradient(net, theta, np.ones((2, 1), np.float32), np.full(2, label))[0, 3:].tolist() == expected


def test_small_gradients_keep_their_relative_accuracy(instruction_set):
    """1 - p of a nearly certain member is summed from the other classes, not subtracted."""
    net = nn.Sequential(nn.Linear(1, 2))
    lead = np.linspace(0, 65, 66)
    theta = np.zeros((66, 4), np.float32)
    theta[:, 2] = lead
    found = gradient(net, theta, np.zeros((1, 1), np.float32), np.array([0]))
    np.testing.assert_allclose(found[:, 2], -1 / (1 + np.exp(lead)), rtol=1e-5)


def test_parameters_of_no_layer_get_zero(instruction_set):
    theta = np.ones((3, 9), np.float32)
    found = training.gradient(Program([("linear", 2, 7, 2, 2)], (2,), 9), theta, np.array([[1.0, 2.0]]), np.array([0]))
    assert (found[:, [0, 1, 6]] == 0).all()
    np.testing.assert_allclose(found[0, [2, 3, 4, 5, 7, 8]], [-0.5, -1, 0.5, 1, -0.5, 0.5])


def test_no_members_have_no_gradients(instruction_set):
    net, shape = NETS["mlp"]
    _, x, y = example(net, shape, members=1, images=2)
    assert gradient(net, np.zeros((0, num_parameters(net)), np.float32), x, y).shape == (0, num_parameters(net))


# ------------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((3, 5))}, "x must hold examples of shape (4,), got an array of shape (3, 5)"),
        ({"x": np.zeros((0, 4)), "y": np.zeros(0, np.int64)}, "at least one label"),
        ({"y": np.array([0, 1])}, "y must hold a label for each of the 3 images of x, got 2"),
        ({"y": np.zeros((3, 1), np.int64)}, "y must have one axis"),
        ({"y": np.array([0, 2, 1])}, "y must hold labels from 0 to 1, got 2"),
        ({"y": np.array([0, -1, 1])}, "y must hold labels from 0 to 1, got -1"),
        ({"theta": np.zeros((2, 9))}, "theta must have shape (members, 10)"),
        ({"theta": np.zeros(10)}, "theta must have shape (members, 10)"),
        ({"program": Program([("linear", 0, 8, 4, 2)], (4,), 9)}, "bias [8, 10) does not lie within the 9 parameters"),
        (
            {"program": Program([("linear", 0, -1, 4, 4), ("linear", 15, -1, 4, 2)], (4,), 10 + 13)}
            | {"theta": np.zeros((2, 23))},
            "two layers share parameter 15",
        ),
    ],
)
def test_wrong_arguments_are_refused(change, message):
    good = {
        "program": Program([("linear", 0, 8, 4, 2)], (4,), 10),
        "theta": np.zeros((2, 10)),
        "x": np.zeros((3, 4)),
        "y": np.array([0, 1, 0]),
    }
    with pytest.raises(ValueError, match=re.escape(message)):
        training.gradient(**{**good, **change})
