"""The swiss-roll figures: margins and correlations that are known, minima that are shared, statements that can fail."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cells import cell_of
from scipy.stats import spearmanr

from goodminima.experiments.catalogue import find
from goodminima.experiments.experiment import Context
from goodminima.experiments.huang2020 import roll
from goodminima.experiments.huang2020.figure5 import CUTOFFS, basin_statistics, spearman_over_runs
from goodminima.experiments.huang2020.roll import BETAS, clearances, minima, roll_net
from goodminima.experiments.shared_trainings import shared_tensors
from goodminima.landscape import Regions
from goodminima.population.parameters import num_parameters
from goodminima.tasks import Examples
from goodminima.volume import basin_volume


def context_of(name: str, *, keep: Path | None = None, **settings: int) -> Context:
    smoke = replace(find(name).scales["smoke"].settings, **settings)
    return Context(experiment=name, scale_settings=smoke, replicate=0, seed=0, data=None, trainings=keep)


def test_the_net_is_that_of_the_authors_with_a_second_logit() -> None:
    """3,457 weights and 157 biases in their code; a second logit adds 31 weights and a bias."""
    assert num_parameters(roll_net()) == 3457 + 157 + 31 + 1


def test_clearances_are_distances_to_a_straight_boundary() -> None:
    """Class 1 right of x = 0.25: from a point of class 0, the first column of the grid beyond it; on the wrong side, 0 or so."""
    side = np.linspace(-1, 1, 201)
    regions = Regions((np.tile(side, (201, 1)) > 0.25).astype(np.uint8)[None], np.zeros((1, 201, 201)), (-1, 1, -1, 1))
    x = torch.tensor([[-0.5, 0.0], [0.0, 0.3], [0.9, -0.8], [0.6, 0.0]])
    found = clearances(regions, Examples(x, torch.tensor([0, 0, 1, 0])))
    assert found[0] == pytest.approx([0.76, 0.26, 0.65, 0.0], abs=1e-6)


def test_clearances_are_infinite_where_no_other_class_is_said() -> None:
    regions = Regions(np.zeros((1, 3, 3), np.uint8), np.zeros((1, 3, 3)), (-1, 1, -1, 1))
    found = clearances(regions, Examples(torch.zeros(2, 2), torch.tensor([0, 1])))
    assert found.tolist() == [[math.inf, 0.0]]


def test_rank_correlation_over_runs_is_spearmans_without_what_is_missing() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 8))
    y = x + rng.normal(size=(10, 8))
    y[3, 2] = np.nan
    there = ~np.isnan(y)
    value, error, low, high = spearman_over_runs(x, y, seed=0)
    statistic, _ = spearmanr(x[there], y[there])
    assert value == pytest.approx(statistic)
    assert low < value < high
    assert error == pytest.approx((high - low) / (2 * 1.96), rel=0.2)


def test_runs_that_are_alike_have_a_wider_interval_than_as_many_independent_entries() -> None:
    """Of 8 copies of 10 numbers the standard error is that of 10, about 1/sqrt(9), and not of 80."""
    rng = np.random.default_rng(1)
    x, y = (np.repeat(rng.normal(size=(10, 1)), 8, axis=1) for _ in range(2))
    assert 0.2 < spearman_over_runs(x, y, seed=0)[1] < 0.45


def test_what_is_kept_is_made_once_and_again_where_settings_differ(tmp_path: Path) -> None:
    calls = list[int]()

    def make() -> dict[str, torch.Tensor]:
        calls.append(len(calls))
        return {"a": torch.tensor([float(len(calls))])}

    context = context_of("huang2020/figure5", keep=tmp_path)
    first, again = (shared_tensors(context, "thing", make, made_by=[1]) for _ in range(2))
    assert first["a"].tolist() == again["a"].tolist() == [1.0]
    assert shared_tensors(context, "thing", make, made_by=[2])["a"].tolist() == [2.0]
    assert shared_tensors(replace(context, replicate=1), "thing", make, made_by=[2])["a"].tolist() == [3.0]
    assert shared_tensors(replace(context, trainings=None), "thing", make, made_by=[2])["a"].tolist() == [4.0]


def test_figures_share_one_training_a_replicate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, whole = list[int](), roll.poison_together

    def counted(*arguments, **options) -> torch.Tensor:
        trained.append(1)
        return whole(*arguments, **options)

    monkeypatch.setattr(roll, "poison_together", counted)
    outcomes = {}
    for name, cell in (("figure3", "good"), ("figure3", "bad"), ("figure6", "beta=0"), ("figure5", "beta=0")):
        rays = {"rays": 20} if name == "figure5" else {}
        context = context_of(f"huang2020/{name}", keep=tmp_path, steps=40, **rays)
        experiment = find(f"huang2020/{name}")
        outcomes[cell, name] = experiment.run_cell(cell_of(experiment, cell), context)
    assert trained == [1]
    alone = find("huang2020/figure3").run_cell(
        cell_of(find("huang2020/figure3"), "good"), context_of("huang2020/figure3", steps=40)
    )
    assert alone.values == outcomes["good", "figure3"].values
    assert trained == [1, 1]


def test_statistics_of_a_basin_are_those_of_its_rays_and_missing_where_the_minimum_lies_above() -> None:
    context = context_of("huang2020/figure5", steps=150, rays=30)
    found, number = minima(context, steps=150), BETAS.index(0.1)
    statistics = basin_statistics(context, found, number)
    train = found.task.train
    loss = float(found.population.loss(train.x, train.y)[number])
    assert np.isnan(statistics["mean radius"]).tolist() == [loss >= cutoff for cutoff in CUTOFFS]
    basin = basin_volume(
        found.population.member(number), train, cutoff=1.0, num_rays=30, seed=context.key("rays", number)
    )
    assert statistics["mean radius"][-1] == pytest.approx(basin.mean_radius, rel=1e-4)
    assert statistics["largest radius"][-1] == pytest.approx(basin.radii.max(), rel=1e-4)
    log10 = math.log(10)
    assert statistics["log10 V"][-1] == pytest.approx(basin.log_average / log10, abs=1)
    difference = statistics["log10 V, parameters"][-1] - statistics["log10 V"][-1]
    assert difference == pytest.approx(basin.log_unit / log10)


def test_the_statement_on_closeness_fails_where_minima_are_farther_than_the_norm() -> None:
    claim = cell_of(find("huang2020/figure1"), "minefield").claims["distance / norm, largest"]
    assert not claim.holds(2.0)  # 25 to 32 from iterates of norm 11 to 15: what a prototype found
    assert claim.holds(0.5)
