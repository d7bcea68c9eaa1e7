"""Slices are those of closed forms, and of a plain loop over the points."""

import copy
import itertools
import logging
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from slicing import Awkward, Branching, bowl, one_at_a_time, six_numbers, squares
from torch import Tensor, nn

from goodminima.core.progress import Progress
from goodminima.landscape import Direction, Line, Surface, grid, line, parameters_of, plane, surface
from goodminima.landscape import random_directions as drawn
from goodminima.nets import MLP
from goodminima.population.net_loss import Criterion
from goodminima.tasks.task import Examples

SQUARES = {"criterion": squares}


def awkward() -> Awkward:
    torch.manual_seed(0)
    net = Awkward()
    net.norm.running_mean.normal_()
    net.norm.running_var.uniform_(0.5, 2)
    return net


def points_of(found: Surface) -> np.ndarray:
    return np.array([(x, y) for y, x in itertools.product(found.y, found.x)])


def test_a_bowl_in_closed_form() -> None:
    net, batch = bowl([1.0, 4.0, 9.0], [1.0, -1.0, 0.5])
    axes = Direction(torch.tensor([1.0, 0.0, 0.0]), "a"), Direction(torch.tensor([0.0, 2.0, 2.0]), "b")
    found = surface(net, batch, directions=axes, span=((-1, 2), (-3, 1)), steps=(7, 9), criterion=squares)
    x, y = np.meshgrid(found.x, found.y)
    wanted = ((1 + x) ** 2 + 4 * (-1 + 2 * y) ** 2 + 9 * (0.5 + 2 * y) ** 2) / 2
    np.testing.assert_allclose(found.loss, wanted, rtol=1e-5, atol=1e-5)
    assert found.lengths == pytest.approx((1, 8**0.5))
    assert found.cosine == pytest.approx(0)
    assert found.area_of_cell == pytest.approx(0.5 * 0.5 * 8**0.5)


def test_coordinates_count_filter_norms() -> None:
    """One filter of norm 5 in a round bowl: at x the loss is |centre + 5 x u|^2 / 2, whatever the direction u."""
    net, batch = bowl([1.0, 1.0], [3.0, 4.0])
    found = line(net, batch, steps=21, span=(-2, 2), seed=4, criterion=squares)
    assert found.length == pytest.approx(5)
    coefficients = np.polyfit(found.x, found.loss, 2)
    assert coefficients[0] == pytest.approx(25 / 2, rel=1e-5)
    assert found.loss[10] == pytest.approx(25 / 2, rel=1e-6)


def test_a_line_between_two_nets() -> None:
    (start, batch), (end, _) = bowl([2.0, 3.0], [0.0, 0.0]), bowl([2.0, 3.0], [1.0, -1.0])
    found = line(start, batch, to=end, steps=5, criterion=squares)
    np.testing.assert_allclose(found.x, [-0.5, 0, 0.5, 1, 1.5])
    np.testing.assert_allclose(found.loss, 2.5 * found.x**2, rtol=1e-5, atol=1e-7)


def test_three_nets_lie_on_their_plane() -> None:
    nets = [bowl([1.0, 2.0, 3.0], centre)[0] for centre in ([0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [1.0, 3.0, 1.0])]
    batch = bowl([1.0, 2.0, 3.0], [0.0] * 3)[1]
    found, places = plane(nets[0], batch, others=(nets[1], nets[2]), margin=0.0, steps=3, criterion=squares)
    np.testing.assert_allclose(places, [[0, 0], [2, 0], [1, 3]], atol=1e-6)
    np.testing.assert_allclose(found.loss[0], [1.5, 2, 3.5], rtol=1e-5)
    assert found.loss[2, 1] == pytest.approx((1 + 2 * 9 + 3) / 2)


def test_curvature_along_the_hessian() -> None:
    net, batch = bowl([1.0, 7.0, 3.0], [0.0, 0.0, 0.0])
    found = surface(net, batch, directions="hessian", steps=5, criterion=squares)
    x, y = np.meshgrid(found.x, found.y)
    np.testing.assert_allclose(found.loss, (7 * x**2 + 3 * y**2) / 2, rtol=1e-5, atol=1e-6)
    assert found.units == ("along curvature 7", "along curvature 3")


@pytest.mark.parametrize("mode", ["eval", "train", "re-estimated"])
def test_batch_norm_dropout_and_tied_weights(mode: str) -> None:
    net, batch = awkward().train(), six_numbers()
    before = copy.deepcopy(net.state_dict())
    found = surface(net, batch, steps=5, seed=1, batch_norm=mode)
    steps = torch.stack([each.step for each in drawn(net, seed=1)])
    wanted = one_at_a_time(net, batch, steps, points_of(found), mode)
    np.testing.assert_allclose(found.loss.ravel(), wanted, rtol=1e-5)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_statistics_of_other_inputs() -> None:
    net, batch = awkward(), six_numbers()
    with torch.no_grad():
        net.norm.train()(net.encode(3 * batch.x))
    ours = line(net, batch, steps=3, batch_norm="re-estimated", statistics=3 * batch.x)
    own = line(net, batch, steps=3, batch_norm="re-estimated")
    net.norm.momentum = 1.0
    with torch.no_grad():
        net.norm(net.encode(3 * batch.x))
    origin = line(net, batch, steps=3)
    assert ours.loss[1] == pytest.approx(origin.loss[1], rel=1e-5)
    assert abs(own.loss[1] - ours.loss[1]) > 1e-3
    with pytest.raises(ValueError, match="statistics are for batch_norm='re-estimated', got batch_norm='eval'"):
        line(net, batch, statistics=batch.x)


def test_a_net_that_cannot_be_batched_is_looped_over_with_a_notice(caplog: pytest.LogCaptureFixture) -> None:
    torch.manual_seed(0)
    net, batch = Branching(), six_numbers()
    with caplog.at_level(logging.WARNING):
        found = surface(net, batch, steps=5)
    assert "Branching cannot be batched" in caplog.text
    wanted = one_at_a_time(net, batch, torch.stack([each.step for each in drawn(net)]), points_of(found))
    np.testing.assert_allclose(found.loss.ravel(), wanted, rtol=1e-5)


def test_randomness_that_stays_on_is_the_same_everywhere() -> None:
    class Noisy(Branching):
        def forward(self, x: Tensor) -> Tensor:
            return self.out(nn.functional.dropout(x, 0.5, training=True))

    net, batch = Noisy(), six_numbers()
    state = torch.get_rng_state()
    first, second = (line(net, batch, steps=5) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(first.loss, second.loss)
    still = Direction(1e-12 * parameters_of(net), "nothing")
    assert len(set(line(net, batch, direction=still, steps=5).loss)) == 1


def test_a_stack_equals_a_loop() -> None:
    torch.manual_seed(0)
    net, batch = MLP(in_features=6, hidden=(7, 8), num_classes=3), six_numbers()
    found = surface(net, batch, steps=(7, 5))
    wanted = one_at_a_time(net, batch, torch.stack([each.step for each in drawn(net)]), points_of(found))
    np.testing.assert_allclose(found.loss.ravel(), wanted, rtol=1e-5)
    assert found.loss.shape == (5, 7)


@pytest.mark.parametrize("net", [MLP(in_features=6, hidden=(4,), num_classes=3), awkward()])
def test_what_is_not_finite_stays_so(net: nn.Module) -> None:
    batch = six_numbers()
    far = Direction(1e30 * drawn(net, scale="plain")[0].step, "too far")
    found = line(net, batch, direction=far, steps=5, span=(-1e8, 1e8))
    wanted = one_at_a_time(net, batch, far.step[None], found.x[:, None])
    assert (found.num_nan, found.num_infinite) == (np.isnan(wanted).sum(), np.isinf(wanted).sum())
    assert found.num_nan + found.num_infinite >= 2
    assert np.isfinite(found.loss[2])
    assert found.share_below(1e9) <= 3 / 5


def test_a_call_cut_short_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_CHUNK_POINTS", 4)
    net, batch, file = awkward(), six_numbers(), tmp_path / "kept.safetensors"
    whole = surface(net, batch, steps=5)

    class Cut(Exception):
        pass

    def cut(progress: Progress) -> None:
        assert progress.total == 25
        if progress.done == 12:
            raise Cut

    with pytest.raises(Cut):
        surface(net, batch, steps=5, checkpoint=file, callback=cut)
    heard: list[float] = []
    again = surface(net, batch, steps=5, checkpoint=file, callback=lambda progress: heard.append(progress.done))
    assert heard == [16, 20, 24, 25]
    np.testing.assert_array_equal(again.loss, whole.loss)
    with pytest.raises(ValueError, match="holds points of another net, batch, criterion or grid"):
        surface(net, batch, steps=7, checkpoint=file)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        (lambda logits, y: logits.sum(1) * 0.1, lambda logits, y: logits.sum(1) * 0.9),
        (partial(F.cross_entropy, reduction="none"), partial(F.cross_entropy, reduction="none", label_smoothing=0.1)),
    ],
)
def test_points_of_another_criterion_are_refused(kept: Criterion, asked: Criterion, tmp_path: Path) -> None:
    net, batch, file = awkward(), six_numbers(), tmp_path / "kept.safetensors"
    first = line(net, batch, steps=3, criterion=kept, checkpoint=file)
    with pytest.raises(ValueError, match="holds points of another net, batch, criterion or grid"):
        line(net, batch, steps=3, criterion=asked, checkpoint=file)
    again = line(net, batch, steps=3, criterion=kept, checkpoint=file)
    np.testing.assert_array_equal(first.loss, again.loss)


def test_points_of_another_net_of_the_same_weights_are_refused(tmp_path: Path) -> None:
    net, batch, file = (
        nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)),
        six_numbers(),
        tmp_path / "kept.safetensors",
    )
    line(net, batch, steps=3, checkpoint=file)
    net[1] = nn.ReLU()
    with pytest.raises(ValueError, match="holds points of another net"):
        line(net, batch, steps=3, checkpoint=file)


def test_a_criterion_that_cannot_be_read_is_refused_only_where_points_are_kept(tmp_path: Path) -> None:
    net, batch, lock = awkward(), six_numbers(), Lock()

    def locked(logits: Tensor, y: Tensor) -> Tensor:
        with lock:
            return F.cross_entropy(logits, y, reduction="none")

    assert np.isfinite(line(net, batch, steps=3, criterion=locked).loss).all()
    with pytest.raises(
        ValueError, match=r"^criterion cannot be told from others for sure: criterion > lock is a _thread\.lock"
    ):
        line(net, batch, steps=3, criterion=locked, checkpoint=tmp_path / "kept.safetensors")


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    net, batch = awkward(), six_numbers()
    for found in (line(net, batch, steps=3), surface(net, batch, steps=3)):
        found.save(tmp_path / "slice.safetensors")
        again = type(found).load(tmp_path / "slice.safetensors")
        for name, value in vars(found).items():
            np.testing.assert_array_equal(getattr(again, name), value)
    with pytest.raises(ValueError, match="holds no Line"):
        Line.load(tmp_path / "slice.safetensors")


def test_what_is_refused() -> None:
    net, batch = awkward(), six_numbers()
    with pytest.raises(ValueError, match="directions 'filtre': choose from filter, layer, plain, hessian"):
        surface(net, batch, directions="filtre")
    with pytest.raises(ValueError, match="two directions make a plane, got 3"):
        surface(net, batch, directions=drawn(net, num_directions=3))
    with pytest.raises(ValueError, match="a direction of Awkward has"):
        line(net, batch, direction=Direction(torch.ones(3), "?"))
    with pytest.raises(ValueError, match="steps must be at least 2, got 1"):
        line(net, batch, steps=1)
    with pytest.raises(ValueError, match="span must run from"):
        surface(net, Examples(batch.x, batch.y), span=-1.0)
