"""Directions have the norms they say, and curvatures are those of a known quadratic."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from slicing import Awkward, bowl, six_numbers, squares
from torch import nn

from goodminima.landscape import between, hessian_eigenpairs, parameters_of, random_directions, through
from goodminima.population.parameters import slots


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


@pytest.mark.parametrize("vectors", ["fixed", "own"])
def test_every_filter_moves_by_its_own_norm(net: nn.Module, vectors: str) -> None:
    theta = parameters_of(net)
    for direction in random_directions(net, vectors=vectors, seed=1):
        for slot in slots(net):
            step, own = direction.step[slot.start : slot.stop], theta[slot.start : slot.stop]
            if slot.is_matrix:
                step, own = step.view(slot.shape[0], -1), own.view(slot.shape[0], -1)
                torch.testing.assert_close(step.norm(dim=1), own.norm(dim=1))
            else:
                wanted = own.norm() if vectors == "own" else torch.tensor(0.0)
                torch.testing.assert_close(step.norm(), wanted)


def test_layers_and_plain_lengths(net: nn.Module) -> None:
    theta = parameters_of(net)
    for direction in random_directions(net, scale="layer"):
        for slot in slots(net):
            wanted = theta[slot.start : slot.stop].norm() if slot.is_matrix else torch.tensor(0.0)
            torch.testing.assert_close(direction.step[slot.start : slot.stop].norm(), wanted)
    for direction in random_directions(net, scale="plain", num_directions=3):
        assert direction.length == pytest.approx(1)
        assert bool((direction.step != 0).all())


def test_a_direction_does_not_depend_on_how_many_are_drawn(net: nn.Module) -> None:
    few, many = random_directions(net, num_directions=1, seed=5), random_directions(net, num_directions=3, seed=5)
    assert torch.equal(few[0].step, many[0].step)
    assert not torch.equal(many[0].step, many[1].step)
    assert not torch.equal(few[0].step, random_directions(net, num_directions=1, seed=6)[0].step)


def test_rescaling_a_filter_rescales_its_step_alone(net: nn.Module) -> None:
    twin = copy.deepcopy(net)
    with torch.no_grad():
        twin[0].weight[2] *= 8
    (ours,), (theirs,) = random_directions(net, num_directions=1), random_directions(twin, num_directions=1)
    wanted = ours.step.clone()
    slots(net)[0].filters(wanted)[2] *= 8
    torch.testing.assert_close(theirs.step, wanted)


def test_nets_at_given_places() -> None:
    def at(*values: float) -> nn.Module:
        return bowl([1.0] * 3, list(values))[0]

    start, first, second = at(1, 0, 0), at(1, 3, 0), at(1, 4, 5)
    assert between(start, first).step.tolist() == [0, 3, 0]
    x, y = through(start, [first, second])
    torch.testing.assert_close(x.step, torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(y.step, torch.tensor([0.0, 0.0, 1.0]))
    with pytest.raises(ValueError, match="net 2 of 2 lies on the line"):
        through(start, [first, at(1, -6, 0)])


def test_curvatures_of_a_quadratic() -> None:
    curvatures = [0.5, 9.0, 2.0, 4.0, 0.1]
    net, batch = bowl(curvatures, [1.0, -2.0, 3.0, 0.5, 0.0])
    found = hessian_eigenpairs(net, batch, num_pairs=3, criterion=squares)
    np.testing.assert_allclose(found.values, [9, 4, 2], rtol=1e-6)
    for direction, place in zip(found.directions, (1, 3, 2), strict=True):
        torch.testing.assert_close(direction.step, torch.eye(5)[place], atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_eigenpairs_are_those_of_the_whole_matrix(mode: str) -> None:
    torch.manual_seed(0)
    net, batch = Awkward().eval(), six_numbers()
    net.norm.running_mean.normal_()
    found = hessian_eigenpairs(net, batch, num_pairs=2, batch_norm=mode)
    twin = copy.deepcopy(net).double()
    if mode == "train":
        twin.norm.train()
    theta = parameters_of(twin)

    def loss(vector: torch.Tensor) -> torch.Tensor:
        named = {slot.name: vector[slot.start : slot.stop].view(slot.shape) for slot in slots(twin)}
        return F.cross_entropy(torch.func.functional_call(twin, named, (batch.x.double(),)), batch.y)

    whole = torch.autograd.functional.hessian(loss, theta)
    values, vectors = torch.linalg.eigh(whole)
    np.testing.assert_allclose(found.values, values.flip(0)[:2], rtol=1e-6)
    for direction, vector in zip(found.directions, vectors.T.flip(0), strict=False):
        assert abs(float(direction.step.double() @ vector)) == pytest.approx(1, abs=1e-5)


def test_what_is_refused(net: nn.Module) -> None:
    with pytest.raises(ValueError, match="scale 'filters': choose from filter, layer, plain; the nearest is 'filter'"):
        random_directions(net, scale="filters")
    zero, batch = bowl([1.0, 1.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="Linear has no filter with a norm above 0: use scale='plain'"):
        random_directions(zero)
    with pytest.raises(ValueError, match="num_pairs must lie between 1 and 1"):
        hessian_eigenpairs(zero, batch, num_pairs=2)
    with pytest.raises(ValueError, match="as many parameters are needed, got 2 and 3"):
        between(zero, bowl([1.0] * 3, [1.0] * 3)[0])
