"""A difference from a paper's value is told only where the paper's data, net and size were run, over the whole catalogue."""

import dataclasses

import pytest
from fixed_results import EXPERIMENT, GROUP, RESULTS

from goodminima.experiments.catalogue import EXPERIMENTS
from goodminima.experiments.experiment import Experiment, Outcome
from goodminima.report.records import records_of
from goodminima.report.render import as_markdown
from goodminima.report.tables import Table, tables_of
from goodminima.run import Group, Results
from goodminima.run.request import data_set, group_of

PRINTING = [experiment for experiment in EXPERIMENTS if any(cell.printed for cell in experiment.cells)]
WHY = "The paper's values stand here for orientation, without differences: "
TABLES = ("table1", "table2", "table3", "table4", "table4_cifar10", "table6", "table7", "table8")
AT_LAPTOP = {*(f"chiang2023/{table}" for table in TABLES), "huang2020/figure1"}
NEVER = {"huang2020/figure4"}  # another net, on fewer images


def results_of(experiment: Experiment, scale: str, data: str | None = None) -> Results:
    """Two replicates a cell, each measure of which differs by far from what is printed."""
    old = RESULTS.replicates["n=2/gc"][0]
    replicates = {
        cell.name: tuple(
            dataclasses.replace(old, outcome=Outcome(values=dict.fromkeys(cell.measures, 40.0 + number)))
            for number in range(2)
        )
        for cell in experiment.cells_at(scale)
    }
    return Results(experiment=experiment, group=group_of(experiment, scale=scale, data=data), replicates=replicates)


def differences(table: Table) -> list[str]:
    return [entry.diff for row in table.rows for entry in row.entries if entry.diff or entry.far]


def assert_compared(results: Results, *, expected: bool) -> None:
    """Sigmas, bold and records say the same, and a line says why there are none."""
    tables = tables_of(results)
    assert bool(differences(tables[0])) == expected
    assert ("σ" in "".join(map(as_markdown, tables))) == expected
    assert sum(line.startswith(WHY) for table in tables for line in table.footnotes) == (not expected)
    printed = [record for record in records_of(results) if record["paper_mean"] is not None]
    assert {record["comparable"] for record in printed} == {expected}
    assert {record["difference"] is not None for record in printed} == {expected}


@pytest.mark.parametrize("experiment", PRINTING, ids=lambda experiment: experiment.name)
def test_the_first_table_that_a_newcomer_sees_compares_nothing_with_other_data(experiment: Experiment):
    assert_compared(results_of(experiment, "smoke"), expected=False)
    assert_compared(results_of(experiment, "laptop"), expected=experiment.name == "huang2020/figure1")  # on toy data


@pytest.mark.parametrize("experiment", PRINTING, ids=lambda experiment: experiment.name)
def test_with_the_papers_data_a_table_compares_where_net_and_size_are_the_papers(experiment: Experiment):
    for data in experiment.paper_data or (None,):
        assert_compared(results_of(experiment, "smoke", data), expected=False)
        assert_compared(results_of(experiment, "laptop", data), expected=experiment.name in AT_LAPTOP)
        assert_compared(results_of(experiment, "paper", data), expected=experiment.name not in NEVER)


def test_what_prints_values_on_images_names_the_images():
    assert {experiment.name for experiment in PRINTING if experiment.data and not experiment.paper_data} == set()


def test_toy_data_are_nobodys_data_set():
    with pytest.raises(ValueError, match="toy data"):
        dataclasses.replace(EXPERIMENT, data=None)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits"),
        ("ufldl-stanford/svhn:cropped_digits", "svhn"),
        ("ufldl-stanford/svhn:full_numbers", "ufldlstanford/svhnfullnumbers"),
        ("somebody/mnist", "somebody/mnist"),
        ("/data/fashion_mnist", "fashionmnist"),
        ("/data/mini-ImageNet", "miniimagenet"),
    ],
)
def test_a_data_set_is_known_by_its_name_its_id_and_its_folder(data: str, name: str):
    assert data_set(data) == name


@pytest.mark.parametrize(
    ("scale", "data", "why"),
    [
        ("laptop", "digits", None),
        ("laptop", "/some/digits", None),
        ("laptop", "/some/mnist", "they are for digits, not for mnist"),
        ("smoke", "digits", "scale smoke runs less than the paper did"),
        ("smoke", "mnist", "they are for digits, not for mnist; scale smoke runs less than the paper did"),
    ],
)
def test_one_line_says_why_there_are_no_differences(scale: str, data: str, why: str | None):
    group = Group(experiment=GROUP.experiment, scale=scale, data=data, seed=0, device="cpu")
    (table,) = tables_of(dataclasses.replace(RESULTS, group=group))
    assert [line for line in table.footnotes if line.startswith(WHY)] == ([f"{WHY}{why}."] if why else [])
