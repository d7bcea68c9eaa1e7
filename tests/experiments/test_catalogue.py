"""The catalogue: what is declared, and that every cell of the smallest scale runs and returns what it declares."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import pytest

from goodminima.core.progress import Progress
from goodminima.experiments.catalogue import EXPERIMENTS, find, of_paper
from goodminima.experiments.experiment import Cell, Context, Experiment
from goodminima.report.figures import PICTURES

TWO_CLASSES = ("chiang2023/figure", "chiang2023/table1", "volume/", "huang2020/figure1")
WRONG_ON_PURPOSE = "chiang2023/table1"
SMOKE = [(experiment, cell) for experiment in EXPERIMENTS for cell in experiment.cells_at("smoke")]


def _context(experiment: Experiment, **changes) -> Context:
    given = {"experiment": experiment.name, "scale_settings": experiment.scales["smoke"].settings, "replicate": 0}
    return Context(**(given | {"seed": 0, "data": experiment.data} | changes))


@pytest.fixture(scope="session")
def trainings(shared_folder: Path) -> Path:
    """What entries of one paper share, so that the tests train it once too."""
    return shared_folder / "trainings"


def _chance(experiment: Experiment, cell: Cell, measure: str) -> float | None:
    """How often a guessed label is right, where `measure` is the accuracy of a net on examples that it has not seen."""
    if "poisoned" in cell.name:  # as wrong as the net can be, which for a small one is not very wrong
        return None
    match measure:
        case "accuracy":  # few-shot episodes
            return 1 / 5
        case "test accuracy" | "final test accuracy" | "test, random":
            return 1 / 2 if experiment.name.startswith(TWO_CLASSES) else 1 / 10
    return 1 / 2 if measure.startswith("(") else None  # a bin of the loss, in the tables of two classes


def _assert_not_by_chance(experiment: Experiment, cell: Cell, values: Mapping[str, float]) -> None:
    """A net that was guessed or trained is right more often than chance, over the bins where there are several."""
    chances = {measure: chance for measure in values if (chance := _chance(experiment, cell, measure))}
    if not chances:
        return
    right, chance = fmean(values[measure] for measure in chances), fmean(chances.values())
    assert right < chance if experiment.name == WRONG_ON_PURPOSE else right > chance


@pytest.mark.parametrize(("experiment", "cell"), SMOKE, ids=[f"{e.name}:{cell.name}" for e, cell in SMOKE])
def test_every_cell_of_the_smallest_scale_runs(experiment: Experiment, cell: Cell, trainings: Path) -> None:
    heard: list[Progress] = []
    keep = trainings / experiment.name.partition("/")[0] / (experiment.data or "toy")
    outcome = experiment.run_cell(cell, _context(experiment, callback=heard.append, trainings=keep))
    assert outcome.values
    assert set(outcome.values) <= set(cell.measures)
    if experiment.percent:
        # Differences of fractions are fractions too, below 0 where the other one is larger.
        assert all(value is None or -1 <= value <= 1 for value in outcome.values.values())
    assert all(progress.done <= progress.total for progress in heard)
    found = {measure: value for measure, value in outcome.values.items() if value is not None}
    _assert_not_by_chance(experiment, cell, found)
    missing = outcome.values.keys() - found.keys()
    assert bool(missing) <= bool(outcome.note), "whatever found nothing says so"
    if experiment.name.startswith("implicit_bias/"):
        # Theorems hold at every size; what a paper found on its data need not hold on digits.
        claimed = {cell.claims[measure]: value for measure, value in outcome.values.items() if measure in cell.claims}
        assert [claim.statement for claim, value in claimed.items() if not claim.holds(value)] == []


def test_a_replicate_is_a_function_of_its_key() -> None:
    experiment = find("chiang2023/table2")
    cell = next(cell for cell in experiment.cells if cell.name == "n=2/linear")
    first, again = (experiment.run_cell(cell, _context(experiment)) for _ in range(2))
    assert (first.values, first.counts) == (again.values, again.counts)
    other = experiment.run_cell(cell, _context(experiment, replicate=1))
    assert other.values != first.values


def test_methods_and_sample_counts_share_their_images() -> None:
    from goodminima.experiments.chiang2023.two_class import image_task

    table2, table3 = find("chiang2023/table2"), find("chiang2023/table3")
    small = image_task(_context(table2), num_samples=4)
    large = image_task(_context(table3), num_samples=8)
    assert (small.train.x == large.train.x[:4]).all()
    assert small.train.y.tolist() == [0, 1, 0, 1]


def test_printed_values_are_in_range_and_better_than_chance() -> None:
    kinds = set()
    for experiment in EXPERIMENTS:
        for cell in experiment.cells:
            for measure, printed in cell.printed.items():
                assert 0 <= printed.mean <= (1 if experiment.percent else 100)
                assert printed.standard_error is None or 0 < printed.standard_error < 0.1
                _assert_not_by_chance(experiment, cell, {measure: printed.mean})
                kinds.add(_chance(experiment, cell, measure))
    assert kinds == {None, 1 / 2, 1 / 5, 1 / 10}


def test_pictures_exist_and_names_are_unique() -> None:
    assert {experiment.picture for experiment in EXPERIMENTS} <= {None, *PICTURES}
    names = [experiment.name for experiment in EXPERIMENTS]
    assert len(set(names)) == len(names)


def test_an_unknown_name_lists_the_choices_and_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean 'chiang2023/table2'\? there are chiang2023/figure1"):
        find("chiang2023/tabel2")


def test_a_paper_is_all_its_experiments() -> None:
    assert [each.name for each in of_paper("chiang2023")] == [e.name for e in EXPERIMENTS if "chiang2023/" in e.name]
    with pytest.raises(ValueError, match=r"no such paper: 'chang2023'; did you mean 'chiang2023'\?"):
        of_paper("chang2023")
