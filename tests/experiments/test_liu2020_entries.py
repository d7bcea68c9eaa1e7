"""Liu et al. 2020: what is claimed holds for the paper's own numbers, and no training is made twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cells import cell_of

from goodminima.core.progress import Progress
from goodminima.experiments.catalogue import find, of_paper
from goodminima.experiments.experiment import Cell, Context, Experiment, Outcome
from goodminima.experiments.liu2020 import figure1, figure4
from goodminima.experiments.liu2020.recipes import PAPER_NETS
from goodminima.experiments.liu2020.table1 import DISTANCES, TABLE1
from goodminima.experiments.liu2020.table2 import DROP, RECOVERED, TABLE2
from goodminima.train.training import Training


def context_of(experiment: Experiment, keep: Path | None = None, **changes) -> Context:
    settings = experiment.scales["smoke"].settings
    given = {"experiment": experiment.name, "scale_settings": settings, "replicate": 0, "seed": 1000}
    return Context(**(given | {"data": experiment.data, "trainings": keep} | changes))


def test_the_claims_of_table1_hold_for_the_rows_that_the_paper_prints() -> None:
    whole = 0
    for experiment in TABLE1.values():
        for cell in experiment.cells:
            found = {name: printed.mean for name, printed in cell.printed.items()}
            assert set(found) <= set(DISTANCES)
            for ratio, claim in cell.claims.items():
                over, under = ratio.split(" / ")
                if over in found and under in found:
                    assert claim.holds(found[over] / found[under]), (experiment.name, cell.name, ratio)
            whole += len(found) == 7 and cell.name in PAPER_NETS
    assert whole == 14  # and two rows that are torn apart


def test_the_claims_of_table2_hold_for_the_rows_that_the_paper_prints() -> None:
    def lost(cell: Cell) -> float:
        return cell.printed["test, random"].mean - cell.printed["test, adversarial"].mean

    vanilla = lost(cell_of(TABLE2, "vanilla"))
    for cell in TABLE2.cells:
        derived = {DROP: lost(cell), RECOVERED: lost(cell) - vanilla / 2}
        derived |= {name: printed.mean for name, printed in cell.printed.items()}
        assert [claim.statement for name, claim in cell.claims.items() if not claim.holds(derived[name])] == []
    spread = cell_of(TABLE2, "l2").printed["test, adversarial"].standard_error
    assert spread == pytest.approx(0.03732 / 5**0.5, abs=1e-6)


def test_entries_share_their_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight modes from two starts and the random labels; whatever comes later takes no step."""
    table2 = find("liu2020/table2")
    for mode in ("vanilla", "SOTA"):
        table2.run_cell(cell_of(table2, mode), context_of(table2, tmp_path))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 5

    def never(*arguments: object) -> None:
        raise AssertionError("a training is made again")

    monkeypatch.setattr(Training, "epoch", never)
    for name in ("table1", "figure2", "figure3_cinic10", "figure5", "figure6"):
        experiment = find(f"liu2020/{name}")
        for cell in experiment.cells_at("smoke"):
            outcome = experiment.run_cell(cell, context_of(experiment, tmp_path))
            assert set(outcome.values) == set(cell.measures)
    with pytest.raises(AssertionError, match="made again"):
        table2.run_cell(cell_of(table2, "DA"), context_of(table2, tmp_path))


def test_replicates_learn_from_other_images_and_starts() -> None:
    from goodminima.experiments.liu2020.trainings import SMALL, SMOKE, Trainings

    contexts = (context_of(TABLE2, replicate=number) for number in (0, 1))
    first, second = (Trainings(context=context, setting=SMOKE, net=SMALL) for context in contexts)
    assert not np.array_equal(first.task.train.x, second.task.train.x)
    assert np.array_equal(first.task.test.x, second.task.test.x)
    one, other = (next(trainings.start.parameters()).detach().numpy() for trainings in (first, second))
    assert not np.array_equal(one, other)


def test_the_shape_of_figure4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vanilla loses 3 points at each of three copies, then one at each; SOTA loses nothing, nothing, 3 and 6."""
    accuracies = {
        "vanilla": {0: 0.9, 1: 0.87, 3: 0.81, 5: 0.79, 10: 0.74},
        "SOTA": {0: 0.95, 1: 0.95, 3: 0.95, 5: 0.92, 10: 0.89},
    }
    monkeypatch.setattr(figure4, "_accuracy", lambda trainings, mode, copies: accuracies[mode][copies])
    experiment = figure4.FIGURE4
    settings = experiment.scales["laptop"].settings
    found = experiment.run_cell(cell_of(experiment, "all R"), context_of(experiment, scale_settings=settings)).values
    assert found == pytest.approx({figure4.LOST: 0.16, figure4.BENT: 0.03 - 0.01, figure4.FLAT: 0.09 / 4})


def test_what_the_paper_runs_on_its_four_nets_runs_on_one_small_net_here() -> None:
    for experiment in of_paper("liu2020"):
        if "net" in experiment.row_labels:
            assert {cell.settings.net for cell in experiment.cells_at("laptop")} == {"SmallConv"}
            assert {cell.settings.net for cell in experiment.cells_at("paper")} == set(PAPER_NETS)


def _four_settings(**changes) -> dict[str, Outcome]:
    experiment = figure1.FIGURE1
    return {cell.name: experiment.run_cell(cell, context_of(experiment, **changes)) for cell in experiment.cells}


def test_the_four_settings_of_figure1_share_points_and_random_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_RANDOM_LABELS", "_AGAIN", "_TRUE_LABELS"):  # the catalogue's test trains to the end
        monkeypatch.setattr(figure1, name, replace(getattr(figure1, name), epochs=20))
    monkeypatch.setattr(figure1, "_GRID", figure1._COARSE)
    heard: list[Progress] = []
    found = _four_settings(trainings=tmp_path, callback=heard.append)
    random, labels = found["random"], found["random-labels"]
    np.testing.assert_array_equal(random.arrays["x"], labels.arrays["x"])
    assert not np.array_equal(random.arrays["y"], labels.arrays["y"])
    for name in ("adversarial", "adversarial-regularised"):
        np.testing.assert_array_equal(random.arrays["y"], found[name].arrays["y"])
    assert {progress.unit for progress in heard} == {"examples of random labels", "examples of true labels"}


@pytest.mark.slow
def test_the_claims_of_figure1_hold_on_points_whose_random_labels_are_soon_fitted(tmp_path: Path) -> None:
    found = _four_settings(trainings=tmp_path, seed=1002)
    claimed = {
        claim.statement: claim.holds(found[cell.name].values[measure])
        for cell in figure1.FIGURE1.cells
        for measure, claim in cell.claims.items()
    }
    assert [statement for statement, holds in claimed.items() if not holds] == []


@pytest.mark.slow
@pytest.mark.parametrize("replicate", range(20))
def test_random_labels_are_fitted_to_the_last_point(replicate: int) -> None:
    from goodminima.tasks.corrupt import with_random_labels
    from goodminima.tasks.gaussians import two_gaussians

    context = context_of(figure1.FIGURE1, replicate=replicate)
    task = two_gaussians(seed=context.key("points"))
    shuffled = replace(task, train=with_random_labels(task.train, num_classes=2, seed=context.key("labels")))
    net = figure1.fit_random_labels(figure1.start_of(context), shuffled, context)
    assert (net(shuffled.train.x).argmax(1) == shuffled.train.y).all()
