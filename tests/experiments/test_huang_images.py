"""The figures on images of Huang et al.: what they share is trained once, and what they measure is what they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from goodminima.experiments.experiment import Context
from goodminima.experiments.huang2020 import figure4, images
from goodminima.experiments.huang2020.basins import STATISTICS, statistics_below
from goodminima.experiments.huang2020.figure4 import FIGURE4
from goodminima.experiments.huang2020.figure5_svhn import FIGURE5_SVHN
from goodminima.experiments.huang2020.figure7 import FIGURE7
from goodminima.experiments.huang2020.images import MINIMA, ThinNet, basin_around, loss_at, minimum, probe_of, task_of
from goodminima.nets import ThinResNet
from goodminima.volume import basin_volume, basin_volume_of


def smoke(keep: Path | None = None) -> Context:
    settings = FIGURE4.scales["smoke"].settings
    return Context(experiment="e", scale_settings=settings, replicate=0, seed=0, data="digits", trainings=keep)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """One folder for all tests of this file: they, too, train each minimum once."""
    return smoke(tmp_path_factory.mktemp("trainings"))


def test_a_minimum_is_trained_once_for_all_figures(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(context)
    first = minimum(context, task, 0.5)
    heard = []
    again = minimum(replace(context, experiment="another", callback=heard.append), task, 0.5)
    assert heard == []
    assert all(map(torch.equal, first.net.state_dict().values(), again.net.state_dict().values()))
    assert FIGURE7.scales["laptop"].settings.minima == images.MINIMA["laptop"]
    assert FIGURE4.scales["laptop"].settings.minima == images.MINIMA["laptop"]


def test_good_and_bad_differ_in_nothing_but_beta_and_both_fit(context: Context) -> None:
    task = task_of(context)
    good, bad = (minimum(context, task, beta) for beta in (0.0, 0.5))
    assert good.last.train_accuracy == bad.last.train_accuracy == 1
    assert bad.last.test_accuracy < good.last.test_accuracy - 0.1
    weights = [fitted.net.get_parameter("0.weight") for fitted in (good, bad)]
    start = images._start(context, task).get_parameter("0.weight")
    assert all(not torch.equal(weight, start) for weight in weights)
    apart, far = (weights[0] - weights[1]).norm(), (weights[0] - start).norm() + (weights[1] - start).norm()
    other = images._start(replace(context, replicate=1), task).get_parameter("0.weight")
    assert apart < far
    assert apart < (weights[0] - other).norm()  # one start, not two


def test_rays_are_those_of_basin_volume(context: Context) -> None:
    net, probe = minimum(context, task_of(context), 0.0).net, probe_of(task_of(context), context)
    heard = []
    ours = basin_around(replace(context, callback=heard.append), net, probe, cutoffs=[0.1, 1.0], rays=4, seed=3)
    wanted = basin_volume(net, probe, cutoff=[0.1, 1.0], num_rays=4, seed=3, batch_norm="eval")
    np.testing.assert_allclose(ours.radii, wanted.radii, rtol=2e-4)
    assert ours.dimension == wanted.dimension
    assert len(heard) == ours.evaluations
    assert loss_at(net, probe) < 0.1


def test_statistics_are_those_of_a_ball_and_missing_below_the_minimum() -> None:
    def measure(cutoffs: list[float]):
        return basin_volume_of(lambda theta: 0.3 + theta.norm(dim=1), torch.zeros(3), cutoff=cutoffs, num_rays=20)

    found = dict(zip(STATISTICS, statistics_below(measure, loss=0.3, cutoffs=(0.1, 0.3, 2.3)), strict=True))
    assert all(np.isnan(values[:2]).all() for values in found.values())
    assert found["mean radius"][2] == pytest.approx(2, rel=1e-2)
    assert found["log10 V"][2] == pytest.approx(np.log10(4 / 3 * np.pi * 8), abs=0.01)
    above = statistics_below(measure, loss=5.0, cutoffs=(0.1, 1.0))
    assert np.isnan(above).all()


def test_area_and_loss_at_a_distance_of_a_cone() -> None:
    along = np.linspace(-figure4.SPAN, figure4.SPAN, 101)
    cone = np.hypot(*np.meshgrid(along, along))
    assert figure4.area(cone) == pytest.approx(np.pi * 0.1**2 / (2 * figure4.SPAN) ** 2, rel=0.05)
    assert figure4.loss_at_distance(cone) == pytest.approx(0.1, rel=0.01)


def test_the_paper_scale_has_the_papers_net_and_takes_a_step() -> None:
    for experiment in (FIGURE4, FIGURE7, FIGURE5_SVHN):
        assert experiment.scales["paper"].settings.minima.net == ThinNet(blocks=3, width=16)
    net = ThinResNet(blocks=3, width=16)
    assert sum(parameter.numel() for parameter in net.parameters()) == 269_722
    context = smoke()
    one_step = replace(MINIMA["paper"], epochs=1, images=MINIMA["smoke"].images, batches=(20, 8))
    paper = replace(FIGURE4.scales["paper"].settings, minima=one_step)
    fitted = minimum(context.with_settings(paper), task_of(context), 0.5)
    assert fitted.steps == 1
    assert sum(parameter.numel() for parameter in fitted.net.parameters()) == 269_722 - 2 * 9 * 16  # grey images
