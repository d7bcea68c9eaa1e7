"""Figure 3 and Tables 6 to 8: the proof holds, and what the remarks say of the printed rows is so."""

import pytest
from cells import cell_of

from goodminima.experiments.catalogue import find
from goodminima.experiments.chiang2023.table6 import TABLE6
from goodminima.experiments.chiang2023.table7 import TABLE7
from goodminima.experiments.chiang2023.table8 import TABLE8
from goodminima.experiments.experiment import Context, Experiment, Outcome


def run(experiment: Experiment, name: str) -> Outcome:
    settings = experiment.scales["smoke"].settings
    context = Context(experiment=experiment.name, scale_settings=settings, replicate=0, seed=0, data=experiment.data)
    return experiment.run_cell(cell_of(experiment, name), context)


def means(experiment: Experiment, name: str) -> list[float]:
    return [printed.mean for printed in cell_of(experiment, name).printed.values()]


def test_every_step_of_the_proof_holds() -> None:
    experiment = find("chiang2023/figure3")
    cell, outcome = cell_of(experiment, "zig-zag/no-biases/proof"), run(experiment, "zig-zag/no-biases/proof")
    assert [claim.statement for name, claim in cell.claims.items() if not claim.holds(outcome.values[name])] == []
    assert outcome.values["right"] == 24


def test_the_linear_boundary_has_the_volume_that_20_million_guesses_gave() -> None:
    """-3.754 +- 0.007; fixed seed, four combined standard errors."""
    experiment = find("chiang2023/figure3")
    outcome = run(experiment, "linear/no-biases/counting")
    assert outcome.values["log10 V"] == pytest.approx(
        -3.754, abs=4 * (outcome.errors["log10 V"] ** 2 + 0.007**2) ** 0.5
    )
    assert outcome.values["slab accuracy"] > 0.95


@pytest.mark.parametrize(
    ("experiment", "name", "other", "row"),
    [
        (TABLE6, "w=0.5/gc", "chiang2023/table2", "n=16/gc"),
        (TABLE7, "cube-1/n=24/gc", "chiang2023/table2", "n=32/gc"),
        (TABLE8, "cube-1/n=36/gc", "chiang2023/table3", "n=24/gc"),
    ],
)
def test_rows_that_the_paper_prints_twice_are_the_same(experiment: Experiment, name: str, other: str, row: str) -> None:
    assert means(experiment, name) == means(find(other), row)


def test_what_the_paper_leaves_empty_in_table6_has_no_printed_value_and_a_row_by_splitting() -> None:
    empty = {cell.name: len(cell.measures) - len(cell.printed) for cell in TABLE6.cells}
    assert empty["w=1/splitting"] == empty["w=1/gc"] == 5
    assert sum(count for name, count in empty.items() if name.endswith("/gc")) == 5 + 4 + 2
    assert {cell.settings.optimizer for cell in TABLE6.cells} == {"G&C", "splitting"}


def test_priors_and_sample_counts_share_their_images_and_differ_in_their_guesses() -> None:
    names = [f"{prior}/n=24/gc" for prior in ("cube-1", "cube-5")]
    first, second = (run(TABLE7, name) for name in names)
    assert first.values.keys() == second.values.keys()
    assert first.counts != second.counts
